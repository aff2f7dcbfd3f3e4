/** Sessions in a SQLite file: one row for each user. Several processes of one machine may use the file. */
import { LONGEST_TIMER, parseDuration } from '../../utils/duration.js'
import { isObject } from '../../utils/type-checks.js'
import { invalidOption, objectOption } from '../../utils/validate.js'
import { storeError } from '../store-error.js'
import type { SessionStore } from '../store.js'
import { TRANSACTION_OPEN } from './errors.js'
import { databaseStore } from './store.js'
import { DEFAULT_TABLE, tableOption, withTable, type TableDatabase, type TableOptions } from './table.js'

/** The part of a database that the store uses: of node:sqlite, better-sqlite3 or libsql. */
export interface SqliteDatabase {
  prepare (sql: string): SqliteStatement
  exec (sql: string): unknown
  /** Of better-sqlite3 and libsql. */
  readonly inTransaction?: boolean
  /** Of node:sqlite, from Node.js 22.16 on. */
  readonly isTransaction?: boolean
}

/** The part of a prepared statement that the store uses. */
export interface SqliteStatement {
  get (...parameters: any[]): any
  run (...parameters: any[]): { changes: number | bigint }
}

/** The options of `sqliteStore`. */
export interface SqliteStoreOptions extends TableOptions {
  /**
   * A database of node:sqlite, better-sqlite3 or libsql, in WAL mode and without a busy timeout. It should be a
   * connection of its own, because the store refuses to work while a transaction is open. The host closes it; the store
   * never does.
   */
  database: SqliteDatabase
  /**
   * Timeout of one operation: milliseconds, or a string such as '1s'. Must be less than the plugin's `storeTimeout`.
   * @default 1000
   */
  timeout?: number | string | undefined
}

/**
 * Epoch milliseconds. The clock of SQLite is rounded down to milliseconds, but julianday returns a fraction of a day.
 * Without `round` every second time would be a millisecond too early.
 */
const CLOCK = "CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"

/** SQLITE_BUSY and SQLITE_LOCKED: another process writes. node:sqlite has numbers, and the others have names. */
const BUSY = [5, 6]
const BUSY_NAME = /^SQLITE_(BUSY|LOCKED)/

/** Returns the SQL that creates the table, for a migration of the host. It may run several times. */
export function sqliteSchema (table: string = DEFAULT_TABLE): string {
  const name = tableOption(table, 'table')
  const [, schema = '', base] = /^(\w+\.)?(\w+)$/.exec(name)!
  return `CREATE TABLE IF NOT EXISTS ${name} (
  user_id TEXT NOT NULL PRIMARY KEY,
  record TEXT NOT NULL,
  expires_at INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS ${schema}${base}_expires_at ON ${base} (expires_at);`
}

/**
 * Creates a store in a SQLite file, for any number of processes of one machine.
 *
 * A statement runs at once or fails at once. While another process writes, the store tries again after some
 * milliseconds, and rejects after `timeout`. No statement waits synchronously, because that would stop the event loop.
 *
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function sqliteStore (options: SqliteStoreOptions): SessionStore {
  const names = ['database', 'table', 'createTable', 'timeout']
  const { database, table = DEFAULT_TABLE, createTable = false, timeout = 1000 } =
    objectOption(options, 'sqliteStore', names)
  checkDatabase(database)
  const name = tableOption(table, 'sqliteStore.table')
  const sessions = withTable(sessionDatabase(database, name), createTable, 'sqliteStore.createTable', () => {
    // A rollback of the host would remove the table.
    assertNoTransaction(database)
    database.exec(sqliteSchema(name))
  })
  return databaseStore({ ...sessions, timeout: parseDuration(timeout, 'sqliteStore.timeout', LONGEST_TIMER) })
}

function checkDatabase (value: unknown): asserts value is SqliteDatabase {
  const option = 'sqliteStore.database'
  if (!isObject(value) || typeof value.prepare !== 'function' || typeof value.exec !== 'function') {
    throw invalidOption(option, 'must be a database of node:sqlite, better-sqlite3 or libsql')
  }
  const database = value as unknown as SqliteDatabase
  if (Number(pragma(database, 'busy_timeout')) !== 0) {
    throw invalidOption(option, 'must have no busy timeout, which would stop the event loop. Open it with timeout: 0.')
  }
  // Without WAL a reader stops writers, and a writer stops readers. A database in memory has one connection.
  if (!['wal', 'memory'].includes(String(pragma(database, 'journal_mode')))) {
    throw invalidOption(option, 'must be in WAL mode. Run PRAGMA journal_mode = WAL.')
  }
}

function pragma (database: SqliteDatabase, name: string): unknown {
  const row = database.prepare(`PRAGMA ${name}`).get()
  return Object.values(row)[0]
}

function sessionDatabase (database: SqliteDatabase, table: string): TableDatabase {
  const statement = preparedStatements(database)
  const READ = `SELECT ${CLOCK} AS time, (SELECT record FROM ${table} WHERE user_id = ?) AS record`
  // The whole record, because SQLite needs more time to find a line than JavaScript does.
  const READ_LINES = `SELECT record FROM ${table} WHERE user_id = ?`
  const INSERT = `INSERT INTO ${table} (user_id, record, expires_at)
    SELECT ?, ?, ? WHERE ${CLOCK} < ? ON CONFLICT (user_id) DO NOTHING`
  const UPDATE = `UPDATE ${table} SET record = ?, expires_at = ? WHERE user_id = ? AND record = ? AND ${CLOCK} < ?`
  const DELETE = `DELETE FROM ${table} WHERE user_id IN (
    SELECT user_id FROM ${table} WHERE expires_at <= ${CLOCK} ORDER BY expires_at LIMIT 100)`

  return {
    read ({ userId }) {
      assertNoTransaction(database)
      const { record, time } = statement(READ).get(userId)
      // A host may have made bigint the type of integers.
      return { record, time: Number(time) }
    },

    readLines ({ userId }) {
      assertNoTransaction(database)
      return statement(READ_LINES).get(userId)?.record ?? null
    },

    write ({ userId, before, after, expiresAt, until }) {
      assertNoTransaction(database)
      const { changes } = before === null
        ? statement(INSERT).run(userId, after, expiresAt, until)
        : statement(UPDATE).run(after, expiresAt, userId, before, until)
      return Number(changes) === 1
    },

    isRetryable (error) {
      const { code, errcode } = error as { code?: unknown, errcode?: unknown }
      return BUSY_NAME.test(String(code)) || BUSY.includes(Number(errcode) & 0xff)
    },

    deleteExpired: () => statement(DELETE).run()
  }
}

/** Returns a function that prepares each statement once, when it is first used. The table may not exist before. */
function preparedStatements (database: SqliteDatabase): (sql: string) => SqliteStatement {
  const statements = new Map<string, SqliteStatement>()
  return (sql) => {
    let statement = statements.get(sql)
    if (statement === undefined) statements.set(sql, statement = database.prepare(sql))
    return statement
  }
}

/** In an open transaction of the host, reads would return the past, and writes could be rolled back. */
function assertNoTransaction (database: SqliteDatabase): void {
  const { inTransaction, isTransaction = inTransaction } = database
  if (isTransaction ?? !canBegin(database)) throw storeError(TRANSACTION_OPEN)
}

/** For versions of node:sqlite without isTransaction. */
function canBegin (database: SqliteDatabase): boolean {
  try {
    database.exec('BEGIN')
  } catch {
    return false
  }
  database.exec('COMMIT')
  return true
}
