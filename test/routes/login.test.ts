import { test } from 'tap'
import { assertRefused } from '../helpers/assert-refused.js'
import { startHost } from '../helpers/host.js'

test('POST /weapp/login takes a code and nothing that only looks like one', async (t) => {
  const host = await startHost(t)
  for (const payload of [
    {}, { code: 123 }, { code: null }, { code: '' }, { code: ['a'] }, { code: {} }, { code: true }, { code: 'x'.repeat(257) }, { Code: 'x' }, [], ['x']
  ]) {
    const response = await host.post('/weapp/login', payload)
    t.equal(response.statusCode, 400, JSON.stringify(payload).slice(0, 40))
    t.match(response.json(), { statusCode: 400, code: 'FST_ERR_VALIDATION', error: 'Bad Request', message: /^body/ })
    t.equal(response.headers['cache-control'], 'no-store')
  }
  t.strictSame(host.wechat.requests, [], 'WeChat is not asked')
})

test('a login without a body, or with one that is no JSON, is refused', async (t) => {
  const host = await startHost(t)
  const json = 'application/json'
  const code = host.wechat.login('alice')
  for (const [payload, type, status] of [
    ['', undefined, 400], ['', json, 400], ['{', json, 400], ['null', json, 400], ['"text"', json, 400],
    [`{"code":"${code}","__proto__":{"admin":true}}`, json, 400], [`{"code":"${code}","constructor":{"prototype":{}}}`, json, 400],
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

test('a charset and other parameters of application/json do no harm', async (t) => {
  const host = await startHost(t)
  for (const type of ['application/json; charset=utf-8', 'application/json;charset=UTF-8', 'Application/JSON']) {
    const response = await host.app.inject({
      method: 'POST', url: '/weapp/login', payload: JSON.stringify({ code: host.wechat.login('alice') }), headers: { 'content-type': type }
    })
    t.equal(response.statusCode, 200, type)
  }
})

test('the login route is not guarded, also where every route is', async (t) => {
  const host = await startHost(t, { options: { protect: 'all', routes: { login: { config: { weapp: true } } } } })
  await host.signIn()
})

test('the code is checked again where the host lets a wrong body pass', async (t) => {
  const host = await startHost(t, { options: { routes: { login: { attachValidation: true } } } })
  for (const payload of [undefined, {}, { code: 123 }, { code: ['a'] }, []]) {
    assertRefused(t, await host.post('/weapp/login', payload), 401, 'FST_WEAPP_CODE_INVALID')
  }
  t.strictSame(host.wechat.requests, [])
  await host.signIn()
})
