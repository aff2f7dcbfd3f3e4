import type { FastifyReply } from 'fastify'
import { test } from 'tap'
import { freezeClock } from '../helpers/clock.js'
import { FAILURES, faultyStore } from '../helpers/faulty-store.js'
import { forge, someClaims } from '../helpers/forged-token.js'
import { startHost } from '../helpers/host.js'

test('T44: no response of the plugin and no refusal may be cached', async (t) => {
  const clock = freezeClock(t)
  const faulty = faultyStore()
  const { app, wechat, signIn } = await startHost(t, {
    options: { store: faulty.store },
    after (app) {
      app.get('/cacheable', { config: { weapp: true } }, async (_request, reply) => reply.header('cache-control', 'max-age=60').send('x'))
      app.get('/optional', { config: { weapp: 'optional' } }, async (_request, reply) => reply.header('cache-control', 'max-age=60').send('x'))
      app.get('/public', async (_request, reply) => reply.header('cache-control', 'public').send('x'))
    }
  })
  const noStore = async (name: string, status: number, request: { method?: 'GET' | 'POST' | 'HEAD', url: string, token?: string, payload?: string }) => {
    const { method = 'GET', url, token, payload } = request
    const response = await app.inject({
      method,
      url,
      headers: { ...token !== undefined && { authorization: `Bearer ${token}` }, ...payload !== undefined && { 'content-type': 'application/json' } },
      ...payload !== undefined && { payload }
    })
    t.strictSame([response.statusCode, response.headers['cache-control']], [status, 'no-store'], name)
  }
  const { token } = await signIn()
  const login = { method: 'POST', url: '/weapp/login' } as const

  await noStore('login', 200, { ...login, payload: JSON.stringify({ code: wechat.login('bob') }) })
  await noStore('login with a bad code', 401, { ...login, payload: '{"code":"x"}' })
  await noStore('login with a bad body', 400, { ...login, payload: '{}' })
  await noStore('login with no JSON', 400, { ...login, payload: '{' })
  await noStore('login with too much', 413, { ...login, payload: JSON.stringify({ code: 'x'.repeat(2_000_000) }) })
  for (const [errcode, status] of [[40226, 403], [45009, 429], [40125, 500], [1, 502]] as const) {
    wechat.fault({ errcode }, { times: 1 })
    await noStore(`login, errcode ${errcode}`, status, { ...login, payload: JSON.stringify({ code: wechat.login('bob') }) })
  }
  await noStore('session', 200, { url: '/weapp/session', token })
  await noStore('session, HEAD', 200, { method: 'HEAD', url: '/weapp/session', token })
  await noStore('session without a token', 401, { url: '/weapp/session' })
  await noStore('logout with a bad query', 400, { method: 'POST', url: '/weapp/logout?all=x', token })
  await noStore("the host's route without a token", 401, { url: '/cacheable' })
  await noStore("the host's route with a bad token", 401, { url: '/cacheable', token: 'x' })
  await noStore("the host's route with a forged token", 401, { url: '/cacheable', token: forge(someClaims()) })
  await noStore('an optional route with a bad token', 200, { url: '/optional', token: 'x' })
  faulty.instead('read', FAILURES.rejects)
  await noStore("the host's route without a store", 503, { url: '/cacheable', token })
  faulty.heal()
  await noStore('logout', 204, { method: 'POST', url: '/weapp/logout', token })
  await noStore('a revoked session', 401, { url: '/cacheable', token })
  clock.advance(31 * 24 * 3600_000)
  await noStore('an expired token', 401, { url: '/cacheable', token })
  t.equal((await app.inject('/public')).headers['cache-control'], 'public', 'other answers are left alone')
})

test('T44: a hook of the host cannot make a response of the plugin cacheable', async (t) => {
  const cache = async (_request: unknown, reply: FastifyReply) => { reply.header('cache-control', 'public') }
  const { wechat, signIn, get, post } = await startHost(t, {
    options: { routes: { login: { onSend: cache }, session: { onSend: [cache, cache] } } },
    after: (app) => app.addHook('onSend', cache)
  })
  const { token } = await signIn()
  const login = () => post('/weapp/login', { code: wechat.login('alice') })
  t.equal((await login()).headers['cache-control'], 'no-store')
  for (const given of [token, 'x', undefined]) {
    t.equal((await get('/weapp/session', given)).headers['cache-control'], 'no-store')
  }
  t.equal((await post('/weapp/logout', undefined, token)).headers['cache-control'], 'no-store')
})

test('T44: a response whose onSend hook fails is not cacheable', async (t) => {
  const { wechat, post } = await startHost(t, {
    after: (app) => app.addHook('onSend', async () => { throw new Error('broken') })
  })
  const { statusCode, headers } = await post('/weapp/login', { code: wechat.login('alice') })
  t.strictSame([statusCode, headers['cache-control']], [500, 'no-store'])
})

test('T46: 1,000 interleaved users see only their own identity', async (t) => {
  const USERS = 1000
  const turns: (() => void)[] = []
  const { get, post, wechat } = await startHost(t, {
    after: (app) => app.get('/slow', { config: { weapp: true } }, async (request) => {
      const before = request.weapp?.openid
      // All requests are pending before the first continues. They continue in another order.
      await new Promise<void>((resolve) => { turns.push(resolve) })
      return { before, after: request.weapp?.openid, identity: app.weapp.identity(request).openid }
    })
  })
  const users = Array.from({ length: USERS }, (_, i) => `user ${i}`)
  const tokens: string[] = []
  while (tokens.length < USERS) {
    const logins = users.slice(tokens.length, tokens.length + 50).map(async (user) => {
      return (await post('/weapp/login', { code: wechat.login(user) })).json().token as string
    })
    tokens.push(...await Promise.all(logins))
  }
  const answers = tokens.map((token) => get('/slow', token))
  const guests = Array.from({ length: 100 }, () => get('/feed'))
  while (turns.length < USERS) await new Promise(setImmediate)
  for (const turn of turns.reverse()) turn()
  const seen = (await Promise.all(answers)).map((response) => response.json())
  const wrong = users.filter((user, i) => {
    const openid = wechat.openid(user)
    return seen[i].before !== openid || seen[i].after !== openid || seen[i].identity !== openid
  })
  t.strictSame(wrong, [])
  t.equal(new Set(seen.map(({ after }) => after)).size, USERS)
  for (const response of await Promise.all(guests)) {
    if (response.json().openid !== null) t.fail('a guest received an identity')
  }
})

for (const hook of ['preHandler', 'onRequest'] as const) {
  test(`T46: request.weapp is null by default, a refusal stops the handler (${hook})`, async (t) => {
    let handled = 0
    const seen: unknown[] = []
    const { app, signIn, get } = await startHost(t, {
      options: { hook },
      before: (app) => { app.addHook('onRequest', async (request) => { seen.push(request.weapp) }) },
      after (app) {
        app.get('/open', async (request) => { seen.push(request.weapp); return 'open' })
        app.get('/spy', { config: { weapp: true } }, async () => { handled++ })
      }
    })
    const { token } = await signIn()
    seen.length = 0
    await get('/open', token)
    await get('/me', token)
    await get('/open')
    t.strictSame(seen, [null, null, null, null, null], 'not on an open route, and not before the guard')
    for (const bad of [undefined, 'x', forge(someClaims())]) t.equal((await get('/spy', bad)).statusCode, 401)
    t.equal((await app.inject({ method: 'HEAD', url: '/spy' })).statusCode, 401)
    t.equal(handled, 0)
  })
}
