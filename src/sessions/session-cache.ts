/**
 * A cache of the sessions that this process has read. It requires a store that reports every change. Any change of a
 * user invalidates all sessions of that user. The cache is cleared when the store loses its connection, and not used
 * while the store is silent. `maxAge` limits the age of every entry.
 */
import type { CacheEntry, LoadedSession, SessionToken } from './session-memo.js'
import { LazyLru, type LruEntry } from '../utils/lazy-lru.js'
import type { SessionStore, StoreWatcher, UserRef } from '../stores/store.js'

export interface CacheOptions {
  /** Number of users. */
  max: number
  /** Longest time from a read to its last use, in milliseconds. */
  maxAge: number
}

/**
 * The cached sessions of one user. Any change replaces this object. A pending read that still has the old object
 * therefore knows that its result is stale.
 */
interface CachedUser extends LruEntry {
  sessions: Map<string, CacheEntry>
}

interface Instant {
  /** `Date.now()` */
  epoch: number
  /** `performance.now()` */
  monotonic: number
}

function currentInstant (): Instant {
  return { epoch: Date.now(), monotonic: performance.now() }
}

/** Caches the result of a read that began at `readAt`, for use before `expiresAt`. Both are epoch milliseconds. */
export type CommitRead = (loaded: LoadedSession, readAt: number, expiresAt: number) => void

/** More sessions than a person has devices. Without a limit, one user could fill the memory. */
const MAX_SESSIONS_PER_USER = 16

export class SessionCache implements StoreWatcher {
  readonly #users: LazyLru<CachedUser>
  readonly #maxAge: number
  #isWatching = false
  #maxSilence = Infinity
  /** When the connection to the store was last known to work, by both clocks. */
  #checked: Instant = { epoch: 0, monotonic: 0 }

  constructor ({ max, maxAge }: CacheOptions) {
    this.#users = new LazyLru(max, ({ sessions }) => clearEntries(sessions))
    this.#maxAge = maxAge
  }

  /** Returns the session of a token if it is cached. The token remembers its entry, so most requests need no lookup. */
  recall ({ userId, sessionId, memo }: SessionToken, now: number): LoadedSession | null {
    const entry = memo.cached ??= this.#users.peek(userId)?.sessions.get(sessionId) ?? null
    if (entry === null) return null
    const remaining = entry.staleAt - now
    // More than `maxAge` remains if the clock was set back.
    if (remaining <= 0 || remaining > this.#maxAge || this.#isSilent(now)) return null
    this.#users.use(userId, entry)
    return entry.loaded
  }

  /**
   * Returns a function that caches the result of a read. Call it before the read begins. The result is discarded if the
   * user changes meanwhile.
   */
  beginRead ({ userId, sessionId, memo }: SessionToken): CommitRead {
    let user = this.#users.get(userId)
    if (user === undefined) {
      user = { sessions: new Map(), promotedAt: 0 }
      this.#users.set(userId, user)
    }
    const { sessions, promotedAt } = user
    return (loaded, readAt, expiresAt) => {
      if (!this.#isWatching || this.#users.peek(userId) !== user) return
      const staleAt = Math.min(readAt + this.#maxAge, expiresAt)
      let entry = sessions.get(sessionId)
      if (entry === undefined) {
        if (sessions.size >= MAX_SESSIONS_PER_USER) clearEntries(sessions)
        entry = { loaded: null, staleAt: 0, promotedAt }
        sessions.set(sessionId, entry)
      }
      entry.loaded = loaded
      entry.staleAt = staleAt
      memo.cached = entry
    }
  }

  ready (maxSilence = Infinity): void {
    this.#users.clear()
    this.#maxSilence = maxSilence
    this.#checked = currentInstant()
    this.#isWatching = true
  }

  beginCheck (): () => void {
    const checked = currentInstant()
    return () => { this.#checked = checked }
  }

  lost (): void {
    this.#isWatching = false
    this.#users.clear()
  }

  invalidate (userId: string | null): void {
    if (userId === null) this.#users.clear()
    else this.#users.delete(userId)
  }

  /**
   * A timer of a frozen process is late, so every use compares the time. The monotonic clock may stop while a machine
   * is suspended, and the other may be set back. The larger difference counts.
   */
  #isSilent (now: number): boolean {
    const { epoch, monotonic } = this.#checked
    return now - epoch > this.#maxSilence || performance.now() - monotonic > this.#maxSilence
  }

  /**
   * Wraps the store so that a change of sessions invalidates their user before the write resolves. `writeKey` changes
   * no cached value. The store's own invalidation message uses another connection and may arrive later.
   */
  invalidateOnWrite (store: SessionStore): SessionStore {
    const invalidating = <Input extends UserRef, Output>(write: (input: Input) => Promise<Output>) => (input: Input) =>
      write(input).finally(() => this.invalidate(input.userId))

    return {
      ...store,
      create: invalidating(store.create),
      touch: invalidating(store.touch),
      update: invalidating(store.update),
      revoke: invalidating(store.revoke),
      revokeAll: invalidating(store.revokeAll)
    }
  }
}

/** Verified tokens still reference these entries. Clearing them in place invalidates and frees them there as well. */
function clearEntries (sessions: Map<string, CacheEntry>): void {
  for (const entry of sessions.values()) {
    entry.staleAt = 0
    entry.loaded = null
  }
  sessions.clear()
}

/** Time without a connection after which `onUnavailable` is called, in milliseconds. */
const UNAVAILABLE_WARNING_MS = 10_000

/**
 * Connects a cache to the changes of a store with `watch`. Returns a function that ends the connection.
 *
 * @param onUnavailable called when the store has not been connected for `warnAfter` milliseconds
 */
export function watchStore (
  store: SessionStore, cache: StoreWatcher, onUnavailable: () => void, warnAfter = UNAVAILABLE_WARNING_MS
): () => Promise<void> {
  const startTimer = () => setTimeout(onUnavailable, warnAfter).unref()
  let timer = startTimer()
  const end = store.watch!({
    ready (maxSilence) {
      clearTimeout(timer)
      cache.ready(maxSilence)
    },
    beginCheck: () => cache.beginCheck(),
    lost () {
      clearTimeout(timer)
      timer = startTimer()
      cache.lost()
    },
    invalidate: (userId) => cache.invalidate(userId)
  })
  return async () => {
    end()
    clearTimeout(timer)
  }
}
