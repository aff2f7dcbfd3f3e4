/**
 * The record of one user: all sessions of the user, with what the {@link SessionStore} contract keeps about them.
 * Records are immutable. A change returns a new record, and the same record back means that nothing changed.
 *
 * A record has times of two clocks. Expiries are compared with `now`, the clock of the caller. Starts of logins and
 * their ends are times of the store's own clock, and are compared with each other only.
 */
import {
  MAX_END_REASONS, PENDING_LOGIN_TTL_MS, type EndReason, type SealedKey, type StoredSession
} from '../store.js'

export interface LiveSession extends Readonly<StoredSession> {
  readonly device: LoginDevice | null
}

/** The device of a session. Logins of one device are compared by their starts. */
export interface LoginDevice {
  readonly digest: string
  /** Start of the session's login, by the store's clock. */
  readonly startedAt: number
}

export interface EndedSession {
  readonly id: string
  readonly reason: EndReason
  /** Expiry of the session. `read` returns the reason until then. */
  readonly until: number
  /** Time of the end by the store's clock if the end refuses pending logins, or null. */
  readonly endedAt: number | null
  /** Digest of the session's device, or null. An end that refuses pending logins refuses those of the device. */
  readonly device: string | null
}

export interface StoredKeys {
  readonly sealed: string
  readonly fingerprint: string
  /** The previous sealed key, or null. */
  readonly previous: string | null
}

/** The latest end of all pending logins of the user. */
export interface LoginsEnd {
  readonly reason: EndReason
  /** By the store's clock. */
  readonly at: number
}

export interface UserRecord {
  /** Empty if no session is live, because reasons do not need personal data. */
  readonly openid: string
  readonly unionid: string | null
  /** Sorted by `createdAt`, then by order of creation. */
  readonly live: readonly LiveSession[]
  /** In the order in which they ended. */
  readonly ended: readonly EndedSession[]
  /** Null if no session is live. */
  readonly keys: StoredKeys | null
  readonly loginsEnd: LoginsEnd | null
}

/** Shared, because most users have no ended session. */
const NONE: readonly never[] = []

/** The record of a user without sessions. */
export const EMPTY_RECORD: UserRecord = {
  openid: '', unionid: null, live: NONE, ended: NONE, keys: null, loginsEnd: null
}

/** Returns whether a login that began at `startedAt` was pending when its user or session ended at `endedAt`. */
export function wasPending (startedAt: number, endedAt: number): boolean {
  const age = endedAt - startedAt
  // No login takes that long. A greater age means that the store's clock was set.
  return age > 0 && age < PENDING_LOGIN_TTL_MS
}

/** Returns the record without the sessions, reasons and ends that have expired. */
export function withoutExpired (record: UserRecord, now: number, clock: number): UserRecord {
  const live = filterUnchanged(record.live, ({ idleExpiresAt }) => now < idleExpiresAt)
  // A caller's clock may be ahead. An end that may refuse logins therefore stays as long as the store's clock requires.
  const ended = filterUnchanged(record.ended, ({ until, endedAt }) => now < until || isKept(endedAt, clock))
  const loginsEnd = isKept(record.loginsEnd?.at, clock) ? record.loginsEnd : null
  if (live === record.live && ended === record.ended && loginsEnd === record.loginsEnd) return record
  return withLive({ ...record, ended, loginsEnd }, live)
}

/** Returns whether a record has nothing to keep. */
export function isEmpty ({ live, ended, loginsEnd }: UserRecord): boolean {
  return live.length === 0 && ended.length === 0 && loginsEnd === null
}

/**
 * Returns the time at which a store may drop the record, a whole number of milliseconds. The store's clock must be an
 * epoch clock.
 */
export function expiresAt ({ live, ended, loginsEnd }: UserRecord): number {
  let latest = loginsEnd === null ? 0 : loginsEnd.at + PENDING_LOGIN_TTL_MS
  for (const { idleExpiresAt } of live) latest = Math.max(latest, idleExpiresAt)
  for (const { until, endedAt } of ended) {
    latest = Math.max(latest, until, endedAt === null ? 0 : endedAt + PENDING_LOGIN_TTL_MS)
  }
  return Math.ceil(latest)
}

/** Returns the record with these live sessions. Without any, openid, unionid and keys are removed. */
export function withLive (record: UserRecord, live: readonly LiveSession[]): UserRecord {
  if (live.length > 0) return { ...record, live }
  return { ...EMPTY_RECORD, ended: record.ended, loginsEnd: record.loginsEnd }
}

/** Adds the reasons of sessions that end. Keeps the newest. `endedAt` is null if their ends refuse no pending login. */
export function addEnded (
  ended: readonly EndedSession[], ending: readonly LiveSession[], reason: EndReason, endedAt: number | null
): readonly EndedSession[] {
  if (ending.length === 0) return ended
  const added = ending.map(({ id, idleExpiresAt, device }) => {
    return { id, reason, until: idleExpiresAt, endedAt, device: device && endedAt !== null ? device.digest : null }
  })
  return ended.concat(added).slice(-MAX_END_REASONS)
}

/** Makes a key the newest. The first fingerprint is stored. The others identify the same key under earlier secrets. */
export function addKey (keys: StoredKeys | null, { sealed, fingerprints }: SealedKey): StoredKeys {
  const isSameKey = keys !== null && fingerprints.includes(keys.fingerprint)
  const previous = isSameKey ? keys.previous : keys?.sealed ?? null
  return { sealed, fingerprint: fingerprints[0], previous }
}

function isKept (at: number | null | undefined, clock: number): boolean {
  return typeof at === 'number' && Math.abs(clock - at) < PENDING_LOGIN_TTL_MS
}

/** Filters without a copy if every item remains. */
export function filterUnchanged<T> (items: readonly T[], isWanted: (item: T) => boolean): readonly T[] {
  return items.every(isWanted) ? items : items.filter(isWanted)
}
