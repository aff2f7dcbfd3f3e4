/**
 * A session store over two functions of the host. The semantics of sessions are those of user-record/. This module
 * connects them with the loop in records.ts.
 */
import { LONGEST_TIMER, parseDuration } from '../../utils/duration.js'
import { functionOption, objectOption } from '../../utils/validate.js'
import type { SessionStore, UserRef } from '../store.js'
import {
  create, list, readKeys, revoke, revokeAll, touch, update, writeKey, type Operation
} from '../user-record/operations.js'
import { lineStart } from '../user-record/codec.js'
import { changeText, queryText, readText } from '../user-record/text.js'
import type { SessionDatabase } from './contract.js'
import { DatabaseRecords } from './records.js'

/** The options of `databaseStore`. */
export interface DatabaseStoreOptions extends SessionDatabase {
  /**
   * Timeout of one operation: milliseconds, or a string such as '1s'. Must be less than the plugin's `storeTimeout`.
   * @default 1000
   */
  timeout?: number | string | undefined
}

/** Milliseconds by which a database may round its time down. */
const ROUNDING = 1

/**
 * Creates a store in any database that can replace a record by compare and set. The type {@link SessionDatabase}
 * describes the functions.
 *
 * Every operation rejects after `timeout`, and at once when 1,000 calls are unanswered. A write that rejected because
 * of a timeout may have happened before. It does not happen later if `write` respects `until`.
 *
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function databaseStore (options: DatabaseStoreOptions): SessionStore {
  const { database, timeout } = checked(options)
  const records = new DatabaseRecords(database, timeout)

  function change<Input extends UserRef, Result> (operation: Operation<Input, Result>, input: Input): Promise<Result> {
    // An end of sessions is taken as too late, never as too early: a login of the same millisecond is refused.
    return records.change(input.userId, (text, time) => changeText(text, operation, input, time + ROUNDING))
  }

  return {
    timeout,

    create: (input) => records.change(input.userId, (text, time) => {
      // The database read its clock before this moment, so the start is taken as too early, never as too late.
      const startedAt = time - (performance.now() - input.startedAt)
      return changeText(text, create, { ...input, startedAt }, time + ROUNDING)
    }),

    read: (ref) => {
      const start = lineStart(ref.sessionId)
      return records.readLines(ref.userId, start, (text) => readText(text, ref, start))
    },
    touch: (ref) => change(touch, ref),
    update: (ref) => change(update, ref),
    revoke: (ref) => change(revoke, ref),
    revokeAll: (ref) => change(revokeAll, ref),
    list: async (user) => await records.read(user.userId, (text) => queryText(text, list, user)),
    readKeys: async (user) => await records.read(user.userId, (text) => queryText(text, readKeys, user)),
    writeKey: (ref) => change(writeKey, ref)
  }
}

function checked (options: DatabaseStoreOptions): { database: SessionDatabase, timeout: number } {
  const names = ['read', 'readLines', 'write', 'isRetryable', 'deleteExpired', 'timeout']
  const { timeout = 1000, ...given } = objectOption(options, 'databaseStore', names)
  const { read, readLines, write, isRetryable, deleteExpired } = given as Partial<SessionDatabase>
  const database = {
    read: functionOption(read as SessionDatabase['read'], 'databaseStore.read'),
    write: functionOption(write as SessionDatabase['write'], 'databaseStore.write'),
    ...readLines !== undefined && { readLines: functionOption(readLines, 'databaseStore.readLines') },
    ...isRetryable !== undefined && { isRetryable: functionOption(isRetryable, 'databaseStore.isRetryable') },
    ...deleteExpired !== undefined && { deleteExpired: functionOption(deleteExpired, 'databaseStore.deleteExpired') }
  }
  return { database, timeout: parseDuration(timeout, 'databaseStore.timeout', LONGEST_TIMER) }
}
