import { test } from 'tap'
import { startHost } from '../helpers/host.js'
import { assertRoutes } from '../helpers/assert-routes.js'

test('a host without any content type parser', async (t) => {
  const host = await startHost(t, {
    before: (app) => app.removeAllContentTypeParsers(),
    after: (app) => { app.post('/host', async () => ({ reached: true })) }
  })
  await assertRoutes(t, host)
  t.equal((await host.post('/host', { any: 1 })).statusCode, 415, 'what the host removed stays removed')
  t.strictSame((await host.post('/host')).json(), { reached: true })
})

test('a host that reads JSON in its own way', async (t) => {
  const host = await startHost(t, {
    before: (app) => {
      app.removeContentTypeParser('application/json')
      app.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (_request: unknown, body: Buffer) => ({ bytes: body.length }))
    },
    after: (app) => { app.post('/host', async (request) => request.body) }
  })
  await assertRoutes(t, host)
  t.strictSame((await host.post('/host', { a: 1 })).json(), { bytes: 7 })
})

test('a host that takes any content type as text, JSON by a pattern', async (t) => {
  const host = await startHost(t, {
    before: (app) => {
      app.removeAllContentTypeParsers()
      const asText = async (_request: unknown, body: string) => ({ text: body })
      app.addContentTypeParser(/^application\/(.+\+)?json/, { parseAs: 'string' }, asText)
      app.addContentTypeParser('*', { parseAs: 'string' }, asText)
    },
    after: (app) => { app.post('/host', async (request) => request.body) }
  })
  await assertRoutes(t, host)
  t.strictSame((await host.post('/host', { a: 1 })).json(), { text: '{"a":1}' })
  const login = await host.app.inject({
    method: 'POST',
    url: '/weapp/login',
    headers: { 'content-type': 'text/plain' },
    payload: JSON.stringify({ code: host.wechat.login('alice') })
  })
  t.equal(login.statusCode, 400, 'a login is JSON or it is none')
})
