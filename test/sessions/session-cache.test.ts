import type { FastifyRequest } from 'fastify'
import { Cluster } from 'ioredis'
import tap, { test, type Test } from 'tap'
import { memoryStore, redisStore, type SessionData, type WeappOptions } from '../../src/index.js'
import { SessionCache, watchStore } from '../../src/sessions/session-cache.js'
import type { StoreWatcher } from '../../src/stores/store.js'
import { newSessionMemo, type SessionToken } from '../../src/sessions/session-memo.js'
import { userIdOf } from '../../src/crypto/tokens.js'
import { freezeClock } from '../helpers/clock.js'
import { faultyStore, STORE_WORDS } from '../helpers/faulty-store.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { APP_ID, startHost, type Host } from '../helpers/host.js'
import { recordingStore, type RecordingStore, type RecordingStoreOptions } from '../helpers/recording-store.js'

tap.setTimeout(300_000)

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

type Work = (request: FastifyRequest) => unknown

interface CachedHost extends Host {
  watched: RecordingStore
  /** How many reads it takes to do something. */
  readsOf (doing: () => unknown): Promise<number>
  /** Does something with a session inside of a request, and returns the result. */
  within (token: string, work: Work): Promise<any>
  /** What the guard says: 'live', or its code. */
  stateOf (token: string): Promise<string>
  user (name?: string): { appId: string, openid: string }
}

interface CachedHostOptions extends RecordingStoreOptions {
  options?: Partial<WeappOptions>
}

async function cachedHost (t: Test, { options, ...watching }: CachedHostOptions = {}): Promise<CachedHost> {
  const watched = recordingStore(options?.store ?? memoryStore(), watching)
  let work: Work = () => null
  const host = await startHost(t, {
    options: { cache: {}, ...options, store: watched.store },
    after: (app) => { app.get('/work', { config: { weapp: true } }, async (request) => ({ result: await work(request) ?? null })) }
  })
  return {
    ...host,
    watched,
    async readsOf (doing) {
      const before = watched.reads
      await doing()
      return watched.reads - before
    },
    async within (token, doing) {
      work = doing
      const response = await host.get('/work', token)
      t.equal(response.statusCode, 200, 'works within a request')
      return response.json().result
    },
    stateOf: async (token) => (await host.get('/me', token)).json().code ?? 'live',
    user: (name = 'alice') => ({ appId: APP_ID, openid: host.wechat.openid(name) })
  }
}

/** Signs in, and asks once so that the cache knows the session. */
async function signInCached (t: Test, { signIn, stateOf, readsOf }: CachedHost, user?: string): Promise<string> {
  const { token } = await signIn(user)
  t.equal(await stateOf(token), 'live')
  t.equal(await readsOf(() => stateOf(token)), 0, 'and the cache knows it')
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

test('without the option every request asks the store, and nothing is watched', async (t) => {
  for (const cache of [undefined, false] as const) {
    const watched = recordingStore(memoryStore())
    const { signIn, get } = await startHost(t, { options: { store: watched.store, ...cache === false && { cache } } })
    const { token } = await signIn()
    for (let i = 1; i <= 3; i++) {
      t.equal((await get('/me', token)).statusCode, 200)
      t.equal(watched.reads, i)
    }
    t.strictSame(watched.words, [])
  }
})

test('a second request does not ask the store', async (t) => {
  const { signIn, get, readsOf, wechat } = await cachedHost(t)
  const { token } = await signIn()
  t.equal(await readsOf(() => get('/me', token)), 1)
  t.equal(await readsOf(async () => {
    for (let i = 0; i < 10; i++) t.strictSame((await get('/me', token)).json(), { openid: wechat.openid('alice') })
    t.strictSame((await get('/feed', token)).json(), { openid: wechat.openid('alice') })
  }), 0)
})

test('each session of a user is known by itself', async (t) => {
  const host = await cachedHost(t)
  const { token: first } = await host.signIn()
  const { token: second } = await host.signIn()
  t.equal(await host.readsOf(() => host.get('/me', first)), 1)
  t.equal(await host.readsOf(() => host.get('/me', second)), 1)
  const idOf = (token: string) => host.within(token, ({ weapp }) => weapp!.session.id)
  t.not(await idOf(first), await idOf(second))
  t.equal(await host.readsOf(() => Promise.all([first, second].map(host.stateOf))), 0)
})

test('an answer is as old as maxAge at most, counted from when it was asked for', async (t) => {
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
  t.equal(await host.readsOf(() => host.stateOf(token)), 1, 'the time that the answer took counts')
})

test('an answer that was given when the clock ran ahead is not believed once it has been set back', async (t) => {
  const clock = freezeClock(t)
  const host = await cachedHost(t, { options: { cache: { maxAge: '10s' } } })
  const token = await signInCached(t, host)
  clock.advance(-SECOND)
  t.equal(await host.readsOf(() => host.stateOf(token)), 1)
  t.equal(await host.readsOf(() => host.stateOf(token)), 0)
})

test('maxAge is 30 seconds unless the host says otherwise', async (t) => {
  const clock = freezeClock(t)
  const host = await cachedHost(t)
  const token = await signInCached(t, host)
  clock.advance(30 * SECOND - 1)
  t.equal(await host.readsOf(() => host.stateOf(token)), 0)
  clock.advance(1)
  t.equal(await host.readsOf(() => host.stateOf(token)), 1)
})

for (const isDeaf of [false, true]) {
  const name = isDeaf ? 'although the store has not told of it yet' : 'as the store tells'

  test(`what this process ends is over when its answer is there, ${name}`, async (t) => {
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
      t.equal(await host.stateOf(token), code, 'and stays over')
      t.equal(await host.readsOf(() => host.stateOf(other)), 0, 'others are not forgotten')
    }
  })

  test(`a login beyond the limit ends the oldest session when its answer is there, ${name}`, async (t) => {
    const host = await cachedHost(t, { isDeaf, options: { session: { limit: 1 } } })
    const token = await signInCached(t, host)
    await host.signIn()
    assertRefused(t, await host.get('/me', token), 401, 'FST_WEAPP_SESSION_REPLACED')
  })

  test(`a login over a session ends it when its answer is there, ${name}`, async (t) => {
    const host = await cachedHost(t, { isDeaf })
    const token = await signInCached(t, host)
    const { token: newer } = await host.signIn('alice', { authorization: `Bearer ${token}` })
    t.not(await host.stateOf(token), 'live')
    t.equal(await host.stateOf(newer), 'live')
  })

  test(`new data is there when its answer is, ${name}`, async (t) => {
    const host = await cachedHost(t, { isDeaf, options: { onLogin: () => ({ data: data({ n: 0 }) }) } })
    const token = await signInCached(t, host)
    for (let n = 1; n <= 3; n++) {
      await host.within(token, ({ weapp }) => weapp!.session.update(data({ n })))
      t.strictSame(await host.within(token, ({ weapp }) => weapp!.session.data), { n })
      t.equal(await host.readsOf(() => host.stateOf(token)), 0, 'and is known')
    }
  })

  test(`a moved idle end is seen by the next request, ${name}`, async (t) => {
    const clock = freezeClock(t)
    const host = await cachedHost(t, { isDeaf, options: { session: { idle: '1h' }, cache: { maxAge: '1d' } } })
    const token = await signInCached(t, host)
    const idleEnd = () => host.within(token, ({ weapp }) => weapp!.session.idleExpiresAt)
    const first = clock.now + HOUR
    t.equal(await idleEnd(), first)
    clock.advance(3 * MINUTE - 1)
    t.equal(await host.readsOf(async () => t.equal(await idleEnd(), first)), 0, 'not worth a write yet')
    clock.advance(1)
    t.equal(await idleEnd(), clock.now + HOUR, 'the request that moves it')
    t.equal(await idleEnd(), clock.now + HOUR, 'and the next')
    const [session] = await host.app.weapp.sessions.list(host.user())
    t.equal(session?.idleExpiresAt, clock.now + HOUR, 'the store knows')
    t.equal(await host.readsOf(idleEnd), 0)
  })
}

test('a session that is known ends all the same: by itself, and for being idle', async (t) => {
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

test('a session without an idle end is known until its end, and no longer', async (t) => {
  const clock = freezeClock(t)
  const host = await cachedHost(t, { options: { session: { ttl: '1d', idle: false }, cache: { maxAge: '30d' } } })
  const token = await signInCached(t, host)
  clock.advance(DAY - 1)
  t.equal(await host.readsOf(async () => t.equal(await host.stateOf(token), 'live')), 0)
  clock.advance(1)
  t.not(await host.stateOf(token), 'live')
})

test('a session that has ended is never known, and asked for each time', async (t) => {
  const host = await cachedHost(t)
  const token = await signInCached(t, host)
  await host.app.weapp.sessions.revokeAll(host.user())
  t.equal(await host.readsOf(async () => {
    for (let i = 0; i < 3; i++) assertRefused(t, await host.get('/me', token), 401, 'FST_WEAPP_SESSION_KICKED')
  }), 3)
})

test('a write whose outcome is unknown is forgotten as any', async (t) => {
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

test('who is known is served while the store is down, who is not is refused', async (t) => {
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

test('max counts users: the one longest unused is forgotten', async (t) => {
  const host = await cachedHost(t, { options: { cache: { max: 2 } } })
  const alice = await signInCached(t, host, 'alice')
  const bob = await signInCached(t, host, 'bob')
  await host.stateOf(alice)
  const carol = await signInCached(t, host, 'carol')
  t.equal(await host.readsOf(() => host.stateOf(alice)), 0, 'used since')
  t.equal(await host.readsOf(() => host.stateOf(carol)), 0)
  t.equal(await host.readsOf(() => host.stateOf(bob)), 1, 'forgotten, and asked for again')
})

test('a user of many sessions takes the room of 16, and each works', async (t) => {
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

test('a read in flight while its user changes is not kept: 1,000 times', async (t) => {
  const host = await cachedHost(t)
  const { app, wechat, watched } = host
  const store = watched.store
  let late = 0
  let kept = 0
  for (let round = 0; round < 1000; round++) {
    const login = await app.inject({ method: 'POST', url: '/weapp/login', payload: { code: wechat.login('alice') } })
    const { token } = login.json()
    const { isAnswered, release } = watched.holdRead()
    const reading = host.stateOf(token)
    await isAnswered
    const userId = userIdOf(APP_ID, wechat.openid('alice'))
    // By this process, or by another.
    if (round % 2 === 0) await app.weapp.sessions.revokeAll(host.user())
    else await store.revokeAll({ userId, now: Date.now(), reason: 'kicked', except: null, pendingLogins: false })
    // And with or without a younger read of the same user.
    if (round % 4 > 1 && await host.stateOf(token) !== 'FST_WEAPP_SESSION_KICKED') late++
    release()
    // It began while the session lived.
    if (await reading !== 'live') t.fail('the held read')
    const reads = await host.readsOf(async () => { if (await host.stateOf(token) === 'live') late++ })
    if (reads !== 1) kept++
  }
  t.strictSame({ late, kept }, { late: 0, kept: 0 })
})

test('a read in flight while everything is forgotten is not kept', async (t) => {
  const host = await cachedHost(t)
  const { watched, readsOf, stateOf } = host
  const { token } = await host.signIn()
  const happenings: Record<string, () => void> = {
    'anything of anybody may have changed': () => watched.watcher.invalidate(null),
    'the store lost sight and found it again': () => {
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

test('a change elsewhere is forgotten when the store tells: of one user, or of everybody', async (t) => {
  const host = await cachedHost(t)
  const alice = await signInCached(t, host, 'alice')
  const bob = await signInCached(t, host, 'bob')
  host.watched.watcher.invalidate(userIdOf(APP_ID, host.wechat.openid('alice')))
  t.equal(await host.readsOf(() => host.stateOf(alice)), 1)
  t.equal(await host.readsOf(() => host.stateOf(bob)), 0)
  host.watched.watcher.invalidate(null)
  t.equal(await host.readsOf(() => Promise.all([alice, bob].map(host.stateOf))), 2)
})

test('a store that lost sight turns the cache off, and one that sees again turns it on', async (t) => {
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

test('before the store sees, nothing is kept', async (t) => {
  const store = { ...memoryStore(), watch: () => () => {} }
  const watched = recordingStore(store)
  const { signIn, get } = await startHost(t, { options: { store: watched.store, cache: {} } })
  const { token } = await signIn()
  for (let i = 1; i <= 3; i++) {
    await get('/me', token)
    t.equal(watched.reads, i)
  }
})

test('closing the server ends the watching', async (t) => {
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

test('two servers in a process share a memory store: each forgets what the other ends', async (t) => {
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
  t.equal(b.watched.changes.length, a.watched.changes.length - 1, 'and nothing is told to one that was closed')
})

test('a memory store that signs a user out for lack of room says so', async (t) => {
  const host = await cachedHost(t, { options: { store: memoryStore({ max: 1 }) } })
  const token = await signInCached(t, host, 'alice')
  await host.signIn('bob')
  t.equal(await host.stateOf(token), 'FST_WEAPP_SESSION_EXPIRED')
})

test('request.weapp is a new object for each request', async (t) => {
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
    Object.assign(weapp!, { openid: 'somebody else', role: 'admin' })
    Object.assign(weapp!.session, { id: 'another', idleExpiresAt: Infinity })
  })
  const after = await host.within(token, ({ weapp }) => ({ ...weapp!, id: weapp!.session.id }))
  t.match(after, { openid: host.wechat.openid('alice'), id: seen[0]!.session.id, role: undefined }, 'what a request did to its own stays there')
})

test('session.data of the cache cannot be changed through a request', async (t) => {
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

test('what a request holds does not change under it when another writes', async (t) => {
  const host = await cachedHost(t)
  const token = await signInCached(t, host)
  await host.within(token, async ({ weapp }) => {
    await host.within(token, ({ weapp }) => weapp!.session.update(data({ by: 'another' })))
    t.strictSame(weapp!.session.data, {})
  })
  t.strictSame(await host.within(token, ({ weapp }) => weapp!.session.data), { by: 'another' })
})

test('a store that cannot be watched, and a Cluster, make the cache an invalid option', async (t) => {
  const { watch: _watch, ...unwatchable } = memoryStore()
  const client = new Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true })
  t.teardown(() => client.disconnect())
  for (const store of [unwatchable, redisStore({ client })]) {
    await t.rejects(startHost(t, { options: { store, cache: {} } }), {
      code: 'FST_WEAPP_INVALID_OPTION',
      message: 'fastify-weapp: option cache needs a store that can be watched, which has the method watch; a Redis Cluster cannot'
    })
    await startHost(t, { options: { store } })
  }
})

test('a cache without a server around it', async (t) => {
  const USER = 'u'
  const liveOf = (id: string, end = 1000) => ({
    openid: 'o', unionid: null, data: {}, nextTouchAt: Infinity, session: { id, createdAt: 0, expiresAt: end, idleExpiresAt: end, label: null, data: null }
  })
  /** As they are when a token has just been verified. */
  const tokenOf = (sessionId: string, userId = USER): SessionToken => ({ appId: APP_ID, userId, sessionId, memo: newSessionMemo() })
  const cache = new SessionCache({ max: 10, maxAge: 100 })
  const keep = (id: string, now = 0, token = tokenOf(id)) => cache.beginRead(token)(liveOf(id), now, 1000)
  const knows = (id: string, now = 0) => cache.recall(tokenOf(id), now) !== null

  await t.test('keeps nothing before it is told that it may', async (t) => {
    keep('s')
    t.equal(knows('s'), false)
    const early = cache.beginRead(tokenOf('s'))
    cache.ready()
    early(liveOf('s'), 0, 1000)
    t.equal(knows('s'), false, 'nor what was asked before')
  })
  await t.test('knows a session of a user until its time', async (t) => {
    keep('s', 50)
    t.equal(knows('s', 149), true)
    t.equal(knows('s', 150), false)
    t.equal(cache.recall(tokenOf('s', 'another'), 50), null)
    t.equal(knows('another', 50), false)
  })
  await t.test('knows it no longer than it may be used', async (t) => {
    cache.beginRead(tokenOf('short'))(liveOf('short'), 50, 60)
    t.equal(knows('short', 59), true)
    t.equal(knows('short', 60), false)
  })
  await t.test('forgets for every token that holds on to what it knew', async (t) => {
    const forgetting: Record<string, () => void> = {
      'its user has changed': () => cache.invalidate(USER),
      'anybody may have changed': () => cache.invalidate(null),
      'the store lost sight': () => {
        cache.lost()
        cache.ready()
      },
      'too many sessions of the user': () => { for (let i = 0; i < 16; i++) keep(`more ${i}`) },
      'too many users': () => { for (let i = 0; i < 10; i++) cache.beginRead(tokenOf('s', `user ${i}`)) }
    }
    for (const [why, happen] of Object.entries(forgetting)) {
      const [reader, other] = [tokenOf('s'), tokenOf('s')]
      keep('s', 0, reader)
      t.ok(cache.recall(reader, 0) !== null && cache.recall(other, 0) === cache.recall(reader, 0), 'both know it')
      keep('s', 50, tokenOf('s'))
      t.ok(cache.recall(reader, 149), 'a younger read is for both')
      happen()
      t.equal(cache.recall(reader, 0), null, why)
      t.equal(cache.recall(other, 0), null, why)
      t.equal(other.memo.cached?.loaded, null, 'and takes no memory')
      keep('s', 0, reader)
      t.ok(cache.recall(reader, 0), 'and is known again once it is read')
    }
  })
  await t.test('keeps 16 sessions of a user at most', async (t) => {
    const ids = Array.from({ length: 100 }, (_, i) => `s${i}`)
    for (const id of ids) {
      keep(id)
      t.equal(knows(id), true)
      t.ok(ids.filter((id) => knows(id)).length <= 16)
    }
  })
  await t.test('forgets when it is lost, whatever was being read', async (t) => {
    keep('s')
    const reading = cache.beginRead(tokenOf('s'))
    cache.lost()
    t.equal(knows('s'), false)
    reading(liveOf('s'), 0, 1000)
    t.equal(knows('s'), false)
    cache.ready()
    keep('s')
    t.equal(knows('s'), true)
  })
})

test('whoever runs the server is told when the cache stays off, and not when it comes and goes', async (t) => {
  let watcher!: StoreWatcher
  const store = { ...memoryStore(), watch (told: StoreWatcher) { watcher = told; return () => {} } }
  const cache = new SessionCache({ max: 10, maxAge: SECOND })
  let told = 0
  let tell!: () => void
  const isTold = () => new Promise<void>((resolve) => { tell = resolve })
  const onOff = () => {
    told++
    tell()
  }
  // What is waited for must keep the process alive: the timer that is tested does not.
  const alive = setInterval(() => {}, SECOND)
  t.teardown(() => clearInterval(alive))

  const first = isTold()
  const end = watchStore(store, cache, onOff, 1)
  await first
  const second = isTold()
  watcher.ready()
  watcher.lost()
  await second
  t.equal(told, 2)
  watcher.lost()
  watcher.lost()
  await end()
  await new Promise((resolve) => setTimeout(resolve, 5))
  t.equal(told, 2, 'nobody is told of a server that was closed')
})
