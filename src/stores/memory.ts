/**
 * Sessions in the memory of one process: for development, tests and servers that may forget everybody when they
 * restart. It runs no timer: what has ended is dropped when its user next changes or is listed, and `max` bounds the rest.
 */
import { objectOption, integerOption } from '../utils/validate.js'
import { LazyLru, type LruEntry } from '../utils/lazy-lru.js'
import { EndedLogins } from './ended-logins.js'
import {
  MAX_END_REASONS, type EndReason, type SealedKey, type SessionRecord, type SessionRef, type SessionStore, type StoredSession, type StoreWatcher,
  type UserRef
} from './store.js'

export interface MemoryStoreOptions {
  /**
   * How many users are kept; beyond it, one of those longest unused is signed out. At most 16,777,216, as many as a Map holds.
   * @default 100_000
   */
  max?: number | undefined
}

interface EndedSession {
  id: string
  reason: EndReason
  /** When the session would have ended by itself, and its reason is forgotten. */
  until: number
}

interface User extends LruEntry {
  id: string
  openid: string
  unionid: string | null
  /** By `createdAt`, then by order of creation. */
  live: readonly StoredSession[]
  /** By order of ending. */
  ended: readonly EndedSession[]
  /** The newest key, its fingerprint, and the key before it. */
  sealed: string | null
  fingerprint: string | null
  previous: string | null
}

const MAX_USERS = 2 ** 24
/** One for all: most users have no ended session. */
const NONE: readonly never[] = []
const memoryStores = new WeakSet<SessionStore>()

/** Whether a store keeps its sessions in this process alone: not what a server in production wants. */
export function isMemoryStore (store: SessionStore): boolean {
  return memoryStores.has(store)
}

/**
 * A store in this process. Everything is forgotten when the process ends, and no other process sees it.
 *
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function memoryStore (options?: MemoryStoreOptions): SessionStore {
  const { max = 100_000 } = objectOption(options, 'memoryStore', ['max'])
  const watchers = new Set<StoreWatcher>()
  const endedLogins = new EndedLogins()
  const users = new LazyLru<User>(integerOption(max, 'memoryStore.max', 1, MAX_USERS), ({ id }) => tell(id))

  function tell (userId: string): void {
    for (const watcher of watchers) watcher.invalidate(userId)
  }

  /** What is left of a user at `now`; the rest is dropped here. */
  function userAt ({ userId, now }: UserRef): User | null {
    const user = users.get(userId)
    if (user === undefined) return null
    user.live = keep(user.live, ({ idleExpiresAt }) => now < idleExpiresAt)
    user.ended = keep(user.ended, ({ until }) => now < until)
    if (user.live.length === 0) forgetKeys(user)
    if (user.live.length > 0 || user.ended.length > 0) return user
    users.delete(userId)
    return null
  }

  /** False when no such session is live. */
  function change (ref: SessionRef, changes: (session: StoredSession) => Partial<StoredSession>): boolean {
    const user = userAt(ref)
    const session = user === null ? undefined : sessionOf(user, ref.sessionId)
    if (user === null || session === undefined) return false
    user.live = user.live.map((other) => other === session ? { ...session, ...changes(session) } : other)
    tell(ref.userId)
    return true
  }

  /** Ends the live sessions that are chosen, and says how many those were. */
  function end (ref: UserRef & { reason: EndReason }, chosen: (id: string) => boolean): number {
    const user = userAt(ref)
    const ending = user?.live.filter(({ id }) => chosen(id)) ?? []
    if (user !== null) endSessions(user, ending, ref.reason)
    tell(ref.userId)
    return ending.length
  }

  // Nothing is dropped while the session is live: it is asked with many a guarded request.
  function read (ref: SessionRef): SessionRecord | null {
    const user = users.get(ref.userId)
    const session = user === undefined ? undefined : sessionOf(user, ref.sessionId)
    if (user !== undefined && session !== undefined && ref.now < session.idleExpiresAt) {
      return { status: 'live', openid: user.openid, unionid: user.unionid, session: copyOf(session) }
    }
    const ended = userAt(ref)?.ended.find(({ id }) => id === ref.sessionId)
    return ended === undefined ? null : { status: 'ended', reason: ended.reason }
  }

  const store: SessionStore = {
    async create ({ userId, now, startedAt, openid, unionid, session, key, limit, replaces }) {
      if (endedLogins.include(userId, startedAt)) return false
      // Before `replaces` is removed: a login over the user's only session keeps the key that it had.
      const user = userAt({ userId, now }) ?? newUser(userId)
      const others = user.live.filter(({ id }) => id !== replaces)
      user.openid = openid
      user.unionid = unionid
      user.ended = keep(user.ended, ({ id }) => id !== replaces)
      user.live = others.concat(copyOf(session)).sort((a, b) => a.createdAt - b.createdAt)
      if (limit !== null) endSessions(user, others.slice(0, Math.max(0, others.length + 1 - limit)), 'replaced')
      if (key === null) forgetKeys(user)
      else keepKey(user, key)
      users.set(userId, user)
      tell(userId)
      return true
    },

    read,

    async touch (ref) {
      return change(ref, ({ idleExpiresAt }) => ({ idleExpiresAt: Math.max(idleExpiresAt, ref.idleExpiresAt) }))
    },

    async update (ref) {
      return change(ref, () => ({ data: ref.data }))
    },

    async revoke (ref) {
      return end(ref, (id) => id === ref.sessionId) > 0
    },

    async revokeAll (ref) {
      if (ref.pendingLogins) endedLogins.add(ref)
      return end(ref, (id) => id !== ref.except)
    },

    async list (ref) {
      return userAt(ref)?.live.map(copyOf) ?? []
    },

    async readKeys (ref) {
      const user = userAt(ref)
      return [user?.sealed, user?.previous].filter((sealed) => typeof sealed === 'string')
    },

    async writeKey (ref) {
      const user = userAt(ref)
      if (user === null || user.live.length === 0) return false
      keepKey(user, ref.key)
      return true
    },

    watch (watcher) {
      watchers.add(watcher)
      watcher.ready()
      return () => { watchers.delete(watcher) }
    }
  }
  memoryStores.add(store)
  return store
}

function newUser (id: string): User {
  return { id, openid: '', unionid: null, live: NONE, ended: NONE, sealed: null, fingerprint: null, previous: null, promotedAt: 0 }
}

function sessionOf ({ live }: User, id: string): StoredSession | undefined {
  for (const session of live) if (session.id === id) return session
  return undefined
}

/** Nothing is copied in the usual case, where nothing has ended since the last look. */
function keep<T> (items: readonly T[], wanted: (item: T) => boolean): readonly T[] {
  return items.every(wanted) ? items : items.filter(wanted)
}

function endSessions (user: User, ending: readonly StoredSession[], reason: EndReason): void {
  if (ending.length === 0) return
  user.live = user.live.filter((session) => !ending.includes(session))
  user.ended = user.ended.concat(ending.map(({ id, idleExpiresAt }) => ({ id, reason, until: idleExpiresAt }))).slice(-MAX_END_REASONS)
  if (user.live.length === 0) forgetKeys(user)
}

function keepKey (user: User, { sealed, fingerprints }: SealedKey): void {
  const same = user.fingerprint !== null && fingerprints.includes(user.fingerprint)
  if (!same) user.previous = user.sealed
  user.sealed = sealed
  user.fingerprint = fingerprints[0]
}

function forgetKeys (user: User): void {
  user.sealed = user.fingerprint = user.previous = null
}

/** Field by field: what a caller holds is never what is stored, and nothing else slips in. */
function copyOf ({ id, createdAt, expiresAt, idleExpiresAt, label, data }: StoredSession): StoredSession {
  return { id, createdAt, expiresAt, idleExpiresAt, label, data }
}
