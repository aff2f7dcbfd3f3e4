/**
 * The operations of the {@link SessionStore} contract as pure functions over one record. They read no clock and no
 * store: `clock` is the store's own time in milliseconds.
 */
import type {
  CreateSession, EndReason, SealedKey, SessionRecord, SessionRef, StoredSession, UserRef
} from '../store.js'
import {
  addEnded, addKey, EMPTY_RECORD, filterUnchanged, wasPending, withLive, withoutExpired, type LiveSession,
  type UserRecord
} from './record.js'

export interface Outcome<Result> {
  /** The record after the operation. The same object as before if nothing changed. */
  readonly record: UserRecord | null
  readonly result: Result
}

/** An operation that may change a record. Null is the record of an unknown user. */
export type Operation<Input, Result> = (record: UserRecord | null, input: Input, clock: number) => Outcome<Result>

/** Adds a session, unless the login was ended after it began. `startedAt` is a time of the store's clock. */
export const create: Operation<CreateSession, EndReason | null> = (record, input, clock) => {
  // Before anything is dropped, because the caller's clock may be ahead of the session's expiry.
  const refusal = record === null ? null : refusalOf(record, input)
  if (refusal !== null) return { record, result: refusal }
  const { now, openid, unionid, session, key, limit, replaces } = input
  const current = withoutExpired(record ?? EMPTY_RECORD, now, clock)
  const others = current.live.filter((other) => other.id !== replaces && !isReplacedByDevice(other, input))
  const ended = filterUnchanged(current.ended, ({ id }) => id !== replaces)
  // A store that repeats an operation must not add a session twice, and must not revive one that has ended.
  if ([...others, ...ended].some(({ id }) => id === session.id)) return { record, result: null }
  const excess = limit === null ? 0 : Math.max(0, others.length + 1 - limit)
  // The newer login of this device takes the place. Otherwise a repeated login would sign out another device.
  if (excess > 0 && others.some((other) => isOfDevice(other, input))) return { record, result: 'replaced' }
  return {
    record: {
      openid,
      unionid,
      live: others.slice(excess).concat(liveSession(input)).sort((a, b) => a.createdAt - b.createdAt),
      ended: addEnded(ended, others.slice(0, excess), 'replaced', clock),
      // The keys of before `others`, so that a login that replaces the user's only session keeps the previous key.
      keys: key === null ? null : addKey(current.keys, key),
      loginsEnd: current.loginsEnd
    },
    result: null
  }
}

/** Moves the idle expiry later. */
export const touch: Operation<SessionRef & { idleExpiresAt: number }, boolean> = (record, ref, clock) => {
  return changeSession(record, ref, clock, (session) => {
    return ref.idleExpiresAt > session.idleExpiresAt ? { ...session, idleExpiresAt: ref.idleExpiresAt } : session
  })
}

/** Replaces the data. */
export const update: Operation<SessionRef & { data: string | null }, boolean> = (record, ref, clock) => {
  return changeSession(record, ref, clock, (session) => {
    return ref.data === session.data ? session : { ...session, data: ref.data }
  })
}

/** Ends one session. */
export const revoke: Operation<SessionRef & { reason: EndReason, pendingLogins: boolean }, boolean> = (
  record, ref, clock
) => {
  const { record: after, result } = endSessions(record, ref, clock, ({ id }) => id === ref.sessionId)
  return { record: after, result: result > 0 }
}

/** Ends all sessions except one, and with `pendingLogins` all pending logins of the user. */
export const revokeAll: Operation<
  UserRef & { reason: EndReason, except: string | null, pendingLogins: boolean }, number
> = (record, ref, clock) => {
  const { record: after, result } = endSessions(record, ref, clock, ({ id }) => id !== ref.except)
  if (!ref.pendingLogins) return { record: after, result }
  const current = withoutExpired(after ?? EMPTY_RECORD, ref.now, clock)
  return { record: { ...current, loginsEnd: { reason: ref.reason, at: clock } }, result }
}

/** Makes a key the newest, if a session is live. */
export const writeKey: Operation<UserRef & { key: SealedKey }, boolean> = (record, { now, key }, clock) => {
  const current = record === null ? EMPTY_RECORD : withoutExpired(record, now, clock)
  if (current.live.length === 0) return { record, result: false }
  return { record: { ...current, keys: addKey(current.keys, key) }, result: true }
}

/** Returns a copy of a live session with its user, or why it ended, or null. Copies nothing else of the record. */
export function read (record: UserRecord | null, { sessionId, now }: SessionRef): SessionRecord | null {
  if (record === null) return null
  for (const session of record.live) {
    if (session.id !== sessionId) continue
    if (now >= session.idleExpiresAt) return null
    return { status: 'live', openid: record.openid, unionid: record.unionid, session: storedSession(session) }
  }
  const ended = record.ended.find(({ id }) => id === sessionId)
  return ended === undefined || now >= ended.until ? null : { status: 'ended', reason: ended.reason }
}

/** Returns copies of the live sessions, oldest first. */
export function list (record: UserRecord | null, { now }: UserRef): StoredSession[] {
  return record === null ? [] : record.live.filter(({ idleExpiresAt }) => now < idleExpiresAt).map(storedSession)
}

/** Returns the sealed keys, newest first. */
export function readKeys (record: UserRecord | null, { now }: UserRef): string[] {
  const keys = record?.live.some(({ idleExpiresAt }) => now < idleExpiresAt) ? record.keys : null
  return [keys?.sealed, keys?.previous].filter((sealed) => typeof sealed === 'string')
}

/** Returns why a login is refused, or null. */
function refusalOf (
  { ended, loginsEnd }: UserRecord, { startedAt, replaces, device }: CreateSession
): EndReason | null {
  if (loginsEnd !== null && wasPending(startedAt, loginsEnd.at)) return loginsEnd.reason
  const end = ended.find((session) => {
    const isOwn = session.id === replaces || (device !== null && session.device === device)
    return isOwn && session.endedAt !== null && wasPending(startedAt, session.endedAt)
  })
  return end?.reason ?? null
}

/** Returns whether a login takes the place of a session of the same device. */
function isReplacedByDevice (session: LiveSession, { device, startedAt }: CreateSession): boolean {
  return isOfDevice(session, { device }) && session.device!.startedAt < startedAt
}

function isOfDevice (session: LiveSession, { device }: Pick<CreateSession, 'device'>): boolean {
  return device !== null && session.device?.digest === device
}

function changeSession (
  record: UserRecord | null, { sessionId, now }: SessionRef, clock: number,
  change: (session: LiveSession) => LiveSession
): Outcome<boolean> {
  const current = record === null ? EMPTY_RECORD : withoutExpired(record, now, clock)
  const session = current.live.find(({ id }) => id === sessionId)
  if (session === undefined) return { record, result: false }
  const changed = change(session)
  if (changed === session) return { record, result: true }
  const live = current.live.map((other) => other === session ? changed : other)
  return { record: withLive(current, live), result: true }
}

function endSessions (
  record: UserRecord | null, { now, reason, pendingLogins }: UserRef & { reason: EndReason, pendingLogins: boolean },
  clock: number, isChosen: (session: LiveSession) => boolean
): Outcome<number> {
  const current = record === null ? EMPTY_RECORD : withoutExpired(record, now, clock)
  const ending = current.live.filter(isChosen)
  if (ending.length === 0) return { record, result: 0 }
  const ended = addEnded(current.ended, ending, reason, pendingLogins ? clock : null)
  const live = current.live.filter((session) => !isChosen(session))
  return { record: withLive({ ...current, ended }, live), result: ending.length }
}

/** Copies the known fields. The caller's object is never the stored one, and no other field is stored. */
function liveSession ({ session, device, startedAt }: CreateSession): LiveSession {
  const { id, createdAt, expiresAt, idleExpiresAt, label, data } = session
  // In one literal, because V8 stores fields that are added later in a second object.
  return {
    id,
    createdAt,
    expiresAt,
    idleExpiresAt,
    label,
    data,
    device: device === null ? null : { digest: device, startedAt }
  }
}

function storedSession ({ id, createdAt, expiresAt, idleExpiresAt, label, data }: StoredSession): StoredSession {
  return { id, createdAt, expiresAt, idleExpiresAt, label, data }
}
