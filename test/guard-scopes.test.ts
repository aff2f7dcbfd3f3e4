/** A guard trusts only outcomes of its own, on every route. */
import Fastify, { type FastifyRequest } from 'fastify'
import { test } from 'tap'
import weapp, { memoryStore } from '../src/index.js'
import { startWechatSimulator } from '../src/testing/simulator/simulator.js'
import { captureLog } from './helpers/log.js'
import { APP_ID, APP_SECRET, SECRET, startHost } from './helpers/host.js'

test('guard: covers a scope that was created before the plugin', async (t) => {
  const { get, signIn } = await startHost(t, {
    before: (app) => app.register(async (scope) => {
      scope.get('/marked', { config: { weapp: true } }, async (request) => ({ openid: request.weapp?.openid }))
      scope.get('/optional', { config: { weapp: 'optional' } }, async (request) => ({ weapp: request.weapp }))
      scope.get('/by-hand', { preHandler: (request) => app.weapp.authenticate(request) }, async (request) => {
        return { openid: app.weapp.identity(request).openid }
      })
      scope.get('/unguarded', async (request) => ({ openid: app.weapp.identity(request).openid }))
    })
  })
  const { token } = await signIn()
  t.equal((await get('/marked')).json().code, 'FST_WEAPP_TOKEN_MISSING')
  t.match((await get('/marked', token)).json(), { openid: /^o/ })
  t.strictSame((await get('/optional')).json(), { weapp: null })
  t.equal((await get('/by-hand')).json().code, 'FST_WEAPP_TOKEN_MISSING')
  t.equal((await get('/by-hand', 'forged')).json().code, 'FST_WEAPP_TOKEN_INVALID')
  t.match((await get('/by-hand', token)).json(), { openid: /^o/ })
  t.equal((await get('/unguarded', token)).json().code, 'FST_WEAPP_NOT_GUARDED', 'identity() reads no token')
})

test('guard: refuses requests in a scope whose request.weapp cannot be set', async (t) => {
  const inner = memoryStore()
  for (const read of [inner.read, async (ref: Parameters<typeof inner.read>[0]) => await inner.read(ref)]) {
    const { get, signIn } = await startHost(t, {
      options: { store: { ...inner, read } },
      before: (app) => app.register(async (scope) => {
        scope.decorateRequest('weapp', { getter: () => null })
        scope.get('/odd', { config: { weapp: true } }, async () => 'served')
      })
    })
    const { token } = await signIn()
    t.equal((await get('/odd', token)).statusCode, 500)
    t.equal((await get('/odd')).json().code, 'FST_WEAPP_TOKEN_MISSING')
  }
})

test('request.weapp: a child scope cannot redefine it', async (t) => {
  await t.rejects(startHost(t, {
    after: (app) => { app.register(async (scope) => { scope.decorateRequest('weapp', { getter: () => null }) }) }
  }).then(({ app }) => app.ready()), { code: 'FST_ERR_DEC_ALREADY_PRESENT' })
})

test("authenticate: works on routes outside of the guard's scope", async (t) => {
  const wechat = await startWechatSimulator({ apps: { [APP_ID]: APP_SECRET } })
  const app = Fastify()
  t.teardown(async () => {
    await app.close()
    await wechat.close()
  })
  let guard!: (typeof app)['weapp']
  await app.register(async (scope) => {
    await scope.register(weapp, { appId: APP_ID, appSecret: APP_SECRET, secret: SECRET, wechat: { baseUrl: wechat.url } })
    guard = scope.weapp
  })
  app.get('/', { preHandler: (request) => guard.authenticate(request) }, async (request) => ({ openid: guard.identity(request).openid }))
  t.equal((await app.inject('/')).json().code, 'FST_WEAPP_TOKEN_MISSING')
  const login = await app.inject({ method: 'POST', url: '/weapp/login', payload: { code: wechat.login('alice') } })
  const headers = { authorization: `Bearer ${login.json().token}` }
  t.strictSame((await app.inject({ url: '/', headers })).json(), { openid: wechat.openid('alice') })
})

test('guard: trusts no outcome of another registration', async (t) => {
  const apps = { wxa: 'secret of a', wxb: 'secret of b' }
  const wechat = await startWechatSimulator({ apps })
  const app = Fastify()
  t.teardown(async () => {
    await app.close()
    await wechat.close()
  })
  const store = memoryStore()
  const guards: (typeof app)['weapp'][] = []
  for (const [appId, appSecret] of Object.entries(apps)) {
    await app.register(async (scope) => {
      await scope.register(weapp, { appId, appSecret, secret: SECRET, store, prefix: `/${appId}`, wechat: { baseUrl: wechat.url } })
      guards.push(scope.weapp)
      scope.get(`/both/${appId}`, {
        config: { weapp: 'optional' }, preHandler: (request) => guards[0]!.authenticate(request)
      }, async (request) => ({ appId: guards[0]!.identity(request).appId }))
    })
  }
  const payload = { code: wechat.login('alice', { appId: 'wxb' }) }
  const { token } = (await app.inject({ method: 'POST', url: '/wxb/login', payload })).json()
  const answer = await app.inject({ url: '/both/wxb', headers: { authorization: `Bearer ${token}` } })
  t.equal(answer.json().code, 'FST_WEAPP_TOKEN_INVALID', 'a token of B is invalid for A, although B has accepted it')
})

test('guard: does not trust request.weapp', async (t) => {
  const forged = { openid: 'another user' } as FastifyRequest['weapp']
  const { app, get, signIn, wechat } = await startHost(t, {
    before: (app) => app.addHook('onRequest', async (request) => { request.weapp = forged }),
    after: (app) => {
      app.get('/shown', async (request) => ({ weapp: request.weapp }))
      app.get('/trusted', async (request) => ({ openid: app.weapp.identity(request).openid }))
      app.get('/guarded', { config: { weapp: true } }, async (request) => {
        return { shown: request.weapp!.openid, trusted: app.weapp.identity(request).openid }
      })
    }
  })
  const { token } = await signIn()
  t.strictSame((await get('/shown')).json(), { weapp: forged })
  t.equal((await get('/trusted', token)).json().code, 'FST_WEAPP_NOT_GUARDED')
  t.equal((await get('/guarded')).json().code, 'FST_WEAPP_TOKEN_MISSING')
  const openid = wechat.openid('alice')
  t.strictSame((await get('/guarded', token)).json(), { shown: openid, trusted: openid })
  t.ok(app.hasRequestDecorator('weapp'))
})

test('guard: a writer of the store cannot impersonate another user', async (t) => {
  const store = memoryStore()
  const log = captureLog()
  const { get, signIn } = await startHost(t, {
    server: log.server,
    options: {
      store: {
        ...store,
        async read (ref) {
          const record = await store.read(ref)
          return record?.status === 'live' ? { ...record, openid: 'oVICTIM' } : record
        }
      }
    }
  })
  const { token } = await signIn()
  t.equal((await get('/me', token)).json().code, 'FST_WEAPP_SESSION_EXPIRED')
  t.match(log.text(), /unreadable-record/)
})
