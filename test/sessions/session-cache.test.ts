import type { FastifyRequest } from 'fastify'
import { Cluster } from 'ioredis'
import tap, { test, type Test } from 'tap'
import { memoryStore, redisStore, type SessionData } from '../../src/index.js'
import { SessionCache, watchStore } from '../../src/sessions/session-cache.js'
import type { StoreWatcher } from '../../src/stores/store.js'
import { userIdOf } from '../../src/crypto/tokens.js'
import { newSessionMemo, type SessionToken } from '../../src/sessions/session-memo.js'
import { cachedHost, type CachedHost } from '../helpers/cached-host.js'
import { DAY, freezeClock, HOUR, MINUTE, SECOND } from '../helpers/clock.js'
import { faultyStore, STORE_WORDS } from '../helpers/faulty-store.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { APP_ID, startHost } from '../helpers/host.js'
import { recordingStore } from '../helpers/recording-store.js'

tap.setTimeout(300_000)

/** Signs in, and sends a request so that the session is cached. */
async function signInCached (t: Test, { signIn, stateOf, readsOf }: CachedHost, user?: string): Promise<string> {
  const { token } = await signIn(user)
  t.equal(await stateOf(token), 'live')
  t.equal(await readsOf(() => stateOf(token)), 0, 'cached')
  return token
}

const data = (value: object) => value as SessionData

test('cache: on by default over a memoryStore, off with cache: false', async (t) => {
  for (const [cache, expected] of [[undefined, 1], [{}, 1], [false, 3]] as const) {
    const store = memoryStore()
    const { signIn, get } = await startHost(t, { options: { store, ...cache !== undefined && { cache } } })
    const { token } = await signIn()
    let reads = 0
    const { read } = store
    store.read = (ref) => {
      reads++
      return read(ref)
    }
    for (let i = 0; i < 3; i++) t.equal((await get('/me', token)).statusCode, 200)
    t.equal(reads, expected, JSON.stringify(cache))
  }
})

test('cache: over another store, off by default: every request reads the store', async (t) => {
  for (const cache of [undefined, false] as const) {
    const watched = recordingStore(memoryStore())
    const { signIn, get } = await startHost(t, { options: { store: watched.store, ...cache === false && { cache } } })
    const { token } = await signIn()
    for (let i = 1; i <= 3; i++) {
      t.equal((await get('/me', token)).statusCode, 200)
      t.equal(watched.reads, i)
    }
    t.strictSame(watched.states, [])
  }
})

test('recall: a second request does not read the store', async (t) => {
  const { signIn, get, readsOf, wechat } = await cachedHost(t)
  const { token } = await signIn()
  t.equal(await readsOf(() => get('/me', token)), 1)
  t.equal(await readsOf(async () => {
    for (let i = 0; i < 10; i++) t.strictSame((await get('/me', token)).json(), { openid: wechat.openid('alice') })
    t.strictSame((await get('/feed', token)).json(), { openid: wechat.openid('alice') })
  }), 0)
})

test('recall: each session of a user has its own entry', async (t) => {
  const host = await cachedHost(t)
  const { token: first } = await host.signIn()
  const { token: second } = await host.signIn()
  t.equal(await host.readsOf(() => host.get('/me', first)), 1)
  t.equal(await host.readsOf(() => host.get('/me', second)), 1)
  const idOf = (token: string) => host.within(token, ({ weapp }) => weapp!.session.id)
  t.not(await idOf(first), await idOf(second))
  t.equal(await host.readsOf(() => Promise.all([first, second].map(host.stateOf))), 0)
})

test('maxAge: counts from the start of the read', async (t) => {
  const clock = freezeClock(t)
  const host = await cachedHost(t, { options: { cache: { maxAge: '10s' } } })
  const token = await signInCached(t, host)
  clock.advance(10 * SECOND - 1)
  t.equal(await host.readsOf(() => host.stateOf(token)), 0)
  clock.advance(1)
  const { isAnswered, release } = host.watched.holdRead()
  const slow = host.stateOf(token)
  await isAnswered
  clock.advance(9 * SECOND)
  release()
  t.equal(await slow, 'live')
  t.equal(await host.readsOf(() => host.stateOf(token)), 0)
  clock.advance(SECOND)
  t.equal(await host.readsOf(() => host.stateOf(token)), 1, 'the duration of the read counts')
})

test('maxAge: an entry is stale after the clock was set back', async (t) => {
  const clock = freezeClock(t)
  const host = await cachedHost(t, { options: { cache: { maxAge: '10s' } } })
  const token = await signInCached(t, host)
  clock.advance(-SECOND)
  t.equal(await host.readsOf(() => host.stateOf(token)), 1)
  t.equal(await host.readsOf(() => host.stateOf(token)), 0)
})

test('maxAge: defaults to 30 seconds', async (t) => {
  const clock = freezeClock(t)
  const host = await cachedHost(t)
  const token = await signInCached(t, host)
  clock.advance(30 * SECOND - 1)
  t.equal(await host.readsOf(() => host.stateOf(token)), 0)
  clock.advance(1)
  t.equal(await host.readsOf(() => host.stateOf(token)), 1)
})

for (const isDeaf of [false, true]) {
  const name = isDeaf ? 'before the message of the store' : 'by the message of the store'

  test(`invalidation: a session that this process ends is refused at once, ${name}`, async (t) => {
    const host = await cachedHost(t, { isDeaf })
    const ends: [string, string, (token: string) => Promise<unknown>][] = [
      ['logout', 'FST_WEAPP_SESSION_REVOKED', (token) => host.post('/weapp/logout', undefined, token)],
      ['logout of all', 'FST_WEAPP_SESSION_REVOKED', (token) => host.post('/weapp/logout?all=true', undefined, token)],
      ['session.revoke', 'FST_WEAPP_SESSION_REVOKED', (token) => host.within(token, ({ weapp }) => weapp!.session.revoke())],
      ['revoke by the host', 'FST_WEAPP_SESSION_KICKED', async (token) => {
        const id = await host.within(token, ({ weapp }) => weapp!.session.id)
        t.equal(await host.app.weapp.sessions.revoke({ ...host.user(), id }), true)
      }],
      ['revokeAll', 'FST_WEAPP_SESSION_KICKED', async () => t.equal(await host.app.weapp.sessions.revokeAll(host.user()), 1)]
    ]
    for (const [way, code, end] of ends) {
      const token = await signInCached(t, host)
      const other = await signInCached(t, host, 'bob')
      await end(token)
      t.equal(await host.stateOf(token), code, way)
      t.equal(await host.stateOf(token), code, 'and stays ended')
      t.equal(await host.readsOf(() => host.stateOf(other)), 0, 'other users stay cached')
    }
  })

  test(`invalidation: a login beyond the limit ends the oldest session, ${name}`, async (t) => {
    const host = await cachedHost(t, { isDeaf, options: { session: { limit: 1 } } })
    const token = await signInCached(t, host)
    await host.signIn()
    assertRefused(t, await host.get('/me', token), 401, 'FST_WEAPP_SESSION_REPLACED')
  })

  test(`invalidation: a login ends the session that it replaces, ${name}`, async (t) => {
    const host = await cachedHost(t, { isDeaf })
    const token = await signInCached(t, host)
    const { token: newer } = await host.signIn('alice', { authorization: `Bearer ${token}` })
    t.not(await host.stateOf(token), 'live')
    t.equal(await host.stateOf(newer), 'live')
  })

  test(`invalidation: new data is visible at once, ${name}`, async (t) => {
    const host = await cachedHost(t, { isDeaf, options: { onLogin: () => ({ data: data({ n: 0 }) }) } })
    const token = await signInCached(t, host)
    for (let n = 1; n <= 3; n++) {
      await host.within(token, ({ weapp }) => weapp!.session.update(data({ n })))
      t.strictSame(await host.within(token, ({ weapp }) => weapp!.session.data), { n })
      t.equal(await host.readsOf(() => host.stateOf(token)), 0, 'cached again')
    }
  })

  test(`invalidation: a moved idle expiry is visible at once, ${name}`, async (t) => {
    const clock = freezeClock(t)
    const host = await cachedHost(t, { isDeaf, options: { session: { idle: '1h' }, cache: { maxAge: '1d' } } })
    const token = await signInCached(t, host)
    const idleEnd = () => host.within(token, ({ weapp }) => weapp!.session.idleExpiresAt)
    const first = clock.now + HOUR
    t.equal(await idleEnd(), first)
    clock.advance(3 * MINUTE - 1)
    t.equal(await host.readsOf(async () => t.equal(await idleEnd(), first)), 0, 'no touch is due')
    clock.advance(1)
    t.equal(await idleEnd(), clock.now + HOUR, 'the request that touches')
    t.equal(await idleEnd(), clock.now + HOUR, 'the next request')
    const [session] = await host.app.weapp.sessions.list(host.user())
    t.equal(session?.idleExpiresAt, clock.now + HOUR, 'in the store')
    t.equal(await host.readsOf(idleEnd), 0)
  })
}

test('recall: a cached session expires, idle and absolute', async (t) => {
  const clock = freezeClock(t)
  const options = { session: { ttl: '2h', idle: '1h' }, cache: { maxAge: '1d' } } as const
  const host = await cachedHost(t, { options })
  const idle = await signInCached(t, host)
  clock.advance(HOUR)
  t.equal(await host.stateOf(idle), 'FST_WEAPP_SESSION_EXPIRED')

  const used = await signInCached(t, host)
  for (let minutes = 0; minutes < 119; minutes += 7) {
    t.equal(await host.stateOf(used), 'live', `${minutes} minutes`)
    clock.advance(7 * MINUTE)
  }
  clock.advance(MINUTE)
  t.match(await host.stateOf(used), /_EXPIRED$/)
})

test('recall: without an idle time, until the absolute expiry', async (t) => {
  const clock = freezeClock(t)
  const host = await cachedHost(t, { options: { session: { ttl: '1d', idle: false }, cache: { maxAge: '30d' } } })
  const token = await signInCached(t, host)
  clock.advance(DAY - 1)
  t.equal(await host.readsOf(async () => t.equal(await host.stateOf(token), 'live')), 0)
  clock.advance(1)
  t.not(await host.stateOf(token), 'live')
})

test('recall: an ended session is not cached', async (t) => {
  const host = await cachedHost(t)
  const token = await signInCached(t, host)
  await host.app.weapp.sessions.revokeAll(host.user())
  t.equal(await host.readsOf(async () => {
    for (let i = 0; i < 3; i++) assertRefused(t, await host.get('/me', token), 401, 'FST_WEAPP_SESSION_KICKED')
  }), 3)
})

test('invalidation: a write with an unknown outcome invalidates too', async (t) => {
  const inner = memoryStore()
  const faulty = faultyStore(inner)
  const host = await cachedHost(t, { isDeaf: true, options: { store: { ...faulty.store, watch: inner.watch! } } })
  for (const operation of ['revoke', 'revokeAll'] as const) {
    const token = await signInCached(t, host)
    faulty.instead(operation, async (input) => {
      await inner[operation](input)
      throw new Error(STORE_WORDS)
    })
    const url = operation === 'revoke' ? '/weapp/logout' : '/weapp/logout?all=true'
    assertRefused(t, await host.post(url, undefined, token), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
    assertRefused(t, await host.get('/me', token), 401, 'FST_WEAPP_SESSION_REVOKED')
    faulty.heal()
  }
})

test('recall: serves cached sessions while the store is down', async (t) => {
  const clock = freezeClock(t)
  const inner = memoryStore()
  const faulty = faultyStore(inner)
  const host = await cachedHost(t, { options: { store: { ...faulty.store, watch: inner.watch! }, cache: { maxAge: '10s' } } })
  const token = await signInCached(t, host)
  const { token: unknown } = await host.signIn('bob')
  faulty.instead('read', () => { throw new Error(STORE_WORDS) })
  t.equal(await host.stateOf(token), 'live')
  assertRefused(t, await host.get('/me', unknown), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
  clock.advance(10 * SECOND)
  assertRefused(t, await host.get('/me', token), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
})

test('max: counts users; the least recently used one is dropped', async (t) => {
  const host = await cachedHost(t, { options: { cache: { max: 2 } } })
  const alice = await signInCached(t, host, 'alice')
  const bob = await signInCached(t, host, 'bob')
  await host.stateOf(alice)
  const carol = await signInCached(t, host, 'carol')
  t.equal(await host.readsOf(() => host.stateOf(alice)), 0, 'used recently')
  t.equal(await host.readsOf(() => host.stateOf(carol)), 0)
  t.equal(await host.readsOf(() => host.stateOf(bob)), 1, 'dropped, and read again')
})

test('max: a user has 16 entries, and any number of live sessions', async (t) => {
  const host = await cachedHost(t, { options: { session: { limit: false } } })
  const tokens: string[] = []
  for (let i = 0; i < 40; i++) tokens.push((await host.signIn()).token)
  for (let round = 0; round < 3; round++) {
    const reads = await host.readsOf(async () => {
      for (const token of tokens) t.equal(await host.stateOf(token), 'live')
    })
    t.ok(reads >= 40 - 16, `${reads} reads for 40 sessions`)
  }
  t.equal(await host.app.weapp.sessions.revokeAll(host.user()), 40)
  for (const token of tokens) t.not(await host.stateOf(token), 'live')
})

test('commit: a pending read is not cached if its user changes: 1,000 times', async (t) => {
  const host = await cachedHost(t)
  const { app, wechat, watched } = host
  const store = watched.store
  let late = 0
  let cached = 0
  for (let round = 0; round < 1000; round++) {
    const login = await app.inject({ method: 'POST', url: '/weapp/login', payload: { code: wechat.login('alice') } })
    const { token } = login.json()
    const { isAnswered, release } = watched.holdRead()
    const reading = host.stateOf(token)
    await isAnswered
    const userId = userIdOf(APP_ID, wechat.openid('alice'))
    // A change by this process or by another.
    if (round % 2 === 0) await app.weapp.sessions.revokeAll(host.user())
    else await store.revokeAll({ userId, now: Date.now(), reason: 'kicked', except: null, pendingLogins: false })
    // With or without a newer read of the same user.
    if (round % 4 > 1 && await host.stateOf(token) !== 'FST_WEAPP_SESSION_KICKED') late++
    release()
    // This read began before the session ended.
    if (await reading !== 'live') t.fail('the held read')
    const reads = await host.readsOf(async () => { if (await host.stateOf(token) === 'live') late++ })
    if (reads !== 1) cached++
  }
  t.strictSame({ late, cached }, { late: 0, cached: 0 })
})

test('commit: a pending read is not cached if the cache is cleared', async (t) => {
  const host = await cachedHost(t)
  const { watched, readsOf, stateOf } = host
  const { token } = await host.signIn()
  const happenings: Record<string, () => void> = {
    'all users are invalidated': () => watched.watcher.invalidate(null),
    'the connection is lost and restored': () => {
      watched.watcher.lost()
      watched.watcher.ready()
    }
  }
  for (const [name, happen] of Object.entries(happenings)) {
    const { isAnswered, release } = watched.holdRead()
    watched.watcher.invalidate(null)
    const reading = stateOf(token)
    await isAnswered
    happen()
    release()
    await reading
    t.equal(await readsOf(() => stateOf(token)), 1, name)
  }
})

test('invalidate: drops one user, or all with null', async (t) => {
  const host = await cachedHost(t)
  const alice = await signInCached(t, host, 'alice')
  const bob = await signInCached(t, host, 'bob')
  host.watched.watcher.invalidate(userIdOf(APP_ID, host.wechat.openid('alice')))
  t.equal(await host.readsOf(() => host.stateOf(alice)), 1)
  t.equal(await host.readsOf(() => host.stateOf(bob)), 0)
  host.watched.watcher.invalidate(null)
  t.equal(await host.readsOf(() => Promise.all([alice, bob].map(host.stateOf))), 2)
})

test('watch: lost() switches the cache off, ready() on', async (t) => {
  const host = await cachedHost(t)
  const token = await signInCached(t, host)
  const state = () => host.stateOf(token)
  for (let round = 0; round < 2; round++) {
    host.watched.watcher.lost()
    for (let i = 0; i < 3; i++) t.equal(await host.readsOf(state), 1, 'off')
    host.watched.watcher.ready()
    t.equal(await host.readsOf(state), 1, 'on, and empty')
    t.equal(await host.readsOf(state), 0, 'on')
  }
})

test('watch: nothing is cached before ready()', async (t) => {
  const store = { ...memoryStore(), watch: () => () => {} }
  const watched = recordingStore(store)
  const { signIn, get } = await startHost(t, { options: { store: watched.store, cache: {} } })
  const { token } = await signIn()
  for (let i = 1; i <= 3; i++) {
    await get('/me', token)
    t.equal(watched.reads, i)
  }
})

test('watch: ends when the server closes', async (t) => {
  const inner = memoryStore()
  let ended = 0
  const store = {
    ...inner,
    watch (watcher: Parameters<NonNullable<typeof inner.watch>>[0]) {
      const end = inner.watch!(watcher)
      return () => {
        ended++
        end()
      }
    }
  }
  const { app } = await startHost(t, { options: { store, cache: {} } })
  t.equal(ended, 0)
  await app.close()
  t.equal(ended, 1)
})

test("watch: two servers over one memoryStore invalidate each other's caches", async (t) => {
  const store = memoryStore()
  const [a, b] = [await cachedHost(t, { options: { store } }), await cachedHost(t, { options: { store } })]
  const { token } = await a.signIn()
  t.equal(await b.stateOf(token), 'live')
  t.equal(await b.readsOf(() => b.stateOf(token)), 0)
  await a.post('/weapp/logout', undefined, token)
  t.equal(await b.stateOf(token), 'FST_WEAPP_SESSION_REVOKED')

  const { token: next } = await a.signIn()
  t.equal(await b.stateOf(next), 'live')
  await b.app.close()
  await a.post('/weapp/logout', undefined, next)
  t.equal(b.watched.invalidations.length, a.watched.invalidations.length - 1, 'a closed server receives no message')
})

test('watch: a memoryStore reports a user that it drops', async (t) => {
  const host = await cachedHost(t, { options: { store: memoryStore({ max: 1 }) } })
  const token = await signInCached(t, host, 'alice')
  await host.signIn('bob')
  t.equal(await host.stateOf(token), 'FST_WEAPP_SESSION_EXPIRED')
})

test('request.weapp: is a new object for each request', async (t) => {
  const host = await cachedHost(t)
  const token = await signInCached(t, host)
  const seen: NonNullable<FastifyRequest['weapp']>[] = []
  t.equal(await host.readsOf(async () => {
    for (let i = 0; i < 2; i++) await host.within(token, ({ weapp }) => { seen.push(weapp!) })
  }), 0)
  t.not(seen[0], seen[1])
  t.not(seen[0]!.session, seen[1]!.session)
  t.strictSame(seen[0], seen[1])

  await host.within(token, ({ weapp }) => {
    Object.assign(weapp!, { openid: 'another user', role: 'admin' })
    Object.assign(weapp!.session, { id: 'another', idleExpiresAt: Infinity })
  })
  const after = await host.within(token, ({ weapp }) => ({ ...weapp!, id: weapp!.session.id }))
  t.match(after, { openid: host.wechat.openid('alice'), id: seen[0]!.session.id, role: undefined }, 'changes stay in their request')
})

test('session.data: a request cannot change cached data', async (t) => {
  const host = await cachedHost(t, { options: { onLogin: () => ({ data: data({ list: [{ a: 1 }] }) }) } })
  const token = await signInCached(t, host)
  t.equal(await host.readsOf(async () => {
    await host.within(token, ({ weapp }) => {
      const held = weapp!.session.data as { list: { a: number }[], more?: number }
      t.throws(() => { held.list[0]!.a = 2 }, TypeError)
      t.throws(() => { held.list.push({ a: 2 }) }, TypeError)
      t.throws(() => { held.more = 1 }, TypeError)
      t.throws(() => { (weapp!.session as { data: object }).data = {} }, TypeError)
    })
    t.strictSame(await host.within(token, ({ weapp }) => weapp!.session.data), { list: [{ a: 1 }] })
  }), 0)
})

test('session.data: does not change when another request writes', async (t) => {
  const host = await cachedHost(t)
  const token = await signInCached(t, host)
  await host.within(token, async ({ weapp }) => {
    await host.within(token, ({ weapp }) => weapp!.session.update(data({ by: 'another' })))
    t.strictSame(weapp!.session.data, {})
  })
  t.strictSame(await host.within(token, ({ weapp }) => weapp!.session.data), { by: 'another' })
})

test('cache: is an invalid option over an unwatchable store and a Cluster', async (t) => {
  const { watch: _watch, ...unwatchable } = memoryStore()
  const client = new Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true })
  t.teardown(() => client.disconnect())
  for (const store of [unwatchable, redisStore({ client })]) {
    await t.rejects(startHost(t, { options: { store, cache: {} } }), {
      code: 'FST_WEAPP_INVALID_OPTION',
      message: 'fastify-weapp: option cache requires a store with the method watch. Stores on a Redis Cluster or in a database have none.'
    })
    await startHost(t, { options: { store } })
  }
})

test('SessionCache', async (t) => {
  const USER = 'u'
  const liveOf = (id: string, end = 1000) => ({
    openid: 'o', unionid: null, data: {}, nextTouchAt: Infinity, session: { id, createdAt: 0, expiresAt: end, idleExpiresAt: end, label: null, data: null }
  })
  /** Returns a token as it is after its verification. */
  const tokenOf = (sessionId: string, userId = USER): SessionToken => ({ appId: APP_ID, userId, sessionId, memo: newSessionMemo() })
  const cache = new SessionCache({ max: 10, maxAge: 100 })
  const commit = (id: string, now = 0, token = tokenOf(id)) => cache.beginRead(token)(liveOf(id), now, 1000)
  const isCached = (id: string, now = 0) => cache.recall(tokenOf(id), now) !== null

  await t.test('caches nothing before ready()', async (t) => {
    commit('s')
    t.equal(isCached('s'), false)
    const early = cache.beginRead(tokenOf('s'))
    cache.ready()
    early(liveOf('s'), 0, 1000)
    t.equal(isCached('s'), false, 'a read that began before is discarded')
  })
  await t.test('recalls a session until maxAge', async (t) => {
    commit('s', 50)
    t.equal(isCached('s', 149), true)
    t.equal(isCached('s', 150), false)
    t.equal(cache.recall(tokenOf('s', 'another'), 50), null)
    t.equal(isCached('another', 50), false)
  })
  await t.test('recalls a session until its expiry', async (t) => {
    cache.beginRead(tokenOf('short'))(liveOf('short'), 50, 60)
    t.equal(isCached('short', 59), true)
    t.equal(isCached('short', 60), false)
  })
  await t.test('invalidates an entry for every token that references it', async (t) => {
    const forgetting: Record<string, () => void> = {
      'its user changes': () => cache.invalidate(USER),
      'all users are invalidated': () => cache.invalidate(null),
      'the connection is lost': () => {
        cache.lost()
        cache.ready()
      },
      'too many sessions of the user': () => { for (let i = 0; i < 16; i++) commit(`more ${i}`) },
      'too many users': () => { for (let i = 0; i < 10; i++) cache.beginRead(tokenOf('s', `user ${i}`)) }
    }
    for (const [why, happen] of Object.entries(forgetting)) {
      const [reader, other] = [tokenOf('s'), tokenOf('s')]
      commit('s', 0, reader)
      t.ok(cache.recall(reader, 0) !== null && cache.recall(other, 0) === cache.recall(reader, 0), 'cached for both')
      commit('s', 50, tokenOf('s'))
      t.ok(cache.recall(reader, 149), 'a newer read is cached for both')
      happen()
      t.equal(cache.recall(reader, 0), null, why)
      t.equal(cache.recall(other, 0), null, why)
      t.equal(other.memo.cached?.loaded, null, 'and is freed')
      commit('s', 0, reader)
      t.ok(cache.recall(reader, 0), 'cached again after a read')
    }
  })
  await t.test('caches at most 16 sessions of a user', async (t) => {
    const ids = Array.from({ length: 100 }, (_, i) => `s${i}`)
    for (const id of ids) {
      commit(id)
      t.equal(isCached(id), true)
      t.ok(ids.filter((id) => isCached(id)).length <= 16)
    }
  })
  await t.test('discards pending reads when the connection is lost', async (t) => {
    commit('s')
    const reading = cache.beginRead(tokenOf('s'))
    cache.lost()
    t.equal(isCached('s'), false)
    reading(liveOf('s'), 0, 1000)
    t.equal(isCached('s'), false)
    cache.ready()
    commit('s')
    t.equal(isCached('s'), true)
  })
})

test('SessionCache: serves nothing while the store is silent, by either clock', (t) => {
  let [epoch, monotonic] = [1000, 0]
  t.capture(Date, 'now', () => epoch)
  t.capture(performance, 'now', () => monotonic)
  const cache = new SessionCache({ max: 10, maxAge: 100_000 })
  const token: SessionToken = { appId: APP_ID, userId: 'u', sessionId: 's', memo: newSessionMemo() }
  const session = { id: 's', createdAt: 0, expiresAt: 1e6, idleExpiresAt: 1e6, label: null, data: null }
  const read = () => {
    cache.beginRead(token)({ openid: 'o', unionid: null, data: {}, nextTouchAt: Infinity, session }, epoch, 1e6)
  }
  const isServed = () => cache.recall(token, epoch) !== null
  const pass = (ms: number, monotonicMs = ms) => {
    epoch += ms
    monotonic += monotonicMs
  }

  cache.ready(2000)
  read()
  pass(2000)
  t.equal(isServed(), true)
  pass(1)
  t.equal(isServed(), false, 'silent since ready')

  const confirm = cache.beginCheck()
  t.equal(isServed(), false, 'a check without a reply')
  pass(1000)
  confirm()
  t.equal(isServed(), true)
  pass(1000)
  t.equal(isServed(), true)
  pass(1)
  t.equal(isServed(), false, 'the time of the request counts, not that of the reply')

  for (const [why, ms, monotonicMs] of [
    ['the clock is set back', -1000, 2001], ['the machine was suspended', 2001, 0]
  ] as const) {
    cache.beginCheck()()
    t.equal(isServed(), true)
    pass(ms, monotonicMs)
    t.equal(isServed(), false, why)
  }

  cache.ready()
  read()
  pass(50_000)
  t.equal(isServed(), true, 'a store in this process is never silent')
  t.end()
})

test('watchStore: warns if the connection stays lost, not if it returns in time', async (t) => {
  let watcher!: StoreWatcher
  const store = { ...memoryStore(), watch (given: StoreWatcher) { watcher = given; return () => {} } }
  const cache = new SessionCache({ max: 10, maxAge: SECOND })
  let warnings = 0
  let onWarning!: () => void
  const nextWarning = () => new Promise<void>((resolve) => { onWarning = resolve })
  const onUnavailable = () => {
    warnings++
    onWarning()
  }
  // The tested timer is unreferenced, so this one keeps the process alive.
  const alive = setInterval(() => {}, SECOND)
  t.teardown(() => clearInterval(alive))

  const first = nextWarning()
  const end = watchStore(store, cache, onUnavailable, 1)
  await first
  const second = nextWarning()
  watcher.ready()
  watcher.lost()
  await second
  t.equal(warnings, 2)
  watcher.lost()
  watcher.lost()
  await end()
  await new Promise((resolve) => setTimeout(resolve, 5))
  t.equal(warnings, 2, 'no warning after the server was closed')
})
