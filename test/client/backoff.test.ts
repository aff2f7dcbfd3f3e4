/** Logins that no user asked for, after failures. */
import { inspect } from 'node:util'
import { test } from 'tap'
import { freezeClock, MINUTE, SECOND } from '../helpers/clock.js'
import { PAST_IDLE, startPhone } from '../helpers/phone.js'

test('silent logins: twenty polls keep to Retry-After of a refused login', async (t) => {
  const clock = freezeClock(t)
  const { client, host, mini } = await startPhone(t)
  const restore = host.wechat.fault({ errcode: 45011 })
  await t.rejects(client.request({ url: '/me' }), { code: 'FST_WEAPP_WECHAT_LIMITED', retryAfter: 60 })
  clock.advance(20.5 * SECOND)
  for (let i = 0; i < 20; i += 1) {
    await t.rejects(client.request({ url: '/me' }), {
      code: 'FST_WEAPP_WECHAT_LIMITED', statusCode: 429, retryAfter: 40, data: { statusCode: 429 }
    })
  }
  t.equal(mini.calls.login, 1)
  restore()
  clock.advance(MINUTE)
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
  t.equal(mini.calls.login, 2)
})

test('silent logins: failures in a row double the delay, from 1 second to 32', async (t) => {
  const clock = freezeClock(t)
  const { client, mini } = await startPhone(t)
  const restore = mini.fault({ fail: 'timeout' }, { api: 'login' })
  for (const delay of [1, 2, 4, 8, 16, 32, 32]) {
    const { login } = mini.calls
    await t.rejects(client.request({ url: '/me' }), { code: 'WEAPP_WX_LOGIN_FAILED', retryAfter: undefined })
    clock.advance(delay * SECOND - 1)
    await t.rejects(client.ensureSessionKey(), {
      code: 'WEAPP_WX_LOGIN_FAILED', errMsg: 'login:fail timeout', retryAfter: 1
    })
    t.equal(mini.calls.login, login + 1, `${delay} s`)
    clock.advance(1)
  }
  restore()
  t.equal((await client.request({ url: '/me' })).statusCode, 200, 'a success ends the delay')
  await client.logout()
  mini.fault({ fail: 'timeout' }, { api: 'login', times: 1 })
  await t.rejects(client.login(), { code: 'WEAPP_WX_LOGIN_FAILED' })
  t.ok(await client.login())
})

test('silent logins: after a Retry-After the delay grows from it, up to 32 seconds', async (t) => {
  const clock = freezeClock(t)
  const { client, host, mini } = await startPhone(t)
  const restore = host.wechat.fault({ errcode: -1 })
  await t.rejects(client.request({ url: '/me' }), { code: 'FST_WEAPP_WECHAT_UNAVAILABLE', retryAfter: 5 })
  restore()
  mini.fault({ fail: 'timeout' }, { api: 'login' })
  let waited = 5
  for (const delay of [10, 20, 32, 32]) {
    clock.advance(waited * SECOND)
    await t.rejects(client.request({ url: '/me' }), { code: 'WEAPP_WX_LOGIN_FAILED', retryAfter: undefined })
    await t.rejects(client.request({ url: '/me' }), { code: 'WEAPP_WX_LOGIN_FAILED', retryAfter: delay })
    waited = delay
  }
})

test('silent logins: a call of login() is never delayed', async (t) => {
  freezeClock(t)
  const { client, mini } = await startPhone(t)
  mini.fault({ fail: 'timeout' }, { api: 'login', times: 3 })
  for (let i = 0; i < 3; i += 1) await t.rejects(client.login(), { code: 'WEAPP_WX_LOGIN_FAILED', retryAfter: undefined })
  await t.rejects(client.request({ url: '/me' }), { code: 'WEAPP_WX_LOGIN_FAILED', retryAfter: 4 })
  const login = client.login()
  t.equal((await client.request({ url: '/me' })).statusCode, 200, 'a request shares the login of the user')
  await login
  t.equal(mini.calls.login, 4)
})

test('silent logins: a clock that is set back does not prolong the delay', async (t) => {
  const clock = freezeClock(t)
  const { client, mini } = await startPhone(t)
  mini.fault({ fail: 'timeout' }, { api: 'login', times: 1 })
  await t.rejects(client.request({ url: '/me' }), { code: 'WEAPP_WX_LOGIN_FAILED' })
  clock.advance(-60 * MINUTE)
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
})

for (const thrown of [
  new RangeError('no data'), Object.assign(new RangeError('refused'), { code: 'A0401' }), { code: 40001 }, 'no data',
  undefined
]) {
  test(`silent logins: pass on what unwrap throws: ${inspect(thrown, { compact: true }).split('\n')[0]}`, async (t) => {
    const clock = freezeClock(t)
    const { client, mini } = await startPhone(t, {}, { client: { unwrap () { throw thrown } } })
    const failure = async (promise: Promise<unknown>) => await promise.then(() => 'none', (error) => error)
    for (const logins of [1, 2, 3]) {
      t.equal(await failure(client.request({ url: '/me' })), thrown)
      t.equal(await failure(client.request({ url: '/me' })), thrown, 'the delay keeps it')
      t.equal(mini.calls.login, logins)
      clock.advance(2 ** (logins - 1) * SECOND)
    }
  })
}

test('silent logins: an expired session is not renewed again and again', async (t) => {
  const clock = freezeClock(t)
  const { client, mini } = await startPhone(t)
  await client.login()
  clock.advance(PAST_IDLE)
  mini.fault({ fail: 'timeout' }, { api: 'login' })
  await Promise.all(Array.from({ length: 10 }, () => t.rejects(client.request({ url: '/me' }))))
  for (let i = 0; i < 10; i += 1) await t.rejects(client.request({ url: '/me' }))
  t.equal(mini.calls.login, 2)
})
