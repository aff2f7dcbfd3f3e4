/**
 * Encodes a user's record as text, for a database that stores it as a whole. The text is JSON in ASCII, so that no
 * encoding, collation or column type can change it.
 */
import { isEndReason } from '../store.js'
import type { EndedSession, LiveSession, LoginDevice, LoginsEnd, StoredKeys, UserRecord } from './record.js'

/** Version of the text. Raise it if an older version of this package could misread the text. */
const RECORD_VERSION = 1

/** Text without a record of this version. */
export type UnreadableText = 'damaged' | 'newer'

/** Encodes a record. */
export function encodeRecord ({ openid, unionid, live, ended, keys, loginsEnd }: UserRecord): string {
  const json = JSON.stringify({
    version: RECORD_VERSION,
    openid,
    unionid,
    live: live.map((session) => [
      session.id, session.createdAt, session.expiresAt, session.idleExpiresAt, session.label, session.data,
      session.device && [session.device.digest, session.device.startedAt]
    ]),
    ended: ended.map(({ id, reason, until, endedAt, device }) => [id, reason, until, endedAt, device]),
    keys: keys && [keys.sealed, keys.fingerprint, keys.previous],
    loginsEnd: loginsEnd && [loginsEnd.reason, loginsEnd.at]
  })
  return json.replace(/[\u007f-\uffff]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** Decodes what `encodeRecord` returns. Checks every field that an operation relies on. */
export function decodeRecord (text: string): UserRecord | UnreadableText {
  try {
    const { version, openid, unionid, live, ended, keys, loginsEnd } = JSON.parse(text)
    if (Number.isInteger(version) && version > RECORD_VERSION) return 'newer'
    assertValid(version === RECORD_VERSION && isString(openid) && isStringOrNull(unionid))
    return {
      openid,
      unionid,
      live: live.map(decodeLive),
      ended: ended.map(decodeEnded),
      keys: orNull(keys, decodeKeys),
      loginsEnd: orNull(loginsEnd, decodeLoginsEnd)
    }
  } catch {
    return 'damaged'
  }
}

function decodeLive (item: unknown[]): LiveSession {
  const [id, createdAt, expiresAt, idleExpiresAt, label, data, device] = item
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
