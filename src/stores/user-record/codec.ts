/**
 * Encodes a user's record as text, for a database that stores it as a whole. The text is ASCII, so that no encoding,
 * collation or column type can change it. Its first line is JSON with the version. Each further line is the JSON of one
 * live session, so that a guarded request need not parse the others.
 */
import { isEndReason } from '../store.js'
import {
  withLive, type EndedSession, type LiveSession, type LoginDevice, type LoginsEnd, type StoredKeys, type UserRecord
} from './record.js'

/** Version of the text. Raise it if an older version of this package could misread the text. */
const RECORD_VERSION = 1

/** Text without a record of this version. */
export type UnreadableText = 'damaged' | 'newer'

/** Encodes a record. */
export function encodeRecord ({ openid, unionid, live, ended, keys, loginsEnd }: UserRecord): string {
  const user = {
    version: RECORD_VERSION,
    openid,
    unionid,
    ended: ended.map(({ id, reason, until, endedAt, device }) => [id, reason, until, endedAt, device]),
    keys: keys && [keys.sealed, keys.fingerprint, keys.previous],
    loginsEnd: loginsEnd && [loginsEnd.reason, loginsEnd.at]
  }
  return [user, ...live.map(liveFields)].map(encodeLine).join('\n')
}

function liveFields ({
  id, createdAt, expiresAt, idleExpiresAt, label, data, device
}: LiveSession): readonly unknown[] {
  return [id, createdAt, expiresAt, idleExpiresAt, label, data, device && [device.digest, device.startedAt]]
}

/** JSON contains no line breaks. */
function encodeLine (value: unknown): string {
  return JSON.stringify(value).replace(/[\u007f-\uffff]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/**
 * Decodes what `encodeRecord` returns. Checks every field that it decodes. A damaged line of one live session leaves
 * the others unchanged. Otherwise the others would be read as live, and could not be ended.
 *
 * @param start `lineStart` of the only live session to decode, or null for all
 */
export function decodeRecord (text: string, start: string | null = null): UserRecord | UnreadableText {
  try {
    const { version, openid, unionid, ended, keys, loginsEnd } = JSON.parse(lineAt(text, 0))
    if (Number.isInteger(version) && version > RECORD_VERSION) return 'newer'
    assertValid(version === RECORD_VERSION && isString(openid) && isStringOrNull(unionid))
    const record = {
      openid,
      unionid,
      live: start === null ? decodeAll(text) : linesOf(text, start).map(decodeLive),
      ended: ended.map(decodeEnded),
      keys: orNull(keys, decodeKeys),
      loginsEnd: orNull(loginsEnd, decodeLoginsEnd)
    }
    return start === null ? withLive(record, record.live) : record
  } catch {
    return 'damaged'
  }
}

/** Omits the live sessions whose lines are damaged. */
function decodeAll (text: string): LiveSession[] {
  return text.split('\n').slice(1).flatMap((line) => {
    try {
      return [decodeLive(line)]
    } catch {
      return []
    }
  })
}

/** Returns a line break and the start of the line of a live session. */
export function lineStart (sessionId: string): string {
  return `\n[${encodeLine(sessionId)},`
}

/** Returns the line that starts so, or none. */
function linesOf (text: string, start: string): string[] {
  const index = text.indexOf(start)
  return index === -1 ? [] : [lineAt(text, index + 1)]
}

function lineAt (text: string, start: number): string {
  const end = text.indexOf('\n', start)
  return end === -1 ? text.slice(start) : text.slice(start, end)
}

function decodeLive (line: string): LiveSession {
  const [id, createdAt, expiresAt, idleExpiresAt, label, data, device] = JSON.parse(line)
  assertValid(isString(id) && [createdAt, expiresAt, idleExpiresAt].every(Number.isFinite))
  assertValid(isStringOrNull(label) && isStringOrNull(data))
  return {
    id, createdAt, expiresAt, idleExpiresAt, label, data, device: orNull(device, decodeDevice)
  } as LiveSession
}

function decodeDevice ([digest, startedAt]: unknown[]): LoginDevice {
  assertValid(isString(digest) && Number.isFinite(startedAt))
  return { digest, startedAt } as LoginDevice
}

function decodeEnded ([id, reason, until, endedAt, device]: unknown[]): EndedSession {
  assertValid(isString(id) && isEndReason(reason) && Number.isFinite(until))
  assertValid((endedAt === null || Number.isFinite(endedAt)) && isStringOrNull(device))
  return { id, reason, until, endedAt, device } as EndedSession
}

function decodeKeys ([sealed, fingerprint, previous]: unknown[]): StoredKeys {
  assertValid(isString(sealed) && isString(fingerprint) && isStringOrNull(previous))
  return { sealed, fingerprint, previous } as StoredKeys
}

function decodeLoginsEnd ([reason, at]: unknown[]): LoginsEnd {
  assertValid(isEndReason(reason) && Number.isFinite(at))
  return { reason, at } as LoginsEnd
}

function orNull<Value> (item: unknown, decode: (item: unknown[]) => Value): Value | null {
  return item === null ? null : decode(item as unknown[])
}

function isString (value: unknown): boolean {
  return typeof value === 'string'
}

function isStringOrNull (value: unknown): boolean {
  return value === null || isString(value)
}

function assertValid (isValid: boolean): void {
  if (!isValid) throw new TypeError('not a record')
}
