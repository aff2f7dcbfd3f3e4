/**
 * Sessions that this process has read lately, for as long as the store promises to tell of every change. It answers a
 * guard at once, and with nothing that was known to be over: a user is forgotten the moment anything of that user
 * changes, everybody when the store can no longer tell, and `maxAge` bounds what is left.
 */
import type { CacheEntry, LoadedSession } from './loaded-session.js'
import { LazyLru, type LruEntry } from '../utils/lazy-lru.js'
import type { SessionStore, StoreWatcher, UserRef } from '../stores/store.js'
import type { VerifiedClaims } from '../crypto/tokens.js'

export interface CacheOptions {
  /** How many users are kept. */
  max: number
  /** How old an answer may be, in milliseconds. */
  maxAge: number
}

/** What is kept of one user. With a change it goes for good, and another takes its place: who holds an old one has missed the change. */
interface CachedUser extends LruEntry {
  sessions: Map<string, CacheEntry>
}

/** Keeps what was read, as of `now`, for use before `end`. */
export type Keep = (live: LoadedSession, now: number, end: number) => void

/** More than a person has devices; a user without a limit of sessions must not fill the memory. */
const MAX_SESSIONS_OF_USER = 16

export class SessionCache implements StoreWatcher {
  readonly #users: LazyLru<CachedUser>
  readonly #maxAge: number
  #isWatching = false

  constructor ({ max, maxAge }: CacheOptions) {
    this.#users = new LazyLru(max, ({ sessions }) => forgetAll(sessions))
    this.#maxAge = maxAge
  }

  /** The session behind a token, if that need not be asked. The token remembers it: most requests look nothing up here. */
  recall (claims: VerifiedClaims, now: number): LoadedSession | null {
    const cached = claims.cached ??= this.#users.peek(claims.userId)?.sessions.get(claims.sessionId) ?? null
    if (cached === null) return null
    const left = cached.until - now
    // More than was given: the clock has been set back.
    if (left <= 0 || left > this.#maxAge) return null
    this.#users.use(claims.userId, cached)
    return cached.live
  }

  /**
   * To be called before a session is read. What it returns keeps the answer, unless the user has changed meanwhile.
   */
  reading (claims: VerifiedClaims): Keep {
    const { userId, sessionId } = claims
    let user = this.#users.get(userId)
    if (user === undefined) {
      user = { sessions: new Map(), promotedAt: 0 }
      this.#users.set(userId, user)
    }
    const { sessions, promotedAt: place } = user
    return (live, now, end) => {
      if (!this.#isWatching || this.#users.peek(userId) !== user) return
      const until = Math.min(now + this.#maxAge, end)
      let cached = sessions.get(sessionId)
      if (cached === undefined) {
        if (sessions.size >= MAX_SESSIONS_OF_USER) forgetAll(sessions)
        cached = { live: null, until: 0, promotedAt: place }
        sessions.set(sessionId, cached)
      }
      cached.live = live
      cached.until = until
      claims.cached = cached
    }
  }

  ready (): void {
    this.#users.clear()
    this.#isWatching = true
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
   * The store, with this process's own writes forgotten before they are acknowledged: the store's word on them comes
   * over another connection and may come later.
   */
  behind (store: SessionStore): SessionStore {
    const forgetting = <Input extends UserRef, Output>(write: (input: Input) => Promise<Output>) => (input: Input) =>
      write(input).finally(() => this.invalidate(input.userId))

    return {
      ...store,
      create: forgetting(store.create),
      touch: forgetting(store.touch),
      update: forgetting(store.update),
      revoke: forgetting(store.revoke),
      revokeAll: forgetting(store.revokeAll)
    }
  }
}

/** Tokens hold on to what is cached: it is no longer true for them either, and takes no more memory. */
function forgetAll (sessions: Map<string, CacheEntry>): void {
  for (const cached of sessions.values()) {
    cached.until = 0
    cached.live = null
  }
  sessions.clear()
}

/** How long a cache may stay off, in milliseconds, before whoever runs the server is told. */
const PATIENCE_MS = 10_000

/**
 * Has the store, which must have `watch`, tell the cache of changes; returns what ends it.
 *
 * @param onOff told when the store has not been able to for a while
 */
export function watchStore (store: SessionStore, cache: StoreWatcher, onOff: () => void, patience = PATIENCE_MS): () => Promise<void> {
  const wait = () => setTimeout(onOff, patience).unref()
  let timer = wait()
  const end = store.watch!({
    ready () {
      clearTimeout(timer)
      cache.ready()
    },
    lost () {
      clearTimeout(timer)
      timer = wait()
      cache.lost()
    },
    invalidate: (userId) => cache.invalidate(userId)
  })
  return async () => {
    end()
    clearTimeout(timer)
  }
}
