import fastifyAuth from '@fastify/auth'
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { test, type Test } from 'tap'
import { freezeClock } from './helpers/clock.js'
import { memoryStore, type SessionRef } from '../src/index.js'
import { FAILURES, faultyStore } from './helpers/faulty-store.js'
import { TOKEN_HEADER, encode, forge, partsOf, someClaims } from './helpers/forged-token.js'
import { captureLog } from './helpers/log.js'
import { assertRefused } from './helpers/assert-refused.js'
import { startHost } from './helpers/host.js'

const sendOpenid = async (request: { weapp: { openid: string } | null }) => ({ openid: request.weapp?.openid ?? null })

test('config.weapp true: requires a live session', async (t) => {
  const { wechat, signIn, get } = await startHost(t)
  const { token } = await signIn()
  assertRefused(t, await get('/me'), 401, 'FST_WEAPP_TOKEN_MISSING')
  assertRefused(t, await get('/me', 'x'), 401, 'FST_WEAPP_TOKEN_INVALID')
  t.strictSame((await get('/me', token)).json(), { openid: wechat.openid('alice') })
})

test("config.weapp 'optional': a request without a live session passes as a guest", async (t) => {
  const clock = freezeClock(t)
  const { wechat, signIn, get, post } = await startHost(t)
  const { token } = await signIn()
  const { token: ended } = await signIn()
  await post('/weapp/logout', undefined, ended)
  t.strictSame((await get('/feed', token)).json(), { openid: wechat.openid('alice') })
  for (const other of [undefined, 'x', ended, forge(someClaims()), forge({ ...someClaims(), exp: 1 })]) {
    const response = await get('/feed', other)
    t.strictSame([response.statusCode, response.json()], [200, { openid: null }])
    t.equal(response.headers['weapp-error'], undefined, 'no header of a refusal')
    t.equal(response.headers['www-authenticate'], undefined)
    const isToken = other !== undefined
    t.equal(typeof response.headers['weapp-session'], isToken ? 'string' : 'undefined')
    t.equal(response.headers['cache-control'], isToken ? 'no-store' : undefined)
  }
  clock.advance(8 * 24 * 3600_000)
  t.strictSame((await get('/feed', token)).json(), { openid: null }, 'an idle session')
})

test('config.weapp false or missing: not guarded, and the store is not read', async (t) => {
  const { store, calls } = faultyStore()
  const { signIn, get } = await startHost(t, {
    options: { store },
    after (app) {
      app.get('/false', { config: { weapp: false } }, sendOpenid)
      app.get('/none', sendOpenid)
    }
  })
  const { token } = await signIn()
  calls.length = 0
  for (const url of ['/false', '/none']) t.strictSame((await get(url, token)).json(), { openid: null }, url)
  t.strictSame(calls, [])
})

test('config.weapp: an unknown value that bypasses the check protects the route', async (t) => {
  const values = [null, 0, '', 'false', 'Optional', 'optional ', 'yes', 1, {}, [], ['optional'], NaN]
  for (const protect of ['marked', 'all'] as const) {
    const { signIn, get } = await startHost(t, {
      options: { protect },
      after (app) {
        app.addHook('onRoute', ({ url, config }) => {
          const index = Number(url.slice(1))
          if (index in values) config!.weapp = values[index] as true
        })
        for (const i of values.keys()) app.route({ method: 'GET', url: `/${i}`, exposeHeadRoute: false, config: { weapp: true }, handler: sendOpenid })
      }
    })
    const { token } = await signIn()
    for (const [i, value] of values.entries()) {
      await t.test(`${protect}: ${JSON.stringify(value)}`, async (t) => {
        assertRefused(t, await get(`/${i}`), 401, 'FST_WEAPP_TOKEN_MISSING')
        t.equal((await get(`/${i}`, token)).statusCode, 200)
      })
    }
  }
})

test("protect 'all': guards every route except those marked false, and 404s", async (t) => {
  const { signIn, get, post } = await startHost(t, {
    options: { protect: 'all' },
    after (app) {
      app.get('/unmarked', sendOpenid)
      app.get('/false', { config: { weapp: false } }, sendOpenid)
      app.get('/undefined', { config: {} }, sendOpenid)
    }
  })
  const { token } = await signIn()
  for (const url of ['/unmarked', '/undefined', '/me', '/weapp/session', '/nowhere', '/weapp/nowhere']) {
    assertRefused(t, await get(url), 401, 'FST_WEAPP_TOKEN_MISSING')
  }
  assertRefused(t, await post('/unmarked'), 401, 'FST_WEAPP_TOKEN_MISSING')
  t.equal((await get('/false')).statusCode, 200)
  t.equal((await get('/feed')).statusCode, 200, 'an optional route stays optional')
  t.equal((await get('/unmarked', token)).statusCode, 200)
  t.equal((await get('/nowhere', token)).statusCode, 404)
})

test("protect 'marked': does not guard 404s", async (t) => {
  const { get, post } = await startHost(t, {
    after: (app) => app.setNotFoundHandler((request, reply) => reply.code(404).send(`nothing at ${request.url}`))
  })
  for (const token of [undefined, 'x']) {
    const response = await get('/nowhere', token)
    t.strictSame([response.statusCode, response.body], [404, 'nothing at /nowhere'])
    t.equal((await post('/me', {}, token)).statusCode, 404)
  }
})

test("hook: 'onRequest' refuses before the body is read, 'preHandler' after", async (t) => {
  for (const [hook, events] of [['onRequest', []], ['preHandler', ['preParsing', 'preValidation']]] as const) {
    const seen: string[] = []
    const { post } = await startHost(t, {
      options: { hook },
      after: (app) => app.post('/guarded', {
        config: { weapp: true },
        preParsing: async () => { seen.push('preParsing') },
        preValidation: async () => { seen.push('preValidation') }
      }, sendOpenid)
    })
    assertRefused(t, await post('/guarded', { a: 1 }), 401, 'FST_WEAPP_TOKEN_MISSING')
    t.strictSame(seen, events, hook)
  }
})

test('HEAD: is guarded like its GET route', async (t) => {
  const { app, signIn } = await startHost(t)
  const { token } = await signIn()
  const head = (url: string, headers = {}) => app.inject({ method: 'HEAD', url, headers })
  t.equal((await head('/me')).statusCode, 401)
  t.equal((await head('/me')).headers['weapp-error'], 'FST_WEAPP_TOKEN_MISSING')
  t.equal((await head('/me', { authorization: `Bearer ${token}` })).statusCode, 200)
  t.equal((await head('/feed')).statusCode, 200)
})

test('OPTIONS: is guarded like any other route', async (t) => {
  const { app } = await startHost(t, {
    options: { protect: 'all' }, after: (app) => app.options('/preflight', { config: { weapp: false } }, async () => 'ok')
  })
  t.equal((await app.inject({ method: 'OPTIONS', url: '/preflight' })).statusCode, 200)
  t.equal((await app.inject({ method: 'OPTIONS', url: '/me' })).statusCode, 401)
})

test('guard: covers routes declared after the registration, in any scope', async (t) => {
  const guarded = { config: { weapp: true } }
  const { app, signIn, get } = await startHost(t, {
    async after (app) {
      app.get('/same-tick', guarded, sendOpenid)
      app.register(async (child) => {
        child.get('/child', guarded, sendOpenid)
        child.register(async (grandchild) => { grandchild.get('/grandchild', guarded, sendOpenid) }, { prefix: '/deep' })
      })
      await app.register(async (child) => { child.get('/x', guarded, sendOpenid) }, { prefix: '/prefixed' })
      app.get('/later', guarded, sendOpenid)
      app.route({ method: ['GET', 'POST'], url: '/several', ...guarded, handler: sendOpenid })
    }
  })
  const { token } = await signIn()
  for (const url of ['/same-tick', '/child', '/deep/grandchild', '/later', '/prefixed/x', '/several']) {
    assertRefused(t, await get(url), 401, 'FST_WEAPP_TOKEN_MISSING')
    t.equal((await get(url, token)).statusCode, 200, url)
  }
  assertRefused(t, await app.inject({ method: 'POST', url: '/several' }), 401, 'FST_WEAPP_TOKEN_MISSING')
})

test('guard: covers routes declared before the registration in the same tick and scope', async (t) => {
  const { signIn, get } = await startHost(t, {
    before: (app) => {
      app.get('/before', { config: { weapp: true } }, sendOpenid)
      app.get('/before-unmarked', sendOpenid)
    }
  })
  const { token } = await signIn()
  assertRefused(t, await get('/before'), 401, 'FST_WEAPP_TOKEN_MISSING')
  t.equal((await get('/before', token)).statusCode, 200)
  t.equal((await get('/before-unmarked')).statusCode, 200)
})

test('authenticate: works as a preHandler', async (t) => {
  const { wechat, signIn, get } = await startHost(t, {
    after: (app) => app.get('/by-hand', { preHandler: app.weapp.authenticate }, sendOpenid)
  })
  const { token } = await signIn()
  assertRefused(t, await get('/by-hand'), 401, 'FST_WEAPP_TOKEN_MISSING')
  assertRefused(t, await get('/by-hand', 'x'), 401, 'FST_WEAPP_TOKEN_INVALID')
  t.strictSame((await get('/by-hand', token)).json(), { openid: wechat.openid('alice') })
})

test('authenticate: composes with @fastify/auth', async (t) => {
  const { signIn, get, app } = await startHost(t, {
    before: (app) => app.register(fastifyAuth),
    after: (app) => {
      const key = async (request: { headers: Record<string, unknown> }) => {
        if (request.headers['x-key'] !== 'good') throw new Error('no key')
      }
      app.get('/either', { preHandler: app.auth([key as never, app.weapp.authenticate]) }, sendOpenid)
      app.get('/both', { preHandler: app.auth([key as never, app.weapp.authenticate], { relation: 'and' }) }, sendOpenid)
    }
  })
  const { token } = await signIn()
  assertRefused(t, await get('/either'), 401, 'FST_WEAPP_TOKEN_MISSING')
  t.equal((await get('/either', token)).statusCode, 200)
  const withKey = await app.inject({ url: '/either', headers: { 'x-key': 'good' } })
  t.equal(withKey.statusCode, 200)
  t.equal((await get('/both', token)).statusCode, 401)
  t.equal((await app.inject({ url: '/both', headers: { 'x-key': 'good', authorization: `Bearer ${token}` } })).statusCode, 200)
})

test('authenticate: resolves the identity once per request', async (t) => {
  const clock = freezeClock(t)
  const { store, asked, calls } = faultyStore()
  let failures = 0
  const { signIn, get } = await startHost(t, {
    options: { store },
    after (app) {
      const again = app.weapp.authenticate
      app.get('/often', { config: { weapp: true }, preHandler: [again, again] }, async (request) => {
        await Promise.all([again(request), again(request)])
        return sendOpenid(request)
      })
      app.get('/often-optional', { config: { weapp: 'optional' } }, async (request) => {
        for (let i = 0; i < 3; i++) await again(request).catch(() => failures++)
        return sendOpenid(request)
      })
    }
  })
  const { token } = await signIn()
  clock.advance(24 * 3600_000)
  calls.length = 0
  t.equal((await get('/often', token)).statusCode, 200)
  t.strictSame(calls.map(({ operation }) => operation), ['read', 'touch'])
  calls.length = 0
  await get('/often-optional', forge(someClaims()))
  t.equal(failures, 3, 'a refusal is final')
  t.equal(asked('read'), 1)
})

test('guard: reads again when a session ends between read and touch', async (t) => {
  const clock = freezeClock(t)
  const { store, instead, asked, heal } = faultyStore()
  const { signIn, get } = await startHost(t, { options: { store } })
  const { token } = await signIn()
  clock.advance(24 * 3600_000)
  instead('touch', async (ref) => {
    await store.revoke({ ...ref, reason: 'kicked', pendingLogins: false })
    return false
  })
  assertRefused(t, await get('/me', token), 401, 'FST_WEAPP_SESSION_KICKED')
  t.equal(asked('read'), 2)
  heal()

  const { token: other } = await signIn()
  clock.advance(24 * 3600_000)
  instead('touch', async () => false)
  t.equal((await get('/me', other)).statusCode, 200, 'a session that is still live is accepted')
  t.equal(asked('read'), 4, 'no third read')
})

test('guard: a logger that throws changes no response', async (t) => {
  for (const thrown of [new Error('disk full'), null]) {
    const inner = memoryStore()
    const faulty = faultyStore(inner)
    const { get, post, signIn, app } = await startHost(t, {
      options: { store: faulty.store },
      server: { logger: { level: 'trace', stream: { write (line: string) { if (/"event":"(refused|store-failed)"/.test(line)) throw thrown } } } },
      before: (app) => { app.addHook('onRequest', async (request) => { await app.weapp?.authenticate(request).catch(() => {}) }) }
    })
    const { token } = await signIn()
    const { token: ended } = await signIn()
    await post('/weapp/logout', undefined, ended)
    for (const read of [(ref: SessionRef) => inner.read(ref), async (ref: SessionRef) => await inner.read(ref)]) {
      faulty.instead('read', read)
      t.equal((await get('/me', token)).statusCode, 200)
      assertRefused(t, await get('/me'), 401, 'FST_WEAPP_TOKEN_MISSING')
      assertRefused(t, await get('/me', 'x'), 401, 'FST_WEAPP_TOKEN_INVALID')
      assertRefused(t, await get('/me', ended), 401, 'FST_WEAPP_SESSION_REVOKED')
      t.strictSame((await get('/feed', ended)).json(), { openid: null })
    }
    for (const failure of [FAILURES.throws, FAILURES.rejects]) {
      faulty.instead('read', failure)
      for (const path of ['/me', '/feed']) assertRefused(t, await get(path, token), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
    }
    await app.close()
  }
})

test('authenticate: repeated calls reject with the same error', async (t) => {
  const faulty = faultyStore()
  const errors: unknown[] = []
  const log = captureLog()
  const { get, signIn } = await startHost(t, {
    options: { store: faulty.store },
    server: log.server,
    after: (app) => {
      app.get('/twice', async (request) => {
        const ask = () => app.weapp.authenticate(request).catch((error) => errors.push(error))
        await Promise.all([ask(), ask()])
        await ask()
        return {}
      })
    }
  })
  const { token } = await signIn()
  faulty.instead('read', async () => null)
  await get('/twice', token)
  t.match(errors, { length: 3, 0: { code: 'FST_WEAPP_SESSION_EXPIRED' } })
  t.equal(new Set(errors).size, 1)
  t.equal(faulty.asked('read'), 1)
  t.equal(log.events().filter(({ event }) => event === 'refused').length, 1, 'logged once')
})

test("identity: returns the identity, or throws the guard's error or NOT_GUARDED", async (t) => {
  const { wechat, signIn, get } = await startHost(t, {
    after (app) {
      const identity = async (request: Parameters<FastifyInstance['weapp']['identity']>[0]) => ({ openid: app.weapp.identity(request).openid })
      app.get('/unguarded', identity)
      app.get('/optional', { config: { weapp: 'optional' } }, identity)
      app.get('/guarded', { config: { weapp: true } }, identity)
    }
  })
  const { token } = await signIn()
  for (const given of [token, undefined]) assertRefused(t, await get('/unguarded', given), 500, 'FST_WEAPP_NOT_GUARDED')
  assertRefused(t, await get('/optional'), 401, 'FST_WEAPP_TOKEN_MISSING')
  assertRefused(t, await get('/optional', 'forged'), 401, 'FST_WEAPP_TOKEN_INVALID')
  for (const url of ['/optional', '/guarded']) t.strictSame((await get(url, token)).json(), { openid: wechat.openid('alice') })
})

test("guard: error headers survive the host's error handler", async (t) => {
  const { get, post } = await startHost(t, {
    before: (app) => app.setErrorHandler((error: { statusCode?: number }, _request, reply) => {
      return reply.code(200).send({ ok: false, status: error.statusCode })
    })
  })
  const response = await get('/me', 'x')
  t.strictSame([response.statusCode, response.json()], [200, { ok: false, status: 401 }])
  t.match(response.headers, {
    'weapp-error': 'FST_WEAPP_TOKEN_INVALID', 'cache-control': 'no-store', 'www-authenticate': /error="invalid_token"/
  })
  const login = await post('/weapp/login', { code: 'unknown' })
  t.strictSame(login.json(), { ok: false, status: 401 })
  t.match(login.headers, { 'weapp-error': 'FST_WEAPP_CODE_INVALID', 'cache-control': 'no-store' })
})

test('guard: status, code and headers over HTTP', async (t) => {
  const faulty = faultyStore()
  const { app, wechat } = await startHost(t, { options: { store: faulty.store } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`
  const me = (token?: string) => fetch(`${url}/me`, { headers: token === undefined ? {} : { authorization: `Bearer ${token}` } })
  const login = (code: string) => fetch(`${url}/weapp/login`, {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ code })
  })
  async function answers (t: Test, response: Response, status: number, code: string, retryAfter: string | null = null): Promise<void> {
    t.equal(response.status, status)
    t.match(await response.json(), { statusCode: status, code })
    t.equal(response.headers.get('weapp-error'), code)
    t.equal(response.headers.get('cache-control'), 'no-store')
    t.equal(response.headers.get('retry-after'), retryAfter)
    t.equal(response.headers.has('www-authenticate'), status === 401)
  }

  const signedIn = await login(wechat.login('alice'))
  t.equal(signedIn.status, 200)
  const { token, ...rest } = await signedIn.json() as { token: string }
  t.match(rest, { tokenType: 'Bearer', expiresIn: 2_592_000, expiresAt: Number })
  const { claims } = partsOf(token)

  await t.test('a guarded route', async (t) => t.strictSame(await (await me(token)).json(), { openid: wechat.openid('alice') }))
  await t.test('no token', async (t) => answers(t, await me(), 401, 'FST_WEAPP_TOKEN_MISSING'))
  await t.test('a bad token', async (t) => answers(t, await me('nonsense'), 401, 'FST_WEAPP_TOKEN_INVALID'))
  await t.test('another key', async (t) => answers(t, await me(forge(claims, { key: 'another key' })), 401, 'FST_WEAPP_TOKEN_INVALID'))
  await t.test('alg none', async (t) => {
    const unsigned = `${encode({ ...TOKEN_HEADER, alg: 'none' })}.${encode(claims)}.`
    await answers(t, await me(unsigned), 401, 'FST_WEAPP_TOKEN_INVALID')
  })
  await t.test('another kid', async (t) => {
    await answers(t, await me(forge(claims, { header: { ...TOKEN_HEADER, kid: 'AAAAAAAA' } })), 401, 'FST_WEAPP_TOKEN_INVALID')
  })
  await t.test('an expired token', async (t) => answers(t, await me(forge({ ...claims, exp: 1 })), 401, 'FST_WEAPP_TOKEN_EXPIRED'))
  await t.test('a store that is down', async (t) => {
    faulty.instead('read', FAILURES.rejects)
    await answers(t, await me(token), 503, 'FST_WEAPP_STORE_UNAVAILABLE', '5')
    faulty.heal()
  })
  await t.test('a used code', async (t) => {
    await answers(t, await login(wechat.requests[0]?.query.js_code as string), 401, 'FST_WEAPP_CODE_USED')
  })
  await t.test('two Authorization headers are one at most', async (t) => {
    const headers: [string, string][] = [['authorization', `Bearer ${token}`], ['authorization', 'Bearer x']]
    await answers(t, await fetch(`${url}/me`, { headers }), 401, 'FST_WEAPP_TOKEN_INVALID')
  })
  await t.test('WeChat down', async (t) => {
    const code = wechat.login('alice')
    await wechat.close()
    await answers(t, await login(code), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', '5')
  })
})

test('guard: logs a refusal also if the token expires during the read', async (t) => {
  const clock = freezeClock(t)
  const log = captureLog()
  const { store, instead } = faultyStore()
  const { signIn, get } = await startHost(t, { server: log.server, options: { store } })
  const { token, expiresAt } = await signIn()
  instead('read', async () => {
    clock.advance(expiresAt - clock.now + 1000)
    throw new Error('away')
  })
  assertRefused(t, await get('/me', token), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
  t.match(log.events().at(-1), { event: 'refused', code: 'FST_WEAPP_STORE_UNAVAILABLE' })
})

test('config.weapp: an invalid value fails when the route is declared', async (t) => {
  await startHost(t, {
    after (app) {
      const handler = async () => 'served'
      for (const weapp of ['optinal', 'required', '', 1, 0, null, [], { freshkey: true }, { freshKey: 'yes' }, { freshKey: true, optional: true }, {}]) {
        t.throws(() => app.get('/wrong', { config: { weapp: weapp as unknown as true } }, handler), {
          code: 'FST_WEAPP_INVALID_OPTION', message: /option config\.weapp of GET \/wrong must be true, false, 'optional' or \{ freshKey: true \}/
        }, JSON.stringify(weapp))
      }
      for (const [index, weapp] of ([true, false, 'optional', { freshKey: true }, { freshKey: false }] as const).entries()) {
        app.get(`/right/${index}`, { config: { weapp } }, handler)
      }
      app.get('/right/none', { config: {} }, handler)
      for (const weapp of [true, false, 'optional', undefined]) {
        t.throws(() => app.get('/beside', { weapp } as object, handler), {
          code: 'FST_WEAPP_INVALID_OPTION', message: /option weapp of GET \/beside belongs in config: \{ weapp \}/
        }, 'otherwise the route would silently be public')
      }
      app.register(async (scope) => { t.throws(() => scope.get('/inner', { config: { weapp: 'optinal' as 'optional' } }, handler), /of GET/) })
    }
  })
})
