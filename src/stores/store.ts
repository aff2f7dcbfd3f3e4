/**
 * The contract between the plugin and whatever keeps its sessions.
 *
 * A user of one Mini Program is the unit: everything of one user lives together under `userId`, so that every operation
 * is atomic on one key and "sign out everywhere" is one write. What a store sees opens nothing: ids are digests,
 * WeChat's session_key arrives sealed.
 *
 * Three rules hold for every operation:
 * - A store has no clock of its own. `now` (epoch milliseconds, as is every time here) decides what is live, so all
 *   servers of one deployment agree with the tokens they issue, and tests need not sleep. What has ended by `now` may
 *   be forgotten for good; a store may use its own clock only for that.
 * - A session is live while `now < idleExpiresAt` and it was not ended. (`idleExpiresAt <= expiresAt` always holds.)
 * - A promise that rejects means "unknown": the caller answers 503 and a write may or may not have happened.
 *
 * `storeSuite` in `fastify-weapp/testing` checks an implementation against all of this.
 */
import { isText } from '../utils/type-checks.js'

/** Why a session ended before its time: its user's sign-out, the host, or a newer login beyond the limit. */
export type EndReason = 'revoked' | 'kicked' | 'replaced'

export interface StoredSession {
  /** 22 characters of base64url: a digest of the token's secret, safe to show. */
  id: string
  /** Always a whole second. */
  createdAt: number
  /** The absolute end; nothing extends it. */
  expiresAt: number
  /** The end unless the session is used again before it; never later than `expiresAt`. */
  idleExpiresAt: number
  /** What the host calls this device, or null. */
  label: string | null
  /** The host's data as JSON text (at most 4 KiB), opaque to a store; null when there is none. */
  data: string | null
}

/** Whether what a host's store gave can be a session; every part that is relied on is looked at. */
export function isSession (given: unknown): given is StoredSession {
  const session = given as Partial<StoredSession> | null | undefined
  return isText(session?.id) &&
    Number.isFinite(session.createdAt) && Number.isFinite(session.expiresAt) && Number.isFinite(session.idleExpiresAt)
}

/** A session_key under seal, with what lets a store recognise the same key under another seal. */
export interface SealedKey {
  /** At most 64 characters of base64url for the keys that WeChat issues. */
  sealed: string
  /** Keyed digests of the key: the one to keep, then those that earlier secrets would have given. */
  fingerprints: readonly [string, ...string[]]
}

export interface UserRef {
  /** 22 characters of base64url: a digest of app id and openid. */
  userId: string
  now: number
}

export interface SessionRef extends UserRef {
  sessionId: string
}

export interface CreateSession extends UserRef {
  /** When the login that made this session began, in epoch milliseconds: before WeChat and the host were asked. */
  startedAt: number
  openid: string
  unionid: string | null
  session: StoredSession
  /** The user's newest key; null forgets every key of this user. */
  key: SealedKey | null
  /** How many sessions may be live, the new one included; null for any number. */
  limit: number | null
  /** A session of this user that the new one takes the place of, leaving no reason behind; null for none. */
  replaces: string | null
}

export interface LiveRecord {
  status: 'live'
  openid: string
  unionid: string | null
  session: StoredSession
}

export type SessionRecord =
  | LiveRecord
  | { status: 'ended', reason: EndReason }
  /** Something is stored there that this store did not write, or can no longer read. */
  | { status: 'unreadable' }

/** Whether what a host's store gave is the live record of this session; every part that is relied on is looked at. */
export function isLive (record: SessionRecord | null, sessionId: string): record is LiveRecord {
  if (record?.status !== 'live') return false
  const { openid, unionid, session } = record
  return isText(openid) && (unionid === null || typeof unionid === 'string') &&
    isSession(session) && session.id === sessionId
}

export interface SessionStore {
  /**
   * Adds a session. In the same atomic step: the session in `replaces` is removed; sessions and reasons whose time
   * is over are dropped; when more than `limit` sessions are live, the oldest others (by `createdAt`, then by order
   * of creation) end with the reason `replaced`; openid and unionid become these; and `key` becomes the newest key. The
   * key that was newest becomes the previous one, unless one of `fingerprints` says that it is the same key. It does
   * so also when `replaces` or `limit` ends the user's last other session: only keys that were dead before are gone.
   *
   * False, and nothing has changed, when the pending logins of the user were ended after `startedAt` (see `revokeAll`): this one
   * is one of them. Not when that was {@link PENDING_LOGIN_TTL_MS} after it or more, as told by a clock that ran ahead.
   */
  create (input: CreateSession): Promise<boolean>

  /**
   * The session with its user, or why it ended, or null when nothing is known of it. This is what every guarded request
   * asks: a store that need not wait may answer at once.
   */
  read (ref: SessionRef): SessionRecord | null | Promise<SessionRecord | null>

  /** Moves the idle end later, never earlier. False when no such session is live: an ended one is never revived. */
  touch (ref: SessionRef & { idleExpiresAt: number }): Promise<boolean>

  /** Replaces the data whole. False when no such session is live: an ended one is never revived. */
  update (ref: SessionRef & { data: string | null }): Promise<boolean>

  /**
   * Ends one session. The reason is reported by `read` until the session would have ended by itself, at its `idleExpiresAt`; at most
   * {@link MAX_END_REASONS} reasons are kept per user, the newest. False when no such session is live.
   */
  revoke (ref: SessionRef & { reason: EndReason }): Promise<boolean>

  /**
   * Ends every live session of the user but `except`, as `revoke` does. Resolves to how many it ended. With `pendingLogins`, and
   * for a user without any session too, `now` is remembered for {@link PENDING_LOGIN_TTL_MS}, for `create` to refuse the logins that
   * began before.
   */
  revokeAll (ref: UserRef & { reason: EndReason, except: string | null, pendingLogins: boolean }): Promise<number>

  /** The live sessions, oldest first. */
  list (ref: UserRef): Promise<StoredSession[]>

  /** The sealed keys, newest first: none, one or two. None when no session of the user is live. */
  readKeys (ref: UserRef): Promise<string[]>

  /** Makes `key` the newest, as `create` does. False, and nothing is kept, when no session of the user is live. */
  writeKey (ref: UserRef & { key: SealedKey }): Promise<boolean>

  /**
   * Optional: within how many milliseconds every operation settles. It has to be less than the option `storeTimeout`: a write that
   * the plugin has answered 503 for its time would otherwise still happen.
   */
  readonly timeout?: number | undefined

  /**
   * Optional, and what the option `cache` needs: tells of every change of any user, whoever makes it, within
   * milliseconds. Returns what ends it.
   */
  watch? (watcher: StoreWatcher): () => void
}

export interface StoreWatcher {
  /** From now on every change is told, until `lost`. */
  ready (): void
  /** Changes may be missed from now on, until `live`. */
  lost (): void
  /** Something of this user has changed; with null, anything of anybody may have. */
  invalidate (userId: string | null): void
}

/** How long a store remembers when the pending logins of a user were ended, in milliseconds: longer than any login takes. */
export const PENDING_LOGIN_TTL_MS = 3_600_000

/** How many reasons of ended sessions a store keeps per user: the newest; a forgotten one reads as unknown. */
export const MAX_END_REASONS = 16
