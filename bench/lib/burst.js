/** Requests that arrive at once: every connection is open before the first request is written. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { createHistogram } from 'node:perf_hooks'

/** As many connections at a time as fit the backlog of a listening server. */
const OPENED_AT_ONCE = 200
const TIMEOUT_MS = 60_000

export async function burst ({ url, count }) {
  const { hostname, port, host, pathname } = new URL(url)
  const sockets = []
  try {
    while (sockets.length < count) {
      const batch = Array.from({ length: Math.min(OPENED_AT_ONCE, count - sockets.length) }, () => connect({ port, host: hostname }))
      sockets.push(...batch)
      await Promise.all(batch.map((socket) => once(socket, 'connect')))
    }
    const run = `${Date.now()}${Math.random()}`
    const start = performance.now()
    const answers = await Promise.all(sockets.map((socket, index) => {
      const body = JSON.stringify({ code: `burst-${run}-${index}` })
      const head = `POST ${pathname} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}`
      return answerTo(socket, `${head}\r\n\r\n${body}`, start)
    }))
    return summary(answers)
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

/** Its status, and when it came. Answers are small: the first piece holds the status. */
function answerTo (socket, request, start) {
  return new Promise((resolve) => {
    const end = (status) => resolve({ status, after: performance.now() - start })
    socket.once('data', (data) => end(/^HTTP\/1\.1 (\d{3})/.exec(data.toString('latin1'))?.[1] ?? 'garbled'))
    socket.once('error', () => end('failed'))
    socket.once('close', () => end('closed'))
    socket.setTimeout(TIMEOUT_MS, () => end('timeout'))
    socket.write(request)
  })
}

function summary (answers) {
  const histogram = createHistogram()
  const statuses = {}
  for (const { status, after } of answers) {
    statuses[status] = (statuses[status] ?? 0) + 1
    histogram.record(Math.max(1, Math.round(after * 1000)))
  }
  const milliseconds = (percentile) => histogram.percentile(percentile) / 1000
  return { statuses, p50: milliseconds(50), p99: milliseconds(99), last: milliseconds(100) }
}
