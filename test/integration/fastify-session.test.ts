import cookie from '@fastify/cookie'
import session from '@fastify/session'
import { test } from 'tap'
import { startHost } from '../helpers/host.js'
import { assertRoutes } from '../helpers/assert-routes.js'

declare module 'fastify' {
  interface Session { visits?: number }
}

test('a host with @fastify/session keeps its sessions beside ours', async (t) => {
  const host = await startHost(t, {
    before: async (app) => {
      await app.register(cookie)
      await app.register(session, { secret: 'the secret of the host, for its own cookies', cookie: { secure: false } })
    },
    after: (app) => {
      app.get('/visits', { config: { weapp: true } }, async (request) => {
        request.session.visits = (request.session.visits ?? 0) + 1
        return { visits: request.session.visits, ours: request.weapp!.session.id, theirs: request.session.sessionId }
      })
    }
  })
  await assertRoutes(t, host)

  const { token } = await host.signIn()
  const first = await host.get('/visits', token)
  t.equal(first.json().visits, 1)
  const { name, value } = first.cookies[0]!
  const second = await host.app.inject({ url: '/visits', headers: { authorization: `Bearer ${token}` }, cookies: { [name]: value } })
  t.equal(second.json().visits, 2, 'the cookie brings the session of the host')
  t.equal(second.json().ours, first.json().ours)
  t.not(second.json().ours, second.json().theirs)
  t.equal((await host.app.inject({ url: '/visits', cookies: { [name]: value } })).statusCode, 401, 'and never one of ours')
})
