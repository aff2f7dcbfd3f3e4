import { connect, type AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { test } from 'tap'
import { faultyStore } from '../helpers/faulty-store.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { startHost } from '../helpers/host.js'

const FORGED_FIELDS = {
  openid: 'o-of-the-victim',
  openId: 'o-of-the-victim',
  unionid: 'u-of-the-victim',
  appid: 'wx6666666666666666',
  appId: 'wx6666666666666666',
  userId: 'victim',
  sub: 'victim',
  session_key: 'canary',
  sessionKey: 'canary'
}
const FORGED_HEADERS = {
  'x-wx-openid': 'o-of-the-victim',
  'x-wx-unionid': 'u-of-the-victim',
  'x-wx-appid': 'wx6666666666666666',
  'x-wx-source': 'wx_client',
  'x-wx-from-openid': 'o-of-the-victim',
  'x-openid': 'o-of-the-victim',
  openid: 'o-of-the-victim',
  'x-weapp-openid': 'o-of-the-victim',
  cookie: 'openid=o-of-the-victim; unionid=u-of-the-victim',
  'x-forwarded-user': 'o-of-the-victim'
}

test('T11: an identity that the client claims is ignored', async (t) => {
  const logins: unknown[] = []
  const { app, wechat } = await startHost(t, {
    options: { onLogin: ({ appId, openid, unionid, body }) => { logins.push({ appId, openid, unionid, body }) } },
    after: (app) => app.get('/who', { config: { weapp: true } }, async ({ weapp }) => {
      return { ...weapp, session: undefined }
    })
  })
  const identity = { appId: 'wx0123456789abcdef', openid: wechat.openid('mallory'), unionid: null }
  const query = new URLSearchParams(FORGED_FIELDS).toString()
  const code = wechat.login('mallory')
  const login = await app.inject({
    method: 'POST', url: `/weapp/login?${query}`, headers: FORGED_HEADERS, payload: { ...FORGED_FIELDS, code }
  })
  t.equal(login.statusCode, 200)
  t.strictSame(logins, [{ ...identity, body: { code } }],
    'onLogin receives the identity from WeChat, and a body without the other fields')
  t.strictSame(wechat.requests[0]?.query.appid, identity.appId)

  const authorization = `Bearer ${login.json().token}`
  const who = await app.inject({ url: `/who?${query}`, headers: { ...FORGED_HEADERS, authorization } })
  t.strictSame(who.json(), identity)
  assertRefused(t, await app.inject({ url: `/who?${query}`, headers: FORGED_HEADERS }), 401, 'FST_WEAPP_TOKEN_MISSING')
  t.strictSame((await app.inject({ url: `/feed?${query}`, headers: FORGED_HEADERS })).json(), { openid: null })
})

test('T12: a code is a string of 1 to 256 characters', async (t) => {
  const { store, calls } = faultyStore()
  const { app, wechat } = await startHost(t, { options: { store } })
  const bodies = [
    '{"code":123}', '{"code":["a"]}', '{"code":{"a":1}}', '{"code":null}', '{"code":true}', '{"code":""}',
    '{}', '[]', 'null', '"a"', '1', '', '{"code":', '{"Code":"a"}', `{"code":"${'a'.repeat(257)}"}`, '[{"code":"a"}]',
    '{"__proto__":{"code":"a"}}', '{"constructor":{"prototype":{}},"code":"a"}'
  ]
  for (const payload of bodies) {
    const response = await app.inject({
      method: 'POST', url: '/weapp/login', headers: { 'content-type': 'application/json' }, payload
    })
    t.equal(response.statusCode, 400, payload.slice(0, 50))
    t.equal(response.headers['cache-control'], 'no-store')
  }
  const huge = await app.inject({ method: 'POST', url: '/weapp/login', payload: { code: 'a'.repeat(10_000_000) } })
  t.equal(huge.statusCode, 413)
  for (const code of ['\n', '\0', 'a\r\nb', '\u001f', '\u007f', '\u0080', '\u0085', '\u009f']) {
    const response = await app.inject({ method: 'POST', url: '/weapp/login', payload: { code } })
    assertRefused(t, response, 401, 'FST_WEAPP_CODE_INVALID')
  }
  t.strictSame(calls, [])
  t.equal(wechat.requests.length, 0, 'no request to WeChat')
  t.strictSame(Object.keys(Object.prototype), [])
})

test('T12: no content type bypasses the validation of the code', async (t) => {
  const { app, wechat } = await startHost(t)
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const types = [
    'application/json', 'application/json ;x', 'application/json\t;x', ' application/json',
    'application/json; charset=utf-8', 'APPLICATION/JSON', 'application/jsonx', 'application/json,text/plain',
    'text/plain', 'text/json', 'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x', 'application/vnd.api+json', '', ';', 'application/json;charset=utf-16'
  ]
  for (const type of types) {
    for (const body of ['{"code":{"length":1}}', '{"code":123}', 'code=a', 'null']) {
      const socket = connect(port, '127.0.0.1')
      socket.write([
        'POST /weapp/login HTTP/1.1', 'Host: x', 'Connection: close', `Content-Type: ${type}`,
        `Content-Length: ${body.length}`, '', body
      ].join('\r\n'))
      t.match(await text(socket), /^HTTP\/1\.1 4(00|15) /, `'${type}' ${body}`)
    }
  }
  t.equal(wechat.requests.length, 0, 'no request to WeChat')
})

test('T12: the code is validated again if the host lets an invalid body pass', async (t) => {
  const { app, wechat } = await startHost(t, {
    options: { routes: { login: { attachValidation: true } } },
    after: (app) => app.post('/own', async (request) => app.weapp.login(request, request.body as { code: string }))
  })
  for (const url of ['/weapp/login', '/own']) {
    for (const code of [123, ['a'], { length: 3 }, null, true, '', 'a'.repeat(257)]) {
      assertRefused(t, await app.inject({ method: 'POST', url, payload: { code } }), 401, 'FST_WEAPP_CODE_INVALID')
    }
  }
  for (const payload of ['null', '[]', '"a"', '1', '']) {
    const response = await app.inject({
      method: 'POST', url: '/weapp/login', headers: { 'content-type': 'application/json' }, payload
    })
    t.equal(response.headers['weapp-error'], 'FST_WEAPP_CODE_INVALID', `body ${payload}`)
  }
  t.equal(wechat.requests.length, 0)
})

test('T13: a code is one parameter, whatever it contains', async (t) => {
  const { app, wechat } = await startHost(t)
  const code = 'a&appid=evil#%00'
  const response = await app.inject({ method: 'POST', url: '/weapp/login', payload: { code } })
  assertRefused(t, response, 401, 'FST_WEAPP_CODE_INVALID')
  t.strictSame(wechat.requests[0]?.query, {
    appid: 'wx0123456789abcdef', secret: 'canary-of-the-app-secret', js_code: code, grant_type: 'authorization_code'
  })
})
