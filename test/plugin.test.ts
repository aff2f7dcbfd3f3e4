import Fastify, { type FastifyInstance } from 'fastify'
import { test, type Test } from 'tap'
import weapp, { fastifyWeapp, memoryStore, type LoginResponse, type WeappOptions } from '../src/index.js'
import { startWechatSimulator } from '../src/testing/simulator/simulator.js'
import { assertRefused } from './helpers/assert-refused.js'
import { collectGarbage } from './helpers/heap.js'
import { APP_ID, APP_SECRET, SECRET, startHost } from './helpers/host.js'

const SECOND_APP = 'wx2222222222222222'
const APPS = { [APP_ID]: APP_SECRET, [SECOND_APP]: 'secret-of-the-second-app' }

/** Starts a server with two scopes, `/a` and `/b`, each with its own registration. */
async function startTwoScopes (t: Test, a: Partial<WeappOptions>, b: Partial<WeappOptions>) {
  const wechat = await startWechatSimulator({ apps: APPS })
  t.teardown(() => wechat.close())
  const app = Fastify()
  t.teardown(() => app.close())
  const common = { appId: APP_ID, appSecret: APP_SECRET, secret: SECRET, wechat: { baseUrl: wechat.url } }
  for (const [prefix, options] of [['/a', a], ['/b', b]] as const) {
    app.register(async (scope) => {
      await scope.register(weapp, { ...common, ...options } as WeappOptions)
      scope.get('/me', { config: { weapp: true } }, async (request) => ({ openid: request.weapp?.openid }))
    }, { prefix })
  }
  await app.ready()
  return {
    app,
    wechat,
    get: (url: string, token: string) => app.inject({ url, headers: { authorization: `Bearer ${token}` } }),
    async signIn (scope: string, appId: string): Promise<string> {
      const payload = { code: wechat.login('alice', { appId }) }
      const response = await app.inject({ method: 'POST', url: `${scope}/weapp/login`, payload })
      t.equal(response.statusCode, 200, `${scope}: signs in`)
      return response.json<LoginResponse>().token
    }
  }
}

test('exports: the default export is the named one', async (t) => {
  t.equal(weapp, fastifyWeapp)
})

test('plugin: login, guarded route, list of devices, logout', async (t) => {
  const { wechat, signIn, get, post } = await startHost(t)
  const { token, tokenType, expiresIn, expiresAt } = await signIn()
  t.match({ tokenType, expiresIn }, { tokenType: 'Bearer', expiresIn: 2_592_000 })
  t.strictSame((await get('/me', token)).json(), { openid: wechat.openid('alice') })
  const session = (await get('/weapp/session', token)).json()
  t.equal(session.expiresAt, expiresAt)
  t.match(session.sessions, { length: 1, 0: { id: session.id, current: true, label: null } })
  t.equal((await post('/weapp/logout', undefined, token)).statusCode, 204)
  assertRefused(t, await get('/me', token), 401, 'FST_WEAPP_SESSION_REVOKED')
})

test('registration: twice in one scope fails the boot', async (t) => {
  const options = { appId: APP_ID, appSecret: APP_SECRET, secret: SECRET }
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(weapp, options)
  app.register(weapp, { ...options, prefix: '/other' })
  await t.rejects(async () => { await app.ready() }, { code: 'FST_ERR_DEC_ALREADY_PRESENT' })
})

test('registration: again in a child scope fails the boot', async (t) => {
  const options = { appId: APP_ID, appSecret: APP_SECRET, secret: SECRET }
  const app = Fastify()
  t.teardown(() => app.close())
  app.register(weapp, options)
  app.register(async (scope) => { await scope.register(weapp, options) }, { prefix: '/below' })
  await t.rejects(async () => { await app.ready() }, { code: 'FST_ERR_DEC_ALREADY_PRESENT' })
})

test('sibling scopes: refuse the tokens of another app', async (t) => {
  const store = memoryStore()
  const second = { store, appId: SECOND_APP, appSecret: APPS[SECOND_APP]! }
  const { get, signIn, wechat } = await startTwoScopes(t, { store }, second)
  const [a, b] = [await signIn('/a', APP_ID), await signIn('/b', SECOND_APP)]
  t.strictSame((await get('/a/me', a)).json(), { openid: wechat.openid('alice', { appId: APP_ID }) })
  t.strictSame((await get('/b/me', b)).json(), { openid: wechat.openid('alice', { appId: SECOND_APP }) })
  assertRefused(t, await get('/a/me', b), 401, 'FST_WEAPP_TOKEN_INVALID')
  assertRefused(t, await get('/b/me', a), 401, 'FST_WEAPP_TOKEN_INVALID')
})

test('sibling scopes: refuse the tokens of another secret', async (t) => {
  const store = memoryStore()
  const second = { store, secret: 'the secret of the second scope, long enough' }
  const { get, signIn } = await startTwoScopes(t, { store }, second)
  const [a, b] = [await signIn('/a', APP_ID), await signIn('/b', APP_ID)]
  t.equal((await get('/a/me', a)).statusCode, 200)
  t.equal((await get('/b/me', b)).statusCode, 200)
  assertRefused(t, await get('/a/me', b), 401, 'FST_WEAPP_TOKEN_INVALID')
  assertRefused(t, await get('/b/me', a), 401, 'FST_WEAPP_TOKEN_INVALID')
})

test('sibling scopes: do not share sessions of separate stores', async (t) => {
  const { get, signIn } = await startTwoScopes(t, {}, {})
  const [a, b] = [await signIn('/a', APP_ID), await signIn('/b', APP_ID)]
  assertRefused(t, await get('/a/me', b), 401, 'FST_WEAPP_SESSION_EXPIRED')
  assertRefused(t, await get('/b/me', a), 401, 'FST_WEAPP_SESSION_EXPIRED')
})

test('scope: decorators and guard do not leave the scope of the registration', async (t) => {
  const { app } = await startTwoScopes(t, { protect: 'all' }, {})
  t.equal('weapp' in app, false)
  t.equal((await app.inject('/nowhere')).statusCode, 404)
})

test('options: may be a function of the parent scope', async (t) => {
  const wechat = await startWechatSimulator({ apps: APPS })
  const app = Fastify()
  t.teardown(() => app.close())
  t.teardown(() => wechat.close())
  app.decorate('settings', { secret: SECRET, store: memoryStore() })
  app.register(weapp, (parent: FastifyInstance) => ({
    appId: APP_ID,
    appSecret: APP_SECRET,
    wechat: { baseUrl: wechat.url },
    prefix: '/signin',
    ...(parent as FastifyInstance & { settings: { secret: string } }).settings
  }))
  app.after(() => {
    app.get('/me', { config: { weapp: true } }, async (request) => ({ openid: request.weapp?.openid }))
  })
  const response = await app.inject({ method: 'POST', url: '/signin/login', payload: { code: wechat.login('alice') } })
  t.equal(response.statusCode, 200)
  const me = await app.inject({ url: '/me', headers: { authorization: `Bearer ${response.json().token}` } })
  t.strictSame(me.json(), { openid: wechat.openid('alice') })
})

test('options: an invalid option fails the boot', async (t) => {
  await t.rejects(startHost(t, { options: { protect: 'everything' as 'all' } }), {
    code: 'FST_WEAPP_INVALID_OPTION', message: /option protect must be one of marked, all/
  })
})

test('app.weapp.login: serves a login route of the host', async (t) => {
  const { app, wechat, get } = await startHost(t, {
    options: { routes: { login: false }, onLogin: ({ body }) => ({ reply: { ...body, code: 'hidden' } }) },
    after: (app) => app.post('/own', async (request) => {
      const { code, name } = request.body as { code: string, name: string }
      return await app.weapp.login(request, { code, body: { name } })
    })
  })
  t.equal((await app.inject({ method: 'POST', url: '/weapp/login', payload: { code: 'x' } })).statusCode, 404)
  const payload = { code: wechat.login('alice'), name: 'Alice', token: 'mine' }
  const response = await app.inject({ method: 'POST', url: '/own', payload })
  t.match(response.json(), { token: String, tokenType: 'Bearer', name: 'Alice', code: 'hidden' })
  t.equal((await get('/me', response.json().token)).statusCode, 200)
  assertRefused(t, await app.inject({ method: 'POST', url: '/own', payload }), 401, 'FST_WEAPP_CODE_USED')
})

test('app.weapp.sessions: ends one session, all sessions, all except one', async (t) => {
  const { app, wechat, signIn, get } = await startHost(t)
  const user = { appId: APP_ID, openid: wechat.openid('alice') }
  const tokens = [(await signIn()).token, (await signIn()).token, (await signIn()).token]
  const { token: bob } = await signIn('bob')
  const ids = await Promise.all(tokens.map(async (token) => (await get('/weapp/session', token)).json().id as string))
  const statuses = () => Promise.all(tokens.map(async (token) => (await get('/me', token)).statusCode))

  t.strictSame((await app.weapp.sessions.list(user)).map(({ id }) => id).sort(), [...ids].sort())
  t.equal(await app.weapp.sessions.revoke({ ...user, id: ids[0]! }), true)
  t.equal(await app.weapp.sessions.revoke({ ...user, id: ids[0]! }), false)
  t.equal(await app.weapp.sessions.revoke({ ...user, id: 'unknown' }), false)
  t.strictSame(await statuses(), [401, 200, 200])
  t.equal(await app.weapp.sessions.revokeAll({ ...user, except: ids[1]! }), 1)
  t.strictSame(await statuses(), [401, 200, 401])
  t.equal(await app.weapp.sessions.revokeAll(user), 1)
  for (const token of tokens) assertRefused(t, await get('/me', token), 401, 'FST_WEAPP_SESSION_KICKED')
  t.equal((await get('/me', bob)).statusCode, 200)
})

test('session.limit: a further login ends the oldest session as replaced', async (t) => {
  const { signIn, get } = await startHost(t, { options: { session: { limit: 2 } } })
  const tokens = [(await signIn()).token, (await signIn()).token, (await signIn()).token]
  assertRefused(t, await get('/me', tokens[0]), 401, 'FST_WEAPP_SESSION_REPLACED')
  for (const token of tokens.slice(1)) t.equal((await get('/me', token)).statusCode, 200)
})

for (const cache of [{}, false] as const) {
  test(`memory: a registration takes at most 0.5 MB before any login, cache ${JSON.stringify(cache)}`, async (t) => {
    const register = async () => {
      const app = Fastify()
      t.teardown(() => app.close())
      const store = memoryStore()
      await app.register(weapp, { appId: APP_ID, appSecret: APP_SECRET, secret: SECRET, store, cache })
      await app.ready()
    }
    const used = () => {
      collectGarbage()
      const { heapUsed, arrayBuffers } = process.memoryUsage()
      return heapUsed + arrayBuffers
    }
    // Loads what all registrations share.
    for (let i = 0; i < 3; i++) await register()
    const before = used()
    const count = 20
    for (let i = 0; i < count; i++) await register()
    const bytes = Math.round((used() - before) / count)
    t.ok(bytes < 500_000, `${bytes} bytes, with Fastify itself`)
  })
}
