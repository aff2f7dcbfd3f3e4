import rateLimit from '@fastify/rate-limit'
import { test } from 'tap'
import { startHost } from '../helpers/host.js'
import { assertRoutes } from '../helpers/assert-routes.js'

test('T48: @fastify/rate-limit: may limit the login route only', async (t) => {
  const host = await startHost(t, {
    before: async (app) => { await app.register(rateLimit, { global: false }) },
    options: { routes: { login: { config: { rateLimit: { max: 4, timeWindow: '1 hour' } } } } }
  })
  await assertRoutes(t, host)

  const { token } = await host.signIn()
  host.wechat.clearRequests()
  const limited = await host.post('/weapp/login', { code: host.wechat.login('alice') })
  t.equal(limited.statusCode, 429)
  t.match(limited.headers, { 'cache-control': 'no-store', 'retry-after': String, 'x-ratelimit-remaining': '0' })
  t.equal(limited.headers['weapp-error'], undefined, 'not a limit of WeChat')
  t.strictSame(host.wechat.requests, [], 'no request to WeChat')
  for (let i = 0; i < 6; i++) t.equal((await host.get('/me', token)).statusCode, 200, 'other routes have no limit')
})

test('@fastify/rate-limit: a global limit refuses before the guard', async (t) => {
  const host = await startHost(t, {
    before: async (app) => {
      await app.register(rateLimit, {
        max: 2, timeWindow: '1 hour', keyGenerator: (request) => String(request.headers['x-device'])
      })
    }
  })
  let requests = 0
  await assertRoutes(t, host, { nextHeaders: () => ({ 'x-device': `${requests++}` }) })

  const { token } = await host.signIn('alice', { 'x-device': 'one phone' })
  const get = (url: string, token: string) => host.app.inject({
    url, headers: { 'x-device': 'one phone', authorization: `Bearer ${token}` }
  })
  t.equal((await get('/me', token)).headers['x-ratelimit-remaining'], '0', 'after the login and this request')
  for (const [url, bearer] of [['/me', token], ['/me', 'a.b.c'], ['/weapp/session', token]] as const) {
    const limited = await get(url, bearer)
    t.equal(limited.statusCode, 429, url)
    t.equal(limited.headers['weapp-error'], undefined)
  }
  t.equal((await get('/weapp/session', token)).headers['cache-control'], 'no-store')
})
