import helmet from '@fastify/helmet'
import { test } from 'tap'
import { startHost } from '../helpers/host.js'
import { assertRoutes } from '../helpers/assert-routes.js'

test('@fastify/helmet: responses have its headers and those of the plugin', async (t) => {
  const host = await startHost(t, { before: async (app) => { await app.register(helmet) } })
  await assertRoutes(t, host)
  const login = await host.post('/weapp/login', { code: host.wechat.login('alice') })
  const refused = await host.get('/me')
  for (const { headers } of [login, refused]) {
    t.match(headers, {
      'x-content-type-options': 'nosniff', 'content-security-policy': String, 'cache-control': 'no-store'
    })
  }
})
