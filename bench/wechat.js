/** A minimal WeChat. It accepts any code as a new user and responds at once or after a delay. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { serve } from './lib/rpc.js'

async function start (delay) {
  const server = createServer((_request, response) => {
    const body = JSON.stringify({
      session_key: randomBytes(16).toString('base64'),
      openid: `o${randomBytes(21).toString('base64url').slice(0, 27)}`
    })
    const send = () => response.setHeader('content-type', 'text/plain').end(body)
    if (delay === 0) send()
    else setTimeout(send, delay)
  })
  // The backlog fits 2,000 connections, because a side may open one per login. Otherwise handshakes would wait.
  server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
  await once(server, 'listening')
  return `http://127.0.0.1:${server.address().port}`
}

serve({ start })
