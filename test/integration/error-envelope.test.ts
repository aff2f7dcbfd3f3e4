import { test } from 'tap'
import { startHost } from '../helpers/host.js'
import { assertRoutes } from '../helpers/assert-routes.js'

test('error envelope: stays the envelope of the host, with the plugin headers', async (t) => {
  const host = await startHost(t, {
    before: (app) => app.setErrorHandler<Error & { code?: string, statusCode?: number }>((error, _request, reply) => {
      // Like many error handlers, this one ignores the headers of an error.
      return reply.code(error.statusCode ?? 500).send({ success: false, error: { code: error.code } })
    }),
    after: (app) => {
      app.get('/broken', async () => { throw Object.assign(new Error('broken'), { code: 'HOST_BROKEN' }) })
    }
  })
  await assertRoutes(t, host, { unwrapError: (body) => body.error })
  t.strictSame((await host.get('/broken')).json(), { success: false, error: { code: 'HOST_BROKEN' } })
  const refused = (await host.get('/me')).json()
  t.strictSame(refused, { success: false, error: { code: 'FST_WEAPP_TOKEN_MISSING' } }, 'the envelope of the host')
})

test('error envelope: keeps the plugin headers under another status', async (t) => {
  const host = await startHost(t, {
    before: (app) => app.setErrorHandler<Error & { code?: string }>((error, _request, reply) => {
      return reply.code(200).send({ code: error.code })
    })
  })
  for (const [response, code] of [
    [await host.get('/me'), 'FST_WEAPP_TOKEN_MISSING'],
    [await host.get('/me', 'a.b.c'), 'FST_WEAPP_TOKEN_INVALID'],
    [await host.post('/weapp/login', { code: 'unknown' }), 'FST_WEAPP_CODE_INVALID']
  ] as const) {
    t.equal(response.statusCode, 200)
    t.strictSame(response.json(), { code })
    t.match(response.headers, { 'weapp-error': code, 'cache-control': 'no-store' })
  }
})

test('error envelope: keeps Retry-After of a rate limit', async (t) => {
  const host = await startHost(t, {
    before: (app) => app.setErrorHandler<Error & { statusCode?: number }>((error, _request, reply) => {
      return reply.code(error.statusCode ?? 500).send({ success: false })
    })
  })
  host.wechat.fault({ errcode: 45011 })
  const limited = await host.post('/weapp/login', { code: host.wechat.login('alice') })
  t.equal(limited.statusCode, 429)
  t.match(limited.headers, { 'weapp-error': 'FST_WEAPP_WECHAT_LIMITED', 'retry-after': '60' })
})

test('error envelope: keeps the headers of plugin errors in host handlers', async (t) => {
  const host = await startHost(t, {
    before: (app) => app.setErrorHandler<Error & { statusCode?: number }>((error, _request, reply) => {
      return reply.code(error.statusCode ?? 500).send({ success: false })
    }),
    after: (app) => {
      app.get('/decrypt', { config: { weapp: true } }, (request) => {
        return request.weapp!.session.decrypt('bm90IGVuY3J5cHRlZA==', 'bm8gaXY=')
      })
      app.get('/unguarded', async (request) => app.weapp.identity(request))
      app.post('/own-login', async (request) => app.weapp.login(request, { code: 'unknown' }))
      app.get('/host', async () => {
        throw Object.assign(new Error('of the host'), { statusCode: 418, headers: { 'x-secret': '1' } })
      })
    }
  })
  const { token } = await host.signIn()
  for (const [response, statusCode, code] of [
    [await host.get('/decrypt', token), 409, 'FST_WEAPP_SESSION_KEY_STALE'],
    [await host.get('/unguarded', token), 500, 'FST_WEAPP_NOT_GUARDED'],
    [await host.post('/own-login'), 401, 'FST_WEAPP_CODE_INVALID']
  ] as const) {
    t.equal(response.statusCode, statusCode)
    t.strictSame(response.json(), { success: false })
    t.match(response.headers, { 'weapp-error': code, 'cache-control': 'no-store' })
  }
  const other = await host.get('/host')
  t.equal(other.statusCode, 418)
  t.equal(other.headers['x-secret'], undefined, 'headers of a host error are not sent')
})

test('optional route: the response has no headers of an error', async (t) => {
  const host = await startHost(t)
  for (const token of [undefined, 'a.b.c']) {
    const feed = await host.get('/feed', token)
    t.equal(feed.statusCode, 200)
    for (const header of ['weapp-error', 'www-authenticate']) t.equal(feed.headers[header], undefined, header)
  }
})
