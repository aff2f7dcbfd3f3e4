import { test } from 'tap'
import { assertRefused } from '../helpers/assert-refused.js'
import { startHost } from '../helpers/host.js'

test('POST /weapp/login: refuses a body without a valid code', async (t) => {
  const host = await startHost(t)
  for (const payload of [
    {}, { code: 123 }, { code: null }, { code: '' }, { code: ['a'] }, { code: {} }, { code: true },
    { code: 'x'.repeat(257) }, { Code: 'x' }, [], ['x']
  ]) {
    const response = await host.post('/weapp/login', payload)
    t.equal(response.statusCode, 400, JSON.stringify(payload).slice(0, 40))
    t.match(response.json(), { statusCode: 400, code: 'FST_ERR_VALIDATION', error: 'Bad Request', message: /^body/ })
    t.equal(response.headers['cache-control'], 'no-store')
  }
  t.strictSame(host.wechat.requests, [], 'no request to WeChat')
})

test('POST /weapp/login: refuses a body that is missing or not JSON', async (t) => {
  const host = await startHost(t)
  const json = 'application/json'
  const code = host.wechat.login('alice')
  for (const [payload, type, status] of [
    ['', undefined, 400], ['', json, 400], ['{', json, 400], ['null', json, 400], ['"text"', json, 400],
    [`{"code":"${code}","__proto__":{"admin":true}}`, json, 400],
    [`{"code":"${code}","constructor":{"prototype":{}}}`, json, 400],
    [`code=${code}`, 'application/x-www-form-urlencoded', 415], [`{"code":"${code}"}`, 'text/plain', 400]
  ] as const) {
    const response = await host.app.inject({
      method: 'POST', url: '/weapp/login', payload, headers: { ...type !== undefined && { 'content-type': type } }
    })
    t.equal(response.statusCode, status, `${type}: ${payload.slice(0, 60)}`)
    t.equal(response.headers['cache-control'], 'no-store')
  }
  t.strictSame(host.wechat.requests, [])
  t.equal((await host.post('/weapp/login', { code })).statusCode, 200)
})

test('POST /weapp/login: accepts application/json with parameters', async (t) => {
  const host = await startHost(t)
  for (const type of ['application/json; charset=utf-8', 'application/json;charset=UTF-8', 'Application/JSON']) {
    const response = await host.app.inject({
      method: 'POST',
      url: '/weapp/login',
      payload: JSON.stringify({ code: host.wechat.login('alice') }),
      headers: { 'content-type': type }
    })
    t.equal(response.statusCode, 200, type)
  }
})

test("POST /weapp/login: is not guarded, even under protect 'all'", async (t) => {
  const host = await startHost(t, { options: { protect: 'all', routes: { login: { config: { weapp: true } } } } })
  await host.signIn()
})

test('POST /weapp/login: validates the code again under attachValidation', async (t) => {
  const host = await startHost(t, { options: { routes: { login: { attachValidation: true } } } })
  for (const payload of [undefined, {}, { code: 123 }, { code: ['a'] }, []]) {
    assertRefused(t, await host.post('/weapp/login', payload), 401, 'FST_WEAPP_CODE_INVALID')
  }
  t.strictSame(host.wechat.requests, [])
  await host.signIn()
})
