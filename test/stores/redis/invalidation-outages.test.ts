import type { Redis } from 'ioredis'
import { test, type Test } from 'tap'
import { redisStore } from '../../../src/index.js'
import type { StoreWatcher } from '../../../src/stores/store.js'
import { watchRedis } from '../../../src/stores/redis/invalidation.js'
import { startHost } from '../../helpers/host.js'
import { until } from '../../helpers/processes.js'
import { startProxy } from '../../helpers/proxy.js'
import { recordingStore } from '../../helpers/recording-store.js'
import {
  cacheIsOn, DETECTED_MS, FAST, lastAcceptance, redisCachedHost, signInCached, twoHosts
} from '../../helpers/redis-cached-host.js'
import { connectionsReceived, connectRedis, startRedis } from '../../helpers/redis.js'

interface Connection {
  id: string
  flags: string
}

async function connections (client: Redis): Promise<Connection[]> {
  const lines = `${await client.client('LIST')}`.trim().split('\n')
  return lines.map((line) => ({ id: /\bid=(\d+)/.exec(line)![1]!, flags: /\bflags=(\S+)/.exec(line)![1]! }))
}

/** Returns the connections that watch: flag `P` subscribes, flag `t` tracks. */
async function watchingConnections (client: Redis): Promise<Connection[]> {
  return (await connections(client)).filter(({ flags }) => /[Pt]/.test(flags))
}

async function pings (client: Redis): Promise<number> {
  return Number(/cmdstat_ping:calls=(\d+)/.exec(await client.info('commandstats'))?.[1] ?? 0)
}

/** Starts two hosts. B's client is connected directly; its watching connection goes through a proxy. */
async function hostsAndProxy (t: Test, { maxAge }: { maxAge?: number } = {}) {
  const server = await startRedis(t)
  const proxy = await startProxy(t, server)
  const optionsOfB = { watchPort: proxy.port, timing: FAST, ...maxAge !== undefined && { cache: { maxAge } } }
  const [a, b] = await twoHosts(t, server.url, {}, optionsOfB)
  return { proxy, a, b }
}

test('watching connection: a kill is detected at once, and no change is missed', async (t) => {
  const server = await startRedis(t)
  const admin = connectRedis(t, server.url)
  const b = await redisCachedHost(t, server.url)
  await cacheIsOn(b)
  const [watcher, ...others] = await watchingConnections(admin)
  t.strictSame(others, [])
  const a = await redisCachedHost(t, server.url)
  await cacheIsOn(a)

  let { id } = watcher!
  for (let round = 0; round < 5; round++) {
    const token = await signInCached(t, a, b)
    const since = performance.now()
    // On one connection, in this order: the watcher is gone before the logout is answered.
    const killed = admin.client('KILL', 'ID', id)
    await Promise.all([killed, a.post('/weapp/logout', undefined, token)])
    const { ms, code } = await lastAcceptance(b, token, since)
    t.equal(code, 'FST_WEAPP_SESSION_REVOKED')
    t.ok(ms < DETECTED_MS, `last accepted after ${ms.toFixed(1)} ms`)
    await until('the cache is on again', () => b.watched.states.length === 2 * (round + 1) + 1)
    t.strictSame(b.watched.states.slice(-2), ['lost', 'ready'])
    const ids = (await watchingConnections(admin)).map((connection) => Number(connection.id))
    id = String(Math.max(...ids))
  }
  await signInCached(t, a, b)
  t.strictSame(a.watched.states, ['ready'], 'the other server is not affected')
})

test('watching connection: silence is detected, and the connection recovers', async (t) => {
  const { proxy, a, b } = await hostsAndProxy(t)
  const token = await signInCached(t, a, b)
  proxy.stop()
  await a.post('/weapp/logout', undefined, token)
  const { ms, code } = await lastAcceptance(b, token)
  t.equal(code, 'FST_WEAPP_SESSION_REVOKED')
  await until('the silence is detected', () => !b.watched.isReady)
  t.strictSame(b.watched.states, ['ready', 'lost'])
  t.comment(`last accepted after ${ms.toFixed(0)} ms`)
  t.ok(ms < DETECTED_MS)

  const { token: next } = await a.signIn()
  for (let i = 0; i < 3; i++) t.equal(await b.readsOf(() => b.stateOf(next)), 1, 'the cache is off')
  proxy.resume()
  await cacheIsOn(b)
  t.equal(await b.readsOf(() => b.stateOf(next)), 1)
  t.equal(await b.readsOf(() => b.stateOf(next)), 0, 'the cache is on')
  await a.post('/weapp/logout', undefined, next)
  t.equal((await lastAcceptance(b, next)).code, 'FST_WEAPP_SESSION_REVOKED')
})

test('watching connection: maxAge limits acceptance until silence is detected', async (t) => {
  const MAX_AGE = 300
  for (let round = 0; round < 3; round++) {
    const server = await startRedis(t)
    const proxy = await startProxy(t, server)
    // The intervals of redisStore: silence is detected later than maxAge.
    const [a, b] = await twoHosts(t, server.url, {}, { watchPort: proxy.port, cache: { maxAge: MAX_AGE } })
    const { token } = await a.signIn()
    await until('the session is cached', async () => await b.readsOf(() => b.stateOf(token)) === 0)
    proxy.stop()
    await a.post('/weapp/logout', undefined, token)
    const { ms, code } = await lastAcceptance(b, token)
    t.equal(code, 'FST_WEAPP_SESSION_REVOKED')
    t.ok(ms <= MAX_AGE, `last accepted after ${ms.toFixed(1)} ms`)
  }
})

test('watching connection: one that is silent from the start is replaced', async (t) => {
  const server = await startRedis(t)
  const proxy = await startProxy(t, server)
  proxy.stop()
  const b = await redisCachedHost(t, server.url, { watchPort: proxy.port, timing: FAST })
  const { token } = await b.signIn()
  await until('it is replaced', () => proxy.accepted > 1)
  t.equal(await b.stateOf(token), 'live', 'the store works without it')
  t.strictSame(b.watched.states, [])
  proxy.resume()
  await cacheIsOn(b)
})

test('watching connection: it stays open while nothing changes', async (t) => {
  const server = await startRedis(t)
  const admin = connectRedis(t, server.url)
  const b = await redisCachedHost(t, server.url, { timing: FAST })
  await cacheIsOn(b)
  const before = await connectionsReceived(admin)
  await until('three pings are sent', async () => await pings(admin) >= 3)
  t.strictSame(b.watched.states, ['ready'])
  t.equal(await connectionsReceived(admin), before, 'over one connection')
})

test('T56: Redis paused: the cache turns off when that is detected, and recovers', async (t) => {
  const server = await startRedis(t)
  const client = connectRedis(t, server.url)
  const store = redisStore({ client, timeout: 100 })
  store.watch = (watcher) => watchRedis(client, 'weapp:', watcher, FAST)
  const watched = recordingStore(store)
  const host = await startHost(t, { options: { store: watched.store, cache: {} } })
  await until('the cache is on', () => watched.isReady)
  const { token } = await host.signIn()
  const status = async () => (await host.get('/me', token)).statusCode
  await until('the session is cached', async () => {
    const before = watched.reads
    return await status() === 200 && watched.reads === before
  })
  server.pause()
  t.equal(await status(), 200, 'served from the cache, because nothing can have changed')
  await until('the pause is detected', () => !watched.isReady)
  t.equal(await status(), 503)
  server.resume()
  await until('the cache is on again', () => watched.isReady)
  await until('the store is available again', async () => await status() === 200)
})

test('T56: a process that was frozen serves no session from before', async (t) => {
  const server = await startRedis(t)
  const proxy = await startProxy(t, server)
  const a = await redisCachedHost(t, server.url)
  const b = await redisCachedHost(t, server.url, { watchPort: proxy.port, timing: FAST })
  await cacheIsOn(b)
  const token = await signInCached(t, a, b)
  proxy.stop()
  await a.post('/weapp/logout', undefined, token)
  // No timer and no I/O runs meanwhile, as in a stopped process.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * FAST.pingInterval + 100)
  t.equal(await b.stateOf(token), 'FST_WEAPP_SESSION_REVOKED')
})

test('T56: after a failover the cache leaves the old master, which is still alive', async (t) => {
  const [old, next] = [await startRedis(t), await startRedis(t)]
  const [oldAdmin, nextAdmin] = [connectRedis(t, old.url), connectRedis(t, next.url)]
  await nextAdmin.replicaof('127.0.0.1', old.port)
  await until('the replica is connected', async () => /master_link_status:up/.test(await nextAdmin.info('replication')))
  const target = { port: old.port }
  const proxy = await startProxy(t, target)
  const client = connectRedis(t, `redis://127.0.0.1:${proxy.port}`, {
    reconnectOnError: ({ message }) => message.startsWith('READONLY')
  })
  const b = await redisCachedHost(t, old.url, { client })
  await cacheIsOn(b)
  const token = await signInCached(t, b, b)
  await oldAdmin.call('WAIT', '1', '1000')
  await nextAdmin.replicaof('NO', 'ONE')
  // A replica that lost its master: it answers reads and pings, and refuses writes.
  await oldAdmin.replicaof('127.0.0.1', 1)
  target.port = next.port
  const moved = until('the client moves', async () => {
    return /tcp_port:(\d+)/.exec(await client.info('server'))?.[1] === `${next.port}`
  })
  await b.app.weapp.sessions.revokeAll(b.user('bob')).catch(() => {})
  await moved
  const a = await redisCachedHost(t, next.url)
  await a.post('/weapp/logout', undefined, token)
  const { ms, code } = await lastAcceptance(b, token)
  t.equal(code, 'FST_WEAPP_SESSION_REVOKED')
  t.ok(ms < 1000, `last accepted after ${ms.toFixed(1)} ms`)
  await cacheIsOn(b)
  await signInCached(t, a, b, 'carol')
})

test("T56: the cache stays off until it watches the server of the store's client", async (t) => {
  const [other, server] = [await startRedis(t), await startRedis(t)]
  const target = { port: other.port }
  const proxy = await startProxy(t, target)
  const b = await redisCachedHost(t, server.url, { watchPort: proxy.port, timing: FAST })
  await until('it has tried twice', () => proxy.accepted >= 3)
  t.strictSame(b.watched.states, [])
  target.port = server.port
  await cacheIsOn(b)
  await signInCached(t, b, b)
})

test('Redis killed: the cache turns off, and is empty after the restart', async (t) => {
  const server = await startRedis(t)
  const [a, b] = await twoHosts(t, server.url)
  const token = await signInCached(t, a, b)
  await server.kill()
  await until('the death is detected', () => !b.watched.isReady)
  t.equal(await b.stateOf(token), 'FST_WEAPP_STORE_UNAVAILABLE')
  await server.restart()
  await Promise.all([a, b].map(cacheIsOn))
  await until('the clients are ready', () => [a, b].every(({ client }) => client.status === 'ready'))
  t.equal(await b.stateOf(token), 'FST_WEAPP_SESSION_EXPIRED')
  const next = await signInCached(t, a, b)
  await a.post('/weapp/logout', undefined, next)
  t.equal((await lastAcceptance(b, next)).code, 'FST_WEAPP_SESSION_REVOKED')
})

test('Redis down at the start: the host starts without it', async (t) => {
  const server = await startRedis(t)
  await server.kill()
  const b = await redisCachedHost(t, server.url)
  t.strictSame(b.watched.states, [])
  await server.restart()
  await cacheIsOn(b)
  await signInCached(t, b, b)
})

test('app.close: closes the watching connection, with or without Redis', async (t) => {
  const server = await startRedis(t)
  const admin = connectRedis(t, server.url)
  const b = await redisCachedHost(t, server.url)
  await cacheIsOn(b)
  t.equal((await watchingConnections(admin)).length, 1)
  await b.app.close()
  await until('it is closed', async () => (await watchingConnections(admin)).length === 0)
  t.strictSame(b.watched.states, ['ready', 'lost'])
  t.equal(b.client.status, 'ready', "the host's client stays connected")

  const c = await redisCachedHost(t, server.url)
  await cacheIsOn(c)
  await server.kill()
  await until('the death is detected', () => !c.watched.isReady)
  await c.app.close()
  const states = c.watched.states.length
  const before = c.client.status
  await server.restart()
  await until('the client is ready', () => c.client.status === 'ready')
  const left = await watchingConnections(connectRedis(t, server.url))
  t.equal(left.length, 0, `no connection is opened again (the client was ${before})`)
  t.equal(c.watched.states.length, states)
})

test('watchRedis: a retry of a closed connection does not close the next', async (t) => {
  const timers: { run: () => void, ms: number }[] = []
  const setTimer = (run: () => void, ms: number) => {
    timers.push({ run, ms })
    return { unref: () => {} }
  }
  const states: string[] = []
  const watcher: StoreWatcher = {
    ready: () => states.push('ready'), beginCheck: () => () => {}, lost: () => states.push('lost'), invalidate: () => {}
  }
  const listeners = new Map<string, (...args: unknown[]) => void>()
  let destroyed: string[] = []
  const streamOf = (name: string) => ({ destroy: () => { destroyed.push(name) } })
  let reply: (argument: string) => Promise<unknown> = async () => { throw new Error('Connection is closed.') }
  const connection = {
    status: 'ready',
    stream: streamOf('first'),
    on: (event: string, listener: () => void) => listeners.set(event, listener),
    connect: async () => {},
    info: async () => 'run_id:a',
    disconnect: () => {},
    client: (subcommand: string) => reply(subcommand),
    subscribe: (channel: string) => reply(channel),
    ping: () => new Promise(() => {})
  }
  const restore = [
    t.capture(globalThis, 'setTimeout', setTimer as never).restore,
    t.capture(globalThis, 'setInterval', setTimer as never).restore
  ]
  const clientListeners = new Set<() => void>()
  let clientInfo = async () => 'run_id:a'
  const stop = watchRedis({
    duplicate: () => connection,
    on: (_event, listener) => clientListeners.add(listener),
    off: (_event, listener) => clientListeners.delete(listener),
    info: () => clientInfo()
  }, 'weapp:', watcher)
  const runMicrotasks = async () => { for (let i = 0; i < 30; i++) await Promise.resolve() }

  const open = async () => {
    for (const event of ['connect', 'ready']) listeners.get(event)!()
    await runMicrotasks()
  }
  await open()
  listeners.get('close')!()
  t.strictSame(states, [])
  reply = async () => 'OK'
  connection.stream = streamOf('second')
  await open()
  t.strictSame(states, ['ready'])
  const [ping, retry] = timers
  t.equal(ping?.ms, 1000)
  t.equal(retry?.ms, 2000)
  retry!.run()
  t.notOk(destroyed.includes('second'), 'the new connection stays open')

  await t.test('silence is detected at the second ping', async (t) => {
    destroyed = []
    ping!.run()
    t.strictSame([states, destroyed], [['ready'], []])
    ping!.run()
    t.strictSame([states, destroyed], [['ready', 'lost'], ['second']])
    listeners.get('close')!()
    ping!.run()
    ping!.run()
    t.strictSame([states, destroyed], [['ready', 'lost'], ['second']], 'no ping without a connection')
  })
  await t.test('a connection that is silent after ready is detected as well', async (t) => {
    reply = () => new Promise(() => {})
    connection.stream = streamOf('third')
    await open()
    ping!.run()
    ping!.run()
    t.strictSame([states, destroyed], [['ready', 'lost'], ['second', 'third']])
  })
  await t.test('a lost connection of the client closes an open connection only', async (t) => {
    destroyed = []
    reply = async () => 'OK'
    connection.stream = streamOf('fourth')
    listeners.get('close')!()
    for (const close of clientListeners) close()
    t.strictSame(destroyed, [])
    await open()
    for (const close of clientListeners) close()
    t.strictSame([states.slice(2), destroyed], [['ready', 'lost'], ['fourth']])
  })
  await t.test('a late reply to an older connection does not start tracking on the next', async (t) => {
    const before = states.length
    let release!: (info: string) => void
    clientInfo = () => new Promise((resolve) => { release = resolve })
    connection.stream = streamOf('fifth')
    await open()
    listeners.get('close')!()
    const releaseFifth = release
    connection.stream = streamOf('sixth')
    await open()
    releaseFifth('run_id:a')
    await runMicrotasks()
    t.equal(states.length, before)
    release('run_id:a')
    await runMicrotasks()
    t.strictSame(states.slice(before), ['ready'])
  })
  for (const undo of restore) undo()
  stop()
  t.equal(clientListeners.size, 0)
})
