import { test } from 'tap'
import type { WeappError } from '../../src/index.js'
import { APP_ID, APP_SECRET } from '../helpers/host.js'
import { startWechatClient } from '../helpers/wechat-client.js'

const PATH = '/wxa/business/getuserphonenumber'

for (const countryCodeAs of ['string', 'number'] as const) {
  test(`getPhoneNumber: accepts a country code that is a ${countryCodeAs}`, async (t) => {
    const { client, wechat } = await startWechatClient(t, {}, { countryCodeAs })
    const code = wechat.phoneCode('alice', { phoneNumber: '13900139000' })
    t.strictSame(await client.getPhoneNumber(code), {
      phoneNumber: '13900139000', purePhoneNumber: '13900139000', countryCode: '86'
    })
    const { method, query, body } = wechat.requests.at(-1)!
    t.equal(method, 'POST')
    t.strictSame(Object.keys(query), ['access_token'])
    t.strictSame(JSON.parse(body), { code }, 'openid is sent only if it is given')
    await t.rejects(client.getPhoneNumber(code), { code: 'FST_WEAPP_PHONE_CODE_INVALID', errcode: 40029 },
      'a code works once')
  })
}

test('getPhoneNumber: with an openid, refuses a code of another user', async (t) => {
  const { client, wechat } = await startWechatClient(t)
  const openid = wechat.openid('alice')
  t.match(await client.getPhoneNumber(wechat.phoneCode('alice'), { openid }), { phoneNumber: '13800138000' })
  t.equal(JSON.parse(wechat.requests.at(-1)!.body).openid, openid)
  await t.rejects(client.getPhoneNumber(wechat.phoneCode('bob'), { openid }), { code: 'FST_WEAPP_PHONE_CODE_INVALID' })
  t.match(await client.getPhoneNumber(wechat.phoneCode('bob')), { phoneNumber: '13800138000' })
})

test('getPhoneNumber and code2Session: an error names the other kind of code', async (t) => {
  const { client, wechat } = await startWechatClient(t)
  const errorOf = (promise: Promise<unknown>): Promise<WeappError> => {
    return promise.then(() => t.fail('no error') as never, (error) => error)
  }
  const loginCode = wechat.login('alice')
  const phone = await errorOf(client.getPhoneNumber(loginCode))
  t.match(phone, { code: 'FST_WEAPP_PHONE_CODE_INVALID', statusCode: 400, errcode: 40029 })
  t.match(phone.message, /phone number button/)
  t.match(phone.message, /not a code of wx\.login/)

  const login = await errorOf(client.code2Session(wechat.phoneCode('alice')))
  t.match(login, { code: 'FST_WEAPP_CODE_INVALID', statusCode: 401, errcode: 40029 })
  t.match(login.message, /Send a new code of wx\.login/)
  t.match(login.message, /not a code of the phone number button/)
  t.not(phone.message, login.message)

  wechat.fault({ errcode: 40163 }, { path: PATH, times: 1 })
  const used = await errorOf(client.getPhoneNumber(wechat.phoneCode('alice')))
  t.match(used, { code: 'FST_WEAPP_PHONE_CODE_INVALID', message: phone.message, errcode: 40163 })
  t.equal((await client.code2Session(loginCode)).openid, wechat.openid('alice'), 'the login code is still unused')
})

test('getPhoneNumber: rejects an impossible code without a request to WeChat', async (t) => {
  const { client, paths } = await startWechatClient(t)
  for (const code of ['', undefined, null, 7, {}, ['code']]) {
    await t.rejects(client.getPhoneNumber(code as string), {
      code: 'FST_WEAPP_PHONE_CODE_INVALID', message: /phone number button/
    })
  }
  t.strictSame(paths(), [])
})

test('getPhoneNumber: maps other errcodes to their errors', async (t) => {
  const { client, wechat } = await startWechatClient(t, { retries: 0 })
  for (const [errcode, code] of [
    [-1, 'FST_WEAPP_WECHAT_UNAVAILABLE'], [40125, 'FST_WEAPP_WECHAT_CONFIG'], [45011, 'FST_WEAPP_WECHAT_LIMITED'],
    [48001, 'FST_WEAPP_WECHAT_CONFIG'], [12345, 'FST_WEAPP_WECHAT_BAD_REPLY']
  ] as const) {
    wechat.fault({ errcode }, { path: PATH, times: 1 })
    await t.rejects(client.getPhoneNumber(wechat.phoneCode('alice')), { code, errcode })
  }
})

test('getPhoneNumber: rejects an invalid phone number, or one of another app', async (t) => {
  const { client, wechat } = await startWechatClient(t)
  const valid = {
    phoneNumber: '1', purePhoneNumber: '1', countryCode: '86', watermark: { appid: APP_ID, timestamp: 1 }
  }
  const wrong = [
    undefined, null, 'text', [], {},
    ...['', 1, null, undefined].flatMap((value) => [
      { ...valid, phoneNumber: value }, { ...valid, purePhoneNumber: value }
    ]),
    ...['', null, undefined, {}, [86], true].map((countryCode) => ({ ...valid, countryCode })),
    ...[undefined, null, {}, { appid: 'wxother' }, { appid: [APP_ID] }].map((watermark) => ({ ...valid, watermark }))
  ]
  const replyWith = (info: unknown) => {
    wechat.fault({ body: JSON.stringify({ errcode: 0, phone_info: info }) }, { path: PATH, times: 1 })
    return client.getPhoneNumber('code')
  }
  t.match(await replyWith(valid), { phoneNumber: '1' })
  for (const info of wrong) {
    await t.rejects(replyWith(info), { code: 'FST_WEAPP_WECHAT_BAD_REPLY' }, JSON.stringify(info))
  }
})

test('getPhoneNumber: a code of another app is the error of the caller, and no configuration error', async (t) => {
  const apps = { [APP_ID]: APP_SECRET, wxother: 'secret-of-the-other' }
  const { client, wechat, configErrors } = await startWechatClient(t, { apps }, { apps })
  const code = wechat.phoneCode('alice', { appId: 'wxother' })
  const error = await client.getPhoneNumber(code, { appId: APP_ID }).then(() => null, (error) => error)
  t.match(error, { code: 'FST_WEAPP_PHONE_CODE_INVALID', statusCode: 400, errcode: 40013 })
  t.strictSame(configErrors, [])
  wechat.fault({ errcode: 40013, errmsg: 'invalid appid, rid: 1a-2b-3c' }, { path: PATH, times: 1 })
  t.match(await client.getPhoneNumber(code, { appId: APP_ID }).catch((error) => error), { rid: '1a-2b-3c' })
})
