/**
 * The operations on a record that a database stores as text. A session in unreadable text reads as unreadable. A change
 * replaces damaged text as if there were none, so that its user can sign in again. It never replaces text of a newer
 * version.
 */
import { storeError, type StoreError } from '../store-error.js'
import type { SessionRecord, SessionRef } from '../store.js'
import { decodeRecord, encodeRecord, type UnreadableText } from './codec.js'
import { read, type Operation } from './operations.js'
import { expiresAt, type UserRecord } from './record.js'

const NEWER: StoreError = {
  code: 'WEAPP_RECORD_NEWER', message: 'A newer version of fastify-weapp wrote the record. Update this server.'
}

export interface TextChange<Result> {
  /** The text after the operation. The same text as before, or null as before, if nothing changed. */
  readonly text: string | null
  /** The time from which the database may delete the text, in epoch milliseconds, or null if nothing changed. */
  readonly expiresAt: number | null
  readonly result: Result
}

/**
 * Applies an operation to the text of a user's record, or to null for an unknown user.
 *
 * @param clock the database's time in epoch milliseconds
 * @throws WEAPP_RECORD_NEWER if the operation would replace text of a newer version
 */
export function changeText<Input, Result> (
  text: string | null, operation: Operation<Input, Result>, input: Input, clock: number
): TextChange<Result> {
  const decoded = decodeText(text)
  const before = isUnreadable(decoded) ? null : decoded
  const { record, result } = operation(before, input, clock)
  if (record === null || record === before) return { text, expiresAt: null, result }
  if (decoded === 'newer') throw storeError(NEWER)
  return { text: encodeRecord(record), expiresAt: expiresAt(record), result }
}

/**
 * Returns what `read` returns of the record, or that the text is unreadable.
 *
 * @param start `lineStart` of the session
 */
export function readText (text: string | null, ref: SessionRef, start: string): SessionRecord | null {
  const decoded = decodeText(text, start)
  return isUnreadable(decoded) ? { status: 'unreadable' } : read(decoded, ref)
}

/** Returns what a query, such as `list`, returns of the record. */
export function queryText<Input, Result> (
  text: string | null, query: (record: UserRecord | null, input: Input) => Result, input: Input
): Result {
  const decoded = decodeText(text)
  return query(isUnreadable(decoded) ? null : decoded, input)
}

function decodeText (text: string | null, start: string | null = null): UserRecord | null | UnreadableText {
  return text === null ? null : decodeRecord(text, start)
}

function isUnreadable (decoded: UserRecord | null | UnreadableText): decoded is UnreadableText {
  return typeof decoded === 'string'
}
