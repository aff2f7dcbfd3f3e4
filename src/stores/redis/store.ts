/**
 * Sessions in Redis, for any number of servers: one hash for each user. hash.ts describes the hash, and scripts.ts
 * changes it. The guard's read is one HMGET.
 */
import { LONGEST_TIMER, parseDuration } from '../../utils/duration.js'
import { isObject } from '../../utils/type-checks.js'
import { invalidOption, objectOption } from '../../utils/validate.js'
import { isReply, RedisConnection, type RedisClient } from './connection.js'
import type { RedisScript } from './fence.js'
import { watchRedis } from './invalidation.js'
import { decodeReason, decodeRecord, decodeSession } from './hash.js'
import {
  CREATE, createArguments, END, endArguments, LIST, READ_KEYS, readArguments, TOUCH, touchArguments, UPDATE,
  updateArguments, WRITE_KEY, writeKeyArguments
} from './scripts.js'
import type { SessionStore, StoreWatcher, UserRef } from '../store.js'

/** The options of `redisStore`. */
export interface RedisStoreOptions {
  /** An ioredis client, such as `app.redis` of @fastify/redis. The host closes it; the store never does. */
  client: RedisClient
  /**
   * Prefix of every key, after the client's own `keyPrefix`.
   * @default 'weapp:'
   */
  prefix?: string | undefined
  /**
   * Timeout of one operation: milliseconds, or a string such as '1s'. Must be less than the plugin's `storeTimeout`.
   * @default 1000
   */
  timeout?: number | string | undefined
}

/**
 * Creates a store in Redis 6.0 or later or Valkey, on one server, behind Sentinel, or on a Cluster.
 *
 * Every operation rejects after `timeout`. It rejects at once while the client is not connected, and when 1,000
 * commands of this store are unanswered. Before the client's first connection it waits for that, within `timeout`.
 * A write that rejected because of a timeout may have happened before. It does not happen later.
 *
 * Stores of several versions of this package may share a Redis. Each leaves the sessions of the others unchanged and
 * reads them as unreadable: for it they are not live and not ended.
 *
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function redisStore (options: RedisStoreOptions): SessionStore {
  const { client, prefix, timeout } = checked(options)
  const connection = new RedisConnection(client, timeout)

  function run (script: RedisScript, user: UserRef): Promise<unknown> {
    return connection.run(script, prefix + user.userId, readArguments(user))
  }

  async function write (script: RedisScript, { userId }: UserRef, args: string[]): Promise<number> {
    return Number(await connection.write(script, prefix + userId, () => args))
  }

  return {
    timeout,

    async create (input) {
      const refused = await connection.write(CREATE, prefix + input.userId, (clockOffset) => {
        return createArguments(input, clockOffset)
      })
      return refused === null ? null : decodeReason(String(refused))
    },

    async read ({ userId, now, sessionId }) {
      const fields = [`m${sessionId}`, 'o', `d${sessionId}`]
      try {
        const [session, user, content] = await connection.read(prefix + userId, fields)
        return decodeRecord(sessionId, now, session ?? null, user ?? null, content ?? null)
      } catch (error) {
        if (isReply(error, 'WRONGTYPE')) return { status: 'unreadable' }
        throw error
      }
    },

    async touch (ref) {
      return await write(TOUCH, ref, touchArguments(ref)) === 1
    },

    async update (ref) {
      return await write(UPDATE, ref, updateArguments(ref)) === 1
    },

    async revoke (ref) {
      return await write(END, ref, endArguments({ ...ref, scope: 'only', id: ref.sessionId })) === 1
    },

    async revokeAll (ref) {
      return await write(END, ref, endArguments({ ...ref, scope: 'except', id: ref.except }))
    },

    async list (user) {
      const sessions = await run(LIST, user) as [id: string, session: string, content: string | null][]
      return sessions.map(([id, session, content]) => decodeSession(id, session, content)!)
    },

    async readKeys (user) {
      return await run(READ_KEYS, user) as string[]
    },

    async writeKey (ref) {
      return await write(WRITE_KEY, ref, writeKeyArguments(ref)) === 1
    },

    // On a Cluster each server would have to be watched, and each replica that takes over.
    ...client.isCluster !== true && { watch: (watcher: StoreWatcher) => watchRedis(client, prefix, watcher) }
  }
}

function checked (options: RedisStoreOptions): { client: RedisClient, prefix: string, timeout: number } {
  const names = ['client', 'prefix', 'timeout']
  const { client, prefix = 'weapp:', timeout = 1000 } = objectOption(options, 'redisStore', names)
  if (!isClient(client)) throw invalidOption('redisStore.client', 'must be an ioredis client, such as app.redis')
  if (typeof prefix !== 'string') throw invalidOption('redisStore.prefix', 'must be a string')
  return { client, prefix, timeout: parseDuration(timeout, 'redisStore.timeout', LONGEST_TIMER) }
}

function isClient (value: unknown): value is RedisClient {
  return isObject(value) && typeof value.hmget === 'function' && typeof value.evalsha === 'function' &&
    typeof value.status === 'string'
}
