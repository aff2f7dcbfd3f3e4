/**
 * Sessions in the memory of one process: for development, tests and servers that may forget everybody when they
 * restart. It runs no timer: what has ended is dropped when its user next changes or is listed, and `max` bounds the rest.
 */
import { FST_WEAPP_INVALID_OPTION } from '../errors.js'
import { RecentlyUsed, type Placed } from '../recently-used.js'
import {
  MAX_REASONS, type EndReason, type LiveRecord, type SealedKey, type SessionRecord, type SessionRef, type SessionStore, type StoredSession,
  type StoreWatcher, type UserRef
} from './store.js'

export interface MemoryStoreOptions {
  /**
   * How many users are kept; beyond it, one of those longest unused is signed out. At most 16,777,216, as many as a Map holds.
   * @default 100_000
   */
  max?: number
}

interface EndedSession {
  id: string
  reason: EndReason
  /** When the session would have ended by itself, and its reason is forgotten. */
  until: number
}

/** Whether `read` would answer with this record, of those that it has answered with; `now` is in epoch milliseconds. */
export type Holds = (record: LiveRecord, now: number) => boolean

/** Leads from a record to its user, and is not enumerable: nobody else sees it, and no copy has it. */
const HOLDER = Symbol('fastify-weapp.holder')

/** Frozen with its session, for `read` gives it away: what changes is replaced. */
interface HeldRecord extends LiveRecord {
  readonly [HOLDER]: User
}

interface User extends Placed {
  id: string
  /** By `createdAt`, then by order of creation. */
  live: HeldRecord[]
  /** By order of ending. */
  ended: EndedSession[]
  /** The newest key, its fingerprint, and the key before it. */
  sealed: string | null
  fingerprint: string | null
  previous: string | null
}

const MAX_USERS = 2 ** 24
const memoryStores = new WeakMap<SessionStore, Holds>()

/** Whether a store keeps its sessions in this process alone: not what a server in production wants. */
export function isMemoryStore (store: SessionStore): boolean {
  return memoryStores.has(store)
}

/**
 * Spares the guard a look-up for every request. Null for any other store: one that wraps a memory store answers for itself.
 */
export function holdsOf (store: SessionStore): Holds | null {
  return memoryStores.get(store) ?? null
}

/**
 * A store in this process. Everything is forgotten when the process ends, and no other process sees it.
 *
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function memoryStore (options: MemoryStoreOptions = {}): SessionStore {
  const watchers = new Set<StoreWatcher>()
  const users = new RecentlyUsed<User>(checkedMax(options), (user, userId) => {
    user.live = []
    tell(userId)
  })

  function tell (userId: string): void {
    for (const watcher of watchers) watcher.changed(userId)
  }

  /** What is left of a user at `now`; the rest is dropped here. */
  function userAt ({ userId, now }: UserRef): User | null {
    const user = users.get(userId)
    if (user === undefined) return null
    user.live = keep(user.live, ({ session }) => now < session.idleExpiresAt)
    user.ended = keep(user.ended, ({ until }) => now < until)
    if (user.live.length === 0) forgetKeys(user)
    if (user.live.length > 0 || user.ended.length > 0) return user
    users.delete(userId)
    return null
  }

  /** False when no such session is live. */
  function change (ref: SessionRef, changed: (session: StoredSession) => StoredSession): boolean {
    const user = userAt(ref)
    const record = user === null ? undefined : recordOf(user, ref.sessionId)
    if (user === null || record === undefined) return false
    user.live = user.live.map((other) => other === record ? heldRecord(user, record, changed(record.session)) : other)
    tell(ref.userId)
    return true
  }

  /** Ends the live sessions that are chosen, and says how many those were. */
  function end (ref: UserRef & { reason: EndReason }, chosen: (id: string) => boolean): number {
    const user = userAt(ref)
    const ending = user?.live.filter(({ session }) => chosen(session.id)) ?? []
    if (user !== null) endSessions(user, ending, ref.reason)
    tell(ref.userId)
    return ending.length
  }

  // Nothing is dropped, and nothing made, while the session is live: it is asked with every guarded request.
  function read (ref: SessionRef): SessionRecord | null {
    const user = users.get(ref.userId)
    const record = user === undefined ? undefined : recordOf(user, ref.sessionId)
    if (record !== undefined && ref.now < record.session.idleExpiresAt) return record
    const ended = userAt(ref)?.ended.find(({ id }) => id === ref.sessionId)
    return ended === undefined ? null : { status: 'ended', reason: ended.reason }
  }

  const store: SessionStore = {
    async create ({ userId, now, openid, unionid, session, key, limit, replaces }) {
      // Before `replaces` is removed: a login over the user's only session keeps the key that it had.
      const user = userAt({ userId, now }) ?? newUser(userId)
      user.ended = user.ended.filter(({ id }) => id !== replaces)
      const others = user.live
        .filter(({ session }) => session.id !== replaces)
        .map((record) => record.openid === openid && record.unionid === unionid ? record : heldRecord(user, { openid, unionid }, record.session))
      user.live = [...others, heldRecord(user, { openid, unionid }, session)].sort((a, b) => a.session.createdAt - b.session.createdAt)
      if (limit !== null) endSessions(user, others.slice(0, Math.max(0, others.length + 1 - limit)), 'replaced')
      if (key === null) forgetKeys(user)
      else keepKey(user, key)
      users.set(userId, user)
      tell(userId)
    },

    read,

    async touch (ref) {
      return change(ref, (session) => ({ ...session, idleExpiresAt: Math.max(session.idleExpiresAt, ref.idleExpiresAt) }))
    },

    async update (ref) {
      return change(ref, (session) => ({ ...session, data: ref.data }))
    },

    async revoke (ref) {
      return end(ref, (id) => id === ref.sessionId) > 0
    },

    async revokeAll (ref) {
      return end(ref, (id) => id !== ref.except)
    },

    async list (ref) {
      return userAt(ref)?.live.map(({ session }) => ({ ...session })) ?? []
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
      watcher.live()
      return () => { watchers.delete(watcher) }
    }
  }
  memoryStores.set(store, (record, now) => {
    const user = (record as Partial<HeldRecord>)[HOLDER]
    // Not where somebody has put another `read` in the place of ours.
    if (user === undefined || store.read !== read) return false
    if (!user.live.includes(record as HeldRecord) || now >= record.session.idleExpiresAt) return false
    users.use(user.id, user)
    return true
  })
  return store
}

function checkedMax ({ max = 100_000, ...unknown }: MemoryStoreOptions): number {
  const [stranger] = Object.keys(unknown)
  if (stranger !== undefined) throw new FST_WEAPP_INVALID_OPTION(`memoryStore.${stranger}`, 'is unknown')
  if (!Number.isInteger(max) || max < 1 || max > MAX_USERS) {
    throw new FST_WEAPP_INVALID_OPTION('memoryStore.max', `must be a positive integer, at most ${MAX_USERS}`)
  }
  return max
}

function newUser (id: string): User {
  return { id, live: [], ended: [], sealed: null, fingerprint: null, previous: null, place: 0 }
}

function recordOf ({ live }: User, id: string): HeldRecord | undefined {
  for (const record of live) {
    if (record.session.id === id) return record
  }
  return undefined
}

/** Nothing is copied in the usual case, where nothing has ended since the last look. */
function keep<T> (items: T[], wanted: (item: T) => boolean): T[] {
  return items.every(wanted) ? items : items.filter(wanted)
}

function endSessions (user: User, ending: HeldRecord[], reason: EndReason): void {
  if (ending.length === 0) return
  user.live = user.live.filter((record) => !ending.includes(record))
  for (const { session: { id, idleExpiresAt } } of ending) user.ended.push({ id, reason, until: idleExpiresAt })
  user.ended = user.ended.slice(-MAX_REASONS)
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

/** Field by field: nothing else slips in. */
function heldRecord (
  user: User, { openid, unionid }: Pick<LiveRecord, 'openid' | 'unionid'>, { id, createdAt, expiresAt, idleExpiresAt, label, data }: StoredSession
): HeldRecord {
  const session = Object.freeze({ id, createdAt, expiresAt, idleExpiresAt, label, data })
  const record: LiveRecord = { status: 'live', openid, unionid, session }
  return Object.freeze(Object.defineProperty(record, HOLDER, { value: user })) as HeldRecord
}
