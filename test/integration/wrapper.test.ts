import { test } from 'tap'
import { startHost } from '../helpers/host.js'
import { assertRoutes } from '../helpers/assert-routes.js'

test('preSerialization: a hook that wraps responses wraps those of the plugin', async (t) => {
  const host = await startHost(t, {
    before: (app) => app.addHook('preSerialization', async (_request, _reply, payload) => ({ data: payload })),
    options: { onLogin: () => ({ reply: { user: { name: 'Alice' } } }) },
    after: (app) => { app.get('/host', async () => ({ plain: true })) }
  })
  await assertRoutes(t, host, { unwrap: (body) => body.data })
  t.strictSame((await host.get('/host')).json(), { data: { plain: true } })
  const login = await host.post('/weapp/login', { code: host.wechat.login('alice') })
  t.match(login.json(), { data: { token: String, user: { name: 'Alice' } } })
})

test('preSerialization: the host may also wrap errors', async (t) => {
  const host = await startHost(t, {
    before: (app) => {
      app.addHook('preSerialization', async (_request, _reply, payload) => ({ data: payload }))
      app.setErrorHandler<Error & { code?: string, statusCode?: number }>((error, _request, reply) => {
        return reply.code(error.statusCode ?? 500).send({ code: error.code })
      })
    }
  })
  const unwrap = (body: { data: any }) => body.data
  await assertRoutes(t, host, { unwrap, unwrapError: unwrap })
})
