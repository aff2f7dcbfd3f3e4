import cors from '@fastify/cors'
import { test } from 'tap'
import { startHost } from '../helpers/host.js'
import { assertRoutes } from '../helpers/assert-routes.js'

const origin = 'https://app.example'

test("@fastify/cors: a preflight passes even under protect 'all'", async (t) => {
  const host = await startHost(t, {
    options: { protect: 'all' },
    before: async (app) => {
      await app.register(cors, { origin, exposedHeaders: ['Weapp-Error', 'Weapp-Session', 'Retry-After'], methods: ['GET', 'POST'] })
    }
  })
  await assertRoutes(t, host, { nextHeaders: () => ({ origin }) })

  for (const [url, method] of [['/me', 'GET'], ['/weapp/login', 'POST'], ['/weapp/logout', 'POST']] as const) {
    const preflight = await host.app.inject({
      method: 'OPTIONS',
      url,
      headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': 'authorization' }
    })
    t.equal(preflight.statusCode, 204, url)
    t.equal(preflight.headers['access-control-allow-origin'], origin)
    t.equal(preflight.headers['access-control-allow-headers'], 'authorization')
    t.equal(preflight.headers['weapp-error'], undefined)
  }

  const refused = await host.app.inject({ url: '/me', headers: { origin } })
  t.match(refused.headers, {
    'access-control-allow-origin': origin,
    'access-control-expose-headers': 'Weapp-Error, Weapp-Session, Retry-After',
    'weapp-error': 'FST_WEAPP_TOKEN_MISSING'
  }, 'a page can read the error code')
  const guest = await host.app.inject({ url: '/feed', headers: { origin, authorization: 'Bearer a.b.c' } })
  t.match(guest.headers, {
    'access-control-expose-headers': 'Weapp-Error, Weapp-Session, Retry-After',
    'weapp-session': 'FST_WEAPP_TOKEN_INVALID'
  }, 'a page can read why its session ended')
})
