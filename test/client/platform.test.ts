/** Differences between platforms. */
import { test } from 'tap'
import { createWeappClient, type Wx } from '../../src/client/index.js'
import { freezeClock } from '../helpers/clock.js'
import { PAST_IDLE, startPhone } from '../helpers/phone.js'

test('wx: defaults to the global wx', async (t) => {
  const { mini, baseUrl } = await startPhone(t)
  t.throws(() => createWeappClient({ baseUrl }), { code: 'WEAPP_NO_WX' })
  t.teardown(() => { delete (globalThis as { wx?: unknown }).wx })
  Object.assign(globalThis, { wx: mini.wx })
  t.equal((await createWeappClient({ baseUrl }).request({ url: '/me' })).statusCode, 200)
})

test('baseUrl: must be the URL of a server other than WeChat', async (t) => {
  const { mini: { wx } } = await startPhone(t)
  for (const baseUrl of [
    '', 'api.example.com', '/api', 'https://', 'https:///x', 'https://api.weixin.qq.com', 'https://api.weixin.qq.com/x',
    undefined, null
  ]) {
    t.throws(() => createWeappClient({ baseUrl: baseUrl as string, wx }), { code: 'WEAPP_BAD_URL' }, String(baseUrl))
  }
  for (const baseUrl of ['http://localhost:3000', 'https://api.example.com/v1/', 'https://api.weixin.qq.community']) {
    createWeappClient({ baseUrl, wx })
  }
})

test('headers: names match in any case', async (t) => {
  const clock = freezeClock(t)
  for (const rename of [
    (name: string) => name.toUpperCase(), (name: string) => name.replace(/\b\w/g, (letter) => letter.toUpperCase())
  ]) {
    const { client, mini } = await startPhone(t, {
      before: (app) => app.setErrorHandler((_error, _request, reply) => reply.code(401).send({ success: false }))
    }, {
      platform: (wx) => ({
        ...wx,
        request: (options) => wx.request({
          ...options,
          success: (answer) => options.success({
            ...answer,
            header: Object.fromEntries(Object.entries(answer.header).map(([name, value]) => [rename(name), [value]]))
          })
        })
      })
    })
    await client.login()
    clock.advance(PAST_IDLE)
    t.equal((await client.request({ url: '/me' })).statusCode, 200)
    t.equal(mini.calls.login, 2)
  }
})

for (const unauthorizedAs of ['failure', 'bare failure'] as const) {
  test(`WeChat on a PC: a 401 arrives as a ${unauthorizedAs}`, async (t) => {
    const clock = freezeClock(t)
    const { client, mini, sent } = await startPhone(t, {}, { mini: { unauthorizedAs } })
    await client.login()
    clock.advance(PAST_IDLE)
    sent()
    t.match(await client.request({ url: '/me' }), { statusCode: 200 })
    const question = unauthorizedAs === 'failure' ? [] : ['GET /weapp/session 401']
    t.strictSame(sent(), ['GET /me 401', ...question, 'POST /weapp/login 200', 'GET /me 200'])

    t.match(await client.request({ url: '/echo/401' }), { statusCode: 401, header: Object })
    t.equal(mini.calls.login, 2, "a 401 of the host's costs no login")
    clock.advance(PAST_IDLE)
    await client.logout()
    t.equal(client.token, null)
    t.equal(mini.calls.login, 2)
  })
}

test('WeChat on a PC: a refused login rejects', async (t) => {
  const { client, host, launch } = await startPhone(t, {}, { mini: { unauthorizedAs: 'failure' } })
  host.wechat.fault({ errcode: 40029 })
  await t.rejects(client.login(), { code: 'FST_WEAPP_CODE_INVALID', statusCode: 401 })
  const bare = launch({ mini: { unauthorizedAs: 'bare failure' } })
  await t.rejects(bare.client.login(), { code: 'WEAPP_UNAUTHORIZED', statusCode: 401 })
})

test('request: a failure that is a 401 counts as one', async (t) => {
  const failures = [
    { errMsg: 'request:fail 401 Unauthorized' }, { errMsg: 'request:fail 401' }, { errMsg: '401' }, '401',
    { errMsg: 'request:fail', errno: 401 }, { statusCode: 401 }
  ]
  const { client } = await startPhone(t, {}, {
    platform: (wx) => ({ ...wx, request: (options) => { options.fail(failures[0] as object) } })
  })
  for (; failures.length > 0; failures.shift()) {
    t.match(await client.request({ url: '/me', auth: false }), { statusCode: 401, header: {} })
  }
})

test('request: rejects failures of the network, and does not sign in', async (t) => {
  const failures = [
    { errMsg: 'request:fail errcode:-401 cronet_error_code:-401 error_msg:net::ERR_CACHE_READ_FAILURE', errno: 600001 },
    { errMsg: 'request:fail connect ECONNREFUSED 10.0.0.1:401' },
    { errMsg: 'request:fail url not in domain list: https://api.example.com/orders/401' },
    { errMsg: 'uploadFile:fail file not found: /tmp/401 Unauthorized' },
    { errMsg: 'request:fail', statusCode: 0 },
    { errMsg: 'request:fail 1401' },
    {}
  ]
  const { client, mini } = await startPhone(t, {}, {
    platform: (wx) => ({ ...wx, request: (options) => { options.fail(failures[0]!) } })
  })
  for (; failures.length > 0; failures.shift()) {
    await t.rejects(
      client.request({ url: '/me', auth: 'optional' }),
      { code: 'WEAPP_NETWORK_FAILED', ...failures[0]?.errMsg && { errMsg: failures[0].errMsg } }
    )
  }
  t.equal(mini.calls.login, 0)
})

test('Taro: the second rejection is handled', async (t) => {
  const taro = (wx: Wx): Wx => {
    type Method = 'login' | 'checkSession' | 'request'
    const promised = (method: Method) => (options: any) => new Promise((resolve, reject) => {
      wx[method]({
        ...options,
        success: (result: unknown) => { options.success(result); resolve(result) },
        fail: (failure: unknown) => { options.fail(failure); reject(failure) }
      })
    })
    return { ...wx, login: promised('login'), checkSession: promised('checkSession'), request: promised('request') }
  }
  const { client, mini, host } = await startPhone(t, {}, { platform: taro })
  await client.login()
  host.wechat.rotateKey('alice')
  await client.ensureSessionKey()
  t.equal(mini.calls.login, 2)
  mini.offline = true
  // An unhandled rejection would fail this test.
  await t.rejects(client.request({ url: '/me' }), { code: 'WEAPP_NETWORK_FAILED' })
})

test('wx.login: rejects if the failure has no errMsg', async (t) => {
  const { client } = await startPhone(t, {}, {
    platform: (wx) => ({ ...wx, login: (options) => { options.fail({}) } })
  })
  await t.rejects(client.login(), { code: 'WEAPP_WX_LOGIN_FAILED', message: 'wx.login failed.' })
})
