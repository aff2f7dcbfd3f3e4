/**
 * The contract between the plugin and a session store.
 *
 * The unit is a user of one Mini Program. Everything of one user is stored together under `userId`, so that every
 * operation is atomic on one key, and signing out everywhere is one write. A store's content grants no access: ids are
 * digests, and WeChat's session_key arrives sealed.
 *
 * Four rules apply to every operation:
 * - `now` decides which sessions are live. Otherwise a store's clock could contradict a token's expiry, and tests would
 *   have to sleep. All times are epoch milliseconds. A store may drop what has expired by `now` or by its own clock.
 * - The store's clock decides whether a login began before an end. The clocks of two servers differ, so the store keeps
 *   its own time of the end, and computes the start of a login as its own time minus the age of the login. Its clock is
 *   the one that all its servers share: that of the process in memory, that of Redis, that of the database.
 * - A session is live while `now < idleExpiresAt`, unless it was ended. `idleExpiresAt <= expiresAt` always holds.
 * - A rejected promise means "unknown". The caller responds with 503, and a write may or may not have happened.
 *
 * `storeSuite` in `fastify-weapp/testing` checks an implementation against this contract.
 */
import { isText } from '../utils/type-checks.js'

/** Why a session ended before its expiry: its user's sign-out, the host, or a newer login beyond the limit. */
export type EndReason = 'revoked' | 'kicked' | 'replaced'

/** Returns whether a value of a host's store is an end reason. */
export function isEndReason (value: unknown): value is EndReason {
  return value === 'revoked' || value === 'kicked' || value === 'replaced'
}

/** A session, as a store keeps it. Times are epoch milliseconds. */
export interface StoredSession {
  /** 22 characters of base64url: a digest of the token's secret, safe to show. */
  id: string
  /** Always a whole second. */
  createdAt: number
  /** Absolute expiry. Activity does not extend it. */
  expiresAt: number
  /** Expiry without further activity. Never later than `expiresAt`. */
  idleExpiresAt: number
  /** The host's name of the device, or null. */
  label: string | null
  /** The host's data as JSON text of at most 4 KiB, opaque to a store, or null. */
  data: string | null
}

/** Returns whether a value of a host's store is a session. Checks every field that the plugin relies on. */
export function isSession (value: unknown): value is StoredSession {
  const session = value as Partial<StoredSession> | null | undefined
  return isText(session?.id) &&
    Number.isFinite(session.createdAt) && Number.isFinite(session.expiresAt) && Number.isFinite(session.idleExpiresAt)
}

/** A sealed session_key, with fingerprints by which a store recognizes the same key under another seal. */
export interface SealedKey {
  /** At most 64 characters of base64url for the keys that WeChat issues. */
  sealed: string
  /** Keyed digests of the key: the one to store, then those under earlier secrets. */
  fingerprints: readonly [string, ...string[]]
}

/** The user of an operation. */
export interface UserRef {
  /** 22 characters of base64url: a digest of app id and openid. Like all ids, it is case-sensitive. */
  userId: string
  /** The time by the clock of the caller, in epoch milliseconds. */
  now: number
}

/** The session of an operation. */
export interface SessionRef extends UserRef {
  sessionId: string
}

/** A session to add, with its login. */
export interface CreateSession extends UserRef {
  /**
   * When this session's login began, by `performance.now()` of this process: before the requests to WeChat and to the
   * host. A store converts it to its own clock. The result may be earlier than the start, by the duration of this
   * operation, and never later: read the store's clock first, and subtract `performance.now() - startedAt` after the
   * reply.
   */
  startedAt: number
  openid: string
  unionid: string | null
  session: StoredSession
  /** The user's newest key. Null removes all keys of this user. */
  key: SealedKey | null
  /** Maximum number of live sessions, including the new one. Null means any number. */
  limit: number | null
  /** Id of a session of this user that the new one replaces without an end reason, or null. */
  replaces: string | null
  /** 16 characters of base64url: a digest of the device's id, or null. `list` and `read` never return it. */
  device: string | null
}

/** A live session with its user. */
export interface LiveRecord {
  status: 'live'
  openid: string
  unionid: string | null
  session: StoredSession
}

/** The result of `read` for a session that is known. */
export type SessionRecord =
  | LiveRecord
  | { status: 'ended', reason: EndReason }
  /** The record was written by another program or version, or is damaged. */
  | { status: 'unreadable' }

/** Returns whether a host's store returned this live session. Checks every field that the plugin relies on. */
export function isLive (record: SessionRecord | null, sessionId: string): record is LiveRecord {
  if (record?.status !== 'live') return false
  const { openid, unionid, session } = record
  return isText(openid) && (unionid === null || typeof unionid === 'string') &&
    isSession(session) && session.id === sessionId
}

/** A session store. The module's comment states the rules for all operations. */
export interface SessionStore {
  /**
   * Adds a session. The same atomic step
   * - removes the session in `replaces`, or its end reason,
   * - removes the live sessions of the same `device` whose logins began earlier, without an end reason,
   * - drops expired sessions and end reasons,
   * - ends the oldest other sessions with the reason `replaced` if more than `limit` are live. The order is that of
   *   `createdAt`, then that of creation. Their ends refuse pending logins, as those of `revoke` do,
   * - stores `openid` and `unionid`,
   * - makes `key` the newest key. The previously newest key becomes the previous one, unless one of `fingerprints`
   *   shows that both are the same key. The previous key is kept even if `replaces`, `device` or `limit` ends the
   *   user's last other session. It is dropped if no session was live before this step.
   *
   * Resolves to null if the session was added. Resolves to an end reason, without any change, if this login was ended
   * after it began:
   * - to the reason of `revokeAll` with `pendingLogins`,
   * - to the reason of the session in `replaces`, or of a session of the same `device`, if it ended with
   *   `pendingLogins`,
   * - to `replaced` if `limit` would end a session, and a live session of the same `device` began later. The device has
   *   repeated its login, and this is the earlier attempt.
   *
   * Ignores an end that is {@link PENDING_LOGIN_TTL_MS} or more later than the start. Looks for these ends before it
   * drops what has expired by `now`, because the caller's clock may be ahead.
   */
  create (input: CreateSession): Promise<EndReason | null>

  /**
   * Returns the session with its user, or why it ended, or null for an unknown session. Every guarded request reads, so
   * a store may return the result synchronously.
   */
  read (ref: SessionRef): SessionRecord | null | Promise<SessionRecord | null>

  /** Moves the idle expiry later, never earlier. Resolves to false if the session is not live. */
  touch (ref: SessionRef & { idleExpiresAt: number }): Promise<boolean>

  /** Replaces the data as a whole. Resolves to false if the session is not live. */
  update (ref: SessionRef & { data: string | null }): Promise<boolean>

  /**
   * Ends one session. `read` returns the reason until the session's `idleExpiresAt`. A store keeps the newest
   * {@link MAX_END_REASONS} reasons per user. Resolves to false if the session is not live.
   *
   * With `pendingLogins` the store also keeps its own time and the session's device with the reason. `create` then
   * refuses logins that began before and have this session in `replaces`, or the same `device`.
   */
  revoke (ref: SessionRef & { reason: EndReason, pendingLogins: boolean }): Promise<boolean>

  /**
   * Ends every live session of the user except `except`, as `revoke` does. Resolves to the number of ended sessions.
   * With `pendingLogins` the store also keeps the reason and its own time for {@link PENDING_LOGIN_TTL_MS}, even for a
   * user without sessions, and `create` refuses all logins of the user that began before it. The latest such end
   * counts.
   */
  revokeAll (ref: UserRef & { reason: EndReason, except: string | null, pendingLogins: boolean }): Promise<number>

  /** Resolves to the live sessions, oldest first. */
  list (ref: UserRef): Promise<StoredSession[]>

  /** Resolves to the sealed keys, newest first: two at most, and none if no session of the user is live. */
  readKeys (ref: UserRef): Promise<string[]>

  /** Makes `key` the newest, as `create` does. Resolves to false, without any change, if no session is live. */
  writeKey (ref: UserRef & { key: SealedKey }): Promise<boolean>

  /**
   * Optional: milliseconds within which every operation settles. Must be less than the option `storeTimeout`. Otherwise
   * a write could still happen after the plugin responded with 503.
   */
  readonly timeout?: number | undefined

  /**
   * Optional, and required by the option `cache`: reports every change of any user, by any server, within milliseconds.
   * Returns a function that stops it.
   */
  watch? (watcher: StoreWatcher): () => void
}

/** The receiver of a store's changes: the cache. */
export interface StoreWatcher {
  /**
   * From now on the store reports every change, until it calls `lost`.
   *
   * @param maxSilence milliseconds after the last confirmed check, or after `ready`, for which the cache is used.
   *   Omit it if the connection to the store cannot fall silent.
   */
  ready (maxSilence?: number): void
  /**
   * Starts a check of the connection. Call it before the request to the server, and the function that it returns after
   * the reply. All changes before the request have been reported by then. A process may be frozen in between, so the
   * time of the request counts.
   */
  beginCheck (): () => void
  /** From now on the store may miss changes, until it calls `ready`. */
  lost (): void
  /** A user's sessions or data have changed. Null means that any user's may have changed. */
  invalidate (userId: string | null): void
}

/** How long a store keeps the time at which pending logins were ended, in milliseconds. No login takes that long. */
export const PENDING_LOGIN_TTL_MS = 3_600_000

/** Maximum number of end reasons per user. A store keeps the newest; other ended sessions read as unknown. */
export const MAX_END_REASONS = 16
