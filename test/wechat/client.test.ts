import { createHmac } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { inspect } from 'node:util'
import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { Dispatcher } from 'undici'
import { createWechatClient, type AppSecrets, type WechatClient, type WechatClientOptions, type WechatOptions } from '../../src/index.js'
import { startWechatSimulator, type WechatSimulatorOptions } from '../../src/testing/simulator/simulator.js'
import { captureLog } from '../helpers/log.js'
import { startRawWechat } from '../helpers/raw-wechat.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { APP_ID, APP_SECRET, startHost } from '../helpers/host.js'
import { startLoginHost } from '../helpers/login-host.js'

/** Tells when so many requests are in the hands of their handlers. */
function countArrivals () {
  const arrived: unknown[] = []
  return {
    before: (app: FastifyInstance) => { app.addHook('preHandler', async (request) => { arrived.push(request.id) }) },
    async arrivals (count: number): Promise<void> {
      while (arrived.length < count) await nextTurn()
      await nextTurn()
    }
  }
}

const OPENID = 'o-of-a-user'
const KEY = 'AAAAAAAAAAAAAAAAAAAAAA=='

const GOOD: Record<string, [object, string | null]> = {
  'no unionid': [{ openid: OPENID, session_key: KEY }, null],
  'a unionid': [{ openid: OPENID, session_key: KEY, unionid: 'u' }, 'u'],
  'a unionid of null': [{ openid: OPENID, session_key: KEY, unionid: null }, null],
  'an empty unionid': [{ openid: OPENID, session_key: KEY, unionid: '' }, null],
  'errcode 0': [{ openid: OPENID, session_key: KEY, errcode: 0, errmsg: 'ok' }, null],
  'more than is documented': [{ openid: OPENID, session_key: KEY, expires_in: 7200, rid: '1' }, null]
}

t.test('an answer with openid and session_key is a user', async (t) => {
  const told: object[] = []
  const { wechat, login } = await startLoginHost(t, {}, {
    options: { onLogin: ({ appId, openid, unionid }) => { told.push({ appId, openid, unionid }) } }
  })
  for (const [name, [answer, unionid]] of Object.entries(GOOD)) {
    wechat.fault({ body: JSON.stringify(answer) }, { times: 1 })
    t.equal((await login()).statusCode, 200, name)
    t.strictSame(told.pop(), { appId: APP_ID, openid: OPENID, unionid }, name)
  }
})

t.test('openid and session_key must be text that is not empty, unionid text: else 502, and onLogin is not told', async (t) => {
  let told = 0
  const { wechat, login } = await startLoginHost(t, {}, { options: { onLogin: () => { told++ } } })
  const wrong = ['', 0, 1, {}, [], ['o'], true, false, null, undefined]
  const answers = [
    ...wrong.map((openid) => ({ openid, session_key: KEY })),
    ...wrong.map((key) => ({ openid: OPENID, session_key: key })),
    ...[0, 1, {}, [], true].map((unionid) => ({ openid: OPENID, session_key: KEY, unionid }))
  ]
  for (const answer of answers) {
    wechat.fault({ body: JSON.stringify(answer) }, { times: 1 })
    const { statusCode, headers } = await login()
    t.strictSame([statusCode, headers['weapp-error']], [502, 'FST_WEAPP_WECHAT_BAD_REPLY'], JSON.stringify(answer))
  }
  t.equal(told, 0)
})

t.test('an errcode counts though openid and session_key are there', async (t) => {
  const { wechat, login } = await startLoginHost(t)
  wechat.fault({ body: JSON.stringify({ openid: OPENID, session_key: KEY, errcode: 40163 }) })
  assertRefused(t, await login(), 401, 'FST_WEAPP_CODE_USED')
})

t.test('50 logins at once with one code: one exchange, and a session for each', async (t) => {
  const LOGINS = 50
  const { arrivals, before } = countArrivals()
  let told = 0
  const { app, wechat, get, login } = await startLoginHost(t, {}, {
    before,
    options: { session: { limit: false }, onLogin: () => ({ data: { turn: ++told } }) },
    after: (app) => app.get('/turn', { config: { weapp: true } }, async (request) => request.weapp?.session.data)
  })
  let answer = () => {}
  wechat.fault({ delay: new Promise<void>((resolve) => { answer = resolve }) }, { times: 1 })
  const code = wechat.login('alice')
  const logins = Array.from({ length: LOGINS }, () => login(code))
  await arrivals(LOGINS)
  answer()

  const responses = await Promise.all(logins)
  t.ok(responses.every(({ statusCode }) => statusCode === 200))
  t.equal(wechat.requests.length, 1)
  const tokens = new Set(responses.map((response) => response.json().token))
  t.equal(tokens.size, LOGINS, 'no token is shared')
  t.equal(told, LOGINS, 'onLogin is called for each')
  t.equal((await app.weapp.sessions.list({ appId: APP_ID, openid: wechat.openid('alice') })).length, LOGINS)
  const turns = await Promise.all([...tokens].map(async (token) => (await get('/turn', token)).json().turn))
  t.equal(new Set(turns).size, LOGINS, 'no session is shared')

  assertRefused(t, await login(code), 401, 'FST_WEAPP_CODE_USED')
  t.equal(wechat.requests.length, 2, 'afterwards WeChat is asked again')
})

t.test('logins that share an exchange share its failure, and the next one asks anew', async (t) => {
  const { arrivals, before } = countArrivals()
  const { wechat, login } = await startLoginHost(t, {}, { before })
  let answer = () => {}
  wechat.fault({ delay: new Promise<void>((resolve) => { answer = resolve }), errcode: 40226 }, { times: 1 })
  const code = wechat.login('alice')
  const logins = [login(code), login(code), login(code)]
  await arrivals(3)
  answer()
  for (const response of await Promise.all(logins)) assertRefused(t, response, 403, 'FST_WEAPP_LOGIN_BLOCKED')
  t.equal(wechat.requests.length, 1)
  t.equal((await login(code)).statusCode, 200)
})

t.test('logins with different codes have exchanges of their own', async (t) => {
  const { wechat, get, login } = await startLoginHost(t)
  const users = ['alice', 'bob', 'carol']
  const responses = await Promise.all(users.map((user) => login(wechat.login(user))))
  t.equal(wechat.requests.length, 3)
  for (const [i, user] of users.entries()) {
    t.strictSame((await get('/me', responses[i]?.json().token)).json(), { openid: wechat.openid(user) })
  }
})

t.test('a code that can be none is refused, and WeChat is not asked', async (t) => {
  const { app, wechat, login } = await startLoginHost(t, {}, {
    after: (app) => app.post('/own', { errorHandler: (error, _request, reply) => reply.code(418).send({ code: (error as { code?: string }).code }) },
      async (request) => app.weapp.login(request, { code: (request.body as { code: string }).code }))
  })
  assertRefused(t, await login('the code is a mock one'), 401, 'FST_WEAPP_CODE_INVALID')
  for (const character of ['\0', '\t', '\n', '\r', '\u001b', '\u007f']) {
    assertRefused(t, await login(`code${character}`), 401, 'FST_WEAPP_CODE_INVALID')
  }
  for (const code of ['', 'a'.repeat(257), 123, true, null, ['a'], { a: 1 }, undefined]) {
    const response = await app.inject({ method: 'POST', url: '/own', payload: { code } })
    t.strictSame([response.statusCode, response.json()], [418, { code: 'FST_WEAPP_CODE_INVALID' }], `${JSON.stringify(code)} past any schema`)
  }
  t.equal(wechat.requests.length, 0)
})

// The client without Fastify: createWechatClient()

const PHONE = '/wxa/business/getuserphonenumber'

type ClientOptions = WechatOptions & { apps?: AppSecrets, onConfigError?: (errcode: number, hint: string, appId: string) => void }

async function startClient (t: Test, options: ClientOptions = {}, simulator: WechatSimulatorOptions = {}) {
  const wechat = await startWechatSimulator({ apps: { [APP_ID]: APP_SECRET }, ...simulator })
  const single = options.apps === undefined && { appId: APP_ID, appSecret: APP_SECRET }
  const client = createWechatClient({ ...single, baseUrl: wechat.url, ...options } as WechatClientOptions)
  t.teardown(async () => {
    await client.close()
    await wechat.close()
  })
  return { client, wechat, paths: () => wechat.requests.map(({ path }) => path) }
}

/** The user of a code, with what proves the key that came with it. */
async function holderOf (client: WechatClient, code: string, app: { appId?: string } = {}) {
  const { openid, sessionKey } = await client.code2Session(code, app)
  return { ...app, openid, sessionKey }
}

t.test('code2Session without Fastify', async (t) => {
  const { client, wechat, paths } = await startClient(t, {}, { openPlatform: true })
  const code = wechat.login('alice')
  t.strictSame(await client.code2Session(code), {
    openid: wechat.openid('alice'), unionid: wechat.unionid('alice'), sessionKey: wechat.sessionKey('alice')
  })
  await t.rejects(client.code2Session(code), { code: 'FST_WEAPP_CODE_USED', errcode: 40163 })
  await t.rejects(client.code2Session('unknown'), { code: 'FST_WEAPP_CODE_INVALID', errcode: 40029 })
  for (const none of ['', undefined, null, 7, {}, 'the code is a mock one']) {
    await t.rejects(client.code2Session(none as string), { code: 'FST_WEAPP_CODE_INVALID', errcode: undefined })
  }
  t.strictSame(paths(), Array(3).fill('/sns/jscode2session'), 'no access_token is asked for')
})

t.test('a login asks for no access_token, in a host either', async (t) => {
  const { wechat, login } = await startLoginHost(t)
  for (let i = 0; i < 3; i++) t.equal((await login()).statusCode, 200)
  t.strictSame(wechat.requests.map(({ path }) => path), Array(3).fill('/sns/jscode2session'))
})

t.test('checkSessionKey and resetUserSessionKey', async (t) => {
  const { client, wechat } = await startClient(t)
  const holder = await holderOf(client, wechat.login('alice'))
  t.equal(await client.checkSessionKey(holder), true)
  const sessionKey = await client.resetUserSessionKey(holder)
  t.equal(sessionKey, wechat.sessionKey('alice'))
  t.not(sessionKey, holder.sessionKey)
  t.equal(await client.checkSessionKey(holder), false, 'the old one is dead')
  t.equal(await client.checkSessionKey({ ...holder, sessionKey }), true)
  await t.rejects(client.resetUserSessionKey(holder), { code: 'FST_WEAPP_SESSION_KEY_STALE', statusCode: 409 })
  await t.rejects(client.checkSessionKey({ ...holder, openid: 'o-of-nobody' }), { code: 'FST_WEAPP_WECHAT_BAD_REPLY', errcode: 40003 })

  const { query } = wechat.requests.find(({ path }) => path === '/wxa/checksession')!
  t.equal(query.signature, createHmac('sha256', holder.sessionKey).update('').digest('hex'), 'signed with the text of the key')
})

t.test('a reset of the key that is answered without one, or for another user', async (t) => {
  const { client, wechat } = await startClient(t)
  const holder = await holderOf(client, wechat.login('alice'))
  for (const answer of [{}, { session_key: 'k' }, { openid: holder.openid }, { openid: holder.openid, session_key: '' }, { openid: 'other', session_key: 'k' }]) {
    wechat.fault({ body: JSON.stringify({ errcode: 0, ...answer }) }, { path: '/wxa/resetusersessionkey', times: 1 })
    await t.rejects(client.resetUserSessionKey(holder), { code: 'FST_WEAPP_WECHAT_BAD_REPLY' }, JSON.stringify(answer))
  }
})

for (const countryCodeAs of ['string', 'number'] as const) {
  t.test(`a phone number, its country code a ${countryCodeAs}`, async (t) => {
    const { client, wechat } = await startClient(t, {}, { countryCodeAs })
    const code = wechat.phoneCode('alice', { phoneNumber: '13900139000' })
    t.strictSame(await client.getPhoneNumber(code), { phoneNumber: '13900139000', purePhoneNumber: '13900139000', countryCode: '86' })
    const { method, query, body } = wechat.requests.at(-1)!
    t.equal(method, 'POST')
    t.strictSame(Object.keys(query), ['access_token'])
    t.strictSame(JSON.parse(body), { code }, 'openid is sent only when it is given')
    await t.rejects(client.getPhoneNumber(code), { code: 'FST_WEAPP_PHONE_CODE_INVALID', errcode: 40029 }, 'it works once')
  })
}

t.test('with an openid WeChat checks that the phone code is of that user', async (t) => {
  const { client, wechat } = await startClient(t)
  const openid = wechat.openid('alice')
  t.match(await client.getPhoneNumber(wechat.phoneCode('alice'), { openid }), { phoneNumber: '13800138000' })
  t.equal(JSON.parse(wechat.requests.at(-1)!.body).openid, openid)
  await t.rejects(client.getPhoneNumber(wechat.phoneCode('bob'), { openid }), { code: 'FST_WEAPP_PHONE_CODE_INVALID' })
  t.match(await client.getPhoneNumber(wechat.phoneCode('bob')), { phoneNumber: '13800138000' })
})

t.test('the two kinds of code, swapped: each error names the other', async (t) => {
  const { client, wechat } = await startClient(t)
  const error = (promise: Promise<unknown>) => promise.then(() => t.fail('no error'), (error) => error)
  const loginCode = wechat.login('alice')
  const phone = await error(client.getPhoneNumber(loginCode))
  t.match(phone, { code: 'FST_WEAPP_PHONE_CODE_INVALID', statusCode: 400, errcode: 40029 })
  t.match(phone.message, /phone number button/)
  t.match(phone.message, /not the one of wx\.login/)

  const login = await error(client.code2Session(wechat.phoneCode('alice')))
  t.match(login, { code: 'FST_WEAPP_CODE_INVALID', statusCode: 401, errcode: 40029 })
  t.match(login.message, /call wx\.login/)
  t.match(login.message, /Neither a code of the phone number button/)
  t.not(phone.message, login.message)

  wechat.fault({ errcode: 40163 }, { path: PHONE, times: 1 })
  const used = await error(client.getPhoneNumber(wechat.phoneCode('alice')))
  t.match(used, { code: 'FST_WEAPP_PHONE_CODE_INVALID', message: phone.message, errcode: 40163 })
  t.equal((await client.code2Session(loginCode)).openid, wechat.openid('alice'), 'and the login code is not spent')
})

t.test('a phone code that can be none: WeChat is not asked', async (t) => {
  const { client, paths } = await startClient(t)
  for (const code of ['', undefined, null, 7, {}, ['code']]) {
    await t.rejects(client.getPhoneNumber(code as string), { code: 'FST_WEAPP_PHONE_CODE_INVALID', message: /phone number button/ })
  }
  t.strictSame(paths(), [])
})

t.test('other errcodes at a phone number', async (t) => {
  const { client, wechat } = await startClient(t, { retries: 0 })
  for (const [errcode, code] of [
    [-1, 'FST_WEAPP_WECHAT_UNAVAILABLE'], [40013, 'FST_WEAPP_WECHAT_CONFIG'], [45011, 'FST_WEAPP_WECHAT_LIMITED'], [48001, 'FST_WEAPP_WECHAT_CONFIG'],
    [12345, 'FST_WEAPP_WECHAT_BAD_REPLY']
  ] as const) {
    wechat.fault({ errcode }, { path: PHONE, times: 1 })
    await t.rejects(client.getPhoneNumber(wechat.phoneCode('alice')), { code, errcode })
  }
})

t.test('a phone number that is none, or of another app: 502', async (t) => {
  const { client, wechat } = await startClient(t)
  const good = { phoneNumber: '1', purePhoneNumber: '1', countryCode: '86', watermark: { appid: APP_ID, timestamp: 1 } }
  const wrong = [
    undefined, null, 'text', [], {},
    ...['', 1, null, undefined].flatMap((value) => [{ ...good, phoneNumber: value }, { ...good, purePhoneNumber: value }]),
    ...['', null, undefined, {}, [86], true].map((countryCode) => ({ ...good, countryCode })),
    ...[undefined, null, {}, { appid: 'wxother' }, { appid: [APP_ID] }].map((watermark) => ({ ...good, watermark }))
  ]
  const answer = (info: unknown) => {
    wechat.fault({ body: JSON.stringify({ errcode: 0, phone_info: info }) }, { path: PHONE, times: 1 })
    return client.getPhoneNumber('code')
  }
  t.match(await answer(good), { phoneNumber: '1' })
  for (const info of wrong) await t.rejects(answer(info), { code: 'FST_WEAPP_WECHAT_BAD_REPLY' }, JSON.stringify(info))
})

t.test('request: any API that takes an access_token', async (t) => {
  const asked: { method?: string | undefined, url: URL, type?: string | undefined, body: string }[] = []
  const wechat = await startRawWechat(t, (request, response) => {
    let body = ''
    request.on('data', (chunk) => { body += chunk })
    request.on('end', () => {
      const url = new URL(request.url!, 'http://wechat')
      asked.push({ method: request.method, url, type: request.headers['content-type'], body })
      response.end(url.pathname === '/cgi-bin/stable_token' ? '{"access_token":"the+token/=","expires_in":7200}' : '{"errcode":0,"errmsg":"ok","result":{"suggest":"pass"}}')
    })
  })
  const { client } = await startClient(t, { baseUrl: wechat.url })
  t.strictSame(await client.request('/wxa/msg_sec_check', { query: { a: 'b&c=d', access_token: 'mine' }, body: { content: '微信' } }), {
    errcode: 0, errmsg: 'ok', result: { suggest: 'pass' }
  })
  t.match(asked[1], { method: 'POST', type: 'application/json', body: '{"content":"微信"}' })
  t.strictSame(Object.fromEntries(asked[1]!.url.searchParams), { a: 'b&c=d', access_token: 'the+token/=' }, "and nobody's token but ours")
  await client.request('/wxa/get_something.v2')
  t.match(asked[2], { method: 'GET', body: '' })
  t.equal(`${asked[2]!.url.pathname}${asked[2]!.url.search}`, '/wxa/get_something.v2?access_token=the%2Btoken%2F%3D')
  await client.request('/wxa/empty-body', { body: {} })
  t.match(asked[3], { method: 'POST', body: '{}' })
})

t.test('request: an answer without an errcode is one, and an errcode is on the error', async (t) => {
  const { client, wechat } = await startClient(t)
  const path = '/wxa/getwxadevinfo'
  wechat.fault({ body: '{"data":[]}' }, { path, times: 1 })
  t.strictSame(await client.request(path), { data: [] })
  for (const [errcode, code] of [[87014, 'FST_WEAPP_WECHAT_BAD_REPLY'], [45009, 'FST_WEAPP_WECHAT_LIMITED'], [48001, 'FST_WEAPP_WECHAT_CONFIG']] as const) {
    wechat.fault({ errcode, errmsg: 'canary' }, { path, times: 1 })
    const error = await client.request(path).then(() => t.fail('no error'), (error) => error)
    t.match(error, { code, errcode })
    t.notOk(inspect(error).includes('canary'), "and WeChat's words are not")
  }
})

t.test('request: what is no path is refused before anything is asked', async (t) => {
  const { client, paths } = await startClient(t)
  const wrong = [
    '', '/', 'wxa/check', 'https://evil.example/x', '//evil.example/x', '/\\evil.example', '/@evil.example', '/wxa?a=b', '/wxa#x', '/wxa/', '/wxa//x', '/wxa x',
    '/wxa\n', '/wxa%2f', '/wxa/check?access_token=x', '/微信', undefined, null, {}
  ]
  for (const path of wrong) {
    await t.rejects(client.request(path as string), { code: 'FST_WEAPP_INVALID_OPTION', message: /option path / }, String(path))
  }
  t.strictSame(paths(), [])
})

t.test('several apps: each call names its own, and one that is not ours is not asked for', async (t) => {
  const apps = { wxone: 'secret-of-one', wxtwo: 'secret-of-two' }
  for (const given of [apps, (appId: string) => apps[appId as 'wxone'] ?? null, async (appId: string) => apps[appId as 'wxone'] ?? null]) {
    const { client, wechat } = await startClient(t, { apps: given }, { apps })
    for (const appId of Object.keys(apps)) {
      const holder = await holderOf(client, wechat.login('alice', { appId }), { appId })
      t.equal(holder.openid, wechat.openid('alice', { appId }))
      t.equal(await client.checkSessionKey(holder), true)
      t.equal(await client.resetUserSessionKey(holder), wechat.sessionKey('alice', { appId }))
      t.match(await client.getPhoneNumber(wechat.phoneCode('alice', { appId }), { appId }), { countryCode: '86' })
    }
    t.not(await client.getAccessToken({ appId: 'wxone' }), await client.getAccessToken({ appId: 'wxtwo' }))
    await t.rejects(client.code2Session(wechat.login('alice', { appId: 'wxtwo' }), { appId: 'wxone' }), { code: 'FST_WEAPP_CODE_INVALID' })

    wechat.clearRequests()
    const holder = { openid: 'o', sessionKey: 'k' }
    for (const app of [{ appId: 'wxother' }, { appId: '' }, { appId: 'constructor' }, { appId: '__proto__' }, {}]) {
      const code = 'appId' in app ? 'FST_WEAPP_APP_UNKNOWN' : 'FST_WEAPP_INVALID_OPTION'
      const calls: Promise<unknown>[] = [
        client.code2Session('code', app), client.getAccessToken(app), client.getPhoneNumber('code', app), client.request('/x', app),
        client.checkSessionKey({ ...holder, ...app }), client.resetUserSessionKey({ ...holder, ...app })
      ]
      for (const call of calls) await t.rejects(call, { code }, JSON.stringify(app))
    }
    t.strictSame(wechat.requests, [])
  }
})

t.test('one app in a map need not be named', async (t) => {
  const { client, wechat } = await startClient(t, { apps: { [APP_ID]: APP_SECRET } })
  t.equal((await client.code2Session(wechat.login('alice'))).openid, wechat.openid('alice'))
})

t.test('an error says what was in the way, in words that can be shown', async (t) => {
  const { client, wechat } = await startClient(t)
  for (const [fault, code, failure] of [
    [{ status: 403 }, 'BAD_REPLY', 'HTTP 403'], [{ status: 502 }, 'UNAVAILABLE', 'HTTP 502'], [{ body: '<html>' }, 'BAD_REPLY', 'not JSON'],
    [{ body: 'x'.repeat(65 * 1024) }, 'BAD_REPLY', 'too large'], [{ reset: true }, 'UNAVAILABLE', 'ECONNRESET']
  ] as const) {
    wechat.fault(fault, { times: 1 })
    await t.rejects(client.code2Session(wechat.login('alice')), { code: `FST_WEAPP_WECHAT_${code}`, failure })
  }
  for (const [error, failure] of [
    [{ code: 'CERT_HAS_EXPIRED' }, 'CERT_HAS_EXPIRED'], [{ code: `https://secret/${APP_SECRET}` }, undefined], [{ code: 7 }, undefined], [null, undefined]
  ]) {
    const dispatch = ({ method }: { method: string }, handler: Dispatcher.DispatchHandler) => {
      if (method === 'GET') handler.onResponseError!(undefined as never, error as unknown as Error)
      return true
    }
    const { client } = await startClient(t, { retries: 0, dispatcher: { dispatch } })
    const refusal = await client.code2Session('code').then(() => null, (error) => error)
    t.match(refusal, { code: 'FST_WEAPP_WECHAT_UNAVAILABLE' })
    t.equal(refusal.failure, failure)
  }
})

t.test('onConfigError is told what to mend, each time, and may be left out', async (t) => {
  const told: unknown[] = []
  const { client, wechat } = await startClient(t, { onConfigError: (...args) => { told.push(args) } })
  wechat.fault({ errcode: 40125 }, { times: 2 })
  for (let i = 0; i < 2; i++) await t.rejects(client.code2Session(wechat.login('alice')), { code: 'FST_WEAPP_WECHAT_CONFIG', errcode: 40125 })
  wechat.fault({ errcode: 40164 }, { times: 1 })
  await t.rejects(client.getAccessToken(), { code: 'FST_WEAPP_WECHAT_CONFIG', errcode: 40164 })
  t.match(told, [[40125, /app secret is wrong/, APP_ID], [40125, /app secret is wrong/, APP_ID], [40164, /whitelist/, APP_ID]])
  await t.rejects(client.code2Session('unknown'), { code: 'FST_WEAPP_CODE_INVALID', errcode: 40029 })
  t.equal(told.length, 3)

  for (const options of [{}, { onConfigError () { throw new Error('of the host') } }]) {
    const { client, wechat } = await startClient(t, options)
    wechat.fault({ errcode: 40125 })
    await t.rejects(client.code2Session('code'), { code: 'FST_WEAPP_WECHAT_CONFIG' })
  }
})

t.test('wrong options', async (t) => {
  const app = { appId: APP_ID, appSecret: APP_SECRET }
  const wrong: Record<string, object> = {
    appId: {},
    appSecret: { appId: APP_ID },
    apps: { ...app, apps: { wx: 'secret' } },
    timeout: { ...app, timeout: 'soon' },
    baseUrl: { ...app, baseUrl: 'http://api.weixin.qq.com' },
    retries: { ...app, retries: -1 },
    concurrency: { ...app, concurrency: 0 },
    dispatcher: { ...app, dispatcher: {} },
    retry: { ...app, retry: 1 },
    secret: { ...app, secret: 'of the plugin' },
    onConfigError: { ...app, onConfigError: 5 }
  }
  for (const [name, options] of Object.entries(wrong)) {
    t.throws(() => createWechatClient(options as WechatClientOptions), { code: 'FST_WEAPP_INVALID_OPTION', message: new RegExp(`option ${name} `) })
  }
  t.throws(() => createWechatClient(undefined as unknown as WechatClientOptions), { code: 'FST_WEAPP_INVALID_OPTION', message: /option appId / })
})

t.test('close lets calls under way finish, and may be called again', async (t) => {
  const { client, wechat } = await startClient(t)
  let answer = () => {}
  wechat.fault({ delay: new Promise<void>((resolve) => { answer = resolve }) }, { times: 1 })
  const arrived = wechat.nextRequest()
  const call = client.code2Session(wechat.login('alice'))
  await arrived
  const closed = client.close()
  answer()
  t.match(await call, { openid: wechat.openid('alice') })
  await closed
  await client.close()
  await t.rejects(client.code2Session(wechat.login('alice')), { code: 'FST_WEAPP_WECHAT_UNAVAILABLE' })
})

t.test('app.weapp.wechat is this client, without what gives a session_key away', async (t) => {
  const { app, wechat } = await startHost(t)
  t.strictSame(Object.keys(app.weapp.wechat).sort(), ['getAccessToken', 'getPhoneNumber', 'request'])
  t.match(await app.weapp.wechat.getPhoneNumber(wechat.phoneCode('alice')), { countryCode: '86' })
})

t.test('no token, secret, key or signature of it in any error, cause, answer or log line', async (t) => {
  const log = captureLog()
  const errors: Error[] = []
  const seen: string[] = []
  const { app, wechat, signIn, post } = await startHost(t, {
    server: log.server,
    before: (app) => { app.addHook('onError', async (_request, _reply, error) => { errors.push(error) }) },
    after (app) {
      app.post<{ Body: { work: string, code?: string } }>('/call', { config: { weapp: true } }, async (request) => {
        const { session } = request.weapp!
        const { work, code = '' } = request.body
        try {
          if (work === 'token') return { ok: (await app.weapp.wechat.getAccessToken()) !== '' }
          if (work === 'phone') return await app.weapp.wechat.getPhoneNumber(code)
          if (work === 'request') return await app.weapp.wechat.request('/wxa/msg_sec_check', { query: { q: code }, body: { code } })
          if (work === 'check') return { alive: await session.checkSessionKey() }
          return { done: await session.resetSessionKey() ?? null }
        } catch (error) {
          request.log.error({ err: error }, 'the host logs it')
          throw error
        }
      })
    }
  })
  const { token } = await signIn()
  const accessTokens = [await app.weapp.wechat.getAccessToken()]
  const keys = [wechat.sessionKey('alice')]
  const codes: string[] = []
  const faults = [
    {}, { errcode: 40001, errmsg: `canary ${APP_SECRET}` }, { errcode: 40125 }, { errcode: 45009 }, { errcode: 99999 }, { errcode: -1 }, { status: 500, body: 'canary' },
    { status: 404 }, { body: '{"access_token":"' }, { redirect: wechat.url }, { reset: true }, { truncate: true }
  ] as const
  for (const fault of faults) {
    for (const work of ['token', 'phone', 'request', 'check', 'reset']) {
      for (const path of [undefined, '/cgi-bin/stable_token']) {
        wechat.clearFaults()
        if (path !== undefined) wechat.expireAccessTokens()
        wechat.fault(fault, path === undefined ? {} : { path })
        codes.push(wechat.phoneCode('alice'))
        const response = await post('/call', { work, code: codes.at(-1) }, token)
        seen.push(response.body + JSON.stringify(response.headers))
        keys.push(wechat.sessionKey('alice'))
      }
    }
  }
  wechat.clearFaults()
  for (const { query } of wechat.requests) if (query.access_token !== undefined) accessTokens.push(query.access_token)
  const used = new Set(accessTokens)
  t.ok(used.size > 2 && errors.length > 50 && new Set(keys).size > 1, 'much went wrong')

  const told = seen.join('\n') + log.text() + errors.map((error) => inspect(error, { depth: Infinity, showHidden: true }) + error.stack).join('\n')
  const canaries: Record<string, Iterable<string>> = {
    'app secret': [APP_SECRET],
    'access token': used,
    'session key': new Set(keys.flatMap((key) => [key, encodeURIComponent(key), key.replaceAll('/', '\\/')])),
    signature: new Set(keys.map((key) => createHmac('sha256', key).update('').digest('hex'))),
    code: codes,
    'words of WeChat': ['canary']
  }
  for (const [name, values] of Object.entries(canaries)) {
    for (const value of values) if (told.includes(value)) t.fail(`there is a ${name} in it`)
  }
  for (const error of errors) t.equal(error.cause, undefined)
})
