import { tracingChannel } from 'node:diagnostics_channel'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Type } from '@sinclair/typebox'
import { test, type Test } from 'tap'
import { memoryStore, type OnLoginResult, type WeappSession } from '../../src/index.js'
import { encryptUserData } from '../../src/testing/simulator/crypto.js'
import type { EncryptedData } from '../../src/testing/simulator/simulator.js'
import { freezeClock } from '../helpers/clock.js'
import { FAILURES, faultyStore } from '../helpers/faulty-store.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { captureLog } from '../helpers/log.js'
import { APP_ID, APP_SECRET, SECRET, startHost, type HostOptions } from '../helpers/host.js'

const STALE = 'FST_WEAPP_SESSION_KEY_STALE'
const MISSING = 'FST_WEAPP_SESSION_KEY_MISSING'

/** The operations of a session. Each is a route of the same name. */
const WORK: Record<string, (session: WeappSession, body: any) => Promise<unknown>> = {
  decrypt: (session, { encryptedData, iv, maxAge }) => session.decrypt(encryptedData, iv, maxAge === undefined ? undefined : { maxAge }),
  verify: (session, { rawData, signature }) => session.verifySignature(rawData, signature),
  check: (session) => session.checkSessionKey(),
  reset: (session) => session.resetSessionKey()
}

async function startKeyHost (t: Test, { options, ...rest }: HostOptions = {}) {
  let handled = 0
  const host = await startHost(t, {
    ...rest,
    options: { session: { limit: false }, ...options },
    async after (app) {
      for (const [name, work] of Object.entries(WORK)) {
        app.post(`/${name}`, { config: { weapp: true } }, async ({ weapp, body }) => ({ result: await work(weapp!.session, body ?? {}) ?? null }))
        app.post(`/end-and-${name}`, { config: { weapp: true } }, async ({ weapp, body }) => {
          await weapp!.session.revoke()
          return { result: await work(weapp!.session, body ?? {}) }
        })
      }
      // Without keepSessionKey, a route with freshKey fails when it is declared.
      if (options?.keepSessionKey !== false) app.get('/fresh', { config: { weapp: { freshKey: true } } }, async () => ({ handled: ++handled }))
      await rest.after?.(app)
    }
  })
  const { wechat, post } = host
  return {
    ...host,
    get handled () { return handled },
    /** Number of WeChat's checks of a key. */
    get checks () { return wechat.requests.filter(({ path }) => path === '/wxa/checksession').length },
    open: (token: string, data: object) => post('/decrypt', data, token),
    /** Calls every operation. */
    async each (t: Test, token: string, check: (response: Awaited<ReturnType<typeof post>>) => void) {
      const body = { ...wechat.encrypt('alice', { n: 1 }), rawData: '{}', signature: wechat.sign('alice', '{}') }
      for (const name of Object.keys(WORK)) await t.test(name, async () => check(await post(`/${name}`, body, token)))
    }
  }
}

test('T39: decrypt: uses the current and the previous key, no older one', async (t) => {
  const { wechat, signIn, open } = await startKeyHost(t)
  const { token } = await signIn()
  const data = wechat.encrypt('alice', { nickName: 'Alice' })
  const opened = await open(token, data)
  t.equal(opened.statusCode, 200)
  t.match(opened.json(), { result: { nickName: 'Alice', watermark: { appid: APP_ID, timestamp: Number } } })

  const { token: second } = await signIn()
  for (const holder of [token, second]) t.match((await open(holder, data)).json(), { result: { nickName: 'Alice' } }, 'the key is of the user')

  const { token: third } = await signIn()
  for (const holder of [token, second, third]) assertRefused(t, await open(holder, data), 409, STALE)
  t.equal((await open(third, wechat.encrypt('alice', {}))).statusCode, 200)
})

test('login: the same key again keeps the previous key', async (t) => {
  const { wechat, signIn, open } = await startKeyHost(t, { simulator: { keyChanges: 'never' } })
  const { token } = await signIn()
  const first = wechat.encrypt('alice', { n: 1 })
  wechat.rotateKey('alice')
  await signIn()
  const second = wechat.encrypt('alice', { n: 2 })
  for (let i = 0; i < 3; i++) {
    await signIn()
    t.match((await open(token, first)).json(), { result: { n: 1 } })
    t.match((await open(token, second)).json(), { result: { n: 2 } })
  }
})

test('decrypt: a new key of WeChat is unknown until the next login', async (t) => {
  const { wechat, get, signIn, open } = await startKeyHost(t, { simulator: { keyChanges: 'never' } })
  const { token } = await signIn()
  wechat.rotateKey('alice')
  const data = wechat.encrypt('alice', { n: 1 })
  assertRefused(t, await open(token, data), 409, STALE)
  t.equal((await get('/me', token)).statusCode, 200, 'a dead key ends no session')
  await signIn()
  t.match((await open(token, data)).json(), { result: { n: 1 } })
})

test('maxAge: limits the age of the watermark', async (t) => {
  const clock = freezeClock(t)
  const { wechat, signIn, open } = await startKeyHost(t)
  const { token } = await signIn()
  const data = wechat.encrypt('alice', { n: 1 })
  const old = (maxAge?: unknown) => open(token, { ...data, maxAge })
  for (const maxAge of [undefined, 1, 5000, '5s', '1d']) t.equal((await old(maxAge)).statusCode, 200, String(maxAge))
  clock.advance(5000)
  for (const maxAge of [undefined, 5000, '5s']) t.equal((await old(maxAge)).statusCode, 200, String(maxAge))
  clock.advance(1)
  for (const maxAge of [1, 5000, '5s']) assertRefused(t, await old(maxAge), 409, STALE)
  t.equal((await old(5001)).statusCode, 200)
  clock.advance(6 * 86_400_000)
  t.equal((await old()).statusCode, 200, 'without it, any age')
})

test('maxAge: an invalid value is an error of the host', async (t) => {
  const { wechat, signIn, open } = await startKeyHost(t)
  const { token } = await signIn()
  for (const maxAge of ['soon', '', '60', 0, -1, 1.5, null, {}]) {
    const response = await open(token, { ...wechat.encrypt('alice', {}), maxAge })
    t.strictSame([response.statusCode, response.json().code], [500, 'FST_WEAPP_INVALID_OPTION'], JSON.stringify(maxAge))
    t.match(response.json().message, /option maxAge /)
  }
})

test('decrypt: data of another user or app fails like any other', async (t) => {
  const { wechat, signIn, open } = await startKeyHost(t)
  const { token } = await signIn()
  t.equal((await open(token, wechat.encrypt('alice', { openId: wechat.openid('alice') }))).statusCode, 200)

  const sessionKey = wechat.sessionKey('alice')
  const seal = (data: object): EncryptedData => encryptUserData(JSON.stringify(data), sessionKey)
  const watermark = { appid: APP_ID, timestamp: Math.floor(Date.now() / 1000) }
  const wrong = {
    nonsense: { encryptedData: 'nonsense', iv: 'nonsense' },
    'no data': {},
    "bob's openId": wechat.encrypt('alice', { openId: wechat.openid('bob') }),
    'an openId that is no text': wechat.encrypt('alice', { openId: null }),
    'an empty openId': wechat.encrypt('alice', { openId: '' }),
    'a list of openIds': wechat.encrypt('alice', { openId: [wechat.openid('alice')] }),
    "bob's key": wechat.encrypt('bob', { n: 1 }),
    "another app's": seal({ watermark: { ...watermark, appid: 'wxother' } }),
    'without a watermark': seal({ n: 1 }),
    'too old': { ...seal({ watermark: { ...watermark, timestamp: 1 } }), maxAge: '1d' }
  }
  const answers = new Set<string>()
  for (const [name, data] of Object.entries(wrong)) {
    const response = await open(token, data)
    assertRefused(t, response, 409, STALE)
    const { date, ...headers } = response.headers
    answers.add(JSON.stringify([response.statusCode, headers, response.body]))
    t.equal(answers.size, 1, name)
  }
})

test('keepSessionKey false: the store has no key, and operations throw KEY_MISSING', async (t) => {
  const { store, calls } = faultyStore()
  const { wechat, signIn, get, each } = await startKeyHost(t, { options: { store, keepSessionKey: false } })
  const { token } = await signIn()
  wechat.clearRequests()
  await each(t, token, (response) => assertRefused(t, response, 409, MISSING))
  t.strictSame(wechat.requests, [], 'WeChat is not asked')
  t.equal((await get('/me', token)).statusCode, 200, 'and the session lives on')
  t.notOk(calls.some(({ operation }) => operation === 'readKeys' || operation === 'writeKey'))
  for (const { operation, input } of calls) if (operation === 'create') t.equal((input as { key: unknown }).key, null)
})

test('keepSessionKey false: a login drops stored keys', async (t) => {
  const store = memoryStore()
  const keeping = await startKeyHost(t, { options: { store } })
  const { token } = await keeping.signIn()
  const data = keeping.wechat.encrypt('alice', {})
  t.equal((await keeping.open(token, data)).statusCode, 200)
  const forgetting = await startKeyHost(t, { options: { store, keepSessionKey: false } })
  assertRefused(t, await forgetting.open(token, data), 409, MISSING)
  await forgetting.signIn()
  assertRefused(t, await keeping.open(token, data), 409, MISSING)
})

test('secret: keys under a retired secret count as missing', async (t) => {
  const NEW = 'the new secret of the tests, long enough as well'
  const { store, instead, heal } = faultyStore()
  const before = await startKeyHost(t, { options: { store } })
  const during = await startKeyHost(t, { options: { store, secret: [NEW, SECRET] }, simulator: { keyChanges: 'never' } })
  const after = await startKeyHost(t, { options: { store, secret: NEW } })

  const { token: old } = await before.signIn()
  const first = before.wechat.encrypt('alice', { n: 1 })
  const { token } = await during.signIn()
  const second = during.wechat.encrypt('alice', { n: 2 })
  for (let i = 0; i < 2; i++) {
    t.match((await during.open(old, first)).json(), { result: { n: 1 } }, 'sealed under the old secret')
    t.match((await during.open(token, second)).json(), { result: { n: 2 } }, 'sealed under the new one')
    // The same key under another seal is recognized, and the previous key remains.
    await during.signIn()
  }

  assertRefused(t, await after.open(token, first), 409, STALE)
  t.match((await after.open(token, second)).json(), { result: { n: 2 } })

  const [newest, previous] = await store.readKeys({ userId: claimsOf(token).sub, now: Date.now() })
  instead('readKeys', async () => [previous, newest])
  t.match((await after.open(token, second)).json(), { result: { n: 2 } }, 'the one before still opens')
  assertRefused(t, await after.post('/check', {}, token), 409, MISSING)
  assertRefused(t, await after.post('/reset', {}, token), 409, MISSING)
  assertRefused(t, await after.get('/fresh', token), 409, MISSING)
  instead('readKeys', async () => [previous])
  await after.each(t, token, (response) => assertRefused(t, response, 409, MISSING))
  heal()
})

test('seal: an unknown seal counts as missing', async (t) => {
  const { store, instead } = faultyStore()
  const { signIn, each } = await startKeyHost(t, { options: { store } })
  const { token } = await signIn()
  const { token: other } = await signIn('bob')
  const [ofBob] = await store.readKeys({ userId: claimsOf(other).sub, now: Date.now() })
  for (const sealed of ['', 'nonsense', '\0', ofBob]) {
    instead('readKeys', async () => [sealed])
    await each(t, token, (response) => assertRefused(t, response, 409, MISSING))
  }
  t.ok(ofBob)
})

function claimsOf (token: string): { sub: string } {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
}

test('verifySignature: uses the current and the previous key', async (t) => {
  const { wechat, signIn, post } = await startKeyHost(t)
  const { token } = await signIn()
  const rawData = '{"nickName":"Alice 微信"}'
  const signature = wechat.sign('alice', rawData)
  const verify = (body: object) => post('/verify', { rawData, signature, ...body }, token)
  t.strictSame((await verify({})).json(), { result: true })
  for (const body of [{ rawData: '{}' }, { signature: signature.slice(1) }, { signature: wechat.sign('bob', rawData) }, { rawData: null }, { signature: {} }]) {
    assertRefused(t, await verify(body), 409, STALE)
  }
  await signIn()
  t.strictSame((await verify({})).json(), { result: true })
  await signIn()
  assertRefused(t, await verify({}), 409, STALE)
})

test('checkSessionKey: checks the current key with WeChat', async (t) => {
  const host = await startKeyHost(t)
  const { wechat, signIn, post } = host
  const { token } = await signIn()
  const check = async () => (await post('/check', {}, token)).json()
  t.strictSame(await check(), { result: true })
  wechat.rotateKey('alice')
  t.strictSame(await check(), { result: false })
  t.strictSame(await check(), { result: false })
  t.equal(host.checks, 3, 'WeChat is asked each time')
  await signIn()
  t.strictSame(await check(), { result: true })
  wechat.fault({ status: 503 }, { path: '/wxa/checksession', times: 1 })
  assertRefused(t, await post('/check', {}, token), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
  wechat.fault({ errcode: 40003 }, { path: '/wxa/checksession', times: 1 })
  t.strictSame(await check(), { result: false }, 'an openid that WeChat does not know any more')
  wechat.fault({ errcode: 40097 }, { path: '/wxa/checksession', times: 1 })
  assertRefused(t, await post('/check', {}, token), 502, 'FST_WEAPP_WECHAT_BAD_REPLY')
})

test('checkSessionKey: sends a signature, never the key', async (t) => {
  const { wechat, signIn, post } = await startKeyHost(t)
  const { token } = await signIn()
  const sessionKey = wechat.sessionKey('alice')
  await post('/check', {}, token)
  await post('/reset', {}, token)
  t.match(wechat.requests.slice(-2), [{ method: 'GET', path: '/wxa/checksession' }, { method: 'GET', path: '/wxa/resetusersessionkey' }])
  for (const { query } of wechat.requests.slice(-2)) {
    t.strictSame(Object.keys(query).sort(), ['access_token', 'openid', 'sig_method', 'signature'])
    t.match(query, { openid: wechat.openid('alice'), sig_method: 'hmac_sha256', signature: /^[0-9a-f]{64}$/ })
  }
  t.notOk(JSON.stringify(wechat.requests.slice(1)).includes(sessionKey))
})

test('resetSessionKey: stores the new key and keeps the old one as previous', async (t) => {
  const { wechat, get, signIn, post, open } = await startKeyHost(t)
  const { token } = await signIn()
  const key = wechat.sessionKey('alice')
  const before = wechat.encrypt('alice', { n: 1 })
  const response = await post('/reset', {}, token)
  t.strictSame([response.statusCode, response.json()], [200, { result: null }], 'the response does not contain the key')
  t.not(wechat.sessionKey('alice'), key)
  t.match((await open(token, wechat.encrypt('alice', { n: 2 }))).json(), { result: { n: 2 } })
  t.match((await open(token, before)).json(), { result: { n: 1 } })
  t.strictSame((await post('/check', {}, token)).json(), { result: true })
  t.equal((await get('/me', token)).statusCode, 200)
})

test('resetSessionKey: an invalid key throws KEY_STALE and changes nothing', async (t) => {
  const { wechat, signIn, post, open } = await startKeyHost(t)
  const { token } = await signIn()
  const data = wechat.encrypt('alice', { n: 1 })
  wechat.rotateKey('alice')
  assertRefused(t, await post('/reset', {}, token), 409, STALE)
  t.match((await open(token, data)).json(), { result: { n: 1 } })
})

test('resetSessionKey: an invalid response of WeChat changes nothing', async (t) => {
  const { store, asked } = faultyStore()
  const { wechat, signIn, post } = await startKeyHost(t, { options: { store } })
  const { token } = await signIn()
  const openid = wechat.openid('alice')
  for (const answer of [{}, { openid }, { openid, session_key: '' }, { openid, session_key: 1 }, { session_key: 'k' }, { openid: 'o-of-another', session_key: 'k' }]) {
    wechat.fault({ body: JSON.stringify({ errcode: 0, ...answer }) }, { path: '/wxa/resetusersessionkey', times: 1 })
    assertRefused(t, await post('/reset', {}, token), 502, 'FST_WEAPP_WECHAT_BAD_REPLY')
  }
  wechat.fault({ errcode: 45011 }, { path: '/wxa/resetusersessionkey', times: 1 })
  assertRefused(t, await post('/reset', {}, token), 429, 'FST_WEAPP_WECHAT_LIMITED', 60)
  t.equal(asked('writeKey'), 0)
})

test("keys: end with the user's last session", async (t) => {
  const { wechat, signIn, post } = await startKeyHost(t)
  for (const name of Object.keys(WORK)) {
    const { token } = await signIn()
    wechat.clearRequests()
    assertRefused(t, await post(`/end-and-${name}`, wechat.encrypt('alice', {}), token), 409, MISSING)
    t.strictSame(wechat.requests, [], 'WeChat is not asked')
  }
})

test('resetSessionKey: throws SESSION_ENDED if the last session ends meanwhile', async (t) => {
  const { store, instead } = faultyStore()
  const { wechat, signIn, post } = await startKeyHost(t, { options: { store } })
  const { token } = await signIn()
  instead('writeKey', async () => false)
  assertRefused(t, await post('/reset', {}, token), 409, 'FST_WEAPP_SESSION_ENDED')
  t.equal(wechat.requests.at(-1)?.path, '/wxa/resetusersessionkey')
})

test('store: a failure or timeout is 503 for every operation', async (t) => {
  for (const [name, failure] of Object.entries(FAILURES)) {
    const { store, instead, heal } = faultyStore()
    const host = await startKeyHost(t, { options: { store, storeTimeout: 20 } })
    const { token } = await host.signIn()
    const unavailable = (response: Awaited<ReturnType<typeof host.get>>) => assertRefused(t, response, 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
    await t.test(name, async (t) => {
      instead('readKeys', failure)
      await host.each(t, token, unavailable)
      unavailable(await host.get('/fresh', token))
      t.equal(host.checks, 0)
      heal()
      instead('writeKey', failure)
      unavailable(await host.post('/reset', {}, token))
    })
    t.equal(host.handled, 0)
  }
})

test("errors: headers survive the host's error handler", async (t) => {
  const { store, instead } = faultyStore()
  const { wechat, signIn, get, post } = await startKeyHost(t, {
    options: { store },
    before: (app) => { app.setErrorHandler((_error, _request, reply) => { reply.code(418).send({ teapot: true }) }) }
  })
  const { token } = await signIn()
  const headersOf = async (response: ReturnType<typeof post>) => {
    const { statusCode, headers, body } = await response
    t.strictSame([statusCode, body], [418, '{"teapot":true}'])
    return [headers['weapp-error'], headers['cache-control'], headers['retry-after'], headers['www-authenticate']]
  }
  const none = undefined
  t.strictSame(await headersOf(post('/decrypt', {}, token)), [STALE, 'no-store', none, none])
  t.strictSame(await headersOf(post('/verify', {}, token)), [STALE, 'no-store', none, none])
  wechat.rotateKey('alice')
  t.strictSame(await headersOf(post('/reset', {}, token)), [STALE, 'no-store', none, none])
  t.strictSame(await headersOf(get('/fresh', token)), [STALE, 'no-store', none, none])
  wechat.fault({ errcode: 45009 }, { times: 1 })
  t.strictSame(await headersOf(post('/check', {}, token)), ['FST_WEAPP_WECHAT_LIMITED', 'no-store', '3600', none])
  instead('readKeys', async () => [])
  t.strictSame(await headersOf(post('/decrypt', {}, token)), [MISSING, 'no-store', none, none])
  instead('readKeys', async () => { throw new Error('down') })
  t.strictSame(await headersOf(post('/decrypt', {}, token)), ['FST_WEAPP_STORE_UNAVAILABLE', 'no-store', '5', none])
})

// config.weapp.freshKey

test('freshKey: without keepSessionKey the route declaration fails', async (t) => {
  const declare = (keepSessionKey: boolean, freshKey: boolean) => startHost(t, {
    options: { keepSessionKey },
    after: (app) => { app.get('/fresh', { config: { weapp: { freshKey } } }, async () => {}) }
  })
  await t.rejects(declare(false, true), { code: 'FST_WEAPP_INVALID_OPTION', message: /config\.weapp of GET \/fresh cannot require a fresh session_key if keepSessionKey is false/ })
  await declare(false, false)
  await declare(true, true)
})

test('freshKey: without a live session WeChat is not called', async (t) => {
  const host = await startKeyHost(t)
  assertRefused(t, await host.get('/fresh'), 401, 'FST_WEAPP_TOKEN_MISSING')
  assertRefused(t, await host.get('/fresh', 'nonsense'), 401, 'FST_WEAPP_TOKEN_INVALID')
  t.strictSame([host.wechat.requests.length, host.handled], [0, 0])
})

test('freshKey: a valid key passes, an invalid one is 409 before the handler', async (t) => {
  const host = await startKeyHost(t)
  const { wechat, signIn, get } = host
  const { token } = await signIn()
  t.strictSame((await get('/fresh', token)).json(), { handled: 1 })
  const { token: bob } = await signIn('bob')
  wechat.rotateKey('bob')
  assertRefused(t, await get('/fresh', bob), 409, STALE)
  t.equal(host.handled, 1)
  t.equal((await get('/me', bob)).statusCode, 200, 'and the session lives on')
})

test('freshKey: a check is reused for a minute, valid or not', async (t) => {
  const clock = freezeClock(t)
  const host = await startKeyHost(t)
  const { wechat, signIn, get } = host
  const { token } = await signIn()
  const { token: second } = await signIn()
  const fresh = async (token: string) => {
    return (await get('/fresh', token)).statusCode
  }
  t.equal(await fresh(token), 200)
  wechat.rotateKey('alice')
  clock.advance(59_999)
  t.strictSame([await fresh(token), await fresh(second), host.checks], [200, 200, 1], 'per key, not per session')
  clock.advance(2)
  t.strictSame([await fresh(token), host.checks], [409, 2])
  clock.advance(59_999)
  t.strictSame([await fresh(token), await fresh(second), host.checks], [409, 409, 2])
  clock.advance(2)
  t.strictSame([await fresh(token), host.checks], [409, 3])
})

test('freshKey: a new key is checked anew', async (t) => {
  const host = await startKeyHost(t)
  const { wechat, signIn, post, get } = host
  const { token } = await signIn()
  wechat.rotateKey('alice')
  t.equal((await get('/fresh', token)).statusCode, 409)
  const { token: next } = await signIn()
  t.equal((await get('/fresh', next)).statusCode, 200)
  t.equal((await get('/fresh', token)).statusCode, 200, 'also for the session that was there')
  t.equal(host.checks, 2)
  await post('/reset', {}, token)
  t.equal((await get('/fresh', token)).statusCode, 200)
  t.equal(host.checks, 3, 'a key that was reset is a new one')
})

test('freshKey: a failed check is not reused', async (t) => {
  const host = await startKeyHost(t)
  const { wechat, signIn, get } = host
  const { token } = await signIn()
  wechat.fault({ status: 503 }, { path: '/wxa/checksession', times: 2 })
  assertRefused(t, await get('/fresh', token), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
  assertRefused(t, await get('/fresh', token), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
  t.equal(host.handled, 0)
  t.equal((await get('/fresh', token)).statusCode, 200)
  t.equal(host.checks, 3)
})

test('freshKey: concurrent requests share one call and its failure', async (t) => {
  const REQUESTS = 30
  const { store, asked } = faultyStore()
  const host = await startKeyHost(t, { options: { store } })
  const { wechat, signIn, get } = host
  const { token } = await signIn()
  await host.app.weapp.wechat.getAccessToken()

  for (const [errcode, statusCode] of [[45009, 429], [undefined, 200]] as const) {
    const [checks, before] = [host.checks, asked('readKeys')]
    let answer = () => {}
    const delay = new Promise<void>((resolve) => { answer = resolve })
    wechat.fault({ delay, ...errcode !== undefined && { errcode } }, { path: '/wxa/checksession', times: 1 })
    const responses = Array.from({ length: REQUESTS }, () => get('/fresh', token))
    while (asked('readKeys') < before + REQUESTS) await nextTurn()
    await nextTurn()
    answer()
    for (const response of await Promise.all(responses)) t.equal(response.statusCode, statusCode)
    t.equal(host.checks, checks + 1)
  }
})

test('freshKey false: is an ordinary guarded route', async (t) => {
  const host = await startKeyHost(t, {
    after (app) { app.get('/false', { config: { weapp: { freshKey: false } } }, async () => ({})) }
  })
  const { token } = await host.signIn()
  t.equal((await host.get('/false', token)).statusCode, 200)
  assertRefused(t, await host.get('/false'), 401, 'FST_WEAPP_TOKEN_MISSING')
  t.equal(host.checks, 0)
})

// decrypt in onLogin

async function startLoginWithData (t: Test, options: HostOptions['options'] = {}) {
  const faulty = faultyStore()
  const host = await startKeyHost(t, {
    options: {
      store: faulty.store,
      routes: { login: { body: Type.Object({ encryptedData: Type.Optional(Type.String()), iv: Type.Optional(Type.String()) }) } },
      async onLogin ({ body, decrypt }): Promise<OnLoginResult> {
        const { encryptedData, iv } = body as Partial<EncryptedData>
        return encryptedData === undefined ? {} : { reply: { opened: await decrypt(encryptedData, iv!) } }
      },
      ...options
    }
  })
  return {
    ...host,
    ...faulty,
    loginWith: (data: EncryptedData, code = host.wechat.login('alice')) => host.post('/weapp/login', { code, ...data })
  }
}

test('onLogin: decrypts with the key of the login', async (t) => {
  const { wechat, loginWith, open } = await startLoginWithData(t)
  const code = wechat.login('alice')
  const data = wechat.encrypt('alice', { openId: wechat.openid('alice'), nickName: 'Alice' })
  const response = await loginWith(data, code)
  t.equal(response.statusCode, 200)
  t.match(response.json(), { opened: { nickName: 'Alice' }, token: String })
  t.match((await open(response.json().token, data)).json(), { result: { nickName: 'Alice' } }, 'the key is stored')
})

test('onLogin: decrypts with a stored key', async (t) => {
  const { wechat, signIn, loginWith } = await startLoginWithData(t)
  await signIn()
  const data = wechat.encrypt('alice', { n: 1 })
  t.match((await loginWith(data)).json(), { opened: { n: 1 } })
})

test('onLogin: undecryptable data throws KEY_STALE, and no session is created', async (t) => {
  const { wechat, asked, loginWith } = await startLoginWithData(t)
  const data = wechat.encrypt('alice', { n: 1 })
  const code = wechat.login('alice')
  assertRefused(t, await loginWith(data, code), 409, STALE)
  for (const wrong of [
    wechat.encrypt('bob', {}), wechat.encrypt('alice', { openId: wechat.openid('bob') }), { encryptedData: '', iv: '' }
  ]) assertRefused(t, await loginWith(wrong), 409, STALE)
  t.equal(asked('create'), 0)
  assertRefused(t, await loginWith(data, code), 401, 'FST_WEAPP_CODE_USED')
})

test('keepSessionKey false: a login decrypts with its own key only', async (t) => {
  const { wechat, signIn, asked, loginWith } = await startLoginWithData(t, { keepSessionKey: false })
  await signIn()
  const before = wechat.encrypt('alice', { n: 1 })
  assertRefused(t, await loginWith(before), 409, STALE)
  const code = wechat.login('alice')
  t.match((await loginWith(wechat.encrypt('alice', { n: 2 }), code)).json(), { opened: { n: 2 } })
  t.equal(asked('readKeys'), 0)
})

test("onLogin: a failing store is 503 unless the login's own key decrypts", async (t) => {
  const { wechat, instead, asked, loginWith } = await startLoginWithData(t)
  instead('readKeys', FAILURES.rejects)
  const before = wechat.encrypt('alice', {})
  const code = wechat.login('alice')
  const data = wechat.encrypt('alice', { n: 1 })
  t.match((await loginWith(data, code)).json(), { opened: { n: 1 } })
  t.equal(asked('create'), 1)
  assertRefused(t, await loginWith(before), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
  t.equal(asked('create'), 1)
})

test('onLogin: decrypt observes maxAge', async (t) => {
  const clock = freezeClock(t)
  const ages: (number | undefined)[] = []
  const host = await startLoginWithData(t, {
    async onLogin ({ body, decrypt }) {
      const { encryptedData, iv } = body as unknown as EncryptedData
      const maxAge = ages.shift()
      await decrypt(encryptedData, iv, maxAge === undefined ? {} : { maxAge })
    }
  })
  for (const [maxAge, statusCode] of [[undefined, 200], [2000, 200], [1999, 409]] as const) {
    const code = host.wechat.login('alice')
    const data = host.wechat.encrypt('alice', {})
    clock.advance(2000)
    ages.push(maxAge)
    t.equal((await host.loginWith(data, code)).statusCode, statusCode)
  }
})

test('keys: never mix between two apps with equal openids', async (t) => {
  const apps = { [APP_ID]: APP_SECRET, wxother: 'other-secret' }
  const host = await startKeyHost(t, { simulator: { apps }, options: { apps, selectApp: (request) => String(request.headers['x-app']) } })
  const openid = 'o-the-same-in-both'
  const keys: Record<string, string> = { [APP_ID]: 'AAAAAAAAAAAAAAAAAAAAAA==', wxother: 'BBBBBBBBBBBBBBBBBBBBBA==' }
  const tokens: Record<string, string> = {}
  for (const [appId, key] of Object.entries(keys)) {
    host.wechat.fault({ body: JSON.stringify({ openid, session_key: key }) }, { times: 1 })
    tokens[appId] = (await host.signIn('anybody', { 'x-app': appId })).token
  }
  for (const [ofApp, key] of Object.entries(keys)) {
    const data = encryptUserData(JSON.stringify({ watermark: { appid: ofApp, timestamp: 1 } }), key)
    for (const [appId, token] of Object.entries(tokens)) {
      t.equal((await host.open(token, data)).statusCode, appId === ofApp ? 200 : 409, `${ofApp} at ${appId}`)
    }
  }
})

test('decrypt: log and channel contain the reason, and every response is the same', async (t) => {
  const log = captureLog()
  const reasons: unknown[] = []
  const onError = (event: unknown) => { reasons.push((event as { reason?: string }).reason) }
  const channel = tracingChannel('fastify-weapp.decrypt')
  channel.error.subscribe(onError)
  t.teardown(() => channel.error.unsubscribe(onError))
  const { wechat, signIn, post } = await startKeyHost(t, { server: log.server })
  const data = wechat.encrypt('alice', { n: 1 })
  const { token } = await signIn()
  await signIn()
  const valid = wechat.encrypt('alice', { n: 1 })
  const key = wechat.sessionKey('alice')
  const old = encryptUserData(JSON.stringify({ watermark: { appid: APP_ID, timestamp: 1 } }), key)
  const ofApp = encryptUserData(JSON.stringify({ watermark: { appid: 'wxother', timestamp: 1 } }), key)
  const cases: [string, string, object][] = [
    ['malformed', '/decrypt', { ...valid, iv: valid.iv.slice(1) }],
    ['malformed', '/decrypt', { ...valid, encryptedData: `${valid.encryptedData}\n` }],
    ['wrong-key', '/decrypt', data],
    ['other-app', '/decrypt', ofApp],
    ['other-user', '/decrypt', wechat.encrypt('alice', { openId: wechat.openid('bob') })],
    ['too-old', '/decrypt', { ...old, maxAge: '5m' }],
    ['wrong-signature', '/verify', { rawData: '{}', signature: '0'.repeat(40) }]
  ]
  const bodies = new Set<string>()
  for (const [, url, body] of cases) {
    const response = await post(url, body, token)
    assertRefused(t, response, 409, STALE)
    bodies.add(response.body)
  }
  t.equal(bodies.size, 1)
  const expected = cases.map(([reason]) => reason)
  t.strictSame(reasons, expected)
  const lines = log.events().filter(({ event }) => event === 'decrypt-failed')
  t.strictSame(lines.map(({ reason }) => reason), expected)
  t.match(lines[0], { appId: APP_ID, userId: String })
})

test('freshKey: 409 for an openid that WeChat does not know any more', async (t) => {
  const { wechat, get, signIn } = await startKeyHost(t)
  const { token } = await signIn()
  wechat.fault({ errcode: 40003 }, { path: '/wxa/checksession', times: 1 })
  assertRefused(t, await get('/fresh', token), 409, STALE)
})
