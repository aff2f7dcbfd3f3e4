import { setImmediate as nextTurn } from 'node:timers/promises'
import { test } from 'tap'
import { freezeClock } from '../helpers/clock.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { deferred } from '../helpers/deferred.js'
import { startLoginHost } from '../helpers/login-host.js'
import { startWechatClient } from '../helpers/wechat-client.js'

const LIMITED = 'FST_WEAPP_WECHAT_LIMITED'

test('cooldown: lets one login a second through for ten seconds after 45011', async (t) => {
  const clock = freezeClock(t)
  const { wechat, login } = await startLoginHost(t)
  wechat.fault({ errcode: 45011 }, { times: 1 })
  assertRefused(t, await login(), 429, LIMITED, 60)
  for (const [ms, retryAfter] of [[0, 10], [1, 10], [998, 10]] as const) {
    clock.advance(ms)
    assertRefused(t, await login(), 429, LIMITED, retryAfter)
  }
  t.equal(wechat.requests.length, 1)
  wechat.fault({ reset: true }, { times: 8 })
  for (let second = 1; second < 9; second++) {
    clock.advance(second === 1 ? 1 : 1000)
    assertRefused(t, await login(), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
    assertRefused(t, await login(), 429, LIMITED, 10 - second)
    t.equal(wechat.requests.length, 1 + second)
  }
  clock.advance(1999)
  wechat.fault({ reset: true }, { times: 1 })
  assertRefused(t, await login(), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
  assertRefused(t, await login(), 429, LIMITED, 1)
  clock.advance(1)
  t.equal((await login()).statusCode, 200, 'the cooldown is over')
  t.equal((await login()).statusCode, 200)
})

test('cooldown: ends when a probe succeeds', async (t) => {
  const clock = freezeClock(t)
  const { wechat, login } = await startLoginHost(t)
  wechat.fault({ errcode: 45011 }, { times: 1 })
  await login()
  clock.advance(1000)
  t.equal((await login()).statusCode, 200)
  t.equal((await login()).statusCode, 200)
})

test('cooldown: a user who loops over their own limit blocks others for a second only', async (t) => {
  const clock = freezeClock(t)
  const { wechat, login } = await startLoginHost(t)
  for (let i = 0; i < 10; i++) {
    wechat.fault({ errcode: 45011 }, { times: 1 })
    assertRefused(t, await login(wechat.login('mallory')), 429, LIMITED, 60)
    clock.advance(1000)
    t.equal((await login(wechat.login('alice'))).statusCode, 200)
    clock.advance(4000)
  }
})

test('cooldown: unused probes do not accumulate', async (t) => {
  const clock = freezeClock(t)
  const { wechat, login } = await startLoginHost(t)
  wechat.fault({ errcode: 45011 }, { times: 1 })
  await login()
  clock.advance(5000)
  wechat.fault({ reset: true }, { times: 1 })
  assertRefused(t, await login(), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
  assertRefused(t, await login(), 429, LIMITED, 5)
})

test('cooldown: a code refused with 45011 never uses up a probe', async (t) => {
  const clock = freezeClock(t)
  const { wechat, login } = await startLoginHost(t)
  const code = wechat.login('mallory')
  wechat.fault({ errcode: 45011 }, { times: 1 })
  assertRefused(t, await login(code), 429, LIMITED, 60)
  clock.advance(1000)
  assertRefused(t, await login(code), 429, LIMITED, 9)
  t.equal((await login(wechat.login('alice'))).statusCode, 200)
  t.equal((await login(code)).statusCode, 200, 'is sent again after the cooldown')
})

test('cooldown: ends when WeChat answers a probe with an error about the code', async (t) => {
  const clock = freezeClock(t)
  const { wechat, login } = await startLoginHost(t)
  for (const [errcode, status, code] of [
    [40029, 401, 'FST_WEAPP_CODE_INVALID'], [40163, 401, 'FST_WEAPP_CODE_USED'], [40226, 403, 'FST_WEAPP_LOGIN_BLOCKED']
  ] as const) {
    wechat.fault({ errcode: 45011 }, { times: 1 })
    assertRefused(t, await login(), 429, LIMITED, 60)
    clock.advance(1000)
    wechat.fault({ errcode }, { times: 1 })
    assertRefused(t, await login(), status, code)
    t.equal((await login()).statusCode, 200)
    clock.advance(1001)
  }
})

test('cooldown: a clock that is set back neither extends nor prevents it', async (t) => {
  const clock = freezeClock(t)
  const { wechat, login } = await startLoginHost(t)
  t.equal((await login()).statusCode, 200)
  clock.advance(-3_600_000)
  wechat.fault({ errcode: 45011 }, { times: 1 })
  assertRefused(t, await login(), 429, LIMITED, 60)
  assertRefused(t, await login(), 429, LIMITED, 10)
  clock.advance(-3_600_000)
  t.equal((await login()).statusCode, 200)
})

test('cooldown: a code refused during the cooldown works after it', async (t) => {
  const clock = freezeClock(t)
  const { wechat, login } = await startLoginHost(t)
  wechat.fault({ errcode: 45011 }, { times: 1 })
  const code = wechat.login('alice')
  assertRefused(t, await login(code), 429, LIMITED, 60)
  assertRefused(t, await login(code), 429, LIMITED, 10)
  clock.advance(10_000)
  t.equal((await login(code)).statusCode, 200)
})

test('cooldown: starts again after another 45011, during or after it', async (t) => {
  const clock = freezeClock(t)
  const { wechat, login } = await startLoginHost(t)
  wechat.fault({ errcode: 45011 }, { times: 3 })
  await login()
  clock.advance(9_999)
  assertRefused(t, await login(), 429, LIMITED, 60)
  clock.advance(1)
  assertRefused(t, await login(), 429, LIMITED, 10)
  clock.advance(9_999)
  assertRefused(t, await login(), 429, LIMITED, 60)
  clock.advance(999)
  assertRefused(t, await login(), 429, LIMITED, 10)
  t.equal(wechat.requests.length, 3)
  clock.advance(1)
  t.equal((await login()).statusCode, 200)
})

test('cooldown: does not start within a second after a success', async (t) => {
  const clock = freezeClock(t)
  const { wechat, login } = await startLoginHost(t)
  t.equal((await login()).statusCode, 200)
  clock.advance(1000)
  wechat.fault({ errcode: 45011 }, { times: 1 })
  assertRefused(t, await login(), 429, LIMITED, 60)
  t.equal((await login()).statusCode, 200, 'only one user was limited')
  clock.advance(1001)
  wechat.fault({ errcode: 45011 }, { times: 1 })
  assertRefused(t, await login(), 429, LIMITED, 60)
  assertRefused(t, await login(), 429, LIMITED, 10)
})

test('cooldown: refuses logins that waited for a slot when 45011 arrived', async (t) => {
  const { wechat, login } = await startLoginHost(t, { concurrency: 1 })
  const response = deferred()
  wechat.fault({ delay: response.promise, errcode: 45011 }, { times: 1 })
  const arrived = wechat.nextRequest()
  const logins = [0, 1, 2].map((n) => login(wechat.login(`user-${n}`)))
  await arrived
  await nextTurn()
  response.resolve()
  const [first, ...others] = await Promise.all(logins)
  assertRefused(t, first!, 429, LIMITED, 60)
  for (const other of others) assertRefused(t, other, 429, LIMITED, 10)
  t.equal(wechat.requests.length, 1)
})

test('cooldown: affects one app only', async (t) => {
  const clock = freezeClock(t)
  const apps = { wxone: 'secret-of-one', wxtwo: 'secret-of-two' }
  const { client, wechat } = await startWechatClient(t, { apps }, { apps })
  const login = (appId: string) => client.code2Session(wechat.login('alice', { appId }), { appId })
  wechat.fault({ errcode: 45011 }, { times: 1 })
  await t.rejects(login('wxone'), { code: LIMITED, errcode: 45011 })
  t.equal((await login('wxtwo')).openid, wechat.openid('alice', { appId: 'wxtwo' }))
  await t.rejects(login('wxone'), { code: LIMITED, errcode: undefined, headers: { 'retry-after': '10' } })
  t.strictSame(wechat.requests.map(({ query }) => query.appid), ['wxone', 'wxtwo'])
  clock.advance(10_000)
  t.equal((await login('wxone')).openid, wechat.openid('alice', { appId: 'wxone' }))
})

test('cooldown: does not start after 45011 of another API, or other errors', async (t) => {
  const { app, wechat, login } = await startLoginHost(t, { retries: 0 })
  wechat.fault({ errcode: 45011 }, { path: '/wxa/x', times: 1 })
  await t.rejects(app.weapp.wechat.request('/wxa/x'), { code: LIMITED, errcode: 45011 })
  t.equal((await login()).statusCode, 200)
  for (const errcode of [45009, -1, 40226, 40125, 12345]) {
    wechat.fault({ errcode }, { path: '/sns/jscode2session', times: 1 })
    t.not((await login()).statusCode, 200)
    t.equal((await login()).statusCode, 200, `after ${errcode}`)
  }
  for (const fault of [{ status: 429 }, { status: 503 }, { reset: true }] as const) {
    wechat.fault(fault, { times: 1 })
    t.not((await login()).statusCode, 200)
    t.equal((await login()).statusCode, 200, `after ${JSON.stringify(fault)}`)
  }
})

test('cooldown: does not affect other APIs', async (t) => {
  const { app, wechat, login } = await startLoginHost(t)
  wechat.fault({ errcode: 45011 }, { times: 1 })
  await login()
  t.match(await app.weapp.wechat.getPhoneNumber(wechat.phoneCode('alice')), { countryCode: '86' })
  assertRefused(t, await login(), 429, LIMITED, 10)
})
