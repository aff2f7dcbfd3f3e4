import auth from '@fastify/auth'
import type { FastifyReply } from 'fastify'
import { test } from 'tap'
import { memoryStore, type WeappSession } from '../src/index.js'
import { freezeClock } from './helpers/clock.js'
import { FAILURES, faultyStore } from './helpers/faulty-store.js'
import { forge, someClaims } from './helpers/forged-token.js'
import { APP_ID, startHost, type Host } from './helpers/host.js'
import { PAST_IDLE } from './helpers/phone.js'

/** Returns the headers of the plugin in a response. */
function headersOf ({ headers }: { headers: Record<string, unknown> }): Record<string, unknown> {
  const names = ['weapp-error', 'weapp-session', 'cache-control', 'www-authenticate', 'retry-after']
  return Object.fromEntries(names.filter((name) => headers[name] !== undefined).map((name) => [name, headers[name]]))
}

/** Catches an error and replies as a framework does, so that Fastify never sees the error. */
async function replyAsFramework (reply: FastifyReply, handle: () => unknown): Promise<unknown> {
  try {
    return await handle()
  } catch (error) {
    const { statusCode, message } = error as Error & { statusCode: number }
    return await reply.code(statusCode).send({ statusCode, message })
  }
}

/** Returns a token for each way in which the server refuses one. */
async function refusedTokens ({ app, signIn, post, wechat }: Host): Promise<Record<string, string>> {
  const [first] = [await signIn(), await signIn(), await signIn()]
  const kicked = await signIn('bob')
  await app.weapp.sessions.revokeAll({ appId: APP_ID, openid: wechat.openid('bob') })
  const revoked = await signIn('carol')
  await post('/weapp/logout', undefined, revoked.token)
  return {
    FST_WEAPP_TOKEN_INVALID: 'a.b.c',
    FST_WEAPP_TOKEN_EXPIRED: forge({ ...someClaims(), exp: 1 }),
    FST_WEAPP_SESSION_EXPIRED: forge(someClaims()),
    FST_WEAPP_SESSION_REPLACED: first.token,
    FST_WEAPP_SESSION_KICKED: kicked.token,
    FST_WEAPP_SESSION_REVOKED: revoked.token
  }
}

test('Weapp-Session: tells on an optional route why the token was refused', async (t) => {
  const inner = memoryStore()
  const read: typeof inner.read = async (ref) => await inner.read(ref)
  for (const options of [{}, { hook: 'onRequest' }, { store: { ...inner, read } }] as const) {
    const host = await startHost(t, { options: { session: { limit: 2 }, ...options } })
    for (const [code, token] of Object.entries(await refusedTokens(host))) {
      const feed = await host.get('/feed', token)
      t.strictSame([feed.statusCode, feed.json()], [200, { openid: null }], code)
      t.strictSame(headersOf(feed), { 'weapp-session': code, 'cache-control': 'no-store' })
      t.strictSame(headersOf(await host.app.inject({ method: 'HEAD', url: '/feed', headers: { authorization: `Bearer ${token}` } })),
        { 'weapp-session': code, 'cache-control': 'no-store' })
    }
    t.strictSame(headersOf(await host.get('/feed')), {}, 'without a token')
    t.strictSame(headersOf(await host.get('/feed', (await host.signIn('dave')).token)), {}, 'with a live session')
  }
})

test('Weapp-Session: an optional POST with an expired session is handled once', async (t) => {
  const clock = freezeClock(t)
  const handled: unknown[] = []
  const { signIn, post } = await startHost(t, {
    after: (app) => app.post('/comment', { config: { weapp: 'optional' } }, async (request, reply) => {
      handled.push(request.weapp)
      return await reply.code(201).send({ id: handled.length })
    })
  })
  const { token } = await signIn()
  clock.advance(PAST_IDLE)
  const comment = await post('/comment', { text: 'hello' }, token)
  t.strictSame([comment.statusCode, comment.json()], [201, { id: 1 }])
  t.strictSame(headersOf(comment), { 'weapp-session': 'FST_WEAPP_SESSION_EXPIRED', 'cache-control': 'no-store' })
  t.strictSame(handled, [null])
})

test('Weapp-Session: no cache stores the response, and a stricter header of the host stays', async (t) => {
  const { get } = await startHost(t, {
    after: (app) => app.get('/cached', { config: { weapp: 'optional' } }, async (request, reply) => {
      return await reply.header('cache-control', (request.query as { header: string }).header).send('x')
    })
  })
  for (const [header, sent] of [
    ['public, max-age=60', 'no-store'],
    ['private', 'no-store'],
    ['x-no-storey', 'no-store'],
    ['No-Store', 'No-Store'],
    ['private, no-store, no-transform', 'private, no-store, no-transform']
  ] as const) {
    const url = `/cached?header=${encodeURIComponent(header)}`
    t.equal((await get(url, 'a.b.c')).headers['cache-control'], sent)
    t.equal((await get(url)).headers['cache-control'], header, 'without a token')
  }
})

test('Weapp-Session, Weapp-Error: are set on a Response of the Fetch API', async (t) => {
  const { get } = await startHost(t, {
    after (app) {
      const headers = [['cache-control', 'public'], ['set-cookie', 'a=1'], ['set-cookie', 'b=2']] as [string, string][]
      app.get('/served', { config: { weapp: 'optional' } }, async () => new Response('served', { status: 203, headers }))
      app.get('/caught', async (request) => {
        await app.weapp.authenticate(request).catch(() => {})
        const { status } = request.query as { status: string }
        return new Response('caught', { status: Number(status), headers })
      })
      app.get('/empty', { config: { weapp: 'optional' } }, async () => new Response(null, { status: 204 }))
    }
  })
  const served = await get('/served', 'a.b.c')
  t.strictSame([served.statusCode, served.body], [203, 'served'])
  t.strictSame(headersOf(served), { 'weapp-session': 'FST_WEAPP_TOKEN_INVALID', 'cache-control': 'no-store' })
  t.strictSame(served.headers['set-cookie'], ['a=1', 'b=2'])
  t.strictSame(headersOf(await get('/served')), { 'cache-control': 'public' }, 'without a token')
  const caught = await get('/caught?status=401', 'a.b.c')
  t.strictSame([caught.statusCode, caught.body], [401, 'caught'])
  t.match(headersOf(caught), { 'weapp-error': 'FST_WEAPP_TOKEN_INVALID', 'cache-control': 'no-store' })
  const handled = await get('/caught?status=200', 'a.b.c')
  t.strictSame([handled.statusCode, handled.body, headersOf(handled)], [200, 'caught', { 'cache-control': 'public' }])
  const empty = await get('/empty', 'a.b.c')
  t.strictSame([empty.statusCode, empty.body, empty.headers['weapp-session']], [204, '', 'FST_WEAPP_TOKEN_INVALID'])
})

test('Weapp-Session: stays on an error of the host, without a Weapp-Error', async (t) => {
  const { get, wechat } = await startHost(t, {
    after (app) {
      const optional = { config: { weapp: 'optional' } } as const
      app.get('/broken', optional, async () => { throw new Error('broken') })
      app.get('/members', optional, async (_request, reply) => await reply.code(401).send({ message: 'Sign in first.' }))
      app.get('/phone', optional, async () => await app.weapp.wechat.getPhoneNumber('code'))
    }
  })
  const guest = { 'weapp-session': 'FST_WEAPP_TOKEN_INVALID', 'cache-control': 'no-store' }
  for (const [url, status] of [['/broken', 500], ['/members', 401]] as const) {
    const response = await get(url, 'a.b.c')
    t.equal(response.statusCode, status)
    t.strictSame(headersOf(response), guest, url)
  }
  wechat.fault({ errcode: 45011 }, { path: '/wxa/business/getuserphonenumber' })
  t.strictSame(headersOf(await get('/phone', 'a.b.c')), {
    ...guest, 'weapp-error': 'FST_WEAPP_WECHAT_LIMITED', 'retry-after': '60'
  })
})

test('Weapp-Session: gives way to Weapp-Error if the handler throws the same error', async (t) => {
  const { get } = await startHost(t, {
    after (app) {
      const optional = { config: { weapp: 'optional' } } as const
      app.get('/thrown', optional, async (request) => app.weapp.identity(request).openid)
      app.get('/caught', optional, (request, reply) => replyAsFramework(reply, () => app.weapp.identity(request).openid))
    }
  })
  for (const url of ['/thrown', '/caught']) {
    t.match(headersOf(await get(url, 'a.b.c')), { 'weapp-error': 'FST_WEAPP_TOKEN_INVALID', 'weapp-session': undefined }, url)
    t.match(headersOf(await get(url)), { 'weapp-error': 'FST_WEAPP_TOKEN_MISSING', 'weapp-session': undefined }, url)
  }
})

test('Weapp-Error: is set if a framework catches the error and replies', async (t) => {
  const clock = freezeClock(t)
  const faulty = faultyStore()
  const host = await startHost(t, {
    options: { store: faulty.store },
    after (app) {
      app.get('/guarded', (request, reply) => replyAsFramework(reply, async () => {
        await app.weapp.authenticate(request)
        return app.weapp.identity(request).openid
      }))
      app.get('/identity', (request, reply) => replyAsFramework(reply, () => app.weapp.identity(request)))
      app.post('/own-login', (request, reply) => replyAsFramework(reply, () => app.weapp.login(request, { code: 'unknown' })))
      const operations: Record<string, (session: WeappSession) => unknown> = {
        decrypt: (session) => session.decrypt('bm90IGVuY3J5cHRlZA==', 'bm8gaXY='),
        verify: (session) => session.verifySignature('{}', 'x'),
        check: (session) => session.checkSessionKey(),
        reset: (session) => session.resetSessionKey(),
        update: (session) => session.update({}),
        revoke: (session) => session.revoke()
      }
      for (const [name, operation] of Object.entries(operations)) {
        app.get(`/${name}`, { config: { weapp: true } }, (request, reply) => {
          return replyAsFramework(reply, () => operation(request.weapp!.session))
        })
      }
    }
  })
  const { token } = await host.signIn()
  const noStore = { 'cache-control': 'no-store' }
  const stale = { 'weapp-error': 'FST_WEAPP_SESSION_KEY_STALE', ...noStore }
  const unavailable = { 'weapp-error': 'FST_WEAPP_STORE_UNAVAILABLE', ...noStore, 'retry-after': '5' }
  const challenge = { 'www-authenticate': /^Bearer realm="fastify-weapp"/, ...noStore }

  t.equal((await host.get('/guarded', token)).statusCode, 200)
  t.strictSame(headersOf(await host.get('/guarded', token)), {})
  t.match(headersOf(await host.get('/guarded')), { 'weapp-error': 'FST_WEAPP_TOKEN_MISSING', ...challenge })
  t.match(headersOf(await host.get('/guarded', 'a.b.c')), { 'weapp-error': 'FST_WEAPP_TOKEN_INVALID', ...challenge })
  t.strictSame(headersOf(await host.get('/identity', token)), { 'weapp-error': 'FST_WEAPP_NOT_GUARDED', ...noStore })
  t.match(headersOf(await host.post('/own-login')), { 'weapp-error': 'FST_WEAPP_CODE_INVALID', ...challenge })
  t.strictSame(headersOf(await host.get('/decrypt', token)), stale)
  t.strictSame(headersOf(await host.get('/verify', token)), stale)
  host.wechat.rotateKey('alice')
  t.strictSame(headersOf(await host.get('/reset', token)), stale)
  host.wechat.fault({ errcode: 45009 })
  t.strictSame(headersOf(await host.get('/check', token)), {
    'weapp-error': 'FST_WEAPP_WECHAT_LIMITED', ...noStore, 'retry-after': '3600'
  })
  for (const operation of ['update', 'revoke'] as const) {
    faulty.instead(operation, FAILURES.rejects)
    t.strictSame(headersOf(await host.get(`/${operation}`, token)), unavailable, operation)
  }
  faulty.instead('read', FAILURES.rejects)
  t.strictSame(headersOf(await host.get('/guarded', token)), unavailable)
  faulty.heal()
  clock.advance(PAST_IDLE)
  t.match(headersOf(await host.get('/guarded', token)), { 'weapp-error': 'FST_WEAPP_SESSION_EXPIRED', ...challenge })
})

test('Weapp-Error: is not set if the host handled the error', async (t) => {
  const { app, get } = await startHost(t, {
    before: async (app) => { await app.register(auth) },
    after (app) {
      const tryAuthenticate = (request: Parameters<typeof app.weapp.authenticate>[0]) => app.weapp.authenticate(request).catch(() => {})
      app.get('/guest', async (request) => {
        await tryAuthenticate(request)
        return 'served'
      })
      app.get('/teapot', async (request, reply) => {
        await tryAuthenticate(request)
        return await reply.code(418).send('teapot')
      })
      app.get('/named', async (request, reply) => {
        await tryAuthenticate(request)
        return await reply.code(401).header('weapp-error', 'HOST').send('named')
      })
      const byKey = async (request: { headers: Record<string, unknown> }) => {
        if (request.headers['x-api-key'] !== 'key') throw Object.assign(new Error('no key'), { statusCode: 403 })
      }
      app.get('/either', { preHandler: app.auth([app.weapp.authenticate, byKey]) }, async () => 'served')
    }
  })
  for (const [url, status] of [['/guest', 200], ['/teapot', 418]] as const) {
    const response = await get(url, 'a.b.c')
    t.strictSame([response.statusCode, headersOf(response)], [status, {}], url)
  }
  t.strictSame(headersOf(await get('/named', 'a.b.c')), { 'weapp-error': 'HOST' })
  const headers = { authorization: 'Bearer a.b.c' }
  t.strictSame(headersOf(await app.inject({ url: '/either', headers: { ...headers, 'x-api-key': 'key' } })), {})
  const neither = await app.inject({ url: '/either', headers })
  t.strictSame([neither.statusCode, headersOf(neither)], [403, {}], 'the error of the other strategy')
})
