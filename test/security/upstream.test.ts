import { test } from 'tap'
import { resolveOptions } from '../../src/resolve-options.js'
import { startRawWechat } from '../helpers/raw-wechat.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { APP_ID, APP_SECRET, SECRET, startHost } from '../helpers/host.js'
import { startLoginHost } from '../helpers/login-host.js'

// Each row in short; test/wechat has every case of it.

const REQUIRED = { appId: APP_ID, appSecret: APP_SECRET, secret: SECRET }

test('row 14: one fixed request, and no redirect is followed', async (t) => {
  const elsewhere = await startRawWechat(t, (_request, response) => response.end())
  const wechat = await startRawWechat(t, (_request, response) => response.writeHead(302, { location: elsewhere.url }).end())
  const { post } = await startHost(t, { options: { wechat: { baseUrl: wechat.url } } })
  assertRefused(t, await post('/weapp/login?baseUrl=http://evil', { code: 'c', baseUrl: elsewhere.url }), 502, 'FST_WEAPP_WECHAT_BAD_REPLY')
  t.strictSame(wechat.requests, [
    `GET /sns/jscode2session?appid=${APP_ID}&secret=${APP_SECRET}&js_code=c&grant_type=authorization_code`
  ])
  t.strictSame(elsewhere.requests, [])
})

test('row 14: https to api.weixin.qq.com unless the host says otherwise, and never http to another machine', async (t) => {
  t.equal(resolveOptions(REQUIRED).wechat.baseUrl, 'https://api.weixin.qq.com')
  for (const baseUrl of ['https://proxy.example', 'http://localhost:3000', 'http://127.0.0.1:3000', 'http://127.1.2.3', 'http://[::1]:3000']) {
    t.equal(resolveOptions({ ...REQUIRED, wechat: { baseUrl } }).wechat.baseUrl, baseUrl)
  }
  const bad = [
    'http://api.weixin.qq.com', 'http://10.0.0.1', 'http://127.0.0.1.evil.example', 'http://localhost.evil.example', 'http://evil.example#127.0.0.1',
    'https://user:password@api.weixin.qq.com', 'https://api.weixin.qq.com/path', 'https://api.weixin.qq.com?a=b', 'https://api.weixin.qq.com#x',
    'ftp://127.0.0.1', 'file:///etc/passwd', 'api.weixin.qq.com', '', 'https://', 17, null, {}
  ]
  for (const baseUrl of bad) {
    t.throws(() => resolveOptions({ ...REQUIRED, wechat: { baseUrl: baseUrl as string } }), {
      code: 'FST_WEAPP_INVALID_OPTION', message: /option wechat\.baseUrl /
    }, String(baseUrl))
  }
})

test('row 14: TLS verification has no switch of ours', async (t) => {
  for (const name of ['rejectUnauthorized', 'tls', 'insecure', 'ca', 'agent', 'url', 'path']) {
    t.throws(() => resolveOptions({ ...REQUIRED, wechat: { [name]: false } }), { message: new RegExp(`option wechat\\.${name} is not known`) })
  }
})

test('row 15: the body is JSON whatever its content-type', async (t) => {
  const { wechat, login } = await startLoginHost(t)
  for (const contentType of ['text/plain', 'application/json', 'text/html', 'application/octet-stream', '']) {
    wechat.fault({ body: '\uFEFF{"openid":"o","session_key":"k"}', contentType }, { times: 1 })
    t.equal((await login()).statusCode, 200, contentType)
  }
})

test('row 16: no answer that is not understood crashes or passes', async (t) => {
  const { wechat, login } = await startLoginHost(t)
  const user = '{"openid":"o","session_key":"k"}'
  for (const fault of [
    { body: '' }, { body: '<html>' }, { body: user.slice(0, -1) }, { body: `[${user}]` }, { body: 'null' }, { huge: 65_536 },
    { status: 302, body: user }, { status: 404, body: user }
  ]) {
    wechat.fault(fault, { times: 1 })
    assertRefused(t, await login(), 502, 'FST_WEAPP_WECHAT_BAD_REPLY')
  }
  for (const fault of [{ status: 500, body: user }, { status: 503, body: user }, { reset: true }, { truncate: true }] as const) {
    wechat.fault(fault, { times: 1 })
    assertRefused(t, await login(), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
  }
  t.equal((await login()).statusCode, 200)
})

test('row 17: success is openid and session_key as text, and errcode absent or 0', async (t) => {
  const { wechat, login } = await startLoginHost(t)
  const ask = async (answer: object) => {
    wechat.fault({ body: JSON.stringify({ openid: 'o', session_key: 'k', ...answer }) }, { times: 1 })
    return await login()
  }
  for (const answer of [{}, { errcode: 0 }]) t.equal((await ask(answer)).statusCode, 200)
  for (const answer of [
    { openid: '' }, { openid: 0 }, { openid: {} }, { openid: undefined }, { session_key: '' }, { session_key: undefined }, { errcode: '40029' }, { errcode: '0' }
  ]) assertRefused(t, await ask(answer), 502, 'FST_WEAPP_WECHAT_BAD_REPLY')
})

test('row 18: an errcode has its own code and status, an unknown one is 502', async (t) => {
  const { wechat, login } = await startLoginHost(t)
  for (const [errcode, status, code] of [
    [40029, 401, 'FST_WEAPP_CODE_INVALID'], [40163, 401, 'FST_WEAPP_CODE_USED'], [40226, 403, 'FST_WEAPP_LOGIN_BLOCKED'],
    [40125, 500, 'FST_WEAPP_WECHAT_CONFIG'], [12345, 502, 'FST_WEAPP_WECHAT_BAD_REPLY']
  ] as const) {
    wechat.fault({ errcode }, { times: 1 })
    assertRefused(t, await login(), status, code)
  }
})

test('row 20: five seconds unless the host says otherwise, for connecting, headers and body', async (t) => {
  t.equal(resolveOptions(REQUIRED).wechat.timeout, 5000)
  const { app, wechat, login } = await startLoginHost(t, { timeout: 50 })
  for (const stall of ['headers', 'body'] as const) {
    wechat.fault({ stall }, { times: 1 })
    assertRefused(t, await login(), 504, 'FST_WEAPP_WECHAT_TIMEOUT')
  }
  await app.close()
})

test('row 21: only what is harmless is asked again, within retries and timeout', async (t) => {
  t.equal(resolveOptions(REQUIRED).wechat.retries, 1)
  for (const [fault, requests] of [
    [{ errcode: -1 }, 3], [{ errcode: 40029 }, 1], [{ errcode: 40163 }, 1], [{ errcode: 45011 }, 1], [{ reset: true }, 1], [{ status: 503 }, 1]
  ] as const) {
    const { wechat, login } = await startLoginHost(t, { retries: 2 })
    wechat.fault(fault)
    t.not((await login()).statusCode, 200)
    t.equal(wechat.requests.length, requests, JSON.stringify(fault))
  }
  const { wechat, login } = await startLoginHost(t, { retries: 2, timeout: 1000 })
  wechat.fault({ stall: 'headers' })
  await login()
  t.equal(wechat.requests.length, 1, 'a timeout')
})

test('row 22: one code at once is one exchange and a session for each; afterwards it is used', async (t) => {
  let told = 0
  const { wechat, login } = await startLoginHost(t, {}, { options: { session: { limit: false }, onLogin: () => { told++ } } })
  const code = wechat.login('alice')
  // Nothing is released by hand here: whichever come too late for the exchange learn that the code is used.
  wechat.fault({ delay: 100 }, { times: 1 })
  const responses = await Promise.all(Array.from({ length: 50 }, () => login(code)))
  const good = responses.filter(({ statusCode }) => statusCode === 200)
  t.ok(good.length > 0)
  t.equal(new Set(good.map((response) => response.json().token)).size, good.length, 'no token is shared')
  t.equal(told, good.length)
  assertRefused(t, await login(code), 401, 'FST_WEAPP_CODE_USED')
})
