import { inspect } from 'node:util'
import { Agent } from 'undici'
import { test, type Test } from 'tap'
import { freezeClock } from '../helpers/clock.js'
import { STORE_WORDS, faultyStore } from '../helpers/faulty-store.js'
import { forge, partsOf, someClaims } from '../helpers/forged-token.js'
import { captureLog } from '../helpers/log.js'
import { APP_ID, APP_SECRET, SECRET, startHost } from '../helpers/host.js'
import { startLoginHost } from '../helpers/login-host.js'
import { userIdOf } from '../../src/crypto/tokens.js'

const ERRMSG = 'canary-of-errmsg'

/** Returns all that inspection shows of a value, including the causes of errors. */
function shown (value: unknown): string {
  return inspect(value, { depth: Infinity, showHidden: false, maxArrayLength: null, maxStringLength: null }) + (JSON.stringify(value) ?? '')
}

/** Returns the encodings in which a key could appear in a text. */
function spellings (sessionKey: string): string[] {
  const bytes = Buffer.from(sessionKey, 'base64')
  return [sessionKey, sessionKey.replaceAll('/', '\\/'), encodeURIComponent(sessionKey), bytes.toString('base64url'), bytes.toString('hex')]
}

function absent (t: Test, text: string, canaries: Record<string, string | string[]>): void {
  for (const [name, values] of Object.entries(canaries)) {
    for (const value of [values].flat()) t.notOk(text.includes(value), `no ${name}`)
  }
}

/** Runs logins, requests and failures of every kind. Returns all output of them. */
async function journey (t: Test) {
  const clock = freezeClock(t)
  const log = captureLog()
  const faulty = faultyStore()
  const replies: string[] = []
  const objects: unknown[] = []
  const errors: unknown[] = []
  const keys: string[] = []
  const codes: string[] = []
  const tokens: string[] = []

  const { app, wechat } = await startHost(t, {
    server: log.server,
    options: {
      store: faulty.store,
      storeTimeout: 20,
      onLogin (context) {
        objects.push({ ...context, request: null })
        if (context.openid === wechat.openid('mallory')) throw new Error('refused by the host')
        return { data: { account: 1 }, label: 'phone' }
      }
    },
    before: (app) => {
      app.addHook('onError', async (_request, _reply, error) => { errors.push(error) })
      app.addHook('onSend', async (_request, reply, payload) => { replies.push(JSON.stringify(reply.getHeaders()) + String(payload)) })
    },
    after: (app) => app.get('/look', { config: { weapp: true } }, async (request) => {
      objects.push(request.weapp, app.weapp)
      request.log.info({ session: request.weapp?.session }, 'the host logs a session')
      return { session: request.weapp?.session }
    })
  })

  async function login (user: string, headers: Record<string, string> = {}): Promise<string | undefined> {
    const code = wechat.login(user)
    codes.push(code)
    keys.push(wechat.sessionKey(user))
    const response = await app.inject({ method: 'POST', url: '/weapp/login', headers, payload: { code } })
    const { token } = response.json()
    if (token !== undefined) tokens.push(token)
    return token
  }
  const as = (token?: string) => ({ authorization: `Bearer ${token}` })

  const token = await login('alice')
  const second = await login('alice', as(token))
  await app.inject({ url: '/look', headers: as(second) })
  await app.inject({ url: '/weapp/session', headers: as(second) })
  await app.inject({ url: '/me', headers: as(token) })
  await app.inject({ url: '/me', headers: as(forge(someClaims())) })
  await app.inject({ url: '/me', headers: as('nonsense') })
  await login('mallory')
  await app.inject({ method: 'POST', url: '/weapp/login', payload: { code: codes[0] } })
  for (const errcode of [-1, 40029, 40163, 40226, 40125, 40013, 99999, 45009, 45011]) {
    wechat.fault({ errcode, errmsg: `${ERRMSG} ${APP_SECRET}` }, { times: errcode === -1 ? 2 : 1 })
    await login('bob')
    clock.advance(60_000)
  }
  for (const fault of [{ body: '{"session_key":"' }, { reset: true, processed: true }, { truncate: true }, { status: 500, body: ERRMSG }, { redirect: wechat.url }] as const) {
    wechat.fault(fault, { times: 1 })
    await login('bob')
  }
  const ended = await login('carol')
  await app.inject({ method: 'POST', url: '/weapp/logout', headers: as(ended) })
  await app.inject({ url: '/me', headers: as(ended) })
  for (const operation of ['read', 'touch', 'create', 'revoke', 'list'] as const) {
    faulty.instead(operation, (input) => { throw Object.assign(new Error(`${STORE_WORDS} ${JSON.stringify(input)}`), { command: input }) })
    await login('dave')
    await app.inject({ url: '/look', headers: as(second) })
    await app.inject({ url: '/weapp/session', headers: as(second) })
    await app.inject({ method: 'POST', url: '/weapp/logout', headers: as(second) })
    faulty.heal()
    clock.advance(60_000)
  }
  return { log, replies, objects, errors, keys, codes, tokens, wechat }
}

test('T8: session_key in no response, error, log or inspection', async (t) => {
  const { log, replies, objects, errors, keys } = await journey(t)
  t.ok(keys.length > 15 && replies.length > 20 && objects.length > 10 && errors.length > 15, 'the journey was complete')
  const canaries = { session_key: keys.flatMap(spellings) }
  absent(t, replies.join('\n'), canaries)
  absent(t, log.text(), canaries)
  absent(t, shown(objects), canaries)
  absent(t, shown(errors), canaries)
})

test('T9: app secret and secret in no response, error, log or inspection', async (t) => {
  const { log, replies, objects, errors } = await journey(t)
  const canaries = { 'app secret': APP_SECRET, 'plugin secret': SECRET }
  absent(t, replies.join('\n'), canaries)
  absent(t, log.text(), canaries)
  absent(t, shown(objects), canaries)
  absent(t, shown(errors), canaries)
  for (const error of errors as Error[]) {
    absent(t, String(error.stack), canaries)
    t.equal(error.cause, undefined, 'no cause')
  }
})

test("T9: an HTTP client's error with the URL is not passed on", async (t) => {
  const log = captureLog()
  const errors: Error[] = []
  const paths: string[] = []
  const dispatcher = new Agent().compose((dispatch) => (options, handler) => {
    const { path, origin, method } = options
    if (method !== 'GET') return dispatch(options, handler)
    paths.push(String(path))
    throw Object.assign(new Error(`cannot reach ${origin}${path}`, { cause: new Error(String(path)) }), { path, code: 'ECONNREFUSED' })
  })
  t.teardown(() => dispatcher.destroy())
  const { login } = await startLoginHost(t, { dispatcher }, {
    server: log.server,
    before: (app) => { app.addHook('onError', async (_request, _reply, error) => { errors.push(error) }) }
  })
  const response = await login()
  t.equal(response.statusCode, 503)
  t.ok(paths.some((path) => path.includes(APP_SECRET)), 'the error contained the secret')
  t.equal(errors.length, 1)
  absent(t, response.body + JSON.stringify(response.headers) + log.text() + shown(errors) + String(errors[0]?.stack), { 'app secret': APP_SECRET })
  t.equal(errors[0]?.cause, undefined)
})

test('T9: an invalid option is reported by name, without its value', async (t) => {
  for (const options of [{ secret: 'too-short-canary' }, { appSecret: ' ' }, { secret: [SECRET, SECRET] }, { appSecret: { canary: 'canary' } }]) {
    const error = await startHost(t, { options: options as object }).then(() => t.fail('it boots'), (error) => error)
    t.equal(error.code, 'FST_WEAPP_INVALID_OPTION')
    absent(t, shown(error) + error.stack, { value: ['canary', SECRET, APP_SECRET] })
  }
})

test('T19: clients see no message of WeChat, the store or the stack', async (t) => {
  const { log, replies, errors } = await journey(t)
  const canaries = { 'foreign message': [ERRMSG, STORE_WORDS, 'rid:', 'req_id', 'node_modules', '.ts:', '.js:'] }
  absent(t, replies.join('\n'), canaries)
  absent(t, log.text(), { 'foreign message': [ERRMSG, STORE_WORDS] })
  absent(t, shown(errors.map((error) => ({ ...error as object, message: (error as Error).message }))), { 'foreign message': [ERRMSG, STORE_WORDS] })
})

test('T45: no code, token, jti, openid or unionid in the log', async (t) => {
  const { log, codes, tokens, wechat } = await journey(t)
  t.ok(log.lines().length > 50)
  absent(t, log.text(), {
    code: codes,
    token: tokens,
    'token part': tokens.flatMap((token) => token.split('.').slice(1)),
    jti: tokens.map((token) => partsOf(token).claims.jti as string),
    openid: ['alice', 'bob', 'carol', 'dave', 'mallory'].map((user) => wechat.openid(user))
  })
})

test('T45: one log event for each relevant action', async (t) => {
  const clock = freezeClock(t)
  const log = captureLog()
  const { app, wechat, signIn, get, post } = await startHost(t, { server: log.server, simulator: { openPlatform: true } })
  let seen = 0
  const newEvents = () => {
    const events = log.events().slice(seen)
    seen += events.length
    // WeChat adds a rid to some refusals.
    return events.map(({ rid = '0-0', ...event }) => {
      t.match(rid, /^[0-9a-f]+(-[0-9a-f]+)+$/, 'the rid has its form')
      return event
    })
  }
  const sub = (token: string) => partsOf(token).claims.sub

  const { token } = await signIn()
  const [session] = await app.weapp.sessions.list({ appId: APP_ID, openid: wechat.openid('alice') })
  const sessionId = session?.id
  t.strictSame(newEvents(), [{ event: 'login', appId: APP_ID, userId: sub(token), sessionId }], 'login')

  await get('/me', token)
  await get('/weapp/session', token)
  t.strictSame(newEvents(), [], 'a valid token is not logged')

  await post('/weapp/login', { code: wechat.requests[0]?.query.js_code })
  t.strictSame(newEvents(), [{ event: 'login-failed', appId: APP_ID, code: 'FST_WEAPP_CODE_USED', errcode: 40163 }], 'a code again')
  await post('/weapp/login', { code: 'unknown' })
  t.strictSame(newEvents(), [{ event: 'login-failed', appId: APP_ID, code: 'FST_WEAPP_CODE_INVALID', errcode: 40029 }], 'a failed login')

  wechat.fault({ errcode: 40125 }, { times: 1 })
  await post('/weapp/login', { code: wechat.login('bob') })
  t.strictSame(newEvents(), [
    { event: 'wechat-config', appId: APP_ID, errcode: 40125 },
    { event: 'login-failed', appId: APP_ID, code: 'FST_WEAPP_WECHAT_CONFIG', errcode: 40125 }
  ], 'config')
  wechat.fault({ status: 403 }, { times: 1 })
  await post('/weapp/login', { code: wechat.login('bob') })
  t.strictSame(newEvents(), [
    { event: 'login-failed', appId: APP_ID, code: 'FST_WEAPP_WECHAT_BAD_REPLY', failure: 'HTTP 403' }
  ], 'a proxy in front of WeChat')

  await get('/me', 'nonsense')
  t.strictSame(newEvents(), [{ event: 'refused', code: 'FST_WEAPP_TOKEN_INVALID' }], 'a bad token')
  await get('/feed', 'nonsense')
  t.strictSame(newEvents(), [{ event: 'refused', code: 'FST_WEAPP_TOKEN_INVALID' }], 'a bad token on an optional route')

  await post('/weapp/logout', undefined, token)
  t.strictSame(newEvents(), [{ event: 'logout', sessionId, all: false }], 'logout')
  await get('/me', token)
  t.strictSame(newEvents(), [{ event: 'refused', code: 'FST_WEAPP_SESSION_REVOKED', sessionId }], 'a revoked session')

  const { token: kicked } = await signIn('bob')
  newEvents()
  const bob = { appId: APP_ID, openid: wechat.openid('bob') }
  const userId = userIdOf(APP_ID, bob.openid)
  const [{ id } = { id: '' }] = await app.weapp.sessions.list(bob)
  await app.weapp.sessions.revokeAll({ ...bob, except: id })
  t.strictSame(newEvents(), [{ event: 'sessions-revoked', appId: APP_ID, userId, except: id, ended: 0 }], 'the host ends all sessions but one')
  await app.weapp.sessions.revokeAll(bob)
  t.strictSame(newEvents(), [{ event: 'sessions-revoked', appId: APP_ID, userId, ended: 1 }], 'the host ends all sessions')
  await app.weapp.sessions.revoke({ ...bob, id })
  t.strictSame(newEvents(), [{ event: 'sessions-revoked', appId: APP_ID, userId, sessionId: id, ended: 0 }], 'the host ends one session')
  await get('/me', kicked)
  t.strictSame(newEvents(), [{ event: 'refused', code: 'FST_WEAPP_SESSION_KICKED', sessionId: id }], 'a kicked session')

  clock.advance(31 * 24 * 3600_000)
  await get('/me', kicked)
  t.strictSame(newEvents(), [{ event: 'refused', code: 'FST_WEAPP_TOKEN_EXPIRED' }], 'an old token')
})

test('T45: a missing token is not logged', async (t) => {
  const log = captureLog()
  const { get } = await startHost(t, { server: { logger: { ...log.server.logger as object, level: 'info' } } })
  await get('/me')
  await get('/feed')
  t.strictSame(log.events(), [])
})
