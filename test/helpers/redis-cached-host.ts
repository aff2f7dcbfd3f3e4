/** Hosts with the session cache over Redis, as several servers of one deployment. */
import type { Redis } from 'ioredis'
import type { Test } from 'tap'
import { redisStore, type WeappOptions } from '../../src/index.js'
import { watchRedis, type WatchTiming } from '../../src/stores/redis/invalidation.js'
import { cachedHost, type CachedHost } from './cached-host.js'
import { until } from './processes.js'
import { connectRedis } from './redis.js'

/** Short intervals, for tests of silent connections and of retries. */
export const FAST: Required<WatchTiming> = { pingInterval: 200, maxRetryDelay: 400 }

/** A silent connection is detected within two pings. The rest is for a busy machine. */
export const DETECTED_MS = 10_000

/** The default of the option `cache.maxAge`. */
export const MAX_AGE_MS = 30_000

export interface RedisCachedHost extends CachedHost {
  client: Redis
}

export interface RedisCachedHostOptions {
  prefix?: string
  client?: Redis
  /** Port of the watching connection, if it differs from the client's. */
  watchPort?: number
  /** Intervals of the watching connection, instead of those of redisStore. */
  timing?: WatchTiming
  cache?: Exclude<WeappOptions['cache'], false>
  session?: WeappOptions['session']
}

/** Starts a host with a Redis client of its own. */
export async function redisCachedHost (
  t: Test, url: string, options: RedisCachedHostOptions = {}
): Promise<RedisCachedHost> {
  const { prefix = 'weapp:', client = connectRedis(t, url), watchPort, timing, cache = {}, session = {} } = options
  if (watchPort !== undefined) {
    const duplicate = client.duplicate.bind(client)
    client.duplicate = (override) => duplicate({ ...override, port: watchPort })
  }
  const store = redisStore({ client, prefix, timeout: '5s' })
  if (timing !== undefined) store.watch = (watcher) => watchRedis(client, prefix, watcher, timing)
  const host = await cachedHost(t, { options: { store, storeTimeout: '20s', cache, session } })
  return { ...host, client }
}

export function cacheIsOn ({ watched }: CachedHost): Promise<void> {
  return until('the cache is on', () => watched.isReady)
}

/** Starts two hosts over one Redis and waits until both caches are on. */
export async function twoHosts (
  t: Test, url: string, optionsOfA: RedisCachedHostOptions = {}, optionsOfB = optionsOfA
): Promise<[a: RedisCachedHost, b: RedisCachedHost]> {
  const hosts: [RedisCachedHost, RedisCachedHost] = [
    await redisCachedHost(t, url, optionsOfA), await redisCachedHost(t, url, optionsOfB)
  ]
  await Promise.all(hosts.map(cacheIsOn))
  return hosts
}

/** Signs in on `a`, and sends requests to `b` until its cache has the session. */
export async function signInCached (t: Test, a: CachedHost, b: CachedHost, user = 'alice'): Promise<string> {
  const { token } = await a.signIn(user)
  await until('the other server caches the session', async () => await b.readsOf(() => b.stateOf(token)) === 0)
  t.equal(await b.stateOf(token), 'live')
  return token
}

/** Sends requests until the host rejects the token. Returns when, after `since`, the last accepted request started. */
export async function lastAcceptance (
  host: CachedHost, token: string, since = performance.now()
): Promise<{ ms: number, code: string }> {
  for (let ms = 0; ;) {
    const start = performance.now() - since
    const code = await host.stateOf(token)
    if (code !== 'live') return { ms, code }
    ms = start
    // An injected request may finish without any I/O. Over the wire, the event loop would turn here.
    await new Promise((resolve) => setImmediate(resolve))
    if (ms > MAX_AGE_MS + DETECTED_MS) throw new Error('accepted far too long')
  }
}
