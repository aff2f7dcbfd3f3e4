/** Platforms that settle a promise, with or without callbacks. */
import { test } from 'tap'
import type { Wx } from '../../src/client/index.js'
import { freezeClock, SECOND } from '../helpers/clock.js'
import { PAST_IDLE, startPhone } from '../helpers/phone.js'

type Api = 'login' | 'checkSession' | 'request'

/** Returns a platform whose calls only settle a promise. */
function promisesOnly (wx: Wx): Wx {
  const promised = (api: Api) => (options: any) => new Promise((resolve, reject) => {
    wx[api]({ ...options, success: resolve, fail: reject })
  })
  return { ...wx, login: promised('login'), checkSession: promised('checkSession'), request: promised('request') }
}

test('promises without callbacks: their results and failures count', async (t) => {
  const clock = freezeClock(t)
  const { client, mini, host } = await startPhone(t, {}, { platform: promisesOnly })
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
  await client.ensureSessionKey()
  t.match(mini.calls, { login: 1, checkSession: 1 })
  clock.advance(PAST_IDLE)
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
  host.wechat.rotateKey('alice')
  mini.offline = true
  await t.rejects(client.request({ url: '/me' }), { code: 'WEAPP_NETWORK_FAILED', errMsg: String })
  await t.rejects(client.login(), { code: 'WEAPP_WX_LOGIN_FAILED', errMsg: String })
})

test('async functions with callbacks: fulfilment without a result does not count', async (t) => {
  const { client, host } = await startPhone(t, {}, {
    platform: (wx) => ({
      ...wx,
      login: async (options) => { wx.login(options) },
      checkSession: async (options) => { wx.checkSession(options) },
      request: async (options) => { wx.request(options) }
    })
  })
  t.match(await client.request({ url: '/me' }), { statusCode: 200, data: { openid: host.wechat.openid('alice') } })
  host.wechat.rotateKey('alice')
  await client.ensureSessionKey()
  await client.logout()
  t.equal(client.token, null)
})

test('an exception or a rejection of the platform: keeps its message and cause', async (t) => {
  const clock = freezeClock(t)
  const slip = new TypeError('x is not a function')
  for (const fail of [() => { throw slip }, async () => { throw slip }]) {
    let isBroken = true
    const { client } = await startPhone(t, {}, {
      platform: (wx) => ({
        ...wx,
        login: (options) => isBroken ? fail() : wx.login(options),
        request: (options) => isBroken ? fail() : wx.request(options)
      })
    })
    await t.rejects(client.login(), {
      code: 'WEAPP_WX_LOGIN_FAILED', message: 'wx.login failed: x is not a function', cause: slip
    })
    await t.rejects(client.request({ url: '/feed', auth: 'optional' }), {
      code: 'WEAPP_NETWORK_FAILED', message: 'No response from the server: x is not a function', cause: slip
    })
    isBroken = false
    clock.advance(SECOND)
    t.equal((await client.request({ url: '/me' })).statusCode, 200)
  }
})

test('an interceptor that rejects with the response: the response counts', async (t) => {
  const clock = freezeClock(t)
  const { client, mini, sent } = await startPhone(t, {}, {
    platform: (wx) => ({
      ...wx,
      request: (options) => new Promise((resolve, reject) => {
        wx.request({ ...options, success: (answer) => answer.statusCode > 399 ? reject(answer) : resolve(answer) })
      })
    })
  })
  await client.login()
  clock.advance(PAST_IDLE)
  sent()
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
  t.strictSame(sent(), ['GET /me 401', 'POST /weapp/login 200', 'GET /me 200'])
  t.equal((await client.request({ url: '/echo/404' })).statusCode, 404)
  t.equal(mini.calls.login, 2)
})
