import { test } from 'tap'
import { startHost } from '../helpers/host.js'
import { assertRoutes } from '../helpers/assert-routes.js'

test('content type parsers: the host may have removed all', async (t) => {
  const host = await startHost(t, {
    before: (app) => app.removeAllContentTypeParsers(),
    after: (app) => { app.post('/host', async () => ({ reached: true })) }
  })
  await assertRoutes(t, host)
  t.equal((await host.post('/host', { any: 1 })).statusCode, 415, 'still removed for the host')
  t.strictSame((await host.post('/host')).json(), { reached: true })
})

test('content type parsers: the host may parse JSON in another way', async (t) => {
  const host = await startHost(t, {
    before: (app) => {
      app.removeContentTypeParser('application/json')
      app.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (_request: unknown, body: Buffer) => {
        return { bytes: body.length }
      })
    },
    after: (app) => { app.post('/host', async (request) => request.body) }
  })
  await assertRoutes(t, host)
  t.strictSame((await host.post('/host', { a: 1 })).json(), { bytes: 7 })
})

test('content type parsers: the host may parse any type as text', async (t) => {
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
  t.equal(login.statusCode, 400, 'a login must be JSON')
})
