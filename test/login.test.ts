import { Type } from '@sinclair/typebox'
import type { FastifyRequest } from 'fastify'
import { test } from 'tap'
import { memoryStore, type CreateSession, type LoginContext, type OnLoginResult } from '../src/index.js'
import { DAY, freezeClock } from './helpers/clock.js'
import { faultyStore } from './helpers/faulty-store.js'
import { partsOf } from './helpers/forged-token.js'
import { captureLog } from './helpers/log.js'
import { assertRefused } from './helpers/assert-refused.js'
import { APP_ID, APP_SECRET, startHost } from './helpers/host.js'

test('response: states the lifetime of the session, as the token does', async (t) => {
  const clock = freezeClock(t, Date.UTC(2026, 0, 1) + 999)
  const host = await startHost(t, { options: { session: { ttl: '90.5s', idle: '30s' } } })
  const login = await host.signIn()
  t.strictSame(Object.keys(login).sort(), ['expiresAt', 'expiresIn', 'token', 'tokenType'])
  t.match(login, { tokenType: 'Bearer', expiresIn: 90, expiresAt: Date.UTC(2026, 0, 1, 0, 1, 30) }, 'in whole seconds')
  const { claims } = partsOf(login.token)
  t.equal(claims.iat, Date.UTC(2026, 0, 1) / 1000)
  t.equal(claims.exp, login.expiresAt / 1000)
  t.match((await host.get('/weapp/session', login.token)).json(), {
    createdAt: Date.UTC(2026, 0, 1), expiresAt: login.expiresAt, idleExpiresAt: clock.now + 30_000
  })
})

test('onLogin: gets the user and the body, and sets data, reply and label', async (t) => {
  const contexts: LoginContext[] = []
  const host = await startHost(t, {
    simulator: { openPlatform: true },
    options: {
      onLogin: async (context) => {
        contexts.push(context)
        await null
        return { data: { userId: 7 }, reply: { user: { name: 'Alice' }, since: new Date(0) }, label: 'iPhone' }
      }
    },
    after: (app) => {
      app.get('/session', { config: { weapp: true } }, async ({ weapp }) => {
        return { ...weapp, session: { ...weapp!.session, data: weapp!.session.data } }
      })
    }
  })
  const { token, ...login } = await host.signIn()
  t.match(login, { tokenType: 'Bearer', expiresIn: Number, user: { name: 'Alice' }, since: '1970-01-01T00:00:00.000Z' })
  const openid = host.wechat.openid('alice')
  const unionid = host.wechat.unionid('alice')
  t.equal(contexts.length, 1)
  const { request, body, decrypt, ...user } = contexts[0]!
  t.strictSame(user, { appId: APP_ID, openid, unionid })
  t.equal(request.url, '/weapp/login')
  t.strictSame(Object.keys(body), ['code'])
  t.match((await host.get('/session', token)).json(), {
    appId: APP_ID, openid, unionid, session: { label: 'iPhone', data: { userId: 7 } }
  })
  t.notOk(JSON.stringify(login).includes(openid))
})

test('onLogin: decrypts data of the phone, even under the previous key', async (t) => {
  const decrypted: unknown[] = []
  const host = await startHost(t, {
    options: {
      routes: { login: { body: Type.Object({ encryptedData: Type.String(), iv: Type.String() }) } },
      onLogin: async ({ body, decrypt }) => {
        const { encryptedData, iv } = body as unknown as { encryptedData: string, iv: string }
        decrypted.push(await decrypt(encryptedData, iv))
      }
    }
  })
  const logIn = (encrypted: object) => host.post('/weapp/login', { code: host.wechat.login('alice'), ...encrypted })
  host.wechat.login('alice')
  const code = host.wechat.login('alice')
  t.equal((await host.post('/weapp/login', { code, ...host.wechat.encrypt('alice', { n: 1 }) })).statusCode, 200)
  const before = host.wechat.encrypt('alice', { n: 2 })
  t.equal((await logIn(before)).statusCode, 200)
  t.match(decrypted, [{ n: 1 }, { n: 2 }])
  assertRefused(t, await logIn(host.wechat.encrypt('bob', { n: 3 })), 409, 'FST_WEAPP_SESSION_KEY_STALE')
})

test('onLogin: may return no result or an empty one', async (t) => {
  const undefinedFields = { data: undefined, reply: undefined, label: null } as unknown as OnLoginResult
  for (const result of [undefined, {}, undefinedFields, { data: {}, reply: {} }]) {
    const host = await startHost(t, { options: { onLogin: () => result } })
    const { token } = await host.signIn()
    t.match((await host.get('/weapp/session', token)).json(), { sessions: [{ label: null }] })
  }
})

test('onLogin: an error passes unchanged, uses the code and leaves no session', async (t) => {
  class Banned extends Error {
    statusCode = 451
    code = 'HOST_BANNED'
  }
  const { store, asked } = faultyStore()
  const passed: unknown[] = []
  const error = new Banned('banned for good')
  const isBanned = { now: true }
  const host = await startHost(t, {
    options: { store, onLogin: async () => { if (isBanned.now) throw error } },
    before: (app) => app.addHook('onError', async (_request, _reply, error) => { passed.push(error) })
  })
  const code = host.wechat.login('alice')
  const login = await host.post('/weapp/login', { code })
  t.equal(login.statusCode, 451)
  t.match(login.json(), { code: 'HOST_BANNED', message: 'banned for good' })
  t.equal(passed[0], error, 'the same object')
  t.equal(login.headers['cache-control'], 'no-store')
  t.equal(login.headers['weapp-error'], undefined, 'not an error of the plugin')
  t.equal(asked('create'), 0)
  isBanned.now = false
  assertRefused(t, await host.post('/weapp/login', { code }), 401, 'FST_WEAPP_CODE_USED')
  await host.signIn()
})

test('onLogin: may throw synchronously', async (t) => {
  const onLogin = () => { throw Object.assign(new Error('no'), { statusCode: 403 }) }
  const host = await startHost(t, { options: { onLogin } })
  t.equal((await host.post('/weapp/login', { code: host.wechat.login('alice') })).statusCode, 403)
})

test('onLogin: an invalid result is a 500 with a code and leaves no session', async (t) => {
  const { store, asked } = faultyStore()
  const next: { result?: unknown } = {}
  const host = await startHost(t, { options: { store, onLogin: () => next.result as OnLoginResult } })
  const cycle: { self?: object } = {}
  cycle.self = cycle
  for (const [code, results] of Object.entries({
    FST_WEAPP_DATA_INVALID: [
      { data: null }, { data: [] }, { data: 'text' }, { data: { at: new Date() } }, { data: cycle },
      { data: { text: 'x'.repeat(4096) } },
      [], 'text', 5, true, { userId: 5 }, { data: {}, openid: 'o' },
      { label: 1 }, { label: {} }, { label: 'x'.repeat(129) }
    ],
    FST_WEAPP_REPLY_INVALID: [
      { reply: null }, { reply: [] }, { reply: 'text' }, { reply: () => {} }, { reply: { n: 1n } }, { reply: cycle },
      { reply: { token: 'mine' } }, { reply: { tokenType: undefined, expiresIn: 1 } }, { reply: { expiresAt: null } },
      { reply: { toJSON: () => ({ token: 1 }) } }
    ]
  })) {
    for (const result of results) {
      next.result = result
      assertRefused(t, await host.post('/weapp/login', { code: host.wechat.login('alice') }), 500, code)
    }
  }
  t.equal(asked('create'), 0)
  next.result = { data: { text: 'x'.repeat(4000) }, label: 'x'.repeat(128), reply: { tokens: 1 } }
  t.match(await host.signIn(), { tokens: 1, token: String })
})

test('onLogin: the error of an invalid label names the label', async (t) => {
  const host = await startHost(t, { options: { onLogin: () => ({ label: 'x'.repeat(129) }) } })
  t.match((await host.post('/weapp/login', { code: host.wechat.login('alice') })).json().message, /label/)
})

test('onLogin: later changes to the reply have no effect', async (t) => {
  const reply = { user: { name: 'Alice' } }
  const store = memoryStore()
  const host = await startHost(t, {
    options: {
      store: {
        ...store,
        async create (input) {
          reply.user.name = 'Mallory'
          return await store.create(input)
        }
      },
      onLogin: () => ({ reply })
    }
  })
  t.match(await host.signIn(), { user: { name: 'Alice' } })
})

test('onLogin: may end all other sessions of the user', async (t) => {
  const host = await startHost(t, {
    options: {
      async onLogin ({ appId, openid, request }) {
        const pendingLogins = !('x-alone' in request.headers)
        await host.app.weapp.sessions.revokeAll({ appId, openid, pendingLogins })
      }
    }
  })
  const login = (headers = {}) => host.app.inject({
    method: 'POST', url: '/weapp/login', headers, payload: { code: host.wechat.login('alice') }
  })
  const [first, second] = [await login({ 'x-alone': '' }), await login({ 'x-alone': '' })]
  assertRefused(t, await host.get('/me', first.json().token), 401, 'FST_WEAPP_SESSION_KICKED')
  t.equal((await host.get('/me', second.json().token)).statusCode, 200)
  assertRefused(t, await login(), 401, 'FST_WEAPP_SESSION_KICKED')
})

test('store.create: each end reason is the error of its code', async (t) => {
  const { store, instead } = faultyStore()
  const host = await startHost(t, { options: { store } })
  for (const reason of ['revoked', 'kicked', 'replaced']) {
    instead('create', async () => reason)
    const login = await host.post('/weapp/login', { code: host.wechat.login('alice') })
    assertRefused(t, login, 401, `FST_WEAPP_SESSION_${reason.toUpperCase()}`)
  }
})

test('store.create: any other result is a 503 without a token', async (t) => {
  const log = captureLog()
  const { store, instead } = faultyStore()
  const host = await startHost(t, { server: log.server, options: { store } })
  for (const result of [undefined, true, false, '', 'banned', {}, ['kicked']]) {
    instead('create', async () => result)
    const login = await host.post('/weapp/login', { code: host.wechat.login('alice') })
    assertRefused(t, login, 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
    t.match(log.events().at(-1), { event: 'login-failed', code: 'FST_WEAPP_STORE_UNAVAILABLE' })
  }
})

test('store.create: gets the start of the login by the monotonic clock', async (t) => {
  const { store, calls } = faultyStore()
  const clock = freezeClock(t)
  const host = await startHost(t, { options: { store, onLogin: () => clock.advance(DAY) } })
  const begin = performance.now()
  await host.signIn()
  const { startedAt } = calls.find(({ operation }) => operation === 'create')!.input as CreateSession
  t.ok(startedAt >= begin && startedAt <= performance.now(), `${startedAt} ms`)
})

test('store.create: an error is a 503 without a token', async (t) => {
  const { store, instead } = faultyStore()
  const host = await startHost(t, { options: { store } })
  instead('create', async () => { throw new Error('full') })
  const login = await host.post('/weapp/login', { code: host.wechat.login('alice') })
  assertRefused(t, login, 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
})

test('logger: an error in it changes neither a login nor a logout', async (t) => {
  const write = (line: string) => { if (/"event":"log(in|out)/.test(line)) throw new Error('the disk is full') }
  const { post, get, signIn } = await startHost(t, { server: { logger: { stream: { write } } } })
  const { token } = await signIn()
  t.equal((await get('/me', token)).statusCode, 200)
  assertRefused(t, await post('/weapp/login', { code: 'unknown' }), 401, 'FST_WEAPP_CODE_INVALID')
  t.equal((await post('/weapp/logout', undefined, token)).statusCode, 204)
})

test('login with a token: replaces the session of the token', async (t) => {
  const host = await startHost(t, { options: { session: { limit: 2 } } })
  const other = await host.signIn()
  let { token } = await host.signIn()
  for (let i = 0; i < 3; i++) {
    const old = token;
    ({ token } = await host.signIn('alice', { authorization: `Bearer ${old}` }))
    t.equal((await host.get('/me', old)).json().code, 'FST_WEAPP_SESSION_EXPIRED', 'without an end reason')
  }
  const { sessions } = (await host.get('/weapp/session', token)).json()
  t.equal(sessions.length, 2)
  t.equal((await host.get('/me', other.token)).statusCode, 200, 'the limit ended no other session')
})

test('login with a token: ignores a token that is invalid or of another user', async (t) => {
  const clock = freezeClock(t)
  const host = await startHost(t)
  const bob = await host.signIn('bob')
  const ended = await host.signIn('alice')
  await host.post('/weapp/logout', undefined, ended.token)
  for (const authorization of [
    `Bearer ${bob.token}`, `Bearer ${ended.token}`, 'Bearer a.b.c', 'Basic YTpi', 'nonsense', ''
  ]) {
    const login = await host.signIn('alice', { authorization })
    t.not(login.token, bob.token)
    t.strictSame((await host.get('/me', login.token)).json(), { openid: host.wechat.openid('alice') })
  }
  t.equal((await host.get('/me', bob.token)).statusCode, 200, "bob's session stays live")
  clock.advance(31 * 86_400_000)
  await host.signIn('bob', { authorization: `Bearer ${bob.token}` })
})

test('concurrent logins: each creates a session, even with one code', async (t) => {
  const host = await startHost(t)
  const code = host.wechat.login('alice')
  const logins = await Promise.all([1, 2, 3].map(() => host.post('/weapp/login', { code })))
  const tokens = logins.map((login) => login.json().token)
  t.equal(new Set(tokens).size, 3)
  t.equal(host.wechat.requests.length, 1)
  t.equal((await host.get('/weapp/session', tokens[0])).json().sessions.length, 3)
})

test('app.weapp.login: works in a route of the host', async (t) => {
  const bodies: unknown[] = []
  const host = await startHost(t, {
    options: { routes: { login: false }, onLogin: ({ body, request }) => { bodies.push(body, request.url) } },
    after: (app) => {
      app.post<{ Body: { code: string } }>('/enter', async (request, reply) => {
        const { token, expiresAt } = await app.weapp.login(request, { code: request.body.code, body: request.body })
        return reply.code(201).send({ bearer: token, until: expiresAt })
      })
      app.get<{ Querystring: { code: string } }>('/enter', (request) => {
        return app.weapp.login(request, { code: request.query.code })
      })
    }
  })
  const code = host.wechat.login('alice')
  const login = await host.post('/enter', { code, channel: 'poster' })
  t.equal(login.statusCode, 201)
  t.match(login.json(), { bearer: String, until: Number })
  t.equal((await host.get('/me', login.json().bearer)).statusCode, 200)
  const other = host.wechat.login('alice')
  t.equal((await host.get(`/enter?code=${other}`)).statusCode, 200)
  t.strictSame(bodies, [{ code, channel: 'poster' }, '/enter', { code: other }, `/enter?code=${other}`])

  assertRefused(t, await host.post('/enter', { code: 'unknown' }), 401, 'FST_WEAPP_CODE_INVALID')
  for (const code of [123, null, '', 'a\nb', 'x'.repeat(257), ['a']]) {
    assertRefused(t, await host.post('/enter', { code }), 401, 'FST_WEAPP_CODE_INVALID')
  }
})

test('routes.login.body: validates formats, applies defaults, never coerces', async (t) => {
  const bodies: unknown[] = []
  const host = await startHost(t, {
    options: {
      routes: {
        login: {
          body: Type.Object({
            email: Type.Optional(Type.String({ format: 'email' })),
            channel: Type.String({ default: 'app' }),
            age: Type.Optional(Type.Integer()),
            address: Type.Optional(Type.Object({ city: Type.String() }, { additionalProperties: false }))
          })
        }
      },
      onLogin: ({ body }) => { bodies.push(body) }
    }
  })
  const logIn = (extra: object) => host.post('/weapp/login', { code: host.wechat.login('alice'), ...extra })
  t.equal((await logIn({ extra: 1, appId: 'wx', openid: 'o', address: { city: 'Bern', extra: 1 } })).statusCode, 200)
  t.strictSame({ ...bodies[0] as object, code: '' }, { code: '', channel: 'app', address: { city: 'Bern' } })
  t.equal((await logIn({ email: 'a@b.example', channel: 'web', age: 7 })).statusCode, 200)
  t.strictSame({ ...bodies[1] as object, code: '' }, { code: '', email: 'a@b.example', channel: 'web', age: 7 })
  for (const extra of [{ email: 'nobody' }, { channel: 1 }, { age: '7' }, { age: 1.5 }, { address: {} }]) {
    const response = await logIn(extra)
    t.equal(response.statusCode, 400, JSON.stringify(extra))
    t.equal(response.json().code, 'FST_ERR_VALIDATION')
  }
  t.equal(bodies.length, 2)
})

test('routes.login.body: two registrations may use one $id', async (t) => {
  for (const city of [Type.String(), Type.Number()]) {
    const body = Type.Object({ address: Type.Object({ city }, { $id: 'Address' }) })
    const host = await startHost(t, { options: { routes: { login: { body } } } })
    const address = { city: city.type === 'string' ? 'Bern' : 1 }
    t.equal((await host.post('/weapp/login', { code: host.wechat.login('alice'), address })).statusCode, 200)
  }
})

test('keepSessionKey: false stores no session_key', async (t) => {
  const { store, calls } = faultyStore()
  const host = await startHost(t, { options: { store, keepSessionKey: false } })
  await host.signIn()
  t.match(calls[0], { operation: 'create', input: { key: null } })
  t.equal(JSON.stringify(calls).includes(host.wechat.sessionKey('alice')), false)
})

test('selectApp: decides the app of the login', async (t) => {
  const host = await startHost(t, {
    simulator: { apps: { [APP_ID]: APP_SECRET, wxother: 'other-secret' } },
    options: {
      apps: { [APP_ID]: APP_SECRET, wxother: 'other-secret' },
      selectApp: async (request) => request.headers['x-app'] as string | undefined
    }
  })
  const logIn = (appId?: string) => host.app.inject({
    method: 'POST',
    url: '/weapp/login',
    headers: { ...appId !== undefined && { 'x-app': appId } },
    payload: { code: host.wechat.login('alice', appId === 'wxother' ? { appId } : {}) }
  })
  const { token } = (await logIn('wxother')).json()
  t.strictSame((await host.get('/me', token)).json(), { openid: host.wechat.openid('alice', { appId: 'wxother' }) })
  host.wechat.clearRequests()
  for (const appId of [undefined, '', 'wxunknown']) assertRefused(t, await logIn(appId), 400, 'FST_WEAPP_APP_UNKNOWN')
  t.strictSame(host.wechat.requests, [])
})

test('routes.login.body: may be any JSON Schema of an object', async (t) => {
  const properties = { invite: { type: 'string' }, note: { type: 'string' } }
  const body = { type: 'object', properties, required: ['invite'] } as const
  const host = await startHost(t, {
    options: { routes: { login: { body } }, onLogin: ({ body }) => ({ reply: { body } }) }
  })
  const logIn = (extra: object) => host.post('/weapp/login', { code: host.wechat.login('alice'), ...extra })
  t.equal((await logIn({ note: 'a' })).statusCode, 400)
  t.match((await logIn({ invite: 'a', extra: 1 })).json().body, { invite: 'a', extra: undefined })
})

test('login-failed: distinguishes a refusal of the host from a failure', async (t) => {
  const log = captureLog()
  const refusal = Object.assign(new Error('no'), { statusCode: 403 })
  const thrown: unknown[] = [refusal, { status: 403 }, new TypeError('a bug'), { status: 200 }, null, undefined]
  const { app, wechat } = await startHost(t, { server: log.server, options: { onLogin: () => { throw thrown[0] } } })
  const codes = ['REFUSED_BY_HOST', 'REFUSED_BY_HOST', ...Array(4).fill('FAILED_IN_HOST')]
  for (const code of codes) {
    const request = { headers: {}, log: app.log } as unknown as FastifyRequest
    const login = app.weapp.login(request, { code: wechat.login('alice') })
    const outcome = await login.then(() => 'signed in', (error: unknown) => error)
    t.equal(outcome, thrown.shift())
    t.match(log.events().at(-1), { event: 'login-failed', appId: APP_ID, code })
  }
})
