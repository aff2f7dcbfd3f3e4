import { test } from 'tap'
import { signWithSessionKey } from '../../../src/testing/simulator/crypto.js'
import type { WechatSimulator } from '../../../src/testing/simulator/simulator.js'
import { HOUR, MINUTE } from '../../helpers/clock.js'
import { APPS, PHONE, accessToken, call, code2Session, post, simulate } from '../../helpers/simulator.js'

const CHECK = '/wxa/checksession'
const RESET = '/wxa/resetusersessionkey'

/** Returns the errcode of a request with the token. 40029 (invalid code) proves that the token is valid. */
async function probe (wechat: WechatSimulator, token: string) {
  return (await post(wechat, PHONE, { code: 'unknown' }, { access_token: token })).json.errcode
}

async function classicToken (wechat: WechatSimulator) {
  const query = { appid: 'wx1', secret: APPS.wx1, grant_type: 'client_credential' }
  return (await call(wechat, '/cgi-bin/token', query)).json
}

async function signedQuery (wechat: WechatSimulator, query: Record<string, string> = {}) {
  const { access_token: token } = await accessToken(wechat)
  const signature = signWithSessionKey('', wechat.sessionKey('alice'))
  return { access_token: token, openid: wechat.openid('alice'), signature, sig_method: 'hmac_sha256', ...query }
}

test('stable_token: returns the same token until its last five minutes', async (t) => {
  const { wechat, clock } = await simulate(t)
  const first = await accessToken(wechat)
  t.match(first, { access_token: /^\d+_[\w-]{128}$/, expires_in: 7200 })

  clock.now += 2 * HOUR - 5 * MINUTE - 500
  t.strictSame(await accessToken(wechat), { ...first, expires_in: 300 })
  clock.now += 500
  const second = await accessToken(wechat)
  t.not(second.access_token, first.access_token)
  t.equal(second.expires_in, 7200)

  clock.now += 5 * MINUTE - 1
  t.equal(await probe(wechat, first.access_token), 40029, 'both are valid during the overlap')
  clock.now += 1
  t.equal(await probe(wechat, first.access_token), 42001)
  t.equal(await probe(wechat, second.access_token), 40029)
})

test('force_refresh: expires the previous token at once', async (t) => {
  const { wechat } = await simulate(t)
  const first = await accessToken(wechat)
  const second = await accessToken(wechat, { force_refresh: true })
  t.equal(await probe(wechat, first.access_token), 40001)
  t.equal(await probe(wechat, second.access_token), 40029)
  t.strictSame(await accessToken(wechat), second)
})

test('force_refresh: has no effect within thirty seconds of the previous refresh', async (t) => {
  const { wechat, clock } = await simulate(t)
  const first = await accessToken(wechat, { force_refresh: true })
  clock.now += 29_999
  t.equal((await accessToken(wechat, { force_refresh: true })).access_token, first.access_token)
  clock.now += 1
  t.not((await accessToken(wechat, { force_refresh: true })).access_token, first.access_token)
})

test('force_refresh: works twenty times per day in China', async (t) => {
  const { wechat, clock } = await simulate(t)
  clock.now = Date.UTC(2026, 0, 1, 15)
  for (let i = 0; i < 20; i++) {
    t.ok((await accessToken(wechat, { force_refresh: true })).access_token)
    clock.now += MINUTE
  }
  t.equal((await accessToken(wechat, { force_refresh: true })).errcode, 45009)
  clock.now = Date.UTC(2026, 0, 1, 16)
  t.ok((await accessToken(wechat, { force_refresh: true })).access_token)
})

test('token: returns a new token; the previous one stays valid for five minutes', async (t) => {
  const { wechat, clock } = await simulate(t)
  const stable = await accessToken(wechat)
  const first = await classicToken(wechat)
  t.equal(first.expires_in, 7200)
  const second = await classicToken(wechat)
  clock.now += 5 * MINUTE - 1
  t.equal(await probe(wechat, first.access_token), 40029)
  clock.now += 1
  t.equal(await probe(wechat, first.access_token), 40001)
  t.equal(await probe(wechat, second.access_token), 40029)
  t.equal(await probe(wechat, stable.access_token), 40029, 'the tokens of the endpoints are independent')
})

test('expireAccessTokens: expires every token', async (t) => {
  const { wechat } = await simulate(t)
  const before = [await accessToken(wechat), await classicToken(wechat)]
  wechat.expireAccessTokens()
  for (const { access_token: token } of before) t.equal(await probe(wechat, token), 42001)
  t.equal(await probe(wechat, (await accessToken(wechat)).access_token), 40029)
})

test('access token: missing, malformed and unknown tokens have different errcodes', async (t) => {
  const { wechat } = await simulate(t)
  t.equal((await post(wechat, PHONE, {})).json.errcode, 41001)
  t.equal(await probe(wechat, 'malformed'), 40014)
  t.equal(await probe(wechat, `0_${'x'.repeat(128)}`), 40001)
})

test('stable_token: requires valid app credentials', async (t) => {
  const { wechat } = await simulate(t)
  t.equal((await accessToken(wechat, { appid: undefined })).errcode, 41002)
  t.equal((await accessToken(wechat, { secret: 5 })).errcode, 41004)
  t.equal((await accessToken(wechat, { grant_type: 'authorization_code' })).errcode, 40002)
  t.equal((await accessToken(wechat, { appid: 'wx3' })).errcode, 40013)
  t.equal((await accessToken(wechat, { secret: 'wrong' })).errcode, 40125)
  t.equal((await post(wechat, '/cgi-bin/stable_token', 'appid=wx1')).json.errcode, 47001)
  t.equal((await post(wechat, '/cgi-bin/stable_token', 'null')).json.errcode, 47001)
})

test('APIs: refuse undocumented methods', async (t) => {
  const { wechat } = await simulate(t)
  for (const path of [CHECK, RESET, '/cgi-bin/token']) t.equal((await post(wechat, path, {})).json.errcode, 43001, path)
  for (const path of [PHONE, '/cgi-bin/stable_token']) t.equal((await call(wechat, path)).json.errcode, 43002, path)
})

test('checksession: accepts the signature of the valid key only', async (t) => {
  const { wechat } = await simulate(t)
  const query = await signedQuery(wechat)
  const { json, contentType } = await call(wechat, CHECK, query)
  t.strictSame(json, { errcode: 0, errmsg: 'ok' })
  t.equal(contentType, 'application/json; encoding=utf-8')

  wechat.rotateKey('alice')
  t.equal((await call(wechat, CHECK, query)).json.errcode, 87009)
})

test('checksession, resetusersessionkey: refuse missing or foreign parameters', async (t) => {
  const { wechat } = await simulate(t)
  for (const [query, errcode] of [
    [{ access_token: '' }, 41001],
    [{ openid: '' }, 41009],
    [{ openid: 'unknown' }, 40003],
    [{ openid: wechat.openid('alice', { appId: 'wx2' }) }, 40003],
    [{ signature: '' }, 87009],
    [{ signature: signWithSessionKey('', wechat.sessionKey('bob')) }, 87009],
    [{ sig_method: '' }, 87008],
    [{ sig_method: 'sha1' }, 87008]
  ] as Array<[Record<string, string>, number]>) {
    for (const path of [CHECK, RESET]) {
      const { json } = await call(wechat, path, await signedQuery(wechat, query))
      t.equal(json.errcode, errcode, `${path} ${JSON.stringify(query)}`)
    }
  }
})

test('resetusersessionkey: replaces the key and keeps the phone\'s login valid', async (t) => {
  const { wechat } = await simulate(t)
  wechat.login('alice')
  const before = wechat.sessionKey('alice')
  const { json } = await call(wechat, RESET, await signedQuery(wechat))
  t.strictSame(json, {
    errcode: 0, errmsg: 'ok', openid: wechat.openid('alice'), session_key: wechat.sessionKey('alice')
  })
  t.not(wechat.sessionKey('alice'), before)
  t.equal(wechat.checkSession('alice'), true)
})

test('phone code: returns the number once, within five minutes', async (t) => {
  const { wechat, clock } = await simulate(t)
  const { access_token: token } = await accessToken(wechat)
  const redeem = (body: object) => post(wechat, PHONE, body, { access_token: token })
  const [code, unused] = [wechat.phoneCode('alice', { phoneNumber: '13912345678' }), wechat.phoneCode('alice')]

  clock.now += MINUTE
  t.strictSame((await redeem({ code })).json, {
    errcode: 0,
    errmsg: 'ok',
    phone_info: {
      phoneNumber: '13912345678',
      purePhoneNumber: '13912345678',
      countryCode: '86',
      watermark: { timestamp: (clock.now - MINUTE) / 1000, appid: 'wx1' }
    }
  })
  t.equal((await redeem({ code })).json.errcode, 40029)
  clock.now += 4 * MINUTE
  t.equal((await redeem({ code: unused })).json.errcode, 40029)
})

/** Returns the phone number fields of WeChat's response after a tap on the button. */
async function phoneInfo (wechat: WechatSimulator, phone: Parameters<WechatSimulator['phoneCode']>[1]) {
  const { access_token: token } = await accessToken(wechat)
  const { json } = await post(wechat, PHONE, { code: wechat.phoneCode('alice', phone) }, { access_token: token })
  const { phoneNumber, purePhoneNumber, countryCode } = json.phone_info
  return { phoneNumber, purePhoneNumber, countryCode }
}

test('phone number: a foreign number is returned with and without its country code', async (t) => {
  const { wechat } = await simulate(t)
  t.strictSame(await phoneInfo(wechat, { phoneNumber: '7700900000', countryCode: '44' }), {
    phoneNumber: '+447700900000', purePhoneNumber: '7700900000', countryCode: '44'
  })
  t.strictSame(await phoneInfo(wechat, { phoneNumber: '13912345678', countryCode: '86' }), {
    phoneNumber: '13912345678', purePhoneNumber: '13912345678', countryCode: '86'
  })
})

test('countryCodeAs: a number', async (t) => {
  const { wechat } = await simulate(t, { countryCodeAs: 'number' })
  t.match(await phoneInfo(wechat, {}), { countryCode: 86 })
  t.strictSame(await phoneInfo(wechat, { phoneNumber: '7700900000', countryCode: '44' }), {
    phoneNumber: '+447700900000', purePhoneNumber: '7700900000', countryCode: 44
  })
})

test('phoneCode: phone number and country code must be digits', async (t) => {
  const { wechat } = await simulate(t)
  const invalid = [
    ['phoneNumber', ['+44 7700900000', '', 7700900000, null]],
    ['countryCode', ['+44', '', 44, null, 'GB']]
  ] as const
  for (const [name, values] of invalid) {
    for (const value of values) {
      t.throws(() => wechat.phoneCode('alice', { [name]: value as string }), {
        name: 'TypeError', message: `phoneCode: ${name} must be a string of digits, such as '7700900000' or '44'`
      }, `${name} ${value}`)
    }
  }
})

test('phone code: login codes and codes of other apps or users are invalid', async (t) => {
  const { wechat } = await simulate(t)
  const { access_token: token } = await accessToken(wechat)
  const errcode = async (body: object) => (await post(wechat, PHONE, body, { access_token: token })).json.errcode
  const [login, code] = [wechat.login('alice'), wechat.phoneCode('alice')]

  t.equal(await errcode({}), 41008)
  t.equal(await errcode({ code: login }), 40029, 'a login code')
  t.ok((await code2Session(wechat, login)).json.openid, 'the login code is still valid')
  t.equal(await errcode({ code: wechat.phoneCode('alice', { appId: 'wx2' }) }), 40013, 'a code of another app')
  t.equal(await errcode({ code, openid: wechat.openid('bob') }), 40029)
  t.equal(await errcode({ code, openid: wechat.openid('alice') }), 0)
})
