import { once } from 'node:events'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import tap, { test, type Test } from 'tap'
import { redisStore, type SessionData, type WeappOptions } from '../../../src/index.js'
import type { StoreWatcher } from '../../../src/stores/store.js'
import { watchRedis } from '../../../src/stores/redis/invalidation.js'
import { startWechatSimulator } from '../../../src/testing/simulator/simulator.js'
import { userIdOf } from '../../../src/crypto/tokens.js'
import { childEnvironment } from '../../helpers/child-environment.js'
import { freePort, kill, start, until } from '../../helpers/processes.js'
import { startProxy } from '../../helpers/proxy.js'
import { redisMajorVersion, redisUrl, startRedis, uniquePrefix, type RedisServer } from '../../helpers/redis.js'
import { APP_ID, APP_SECRET, startHost, type Host } from '../../helpers/host.js'
import { recordingStore, type RecordingStore } from '../../helpers/recording-store.js'

tap.setTimeout(300_000)

const url = await redisUrl(tap)

/** A silent connection is noticed within two seconds; the machine may have other things to do. */
const NOTICED_MS = 10_000
const MAX_AGE_MS = 30_000

const CACHED_SERVER = fileURLToPath(new URL('../../fixtures/cached-server.ts', import.meta.url))
const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

function connect (t: Test, to = url, options: { keyPrefix?: string } = {}): Redis {
  const client = new Redis(to, { retryStrategy: () => 20, ...options })
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  return client
}

interface CachedHost extends Host {
  client: Redis
  watched: RecordingStore
  readsOf (doing: () => unknown): Promise<number>
  stateOf (token: string): Promise<string>
  userIdOf (user: string): string
}

interface CachedHostOptions {
  prefix?: string
  client?: Redis
  /** Where the watching connection goes, when not where the client does. */
  watchPort?: number
  cache?: Exclude<WeappOptions['cache'], false>
  session?: WeappOptions['session']
}

/** A server of its own with a client of its own. */
async function cachedHost (t: Test, to: string, options: CachedHostOptions = {}): Promise<CachedHost> {
  const { prefix = 'weapp:', client = connect(t, to), watchPort, cache = {}, session = {} } = options
  if (watchPort !== undefined) {
    const duplicate = client.duplicate.bind(client)
    client.duplicate = (override) => duplicate({ ...override, port: watchPort })
  }
  const watched = recordingStore(redisStore({ client, prefix, timeout: '5s' }))
  const host = await startHost(t, {
    options: { store: watched.store, storeTimeout: '20s', cache, session },
    after: (app) => {
      app.get('/data', { config: { weapp: true } }, async ({ weapp }) => weapp!.session.data)
      app.post('/data', { config: { weapp: true } }, async ({ weapp, body }) => {
        await weapp!.session.update(body as SessionData)
        return {}
      })
    }
  })
  return {
    ...host,
    client,
    watched,
    async readsOf (doing) {
      const before = watched.reads
      await doing()
      return watched.reads - before
    },
    stateOf: async (token) => (await host.get('/me', token)).json().code ?? 'live',
    userIdOf: (user) => userIdOf(APP_ID, host.wechat.openid(user))
  }
}

function isOn ({ watched }: CachedHost): Promise<void> {
  return until('the cache is on', () => watched.isLive)
}

/** Two servers before one Redis, the cache of each being on. */
async function twoHosts (t: Test, to: string, options: CachedHostOptions = {}, optionsOfB = options): Promise<[a: CachedHost, b: CachedHost]> {
  const hosts: [CachedHost, CachedHost] = [await cachedHost(t, to, options), await cachedHost(t, to, optionsOfB)]
  await Promise.all(hosts.map(isOn))
  return hosts
}

/** Signs in on one and asks another until that needs no store any more. */
async function signInKnown (t: Test, a: CachedHost, b: CachedHost, user = 'alice'): Promise<string> {
  const { token } = await a.signIn(user)
  await until('the other server knows the session', async () => await b.readsOf(() => b.stateOf(token)) === 0)
  t.equal(await b.stateOf(token), 'live')
  return token
}

/** Asks a server until it refuses; tells how long after `since` it last began to answer otherwise. */
async function lastAcceptance (host: CachedHost, token: string, since = performance.now()): Promise<{ ms: number, code: string }> {
  for (let ms = 0; ;) {
    const begun = performance.now() - since
    const code = await host.stateOf(token)
    if (code !== 'live') return { ms, code }
    ms = begun
    // An injected request that waits for nothing lets nothing else happen; one over the wire would.
    await new Promise((resolve) => setImmediate(resolve))
    if (ms > MAX_AGE_MS + NOTICED_MS) throw new Error('accepted far too long')
  }
}

interface Connection {
  id: string
  flags: string
}

async function connections (client: Redis): Promise<Connection[]> {
  const lines = `${await client.client('LIST')}`.trim().split('\n')
  return lines.map((line) => ({ id: /\bid=(\d+)/.exec(line)![1]!, flags: /\bflags=(\S+)/.exec(line)![1]! }))
}

/** Those that watch: a `P` subscribes, a `t` tracks. */
async function watching (client: Redis): Promise<Connection[]> {
  return (await connections(client)).filter(({ flags }) => /[Pt]/.test(flags))
}

async function statistic (client: Redis, section: string, pattern: RegExp): Promise<number> {
  return Number(pattern.exec(await client.info(section))?.[1] ?? 0)
}

const received = (client: Redis) => statistic(client, 'stats', /total_connections_received:(\d+)/)
const pings = (client: Redis) => statistic(client, 'commandstats', /cmdstat_ping:calls=(\d+)/)

test('what one server ends, another refuses', async (t) => {
  const [a, b] = await twoHosts(t, url, { prefix: uniquePrefix(), session: { limit: 2 } })
  const alice = { appId: APP_ID, openid: a.wechat.openid('alice') }
  const ends: [string, string, (token: string) => Promise<unknown>][] = [
    ['logout', 'FST_WEAPP_SESSION_REVOKED', (token) => a.post('/weapp/logout', undefined, token)],
    ['logout of all', 'FST_WEAPP_SESSION_REVOKED', (token) => a.post('/weapp/logout?all=true', undefined, token)],
    ['revokeAll', 'FST_WEAPP_SESSION_KICKED', () => a.app.weapp.sessions.revokeAll(alice)],
    ['revoke', 'FST_WEAPP_SESSION_KICKED', async () => {
      const [session] = await a.app.weapp.sessions.list(alice)
      await a.app.weapp.sessions.revoke({ ...alice, id: session!.id })
    }],
    ['logins beyond the limit', 'FST_WEAPP_SESSION_REPLACED', async () => {
      await a.signIn()
      await a.signIn()
    }]
  ]
  for (const [way, expected, end] of ends) {
    const token = await signInKnown(t, a, b)
    const other = await signInKnown(t, a, b, 'bob')
    await end(token)
    const { ms, code } = await lastAcceptance(b, token)
    t.equal(code, expected, way)
    t.ok(ms < 1000, `last accepted ${ms.toFixed(1)} ms after it`)
    t.equal(await b.readsOf(() => b.stateOf(other)), 0, 'and others are not forgotten')
  }
  t.strictSame([a.watched.words, b.watched.words], [['live'], ['live']])
})

test('new data is known to another server', async (t) => {
  const [a, b] = await twoHosts(t, url, { prefix: uniquePrefix() })
  const token = await signInKnown(t, a, b)
  for (let n = 1; n <= 20; n++) {
    await a.post('/data', { n }, token)
    await until('the other server knows', async () => (await b.get('/data', token)).json().n === n)
  }
})

test('two processes: what one ends, the other refuses within milliseconds, 1,000 times', async (t) => {
  const ROUNDS = 1000
  const prefix = uniquePrefix()
  const wechat = await startWechatSimulator({ apps: { [APP_ID]: APP_SECRET } })
  t.teardown(() => wechat.close())
  const servers = await Promise.all([0, 1].map(() => startServer(t, prefix, wechat.url)))
  const [a, b] = servers as [Server, Server]

  const times: number[] = []
  const after: number[] = []
  let reads = 0
  for (let round = 0; round < ROUNDS; round++) {
    const login = await a.ask('/weapp/login', { body: { code: wechat.login(`user ${round}`) } })
    const { token } = login.json as { token: string }
    // Once to be read and once to be known, or oftener where the word of the login itself comes late.
    const before = await b.reads()
    do {
      const known = await b.ask('/me', { token })
      if (known.status !== 200) t.fail('a session is live on the other server')
      reads = await b.reads()
      const again = await b.ask('/me', { token })
      if (again.status !== 200) t.fail('a known session is live')
    } while (await b.reads() !== reads && reads - before < 100)

    const begun = performance.now()
    const logout = await a.ask('/weapp/logout', { token, body: {} })
    const acknowledged = performance.now()
    if (logout.status !== 204) t.fail(`logout: ${logout.status}`)
    let accepted = acknowledged
    for (;;) {
      const asked = performance.now()
      const { status, json } = await b.ask('/me', { token })
      if (status === 401) {
        if (json.code !== 'FST_WEAPP_SESSION_REVOKED') t.fail(json.code)
        break
      }
      accepted = asked
      if (asked - acknowledged > MAX_AGE_MS) return t.fail('accepted beyond maxAge')
    }
    times.push(performance.now() - begun)
    after.push(accepted - acknowledged)
  }
  const figure = (values: number[], part: number) => values.sort((x, y) => x - y)[Math.ceil(values.length * part) - 1]!
  const figures = (values: number[]) => [0.5, 0.99, 1].map((part) => figure(values, part).toFixed(1)).join(', ')
  t.comment(`from asking A to end a session to B's refusal: p50, p99, max = ${figures(times)} ms`)
  t.comment(`from A's answer to the last request that B accepted: p50, p99, max = ${figures(after)} ms; ` +
    `none at all in ${after.filter((ms) => ms === 0).length} of ${ROUNDS} rounds`)
  t.ok(figure(times, 0.99) < 1000, 'p99 is under a second')
  t.ok(figure(times, 1) < MAX_AGE_MS, 'never beyond maxAge')

  // Nothing is left open in them.
  for (const { ask, child } of servers) {
    const exit = once(child, 'exit')
    await ask('/close')
    t.strictSame(await exit, [0, null], 'the process ends by itself')
  }
})

interface Server {
  child: ChildProcess
  ask (path: string, options?: { token?: string, body?: object }): Promise<{ status: number, json: any }>
  reads (): Promise<number>
}

async function startServer (t: Test, prefix: string, wechatUrl: string): Promise<Server> {
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const child = await start({
    command: process.execPath,
    args: ['--import', 'tsx', CACHED_SERVER, `${port}`, url, prefix, wechatUrl],
    ready: 'listening at ',
    log: 'stdout',
    options: { cwd: ROOT, env: childEnvironment() }
  })
  t.teardown(() => kill(child))
  const ask: Server['ask'] = async (path, { token, body } = {}) => {
    const response = await fetch(origin + path, {
      headers: { ...token !== undefined && { authorization: `Bearer ${token}` }, ...body && { 'content-type': 'application/json' } },
      ...body && { method: 'POST', body: JSON.stringify(body) }
    })
    const text = await response.text()
    return { status: response.status, json: text === '' ? null : JSON.parse(text) }
  }
  return { child, ask, reads: async () => (await ask('/reads')).json.reads }
}

test('the watching connection alone is killed: noticed at once, and nothing is missed', async (t) => {
  const server = await startRedis(t)
  const admin = connect(t, server.url)
  const b = await cachedHost(t, server.url)
  await isOn(b)
  const [watcher, ...others] = await watching(admin)
  t.strictSame(others, [])
  const a = await cachedHost(t, server.url)
  await isOn(a)

  let { id } = watcher!
  for (let round = 0; round < 5; round++) {
    const token = await signInKnown(t, a, b)
    const since = performance.now()
    // On one connection, in this order: when the logout is answered the watcher is gone.
    const killed = admin.client('KILL', 'ID', id)
    await Promise.all([killed, a.post('/weapp/logout', undefined, token)])
    const { ms, code } = await lastAcceptance(b, token, since)
    t.equal(code, 'FST_WEAPP_SESSION_REVOKED')
    t.ok(ms < NOTICED_MS, `last accepted after ${ms.toFixed(1)} ms`)
    await until('the cache is on again', () => b.watched.words.length === 2 * (round + 1) + 1)
    t.strictSame(b.watched.words.slice(-2), ['lost', 'live'])
    const ids = (await watching(admin)).map((connection) => Number(connection.id))
    id = String(Math.max(...ids))
  }
  await signInKnown(t, a, b)
  t.strictSame(a.watched.words, ['live'], 'the other server has nothing to do with it')
})

/** B's client is well; the connection that watches is in a black hole. */
async function blackholed (t: Test, cache: CachedHostOptions['cache'] = {}) {
  const server = await startRedis(t)
  const proxy = await startProxy(t, server)
  const [a, b] = await twoHosts(t, server.url, {}, { watchPort: proxy.port, cache })
  return { proxy, a, b }
}

test('a watching connection that falls silent: noticed within seconds, nothing stale after that, and it comes back', async (t) => {
  const { proxy, a, b } = await blackholed(t)
  const token = await signInKnown(t, a, b)
  proxy.stop()
  await a.post('/weapp/logout', undefined, token)
  const { ms, code } = await lastAcceptance(b, token)
  t.equal(code, 'FST_WEAPP_SESSION_REVOKED')
  t.strictSame(b.watched.words, ['live', 'lost'], 'because it was noticed')
  t.comment(`last accepted after ${ms.toFixed(0)} ms`)
  t.ok(ms < NOTICED_MS)

  const { token: next } = await a.signIn()
  for (let i = 0; i < 3; i++) t.equal(await b.readsOf(() => b.stateOf(next)), 1, 'the cache is off')
  proxy.resume()
  await isOn(b)
  t.equal(await b.readsOf(() => b.stateOf(next)), 1)
  t.equal(await b.readsOf(() => b.stateOf(next)), 0, 'on')
  await a.post('/weapp/logout', undefined, next)
  t.equal((await lastAcceptance(b, next)).code, 'FST_WEAPP_SESSION_REVOKED')
})

test('before silence is noticed, maxAge bounds what is accepted', async (t) => {
  const MAX_AGE = 300
  for (let round = 0; round < 3; round++) {
    const { proxy, a, b } = await blackholed(t, { maxAge: MAX_AGE })
    const { token } = await a.signIn()
    await until('known', async () => await b.readsOf(() => b.stateOf(token)) === 0)
    proxy.stop()
    await a.post('/weapp/logout', undefined, token)
    const { ms, code } = await lastAcceptance(b, token)
    t.equal(code, 'FST_WEAPP_SESSION_REVOKED')
    t.ok(ms <= MAX_AGE, `last accepted after ${ms.toFixed(1)} ms`)
  }
})

test('a watching connection that is silent from the start is given up, and made anew', async (t) => {
  const server = await startRedis(t)
  const proxy = await startProxy(t, server)
  proxy.stop()
  const b = await cachedHost(t, server.url, { watchPort: proxy.port })
  const { token } = await b.signIn()
  await until('it is tried again', () => proxy.accepted > 1)
  t.equal(await b.stateOf(token), 'live', 'the store works without')
  t.strictSame(b.watched.words, [])
  proxy.resume()
  await isOn(b)
})

test('a Redis that is paused: nothing is served from before once that is noticed, and it recovers', async (t) => {
  const server = await startRedis(t)
  const client = connect(t, server.url)
  const watched = recordingStore(redisStore({ client, timeout: 100 }))
  const host = await startHost(t, { options: { store: watched.store, cache: {} } })
  await until('the cache is on', () => watched.isLive)
  const { token } = await host.signIn()
  const status = async () => (await host.get('/me', token)).statusCode
  await until('known', async () => {
    const before = watched.reads
    return await status() === 200 && watched.reads === before
  })
  server.pause()
  t.equal(await status(), 200, 'known, and nothing can have changed')
  await until('it is noticed', () => !watched.isLive)
  t.equal(await status(), 503)
  server.resume()
  await until('the cache is on again', () => watched.isLive)
  await until('and so is the store', async () => await status() === 200)
})

test('a Redis that dies and comes back empty', async (t) => {
  const server = await startRedis(t)
  const [a, b] = await twoHosts(t, server.url)
  const token = await signInKnown(t, a, b)
  await server.kill()
  await until('it is noticed', () => !b.watched.isLive)
  t.equal(await b.stateOf(token), 'FST_WEAPP_STORE_UNAVAILABLE')
  await server.restart()
  await Promise.all([a, b].map(isOn))
  await until('the clients are back', () => [a, b].every(({ client }) => client.status === 'ready'))
  t.equal(await b.stateOf(token), 'FST_WEAPP_SESSION_EXPIRED')
  const next = await signInKnown(t, a, b)
  await a.post('/weapp/logout', undefined, next)
  t.equal((await lastAcceptance(b, next)).code, 'FST_WEAPP_SESSION_REVOKED')
})

for (const command of ['flushall', 'flushdb'] as const) {
  test(`${command} forgets everybody`, async (t) => {
    const server = await startRedis(t)
    const admin = connect(t, server.url)
    const [a, b] = await twoHosts(t, server.url)
    const tokens = [await signInKnown(t, a, b, 'alice'), await signInKnown(t, a, b, 'bob')]
    await admin[command]()
    for (const token of tokens) {
      const { ms, code } = await lastAcceptance(b, token)
      t.equal(code, 'FST_WEAPP_SESSION_EXPIRED')
      t.ok(ms < 1000, `last accepted after ${ms.toFixed(1)} ms`)
    }
    t.ok(b.watched.changes.includes(null))
    t.strictSame(b.watched.words, ['live'])
    await signInKnown(t, a, b)
  })
}

for (const [keyPrefix, prefix] of [['app:', 'weapp:'], ['a,b ü*?[x]:', 'ü,:'], ['app:', ''], ['', '']] as const) {
  test(`keys below ${JSON.stringify(keyPrefix)} of the client and ${JSON.stringify(prefix)} of the store`, async (t) => {
    const server = await startRedis(t)
    const admin = connect(t, server.url)
    const hosts = []
    for (let i = 0; i < 2; i++) {
      hosts.push(await cachedHost(t, server.url, { client: connect(t, server.url, { keyPrefix }), prefix }))
    }
    const [a, b] = hosts as [CachedHost, CachedHost]
    await Promise.all(hosts.map(isOn))
    const token = await signInKnown(t, a, b)
    const bob = await signInKnown(t, a, b, 'bob')
    t.strictSame((await admin.keys('*')).sort(), ['alice', 'bob'].map((user) => keyPrefix + prefix + a.userIdOf(user)).sort())
    await a.post('/weapp/logout', undefined, token)
    t.equal((await lastAcceptance(b, token)).code, 'FST_WEAPP_SESSION_REVOKED')
    t.equal(await b.readsOf(() => b.stateOf(bob)), 0, 'one user alone')
    t.strictSame(new Set(b.watched.changes), new Set(['alice', 'bob'].map(a.userIdOf)))
  })
}

test('what changes several users at once is told of each', async (t) => {
  const server = await startRedis(t)
  const admin = connect(t, server.url)
  const [a, b] = await twoHosts(t, server.url)
  const users = ['alice', 'bob', 'carol']
  const keys = users.map((user) => `weapp:${a.userIdOf(user)}`)
  const changes: Record<string, () => Promise<unknown>> = {
    'a transaction': () => keys.reduce((multi, key) => multi.del(key), admin.multi()).exec(),
    'one command': () => admin.del(...keys),
    'a script': () => admin.eval("for _, key in ipairs(KEYS) do redis.call('UNLINK', key) end", keys.length, ...keys),
    'the end of their time': () => Promise.all(keys.map((key) => admin.pexpire(key, 1)))
  }
  for (const [name, change] of Object.entries(changes)) {
    const tokens = []
    for (const user of users) tokens.push(await signInKnown(t, a, b, user))
    await change()
    for (const token of tokens) {
      const { ms, code } = await lastAcceptance(b, token)
      t.equal(code, 'FST_WEAPP_SESSION_EXPIRED', name)
      t.ok(ms < NOTICED_MS, `last accepted after ${ms.toFixed(1)} ms`)
    }
  }
})

test('what changes outside of the prefix is not told', async (t) => {
  const server = await startRedis(t)
  const admin = connect(t, server.url)
  const [a, b] = await twoHosts(t, server.url, { prefix: 'one:' })
  const token = await signInKnown(t, a, b)
  const before = b.watched.changes.length
  for (const key of ['two:x', `weapp:${a.userIdOf('alice')}`, 'one']) await admin.set(key, 'x')
  t.equal(await b.readsOf(() => b.stateOf(token)), 0)
  // What comes next has overtaken nothing.
  await admin.set('one:x', 'x')
  await until('told', () => b.watched.changes.includes('x'))
  t.strictSame(b.watched.changes.slice(before), ['x'])
})

test('a watching connection is kept when nothing changes', async (t) => {
  const server = await startRedis(t)
  const admin = connect(t, server.url)
  const b = await cachedHost(t, server.url)
  await isOn(b)
  const before = await received(admin)
  await until('it was asked for life three times', async () => await pings(admin) >= 3)
  t.strictSame(b.watched.words, ['live'])
  t.equal(await received(admin), before, 'over one connection')
})

const INCAPABLE: Record<string, { options?: string[], forbid?: string[], permit?: string[] }> = {
  'forbids CLIENT TRACKING': { forbid: ['-client|tracking'], permit: ['+client|tracking'] },
  'forbids CLIENT ID': { forbid: ['-client|id'], permit: ['+client|id'] },
  'forbids the channel': { forbid: ['resetchannels'], permit: ['allchannels'] },
  'does not know CLIENT': { options: ['--rename-command', 'CLIENT', ''] }
}

test('where Redis cannot do it, the store works without the cache, and is not hammered', async (t) => {
  // Each waits for seconds.
  t.jobs = 4
  const knowsRules = redisMajorVersion() >= 7
  for (const [name, { options = [], forbid, permit }] of Object.entries(INCAPABLE)) {
    const skip = forbid !== undefined && !knowsRules && 'before Redis 7 there are no rules for channels and parts of commands'
    t.test(`a server that ${name}`, { buffered: true, skip }, async (t) => {
      const server = await startRedis(t, options)
      const admin = connect(t, server.url)
      const setUser = async (rules: string[]) => admin.call('ACL', 'SETUSER', 'weapp', 'on', '>password', '~*', ...rules)
      if (forbid !== undefined) await setUser(['allchannels', '+@all', ...forbid])
      const to = forbid === undefined ? server.url : `redis://weapp:password@127.0.0.1:${server.port}`
      const b = await cachedHost(t, to)
      const { token } = await b.signIn()
      for (let i = 0; i < 3; i++) t.equal(await b.readsOf(async () => t.equal(await b.stateOf(token), 'live')), 1)

      const first = await received(admin)
      await until('it is asked again', async () => await received(admin) > first)
      const begun = performance.now()
      const again = await received(admin)
      await until('and again', async () => await received(admin) > again)
      const ms = performance.now() - begun
      t.ok(ms > 1000, `after ${ms.toFixed(0)} ms`)
      t.strictSame(b.watched.words, [], 'and the cache stays off')
      await b.post('/weapp/logout', undefined, token)
      t.equal(await b.stateOf(token), 'FST_WEAPP_SESSION_REVOKED')

      if (permit !== undefined) {
        await setUser(permit)
        await isOn(b)
        await signInKnown(t, b, b)
      }
    })
  }
})

test('closing the server ends the watching connection, whatever becomes of Redis', async (t) => {
  const server = await startRedis(t)
  const admin = connect(t, server.url)
  const b = await cachedHost(t, server.url)
  await isOn(b)
  t.equal((await watching(admin)).length, 1)
  await b.app.close()
  await until('it is gone', async () => (await watching(admin)).length === 0)
  t.strictSame(b.watched.words, ['live', 'lost'])
  t.equal(b.client.status, 'ready', "and the host's client is left alone")

  const c = await cachedHost(t, server.url)
  await isOn(c)
  await server.kill()
  await until('it is noticed', () => !c.watched.isLive)
  await c.app.close()
  const words = c.watched.words.length
  const before = c.client.status
  await server.restart()
  await until('the client is back', () => c.client.status === 'ready')
  t.equal((await watching(connect(t, server.url))).length, 0, `no connection is made anew (the client was ${before})`)
  t.equal(c.watched.words.length, words)
})

test('a server that was never there keeps nobody waiting', async (t) => {
  const server: RedisServer = await startRedis(t)
  await server.kill()
  const b = await cachedHost(t, server.url)
  t.strictSame(b.watched.words, [])
  await server.restart()
  await isOn(b)
  await signInKnown(t, b, b)
})

test('a connection that ends while it begins to watch costs the next one nothing', async (t) => {
  const timers: { run: () => void, ms: number }[] = []
  const setTimer = (run: () => void, ms: number) => {
    timers.push({ run, ms })
    return { unref: () => {} }
  }
  const words: string[] = []
  const watcher: StoreWatcher = { ready: () => words.push('live'), lost: () => words.push('lost'), invalidate: () => {} }
  const listeners = new Map<string, (...args: unknown[]) => void>()
  let ended: string[] = []
  const streamOf = (name: string) => ({ destroy: () => { ended.push(name) } })
  let answer: (question: string) => Promise<unknown> = async () => { throw new Error('Connection is closed.') }
  const connection = {
    status: 'ready',
    stream: streamOf('first'),
    on: (event: string, listener: () => void) => listeners.set(event, listener),
    connect: async () => {},
    disconnect: () => {},
    client: (question: string) => answer(question),
    subscribe: (channel: string) => answer(channel),
    ping: () => new Promise(() => {})
  }
  const restore = [
    t.capture(globalThis, 'setTimeout', setTimer as never).restore,
    t.capture(globalThis, 'setInterval', setTimer as never).restore
  ]
  const end = watchRedis({ duplicate: () => connection }, 'weapp:', watcher)
  const settle = async () => { for (let i = 0; i < 20; i++) await Promise.resolve() }

  const open = async () => {
    for (const event of ['connect', 'ready']) listeners.get(event)!()
    await settle()
  }
  await open()
  listeners.get('close')!()
  t.strictSame(words, [])
  answer = async () => 'OK'
  connection.stream = streamOf('second')
  await open()
  t.strictSame(words, ['live'])
  const [ping, retry] = timers
  t.equal(retry?.ms, 2000)
  retry!.run()
  t.notOk(ended.includes('second'), 'the connection that is well')

  await t.test('and silence is noticed at the second look', async (t) => {
    ended = []
    ping!.run()
    t.strictSame([words, ended], [['live'], []])
    ping!.run()
    t.strictSame([words, ended], [['live', 'lost'], ['second']])
    listeners.get('close')!()
    ping!.run()
    ping!.run()
    t.strictSame([words, ended], [['live', 'lost'], ['second']], 'nobody is asked without a connection')
  })
  await t.test('and so it is of one that says nothing after it was ready', async (t) => {
    answer = () => new Promise(() => {})
    connection.stream = streamOf('third')
    await open()
    ping!.run()
    ping!.run()
    t.strictSame([words, ended], [['live', 'lost'], ['second', 'third']])
  })
  for (const undo of restore) undo()
  end()
})
