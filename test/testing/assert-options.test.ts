import { test } from 'tap'
import { memoryStore } from '../../src/index.js'
import { createMiniProgram, startWechatSimulator, storeSuite } from '../../src/testing/index.js'
import { PHONE, accessToken, code2Session, post, simulate } from '../helpers/simulator.js'

type Methods = Record<string, (...args: unknown[]) => unknown>

/** Removes the types, as in a test in JavaScript. */
const inJavaScript = (typed: object) => typed as Methods
const newMiniProgram = createMiniProgram as unknown as (...args: unknown[]) => unknown

const NO_USER = [undefined, null, '', 5, {}]

test('simulator: an unknown option throws, with the valid ones in the message', async (t) => {
  const { wechat } = await simulate(t)
  const known = "'appid' is not valid. Use one of appId"
  for (const [method, args, message] of [
    [
      'fault', [{ errCode: 45011 }],
      "'errCode' is not valid. Use one of delay, processed, errcode, errmsg, body, contentType, status, headers, " +
        'redirect, stall, truncate, reset, huge'
    ],
    ['fault', [{ errcode: 45011 }, { time: 1 }], "'time' is not valid. Use one of times, path"],
    [
      'phoneCode', ['alice', { phone: '13912345678' }],
      "'phone' is not valid. Use one of appId, phoneNumber, countryCode"
    ],
    ['encrypt', ['alice', {}, { appid: 'wx2' }], "'appid' is not valid. Use one of appId, sessionKey"],
    ['sign', ['alice', '{}', { appid: 'wx2' }], known],
    ['requestVirtualPayment', ['alice', {}, { appid: 'wx2' }], known],
    ...['login', 'checkSession', 'openid', 'sessionKey', 'rotateKey'].map(
      (method) => [method, ['alice', { appid: 'wx2' }], known] as const
    )
  ] as const) {
    t.throws(() => inJavaScript(wechat)[method]!(...args), new TypeError(`${method}: ${message}`), method)
  }
  t.ok((await code2Session(wechat, wechat.login('alice'))).json.openid, 'no fault was added')

  await t.rejects(startWechatSimulator({ openplatform: true } as {}), new TypeError(
    "startWechatSimulator: 'openplatform' is not valid. Use one of apps, port, host, openPlatform, keyChanges, " +
      'countryCodeAs, virtualPayment, now'
  ))
})

test('Mini Program: an unknown option throws, with the valid ones in the message', async (t) => {
  const { wechat } = await simulate(t)
  const phone = createMiniProgram(wechat, { user: 'alice' })
  for (const [args, message] of [
    [[{ fails: 'x' }], "'fails' is not valid. Use one of delay, answerDelay, fail, errCode"],
    [[{ fail: 'x' }, { pth: '/me' }], "'pth' is not valid. Use one of api, path, times"],
    [
      [{ fail: 'x' }, { api: 'signIn' }],
      "'signIn' is not valid. Use one of login, checkSession, request, uploadFile, getStorageSync, setStorageSync, " +
        'requestVirtualPayment'
    ],
    [
      [{ fail: 'x' }, { api: 'toString' }],
      "'toString' is not valid. Use one of login, checkSession, request, uploadFile, getStorageSync, setStorageSync, " +
        'requestVirtualPayment'
    ]
  ] as const) {
    t.throws(() => inJavaScript(phone).fault!(...args), new TypeError(`fault: ${message}`), message)
  }
  t.match(await phone.wx.login(), { errMsg: 'login:ok' }, 'no fault was added')

  t.throws(() => newMiniProgram(wechat, { usr: 'alice' }), new TypeError(
    "createMiniProgram: 'usr' is not valid. Use one of user, appId, storage, unauthorizedAs"
  ))
})

test('options: a value that is not an object throws', async (t) => {
  const { wechat } = await simulate(t)
  const phone = createMiniProgram(wechat, { user: 'alice' })
  for (const fault of [[45011], [], [null], ['reset'], [{}, 1], [{}, null]]) {
    for (const tool of [wechat, phone]) {
      t.throws(
        () => inJavaScript(tool).fault!(...fault),
        { name: 'TypeError', message: /^fault: .* an object\. Its keys may be / }
      )
    }
  }
  t.throws(
    () => inJavaScript(wechat).login!('alice', 'wx2'),
    { name: 'TypeError', message: /^login: .* an object\. Its keys may be appId$/ }
  )
  t.throws(
    () => newMiniProgram(wechat),
    { name: 'TypeError', message: /^createMiniProgram: .* an object\. Its keys may be user, / }
  )
  await t.rejects(
    startWechatSimulator(3001 as {}),
    { name: 'TypeError', message: /^startWechatSimulator: .* an object\. Its keys may be apps, / }
  )
})

test('user: must be a non-empty string', async (t) => {
  const { wechat } = await simulate(t)
  for (const user of NO_USER) {
    for (const method of [
      'login', 'checkSession', 'phoneCode', 'encrypt', 'sign', 'openid', 'unionid', 'sessionKey', 'rotateKey'
    ]) {
      t.throws(
        () => inJavaScript(wechat)[method]!(user), new TypeError(`${method}: user must be a non-empty string`),
        `${method} ${user}`
      )
    }
    t.throws(
      () => newMiniProgram(wechat, { user }), new TypeError('createMiniProgram: user must be a non-empty string')
    )
  }
  t.throws(() => newMiniProgram(wechat, {}), new TypeError('createMiniProgram: user must be a non-empty string'))
})

test('values: an unknown value throws, and so does an unknown option of the store suite', async (t) => {
  const { wechat } = await simulate(t)
  t.throws(
    () => inJavaScript(wechat).fault!({ stall: 'header' }),
    new TypeError("fault: 'header' is not valid. Use one of headers, body")
  )
  for (const [options, message] of [
    [{ keyChanges: 'nevr' }, "'nevr' is not valid. Use one of always, never"],
    [{ countryCodeAs: 'text' }, "'text' is not valid. Use one of string, number"]
  ] as const) {
    await t.rejects(
      startWechatSimulator(options as object), new TypeError(`startWechatSimulator: ${message}`)
    )
  }
  t.throws(() => newMiniProgram(wechat, { user: 'alice', unauthorizedAs: 'fail' }), new TypeError(
    "createMiniProgram: 'fail' is not valid. Use one of answer, failure, bare failure"
  ))
  const misspelled = { round: 5 } as object
  await t.rejects(
    storeSuite(() => t.fail('no test starts'), memoryStore, misspelled),
    new TypeError("storeSuite: 'round' is not valid. Use one of rounds")
  )
})

test('options: undefined counts as absent', async (t) => {
  const { wechat } = await simulate(t, {
    openPlatform: undefined, keyChanges: undefined, countryCodeAs: undefined, port: undefined, host: undefined
  })
  const phone = createMiniProgram(wechat, {
    user: 'alice', appId: undefined, storage: undefined, unauthorizedAs: undefined
  })
  phone.fault({ delay: undefined, fail: undefined }, { api: undefined, path: undefined, times: undefined })
  wechat.fault({ errcode: undefined, stall: undefined }, { path: undefined, times: undefined })
  const before = wechat.sessionKey('alice')
  const { code } = (await phone.wx.login())!
  t.strictSame(
    (await code2Session(wechat, code)).json,
    { openid: wechat.openid('alice'), session_key: wechat.sessionKey('alice', { appId: undefined }) }
  )
  t.not(wechat.sessionKey('alice'), before)

  const { access_token: token } = await accessToken(wechat)
  const phoneCode = wechat.phoneCode('alice', { appId: undefined, phoneNumber: undefined, countryCode: undefined })
  t.match(
    (await post(wechat, PHONE, { code: phoneCode }, { access_token: token })).json.phone_info,
    { phoneNumber: '13800138000', countryCode: '86' }
  )
  t.ok(wechat.encrypt('alice', {}, { appId: undefined, sessionKey: undefined }))
})
