/**
 * Sessions in Redis, for any number of servers: one hash per user, which the scripts in redis-scripts.ts describe
 * and change. The guard's read is one HMGET.
 */
import { LONGEST_TIMER, parseDuration } from '../../utils/duration.js'
import { invalidOption, isObject, objectOption } from '../../utils/validate.js'
import { isReply, RedisConnection, type RedisClient } from './connection.js'
import type { RedisScript } from './fence.js'
import { CREATE, END, LIST, READ_KEYS, TOUCH, UPDATE, WRITE_KEY } from './scripts.js'
import { watchRedis } from './invalidation.js'
import type {
  EndReason, SealedKey, SessionRecord, SessionStore, StoredSession, StoreWatcher, UserRef
} from '../store.js'

export interface RedisStoreOptions {
  /** An ioredis client, such as `app.redis` of @fastify/redis. The host owns it: the store never closes it. */
  client: RedisClient
  /**
   * What every key begins with, after the client's own `keyPrefix`.
   * @default 'weapp:'
   */
  prefix?: string | undefined
  /**
   * How long an operation may take: milliseconds, or a string such as '1s'. Less than the plugin's `storeTimeout`.
   * @default 1000
   */
  timeout?: number | string | undefined
}

const REASON_LETTERS = { revoked: 'r', kicked: 'k', replaced: 'p' } as const satisfies Record<EndReason, string>
const REASONS: Readonly<Record<string, EndReason>> = { r: 'revoked', k: 'kicked', p: 'replaced' }

const LIVE = /^\d+,(\d{13}),(\d{13}),(\d{13})$/
/** With a label. */
const CONTENT = /^:("[^\n]*")\n(?:=([^]*))?$/
const ENDED = /^!([rkp]),\d+,(\d{13})$/

/**
 * A store in Redis 6.0 or later or Valkey, on one server, behind Sentinel, or on a Cluster.
 *
 * Every operation rejects after `timeout`, and at once while the client is not connected (before its first connection, it
 * waits for it within `timeout`) or when more than 1,000 commands of this store wait for an answer. A write that
 * rejected because of its time may have happened before; it does not happen later.
 *
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function redisStore (options: RedisStoreOptions): SessionStore {
  const { client, prefix, timeout } = checked(options)
  const connection = new RedisConnection(client, timeout)

  function read (script: RedisScript, { userId, now }: UserRef): Promise<unknown> {
    return connection.run(script, prefix + userId, [String(now)])
  }

  function write (script: RedisScript, { userId, now }: UserRef, ...args: string[]): Promise<number> {
    return connection.write(script, prefix + userId, [String(now), ...args])
  }

  return {
    timeout,

    async create ({ startedAt, openid, unionid, session, key, limit, replaces, ...user }) {
      const { id, createdAt, expiresAt, idleExpiresAt, label, data } = session
      return await write(CREATE, user, id, `,${createdAt},${expiresAt},${idleExpiresAt}`, String(idleExpiresAt), String(limit ?? ''),
        replaces ?? '', encodeUser(openid, unionid), labelArgument(label) + dataArgument(data), String(startedAt), ...key === null ? [] : keyArguments(key)) === 1
    },

    async read ({ userId, now, sessionId }) {
      try {
        const values = await connection.read(prefix + userId, [`m${sessionId}`, 'o', `d${sessionId}`])
        return decodeRecord(sessionId, now, values)
      } catch (error) {
        if (isReply(error, 'WRONGTYPE')) return { status: 'unreadable' }
        throw error
      }
    },

    async touch ({ sessionId, idleExpiresAt, ...user }) {
      return await write(TOUCH, user, sessionId, String(idleExpiresAt)) === 1
    },

    async update ({ sessionId, data, ...user }) {
      return await write(UPDATE, user, sessionId, dataArgument(data)) === 1
    },

    async revoke ({ sessionId, reason, ...user }) {
      return await write(END, user, REASON_LETTERS[reason], 'only', sessionId) === 1
    },

    async revokeAll ({ reason, except, pendingLogins, ...user }) {
      return await write(END, user, REASON_LETTERS[reason], 'except', except ?? '', pendingLogins ? 'logins' : '')
    },

    async list (user) {
      const sessions = await read(LIST, user) as [id: string, session: string, data: string | null][]
      return sessions.map(([id, session, data]) => decodeSession(id, LIVE.exec(session)!, data))
    },

    async readKeys (user) {
      return await read(READ_KEYS, user) as string[]
    },

    async writeKey ({ key, ...user }) {
      return await write(WRITE_KEY, user, ...keyArguments(key)) === 1
    },

    // On a Cluster each server would have to be watched, and whichever takes its place.
    ...client.isCluster !== true && { watch: (watcher: StoreWatcher) => watchRedis(client, prefix, watcher) }
  }
}

function checked (options: RedisStoreOptions): { client: RedisClient, prefix: string, timeout: number } {
  const { client, prefix = 'weapp:', timeout = 1000 } = objectOption(options, 'redisStore', ['client', 'prefix', 'timeout'])
  if (!isClient(client)) throw invalidOption('redisStore.client', 'must be an ioredis client, such as app.redis')
  if (typeof prefix !== 'string') throw invalidOption('redisStore.prefix', 'must be a string')
  return { client, prefix, timeout: parseDuration(timeout, 'redisStore.timeout', LONGEST_TIMER) }
}

function isClient (value: unknown): value is RedisClient {
  return isObject(value) && typeof value.hmget === 'function' && typeof value.evalsha === 'function' && typeof value.status === 'string'
}

/** A script's argument cannot be null: '' stands for it. */
function dataArgument (data: string | null): string {
  return data === null ? '' : `=${data}`
}

/** A line of its own, for JSON has no line breaks. */
function labelArgument (label: string | null): string {
  return label === null ? '' : `:${JSON.stringify(label)}\n`
}

function keyArguments ({ sealed, fingerprints }: SealedKey): string[] {
  return [sealed, ...fingerprints]
}

/** With every guarded request, so in the order of likelihood and by index. */
function decodeRecord (id: string, now: number, fields: (string | null)[]): SessionRecord | null {
  const value = fields[0] ?? null
  if (value === null) return null
  const parts = LIVE.exec(value)
  if (parts === null) return decodeEnded(value, now)
  const session = decodeSession(id, parts, fields[2] ?? null)
  if (now >= session.idleExpiresAt) return null
  const user = decodeUser(fields[1] ?? '')
  return user === null ? { status: 'unreadable' } : { status: 'live', openid: user.openid, unionid: user.unionid, session }
}

function decodeEnded (value: string, now: number): SessionRecord | null {
  const [, letter, until] = ENDED.exec(value) ?? []
  if (letter === undefined) return { status: 'unreadable' }
  return now < Number(until) ? { status: 'ended', reason: REASONS[letter]! } : null
}

function decodeSession (id: string, parts: RegExpExecArray, content: string | null): StoredSession {
  const [, createdAt, expiresAt, idleExpiresAt] = parts
  const { label, data } = decodeContent(content)
  return { id, createdAt: Number(createdAt), expiresAt: Number(expiresAt), idleExpiresAt: Number(idleExpiresAt), label, data }
}

/** What `labelArgument` and `dataArgument` made. Anything else becomes data that is no JSON, which whoever reads it refuses. */
function decodeContent (content: string | null): { label: string | null, data: string | null } {
  if (content === null) return { label: null, data: null }
  if (content.startsWith('=')) return { label: null, data: content.slice(1) }
  const [, quoted, data] = CONTENT.exec(content) ?? []
  try {
    return { label: JSON.parse(quoted!) as string, data: data ?? null }
  } catch {
    return { label: null, data: '' }
  }
}

/** `=openid`, or both behind the length of the openid: each may be any text. */
function encodeUser (openid: string, unionid: string | null): string {
  return unionid === null ? `=${openid}` : `${openid.length},${openid}${unionid}`
}

/** Null when it is not what `encodeUser` makes. */
function decodeUser (value: string): { openid: string, unionid: string | null } | null {
  if (value.startsWith('=')) return { openid: value.slice(1), unionid: null }
  const comma = value.indexOf(',')
  const length = Number(value.slice(0, comma))
  const start = comma + 1
  if (comma < 1 || !(start + length <= value.length)) return null
  return { openid: value.slice(start, start + length), unionid: value.slice(start + length) }
}
