import { once } from 'node:events'
import { connect, type ClientHttp2Session } from 'node:http2'
import { text } from 'node:stream/consumers'
import Fastify from 'fastify'
import { test } from 'tap'
import weapp, { memoryStore } from '../../src/index.js'
import { startWechatSimulator } from '../../src/testing/simulator/simulator.js'
import { APP_ID, APP_SECRET, SECRET } from '../helpers/host.js'

async function send (
  session: ClientHttp2Session, method: string, path: string, { token, body }: { token?: string, body?: object } = {}
) {
  const stream = session.request({
    ':method': method,
    ':path': path,
    ...token !== undefined && { authorization: `Bearer ${token}` },
    ...body !== undefined && { 'content-type': 'application/json' }
  })
  stream.end(body && JSON.stringify(body))
  const [headers] = await once(stream, 'response')
  return { status: headers[':status'], error: headers['weapp-error'], json: JSON.parse(await text(stream) || 'null') }
}

test('HTTP/2: login, guarded routes and logout work', async (t) => {
  const wechat = await startWechatSimulator({ apps: { [APP_ID]: APP_SECRET } })
  const app = Fastify({ http2: true })
  await app.register(weapp, {
    appId: APP_ID, appSecret: APP_SECRET, secret: SECRET, store: memoryStore(), wechat: { baseUrl: wechat.url }
  })
  app.get('/me', { config: { weapp: true } }, async (request) => ({ openid: request.weapp?.openid }))
  app.get('/manual', async (request) => {
    await app.weapp.authenticate(request)
    return { openid: app.weapp.identity(request).openid }
  })
  app.post<{ Body: { code: string } }>('/sign-in', async (request, reply) => {
    reply.header('cache-control', 'no-store')
    return await app.weapp.login(request, { code: request.body.code })
  })
  const origin = await app.listen({ port: 0, host: '127.0.0.1' })
  const session = connect(origin)
  t.teardown(async () => {
    session.destroy()
    await app.close()
    await wechat.close()
  })

  for (const path of ['/weapp/login', '/sign-in']) {
    const { status, json: { token } } = await send(session, 'POST', path, { body: { code: wechat.login('alice') } })
    t.equal(status, 200, path)
    for (const guarded of ['/me', '/manual']) {
      t.strictSame((await send(session, 'GET', guarded, { token })).json, { openid: wechat.openid('alice') }, guarded)
      t.match(await send(session, 'GET', guarded), { status: 401, error: 'FST_WEAPP_TOKEN_MISSING' })
    }
    t.equal((await send(session, 'POST', '/weapp/logout', { token })).status, 204)
    t.match(await send(session, 'GET', '/me', { token }), { status: 401, error: 'FST_WEAPP_SESSION_REVOKED' })
  }
})
