import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import websocket from '@fastify/websocket'
import { test, type Test } from 'tap'
import { WebSocket } from 'ws'
import { APP_ID, startHost, type Host } from '../helpers/host.js'

/** Starts a host with a guarded WebSocket. It sends the openid and authenticates again with every message. */
async function startChat (t: Test): Promise<Host> {
  const host = await startHost(t, {
    before: async (app) => { await app.register(websocket) },
    after: (app) => {
      app.get('/chat', { websocket: true, config: { weapp: true } }, (socket, request) => {
        socket.send(`hello ${app.weapp.identity(request).openid}`)
        socket.on('message', () => {
          const { headers, log } = request
          app.weapp.authenticate({ headers, log })
            .then(() => socket.send('still signed in'), ({ code }) => socket.close(4401, code))
        })
      })
    }
  })
  await host.app.listen({ port: 0, host: '127.0.0.1' })
  return host
}

function connect ({ app }: Host, token?: string): WebSocket {
  const { port } = app.server.address() as AddressInfo
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
  return new WebSocket(`ws://127.0.0.1:${port}/chat`, { headers })
}

const nextMessage = async (socket: WebSocket) => String((await once(socket, 'message'))[0])

test('@fastify/websocket: the guard runs before the connection is upgraded', async (t) => {
  const host = await startChat(t)
  const { token } = await host.signIn()
  const refusal = async (token?: string) => {
    const socket = connect(host, token)
    const [request, response] = await once(socket, 'unexpected-response') as [{ destroy (): void }, IncomingMessage]
    const { statusCode, headers } = response
    request.destroy()
    return [statusCode, headers['weapp-error']]
  }

  const socket = connect(host, token)
  t.equal(await nextMessage(socket), `hello ${host.wechat.openid('alice')}`)
  socket.close()
  t.strictSame(await refusal(), [401, 'FST_WEAPP_TOKEN_MISSING'])
  t.strictSame(await refusal('nonsense'), [401, 'FST_WEAPP_TOKEN_INVALID'])
  await host.post('/weapp/logout', undefined, token)
  t.strictSame(await refusal(token), [401, 'FST_WEAPP_SESSION_REVOKED'])
})

test('@fastify/websocket: an open connection can authenticate again', async (t) => {
  const host = await startChat(t)
  const { token } = await host.signIn()
  const socket = connect(host, token)
  await nextMessage(socket)
  socket.send('anything')
  t.equal(await nextMessage(socket), 'still signed in')

  await host.app.weapp.sessions.revokeAll({ appId: APP_ID, openid: host.wechat.openid('alice') })
  socket.send('anything')
  t.strictSame((await once(socket, 'close')).map(String), ['4401', 'FST_WEAPP_SESSION_KICKED'])
})
