/**
 * A store in the memory of one process: for development, for tests, and for servers that may lose all sessions when
 * they restart. It runs no timer. Ended sessions are dropped when their user next changes or is listed. `max` limits
 * the rest.
 */
import { objectOption, integerOption } from '../utils/validate.js'
import { LazyLru, type LruEntry } from '../utils/lazy-lru.js'
import { EndedLogins } from './ended-logins.js'
import {
  MAX_END_REASONS, type EndReason, type SealedKey, type SessionRecord, type SessionRef, type SessionStore,
  type StoredSession, type StoreWatcher, type UserRef
} from './store.js'

export interface MemoryStoreOptions {
  /**
   * Maximum number of users. Beyond it, one of the least recently used users is signed out. At most 16,777,216, the
   * size of a Map.
   *
   * @default 100_000
   */
  max?: number | undefined
}

interface EndedSession {
  id: string
  reason: EndReason
  /** Expiry of the session. Its reason is dropped then. In epoch milliseconds. */
  until: number
}

interface User extends LruEntry {
  id: string
  openid: string
  unionid: string | null
  /** Sorted by `createdAt`, then by order of creation. */
  live: readonly StoredSession[]
  /** In the order in which they ended. */
  ended: readonly EndedSession[]
  /** The current key under seal, its fingerprint, and the previous key. */
  sealed: string | null
  fingerprint: string | null
  previous: string | null
}

const MAX_USERS = 2 ** 24
/** Shared, because most users have no ended session. */
const NONE: readonly never[] = []
const memoryStores = new WeakSet<SessionStore>()

/** Returns false if the store was not created by `memoryStore`, also if it wraps such a store. */
export function isMemoryStore (store: SessionStore): boolean {
  return memoryStores.has(store)
}

/**
 * Creates a store in this process. Its sessions are lost with the process and unknown to other processes.
 *
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function memoryStore (options?: MemoryStoreOptions): SessionStore {
  const { max = 100_000 } = objectOption(options, 'memoryStore', ['max'])
  const watchers = new Set<StoreWatcher>()
  const endedLogins = new EndedLogins()
  const users = new LazyLru<User>(integerOption(max, 'memoryStore.max', 1, MAX_USERS), ({ id }) => notify(id))

  function notify (userId: string): void {
    for (const watcher of watchers) watcher.invalidate(userId)
  }

  /** Returns the user as of `now`, or null. Drops expired sessions and reasons. */
  function userAt ({ userId, now }: UserRef): User | null {
    const user = users.get(userId)
    if (user === undefined) return null
    user.live = filterUnchanged(user.live, ({ idleExpiresAt }) => now < idleExpiresAt)
    user.ended = filterUnchanged(user.ended, ({ until }) => now < until)
    if (user.live.length === 0) dropKeys(user)
    if (user.live.length > 0 || user.ended.length > 0) return user
    users.delete(userId)
    return null
  }

  /** Changes a session. Returns false if the session is not live. */
  function change (ref: SessionRef, changes: (session: StoredSession) => Partial<StoredSession>): boolean {
    const user = userAt(ref)
    const session = user === null ? undefined : sessionOf(user, ref.sessionId)
    if (user === null || session === undefined) return false
    user.live = user.live.map((other) => other === session ? { ...session, ...changes(session) } : other)
    notify(ref.userId)
    return true
  }

  /** Ends the chosen live sessions. Returns their number. */
  function end (ref: UserRef & { reason: EndReason }, isChosen: (id: string) => boolean): number {
    const user = userAt(ref)
    const ending = user?.live.filter(({ id }) => isChosen(id)) ?? []
    if (user !== null) endSessions(user, ending, ref.reason)
    notify(ref.userId)
    return ending.length
  }

  // Drops nothing if the session is live, because many guarded requests read it.
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
      // Read before `replaces` is removed. Otherwise a login that replaces the user's only session would lose the key.
      const user = userAt({ userId, now }) ?? newUser(userId)
      const others = user.live.filter(({ id }) => id !== replaces)
      user.openid = openid
      user.unionid = unionid
      user.ended = filterUnchanged(user.ended, ({ id }) => id !== replaces)
      user.live = others.concat(copyOf(session)).sort((a, b) => a.createdAt - b.createdAt)
      if (limit !== null) endSessions(user, others.slice(0, Math.max(0, others.length + 1 - limit)), 'replaced')
      if (key === null) dropKeys(user)
      else rememberKey(user, key)
      users.set(userId, user)
      notify(userId)
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
      rememberKey(user, ref.key)
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
  return {
    id,
    openid: '',
    unionid: null,
    live: NONE,
    ended: NONE,
    sealed: null,
    fingerprint: null,
    previous: null,
    promotedAt: 0
  }
}

function sessionOf ({ live }: User, id: string): StoredSession | undefined {
  for (const session of live) if (session.id === id) return session
  return undefined
}

/** Filters without a copy in the usual case, in which every item remains. */
function filterUnchanged<T> (items: readonly T[], isWanted: (item: T) => boolean): readonly T[] {
  return items.every(isWanted) ? items : items.filter(isWanted)
}

function endSessions (user: User, ending: readonly StoredSession[], reason: EndReason): void {
  if (ending.length === 0) return
  user.live = user.live.filter((session) => !ending.includes(session))
  const ended = ending.map(({ id, idleExpiresAt }) => ({ id, reason, until: idleExpiresAt }))
  user.ended = user.ended.concat(ended).slice(-MAX_END_REASONS)
  if (user.live.length === 0) dropKeys(user)
}

function rememberKey (user: User, { sealed, fingerprints }: SealedKey): void {
  const isSameKey = user.fingerprint !== null && fingerprints.includes(user.fingerprint)
  if (!isSameKey) user.previous = user.sealed
  user.sealed = sealed
  user.fingerprint = fingerprints[0]
}

function dropKeys (user: User): void {
  user.sealed = user.fingerprint = user.previous = null
}

/** Copies the known fields. The caller's object is never the stored one, and no other field is stored. */
function copyOf ({ id, createdAt, expiresAt, idleExpiresAt, label, data }: StoredSession): StoredSession {
  return { id, createdAt, expiresAt, idleExpiresAt, label, data }
}
