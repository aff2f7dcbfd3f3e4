/**
 * The hash of one user, and the functions that encode and decode its values. The fields are:
 *
 *     o  openid and unionid
 *     m<session>  a live session: 1,order,createdAt,expiresAt,idleExpiresAt
 *                 an ended session: 1,!reason,order,until,endedAt
 *     d<session>  label and data: the label is a first line :"label" and data is =data
 *     v<session>  device,startedAt: the device of the session, and when its login began
 *     k  newest sealed key
 *     f  its fingerprint
 *     p  previous sealed key
 *     n  reason and time of the latest end of all pending logins, such as k1700000000000.000
 *
 * An absent field is null. Times of the caller's clock are 13 digits of epoch milliseconds. Those of the server's clock
 * have three decimals as well: `startedAt`, `endedAt` and `n`. `endedAt` is 0 if the end refuses no pending login.
 * `order` numbers the user's events: creations of live sessions, endings of ended ones.
 *
 * Fields of ordinary users have at most 64 bytes, because Redis stores such a hash in half the memory. The guard reads
 * only `m`, `o` and `d`, because each further field costs the client time.
 *
 * Versions: a session's value starts with the version of the store that wrote it. A session of another version, or in
 * any other form, is not live and not ended. It reads as unreadable, does not count towards the limit, and is not
 * listed, touched, updated or revoked, also not by revokeAll. A login adds its own session next to it. No script
 * removes or rewrites its fields, or lets the key expire earlier than before. While it exists, `o`, `k`, `f` and `p`
 * stay as well, until a login or writeKey of this version stores its own.
 */
import type { EndReason, SessionRecord, StoredSession } from '../store.js'

/**
 * Version of the values that this store writes. Raise it if an older store could misread a value.
 * A value of another version is unreadable and stays unchanged.
 */
export const VALUE_VERSION = '1'

export const REASON_LETTERS = { revoked: 'r', kicked: 'k', replaced: 'p' } as const satisfies Record<EndReason, string>
const REASONS: Readonly<Record<string, EndReason>> = { r: 'revoked', k: 'kicked', p: 'replaced' }

const LIVE = new RegExp(`^${VALUE_VERSION},\\d+,(\\d{13}),(\\d{13}),(\\d{13})$`)
const ENDED = new RegExp(`^${VALUE_VERSION},!([rkp]),\\d+,(\\d{13}),\\d+\\.?\\d*$`)
const LABEL_AND_DATA = /^:("[^\n]*")\n(?:=([^]*))?$/

/** Encodes data as `=data`. A script's argument cannot be null, so '' means null. */
export function encodeDataField (data: string | null): string {
  return data === null ? '' : `=${data}`
}

/** Encodes a label, as a line of its own because JSON contains no line breaks, and data after it. */
export function encodeContent (label: string | null, data: string | null): string {
  return (label === null ? '' : `:${JSON.stringify(label)}\n`) + encodeDataField(data)
}

/**
 * Encodes `=openid`, or `length,openid` followed by the unionid. The length separates the two, because each may contain
 * any text.
 */
export function encodeUser (openid: string, unionid: string | null): string {
  return unionid === null ? `=${openid}` : `${openid.length},${openid}${unionid}`
}

/** Decodes the letter of a reason. */
export function decodeReason (letter: string): EndReason {
  return REASONS[letter]!
}

/** Decodes the values that a guarded request reads. Branches are in the order of likelihood. */
export function decodeRecord (
  id: string, now: number, value: string | null, user: string | null, content: string | null
): SessionRecord | null {
  if (value === null) return null
  const session = decodeSession(id, value, content)
  if (session === null) return decodeEnded(value, now)
  if (now >= session.idleExpiresAt) return null
  const identity = decodeUser(user ?? '')
  return identity === null ? { status: 'unreadable' } : { status: 'live', ...identity, session }
}

/** Returns null if the value is not that of a live session of this version. */
export function decodeSession (id: string, value: string, content: string | null): StoredSession | null {
  const parts = LIVE.exec(value)
  if (parts === null) return null
  const { label, data } = decodeContent(content)
  return {
    id,
    createdAt: Number(parts[1]),
    expiresAt: Number(parts[2]),
    idleExpiresAt: Number(parts[3]),
    label,
    data
  }
}

function decodeEnded (value: string, now: number): SessionRecord | null {
  const [, letter, until] = ENDED.exec(value) ?? []
  if (letter === undefined) return { status: 'unreadable' }
  return now < Number(until) ? { status: 'ended', reason: decodeReason(letter) } : null
}

/** Decodes what `encodeContent` returns. Anything else becomes data that is not JSON, which its reader rejects. */
function decodeContent (content: string | null): { label: string | null, data: string | null } {
  if (content === null) return { label: null, data: null }
  if (content.startsWith('=')) return { label: null, data: content.slice(1) }
  const [, quoted, data] = LABEL_AND_DATA.exec(content) ?? []
  try {
    return { label: JSON.parse(quoted!) as string, data: data ?? null }
  } catch {
    return { label: null, data: '' }
  }
}

/** Returns null if `encodeUser` cannot have returned this value. */
function decodeUser (value: string): { openid: string, unionid: string | null } | null {
  if (value.startsWith('=')) return { openid: value.slice(1), unionid: null }
  const comma = value.indexOf(',')
  const length = Number(value.slice(0, comma))
  const start = comma + 1
  if (comma < 1 || !(start + length <= value.length)) return null
  return { openid: value.slice(start, start + length), unionid: value.slice(start + length) }
}
