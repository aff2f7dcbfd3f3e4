/** Sends many requests at once. All connections are open before the first request is written. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { createHistogram } from 'node:perf_hooks'

/** Fits the backlog of a listening server. */
const CONNECT_BATCH = 200
const TIMEOUT_MS = 60_000

export async function burst ({ url, count }) {
  const { hostname, port, host, pathname } = new URL(url)
  const sockets = []
  try {
    while (sockets.length < count) {
      const length = Math.min(CONNECT_BATCH, count - sockets.length)
      const batch = Array.from({ length }, () => connect({ port, host: hostname }))
      sockets.push(...batch)
      await Promise.all(batch.map((socket) => once(socket, 'connect')))
    }
    const run = `${Date.now()}${Math.random()}`
    const start = performance.now()
    const responses = await Promise.all(sockets.map((socket, index) => {
      const body = JSON.stringify({ code: `burst-${run}-${index}` })
      const head = [
        `POST ${pathname} HTTP/1.1`, `host: ${host}`, 'content-type: application/json', `content-length: ${body.length}`
      ].join('\r\n')
      return send(socket, `${head}\r\n\r\n${body}`, start)
    }))
    return summary(responses)
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

/** Sends a request. Resolves to the status and the milliseconds since `start`. The first chunk contains the status. */
function send (socket, request, start) {
  return new Promise((resolve) => {
    const end = (status) => resolve({ status, after: performance.now() - start })
    socket.once('data', (data) => end(/^HTTP\/1\.1 (\d{3})/.exec(data.toString('latin1'))?.[1] ?? 'garbled'))
    socket.once('error', () => end('failed'))
    socket.once('close', () => end('closed'))
    socket.setTimeout(TIMEOUT_MS, () => end('timeout'))
    socket.write(request)
  })
}

function summary (responses) {
  const histogram = createHistogram()
  const statuses = {}
  for (const { status, after } of responses) {
    statuses[status] = (statuses[status] ?? 0) + 1
    histogram.record(Math.max(1, Math.round(after * 1000)))
  }
  const milliseconds = (percentile) => histogram.percentile(percentile) / 1000
  return { statuses, p50: milliseconds(50), p99: milliseconds(99), last: milliseconds(100) }
}
