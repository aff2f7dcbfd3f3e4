import cookie from '@fastify/cookie'
import session from '@fastify/session'
import { test } from 'tap'
import { startHost } from '../helpers/host.js'
import { assertRoutes } from '../helpers/assert-routes.js'

declare module 'fastify' {
  interface Session { visits?: number }
}

test('@fastify/session: its sessions and those of the plugin are independent', async (t) => {
  const host = await startHost(t, {
    before: async (app) => {
      await app.register(cookie)
      await app.register(session, { secret: 'the secret of the host, for its own cookies', cookie: { secure: false } })
    },
    after: (app) => {
      app.get('/visits', { config: { weapp: true } }, async (request) => {
        request.session.visits = (request.session.visits ?? 0) + 1
        return { visits: request.session.visits, id: request.weapp!.session.id, hostId: request.session.sessionId }
      })
    }
  })
  await assertRoutes(t, host)

  const { token } = await host.signIn()
  const first = await host.get('/visits', token)
  t.equal(first.json().visits, 1)
  const { name, value } = first.cookies[0]!
  const second = await host.app.inject({
    url: '/visits', headers: { authorization: `Bearer ${token}` }, cookies: { [name]: value }
  })
  t.equal(second.json().visits, 2, 'the cookie selects the session of the host')
  t.equal(second.json().id, first.json().id)
  t.not(second.json().id, second.json().hostId)
  const cookieOnly = await host.app.inject({ url: '/visits', cookies: { [name]: value } })
  t.equal(cookieOnly.statusCode, 401, 'the cookie selects no session of the plugin')
})
