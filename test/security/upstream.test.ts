import { test } from 'tap'
import { resolveOptions } from '../../src/resolve-options.js'
import { startRawWechat } from '../helpers/raw-wechat.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { skipBackoff } from '../helpers/backoff.js'
import { APP_ID, APP_SECRET, SECRET, startHost } from '../helpers/host.js'
import { startLoginHost } from '../helpers/login-host.js'

// One short test per row of the threat matrix. The tests in test/wechat cover every case.

const REQUIRED = { appId: APP_ID, appSecret: APP_SECRET, secret: SECRET }

test('T14: the request is fixed, and redirects are not followed', async (t) => {
  const elsewhere = await startRawWechat(t, (_request, response) => response.end())
  const wechat = await startRawWechat(t, (_request, response) => {
    response.writeHead(302, { location: elsewhere.url }).end()
  })
  const { post } = await startHost(t, { options: { wechat: { baseUrl: wechat.url } } })
  const response = await post('/weapp/login?baseUrl=http://evil', { code: 'c', baseUrl: elsewhere.url })
  assertRefused(t, response, 502, 'FST_WEAPP_WECHAT_BAD_REPLY')
  t.strictSame(wechat.requests, [
    `GET /sns/jscode2session?appid=${APP_ID}&secret=${APP_SECRET}&js_code=c&grant_type=authorization_code`
  ])
  t.strictSame(elsewhere.requests, [])
})

test('T14: baseUrl is api.weixin.qq.com by default, and https except on loopback', async (t) => {
  t.equal(resolveOptions(REQUIRED).wechat.baseUrl, 'https://api.weixin.qq.com')
  for (const baseUrl of [
    'https://proxy.example', 'http://localhost:3000', 'http://127.0.0.1:3000', 'http://127.1.2.3', 'http://[::1]:3000'
  ]) {
    t.equal(resolveOptions({ ...REQUIRED, wechat: { baseUrl } }).wechat.baseUrl, baseUrl)
  }
  const bad = [
    'http://api.weixin.qq.com', 'http://10.0.0.1', 'http://127.0.0.1.evil.example', 'http://localhost.evil.example',
    'http://evil.example#127.0.0.1', 'https://user:password@api.weixin.qq.com', 'https://api.weixin.qq.com/path',
    'https://api.weixin.qq.com?a=b', 'https://api.weixin.qq.com#x',
    'ftp://127.0.0.1', 'file:///etc/passwd', 'api.weixin.qq.com', '', 'https://', 17, null, {}
  ]
  for (const baseUrl of bad) {
    t.throws(() => resolveOptions({ ...REQUIRED, wechat: { baseUrl: baseUrl as string } }), {
      code: 'FST_WEAPP_INVALID_OPTION', message: /option wechat\.baseUrl /
    }, String(baseUrl))
  }
})

test('T14: no option disables TLS verification', async (t) => {
  for (const name of ['rejectUnauthorized', 'tls', 'insecure', 'ca', 'agent', 'url', 'path']) {
    t.throws(() => resolveOptions({ ...REQUIRED, wechat: { [name]: false } }), { message: new RegExp(`option wechat\\.${name} is not a valid option`) })
  }
})

test('T15: the body is parsed as JSON whatever its content-type', async (t) => {
  const { wechat, login } = await startLoginHost(t)
  for (const contentType of ['text/plain', 'application/json', 'text/html', 'application/octet-stream', '']) {
    wechat.fault({ body: '\uFEFF{"openid":"o","session_key":"k"}', contentType }, { times: 1 })
    t.equal((await login()).statusCode, 200, contentType)
  }
})

test('T16: an invalid response is an error', async (t) => {
  const { wechat, login } = await startLoginHost(t)
  const user = '{"openid":"o","session_key":"k"}'
  for (const fault of [
    { body: '' }, { body: '<html>' }, { body: user.slice(0, -1) }, { body: `[${user}]` }, { body: 'null' },
    { huge: 65_536 }, { status: 302, body: user }, { status: 404, body: user }
  ]) {
    wechat.fault(fault, { times: 1 })
    assertRefused(t, await login(), 502, 'FST_WEAPP_WECHAT_BAD_REPLY')
  }
  for (const fault of [
    { status: 500, body: user }, { status: 503, body: user }, { reset: true }, { truncate: true }
  ] as const) {
    wechat.fault(fault, { times: 1 })
    assertRefused(t, await login(), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
  }
  t.equal((await login()).statusCode, 200)
})

test('T17: success requires openid and session_key, and errcode absent or 0', async (t) => {
  const { wechat, login } = await startLoginHost(t)
  const loginWith = async (reply: object) => {
    wechat.fault({ body: JSON.stringify({ openid: 'o', session_key: 'k', ...reply }) }, { times: 1 })
    return await login()
  }
  for (const reply of [{}, { errcode: 0 }]) t.equal((await loginWith(reply)).statusCode, 200)
  for (const reply of [
    { openid: '' }, { openid: 0 }, { openid: {} }, { openid: undefined }, { session_key: '' },
    { session_key: undefined }, { errcode: '40029' }, { errcode: '0' }
  ]) assertRefused(t, await loginWith(reply), 502, 'FST_WEAPP_WECHAT_BAD_REPLY')
})

test('T18: an errcode has its own code and status, an unknown errcode 502', async (t) => {
  const { wechat, login } = await startLoginHost(t)
  for (const [errcode, status, code] of [
    [40029, 401, 'FST_WEAPP_CODE_INVALID'], [40163, 401, 'FST_WEAPP_CODE_USED'],
    [40226, 403, 'FST_WEAPP_LOGIN_BLOCKED'], [40125, 500, 'FST_WEAPP_WECHAT_CONFIG'],
    [12345, 502, 'FST_WEAPP_WECHAT_BAD_REPLY']
  ] as const) {
    wechat.fault({ errcode }, { times: 1 })
    assertRefused(t, await login(), status, code)
  }
})

test('T20: the timeout covers headers and body, and is five seconds by default', async (t) => {
  t.equal(resolveOptions(REQUIRED).wechat.timeout, 5000)
  const { app, wechat, login } = await startLoginHost(t, { timeout: 50 })
  for (const stall of ['headers', 'body'] as const) {
    wechat.fault({ stall }, { times: 1 })
    assertRefused(t, await login(), 504, 'FST_WEAPP_WECHAT_TIMEOUT')
  }
  await app.close()
})

test('T21: only safe calls are retried, within retries and timeout', async (t) => {
  skipBackoff(t)
  t.equal(resolveOptions(REQUIRED).wechat.retries, 1)
  const { wechat, login } = await startLoginHost(t, { retries: 2 })
  // 45011 is the last, because it starts a cooldown.
  for (const [fault, requests] of [
    [{ errcode: -1 }, 3], [{ errcode: 40029 }, 1], [{ errcode: 40163 }, 1], [{ reset: true }, 1],
    [{ status: 503 }, 1], [{ errcode: 45011 }, 1]
  ] as const) {
    wechat.clearFaults()
    wechat.clearRequests()
    wechat.fault(fault)
    t.not((await login()).statusCode, 200)
    t.equal(wechat.requests.length, requests, JSON.stringify(fault))
  }

  const impatient = await startLoginHost(t, { retries: 2, timeout: 150 })
  impatient.wechat.fault({ stall: 'headers' })
  await impatient.login()
  t.equal(impatient.wechat.requests.length, 1, 'no retry after a timeout')
})

test('T22: concurrent logins with one code share one exchange but no session', async (t) => {
  let onLoginCalls = 0
  const { wechat, login } = await startLoginHost(t, {}, {
    options: { session: { limit: false }, onLogin: () => { onLoginCalls++ } }
  })
  const code = wechat.login('alice')
  // The delay is a timer. A login that misses the shared exchange is refused because the code is used.
  wechat.fault({ delay: 100 }, { times: 1 })
  const responses = await Promise.all(Array.from({ length: 50 }, () => login(code)))
  const good = responses.filter(({ statusCode }) => statusCode === 200)
  t.ok(good.length > 0)
  t.equal(new Set(good.map((response) => response.json().token)).size, good.length, 'each login has its own token')
  t.equal(onLoginCalls, good.length)
  assertRefused(t, await login(code), 401, 'FST_WEAPP_CODE_USED')
})
