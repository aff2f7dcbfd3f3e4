import { setImmediate as nextTurn } from 'node:timers/promises'
import { test } from 'tap'
import { createWechatClient } from '../../src/index.js'
import { startWechatSimulator } from '../../src/testing/simulator/simulator.js'
import { freezeClock } from '../helpers/clock.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { APP_ID } from '../helpers/host.js'
import { startLoginHost } from '../helpers/login-host.js'

const LIMITED = 'FST_WEAPP_WECHAT_LIMITED'

test('after 45011 WeChat is asked about one code a second at most, for ten seconds: the others are 429, with what is left of them', async (t) => {
  const clock = freezeClock(t)
  const { wechat, login } = await startLoginHost(t)
  wechat.fault({ errcode: 45011 }, { times: 1 })
  assertRefused(t, await login(), 429, LIMITED, 60)
  for (const [ms, left] of [[0, 10], [1, 10], [998, 10]] as const) {
    clock.advance(ms)
    assertRefused(t, await login(), 429, LIMITED, left)
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
  t.equal((await login()).statusCode, 200, 'the rest is over')
  t.equal((await login()).statusCode, 200)
})

test('the rest is over with the first code that is traded', async (t) => {
  const clock = freezeClock(t)
  const { wechat, login } = await startLoginHost(t)
  wechat.fault({ errcode: 45011 }, { times: 1 })
  await login()
  clock.advance(1000)
  t.equal((await login()).statusCode, 200)
  t.equal((await login()).statusCode, 200)
})

test('a user over the own quota who does not stop keeps nobody else out for longer than a second', async (t) => {
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

test('seconds in which nobody asked do not add up', async (t) => {
  const clock = freezeClock(t)
  const { wechat, login } = await startLoginHost(t)
  wechat.fault({ errcode: 45011 }, { times: 1 })
  await login()
  clock.advance(5000)
  wechat.fault({ reset: true }, { times: 1 })
  assertRefused(t, await login(), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
  assertRefused(t, await login(), 429, LIMITED, 5)
})

test('a code that was 45011 itself takes the turn of no other code, however often it is sent', async (t) => {
  const clock = freezeClock(t)
  const { wechat, login } = await startLoginHost(t)
  const code = wechat.login('mallory')
  wechat.fault({ errcode: 45011 }, { times: 1 })
  assertRefused(t, await login(code), 429, LIMITED, 60)
  clock.advance(1000)
  assertRefused(t, await login(code), 429, LIMITED, 9)
  t.equal((await login(wechat.login('alice'))).statusCode, 200)
  t.equal((await login(code)).statusCode, 200, 'after the rest it is asked about again')
})

test('the rest is over as well when WeChat says what is wrong with a code', async (t) => {
  const clock = freezeClock(t)
  const { wechat, login } = await startLoginHost(t)
  for (const [errcode, status, code] of [[40029, 401, 'FST_WEAPP_CODE_INVALID'], [40163, 401, 'FST_WEAPP_CODE_USED'], [40226, 403, 'FST_WEAPP_LOGIN_BLOCKED']] as const) {
    wechat.fault({ errcode: 45011 }, { times: 1 })
    assertRefused(t, await login(), 429, LIMITED, 60)
    clock.advance(1000)
    wechat.fault({ errcode }, { times: 1 })
    assertRefused(t, await login(), status, code)
    t.equal((await login()).statusCode, 200)
    clock.advance(1001)
  }
})

test('a clock that is set back neither makes a rest longer nor keeps an app from resting', async (t) => {
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

test('a code that came during the rest is not spent', async (t) => {
  const clock = freezeClock(t)
  const { wechat, login } = await startLoginHost(t)
  wechat.fault({ errcode: 45011 }, { times: 1 })
  const code = wechat.login('alice')
  assertRefused(t, await login(code), 429, LIMITED, 60)
  assertRefused(t, await login(code), 429, LIMITED, 10)
  clock.advance(10_000)
  t.equal((await login(code)).statusCode, 200)
})

test('45011 during a rest or after it is another rest', async (t) => {
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

test("while others' codes are traded, 45011 may be one user's alone, and nobody else is kept out", async (t) => {
  const clock = freezeClock(t)
  const { wechat, login } = await startLoginHost(t)
  t.equal((await login()).statusCode, 200)
  clock.advance(1000)
  wechat.fault({ errcode: 45011 }, { times: 1 })
  assertRefused(t, await login(), 429, LIMITED, 60)
  t.equal((await login()).statusCode, 200)
  clock.advance(1001)
  wechat.fault({ errcode: 45011 }, { times: 1 })
  assertRefused(t, await login(), 429, LIMITED, 60)
  assertRefused(t, await login(), 429, LIMITED, 10)
})

test('who waits for a turn when 45011 comes does not ask either', async (t) => {
  const { wechat, login } = await startLoginHost(t, { concurrency: 1 })
  let answer = () => {}
  wechat.fault({ delay: new Promise<void>((resolve) => { answer = resolve }), errcode: 45011 }, { times: 1 })
  const arrived = wechat.nextRequest()
  const logins = [0, 1, 2].map((n) => login(wechat.login(`user-${n}`)))
  await arrived
  await nextTurn()
  answer()
  const [first, ...others] = await Promise.all(logins)
  assertRefused(t, first!, 429, LIMITED, 60)
  for (const response of others) assertRefused(t, response, 429, LIMITED, 10)
  t.equal(wechat.requests.length, 1)
})

test('one app rests, the others do not', async (t) => {
  const clock = freezeClock(t)
  const apps = { wxone: 'secret-of-one', wxtwo: 'secret-of-two' }
  const wechat = await startWechatSimulator({ apps })
  const client = createWechatClient({ apps, baseUrl: wechat.url })
  t.teardown(async () => {
    await client.close()
    await wechat.close()
  })
  const login = (appId: string) => client.code2Session(wechat.login('alice', { appId }), { appId })
  wechat.fault({ errcode: 45011 }, { times: 1 })
  await t.rejects(login('wxone'), { code: LIMITED, errcode: 45011 })
  t.equal((await login('wxtwo')).openid, wechat.openid('alice', { appId: 'wxtwo' }))
  await t.rejects(login('wxone'), { code: LIMITED, errcode: undefined, headers: { 'retry-after': '10' } })
  t.strictSame(wechat.requests.map(({ query }) => query.appid), ['wxone', 'wxtwo'])
  clock.advance(10_000)
  t.equal((await login('wxone')).openid, wechat.openid('alice', { appId: 'wxone' }))
})

test('45011 elsewhere, and any other errcode, is no reason to rest', async (t) => {
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

test('a rest keeps nobody from what else WeChat offers', async (t) => {
  const { app, wechat, login } = await startLoginHost(t)
  wechat.fault({ errcode: 45011 }, { times: 1 })
  await login()
  t.match(await app.weapp.wechat.getPhoneNumber(wechat.phoneCode('alice')), { countryCode: '86' })
  assertRefused(t, await login(), 429, LIMITED, 10)
})

test('one code for two apps is two exchanges', async (t) => {
  const apps = { [APP_ID]: 'secret-of-one', wxtwo: 'secret-of-two' }
  const wechat = await startWechatSimulator({ apps })
  const client = createWechatClient({ apps, baseUrl: wechat.url })
  t.teardown(async () => {
    await client.close()
    await wechat.close()
  })
  const code = wechat.login('alice')
  const [one, two] = await Promise.allSettled([client.code2Session(code, { appId: APP_ID }), client.code2Session(code, { appId: 'wxtwo' })])
  t.match(one, { status: 'fulfilled', value: { openid: wechat.openid('alice') } })
  t.match(two, { status: 'rejected', reason: { code: 'FST_WEAPP_CODE_INVALID' } })
  t.equal(wechat.requests.length, 2)
})
