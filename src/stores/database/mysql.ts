/** Sessions in MySQL or MariaDB: one row for each user. */
import { LONGEST_TIMER, parseDuration } from '../../utils/duration.js'
import { isObject } from '../../utils/type-checks.js'
import { invalidOption, objectOption } from '../../utils/validate.js'
import { storeError } from '../store-error.js'
import type { SessionStore } from '../store.js'
import { AUTOCOMMIT_OFF, TIMEOUT } from './errors.js'
import { databaseStore } from './store.js'
import { DEFAULT_TABLE, tableOption, withTable, type TableDatabase, type TableOptions } from './table.js'

/** A pool of `mysql2` or `mysql2/promise`, such as `app.mysql.pool` of @fastify/mysql. */
export type MysqlPool = MysqlCallbackPool | { readonly pool: MysqlCallbackPool }

/** The part of a pool of `mysql2` that the store uses. A pool of `mysql2/promise` contains such a pool. */
export interface MysqlCallbackPool {
  getConnection (callback: (error: any, connection: MysqlConnection) => void): unknown
  /** Contains the options of the pool. */
  readonly config?: any
}

/** The part of a connection that the store uses. */
export interface MysqlConnection {
  execute (query: any, values: any, callback: (error: any, reply: any) => void): unknown
  release (): void
  destroy (): void
}

/** The options of `mysqlStore`. */
export interface MysqlStoreOptions extends TableOptions {
  /** A pool of `mysql2` or `mysql2/promise`. The host closes it; the store never does. */
  pool: MysqlPool
  /**
   * Timeout of one operation: milliseconds, or a string such as '1s'. Must be less than the plugin's `storeTimeout`.
   * @default 1000
   */
  timeout?: number | string | undefined
}

/**
 * Epoch milliseconds, rounded down. NOW and UTC_TIMESTAMP are the start of the statement, which may be long before if
 * it waited for a lock. SYSDATE is the present, but local time is ambiguous in one hour of the year.
 */
const CLOCK = `(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) +
  TIMESTAMPDIFF(MICROSECOND, NOW(6), SYSDATE(6))) DIV 1000`

/** The start of the statement. It is constant within the statement, so that DELETE uses the index. */
const STATEMENT_START = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6)) DIV 1000"

/** ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK, ER_CHECKREAD, and ER_TABLE_EXISTS_ERROR of two servers that create it. */
const RETRYABLE = [1205, 1213, 1020, 1050]
const ER_DUP_ENTRY = 1062

/** ER_OPTION_PREVENTS_STATEMENT, ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION and ER_READ_ONLY_MODE. */
const READ_ONLY = [1290, 1792, 1836]

/** Returns the SQL that creates the table, for a migration of the host. It may run several times. */
export function mysqlSchema (table: string = DEFAULT_TABLE): string {
  return `CREATE TABLE IF NOT EXISTS ${tableOption(table, 'table')} (
  user_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
  record MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  expires_at BIGINT NOT NULL,
  INDEX expires_at (expires_at)
) ENGINE = InnoDB`
}

/**
 * Creates a store in MySQL or MariaDB, for any number of servers.
 *
 * Every operation rejects after `timeout`, also if the pool has no free connection. A write that rejected because of a
 * timeout may have happened before. It does not happen later.
 *
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function mysqlStore (options: MysqlStoreOptions): SessionStore {
  const names = ['pool', 'table', 'createTable', 'timeout']
  const { pool, table = DEFAULT_TABLE, createTable = false, timeout = 1000 } =
    objectOption(options, 'mysqlStore', names)
  const callbackPool = poolOption(pool)
  const name = tableOption(table, 'mysqlStore.table')
  const milliseconds = parseDuration(timeout, 'mysqlStore.timeout', LONGEST_TIMER)
  const database = withTable(mysqlDatabase(callbackPool, name, milliseconds), createTable, 'mysqlStore.createTable',
    () => execute(callbackPool, mysqlSchema(name), [], milliseconds))
  return databaseStore({ ...database, timeout: milliseconds })
}

/** Returns the pool of callbacks. A read through the promises around it needs 1.5 times the CPU time. */
function poolOption (value: unknown): MysqlCallbackPool {
  const pool = isObject(value) && isObject(value.pool) ? value.pool : value
  // Without the method `promise`, `getConnection` may ignore the callback.
  if (!isObject(pool) || typeof pool.getConnection !== 'function' || typeof pool.promise !== 'function') {
    throw invalidOption('mysqlStore.pool', 'must be a pool of mysql2, such as app.mysql.pool')
  }
  return pool as unknown as MysqlCallbackPool
}

function mysqlDatabase (pool: MysqlCallbackPool, table: string, timeout: number): TableDatabase {
  // The conversions let the index be used, whatever the character set of the connection is.
  const ofUser = 'user_id = CONVERT(? USING ascii)'
  // Short names, because the reply contains them.
  const READ = `SELECT @@autocommit AS a, (SELECT record FROM ${table} WHERE ${ofUser}) AS r, ${CLOCK} AS t`
  // LOCATE returns 0 if no line starts so. The meaning of SUBSTRING from 0, of empty literals and of backslashes
  // depends on the SQL mode. The literals contain a line break and no backslash.
  const READ_LINES = `SELECT @@autocommit AS a, (SELECT CONCAT(SUBSTRING_INDEX(record, '\n', 1), IFNULL(
    SUBSTRING_INDEX(SUBSTRING(record, NULLIF(LOCATE(CONVERT(? USING ascii), record), 0)), '\n', 2), '\n'))
    FROM ${table} WHERE ${ofUser}) AS r`
  const INSERT = `INSERT INTO ${table} (user_id, record, expires_at) SELECT ?, ?, ? FROM DUAL WHERE ${CLOCK} < ?`
  const UPDATE = `UPDATE ${table} SET record = ?, expires_at = ?
    WHERE ${ofUser} AND record = CONVERT(? USING ascii) AND ${CLOCK} < ?`
  const DELETE = `DELETE FROM ${table} WHERE expires_at <= ${STATEMENT_START} ORDER BY expires_at LIMIT 100`

  async function readRow (sql: string, values: unknown[], timeLeft: number): Promise<unknown[]> {
    const [row] = await execute(pool, sql, values, timeLeft)
    // An array instead of an object if the host's pool has the option rowsAsArray.
    const [autocommit, ...columns] = Object.values(row)
    // Without autocommit, reads would return the past, and nothing would be committed.
    if (Number(autocommit) === 0) throw storeError(AUTOCOMMIT_OFF)
    return columns
  }

  return {
    async read ({ userId, timeLeft }) {
      const [record, time] = await readRow(READ, [userId], timeLeft)
      return { record: record as string | null, time: Number(time) }
    },

    async readLines ({ userId, line, timeLeft }) {
      const [lines] = await readRow(READ_LINES, [line, userId], timeLeft)
      return lines as string | null
    },

    async write ({ userId, before, after, expiresAt, until, timeLeft }) {
      if (before === null) {
        try {
          const { affectedRows } = await execute(pool, INSERT, [userId, after, expiresAt, until], timeLeft)
          return affectedRows === 1
        } catch (error) {
          // Not INSERT IGNORE, which would also ignore that a text was cut off.
          if (errorNumber(error) === ER_DUP_ENTRY) return false
          throw error
        }
      }
      const { affectedRows } = await execute(pool, UPDATE, [after, expiresAt, userId, before, until], timeLeft)
      return affectedRows === 1
    },

    isRetryable: (error) => RETRYABLE.includes(errorNumber(error)),

    deleteExpired: () => execute(pool, DELETE, [], timeout)
  }
}

/**
 * Executes a statement on a connection of the pool. mysql2 waits for a free connection without a timeout, and keeps a
 * connection that hangs. The statement is prepared, because escaped values depend on the server's SQL mode.
 */
async function execute (pool: MysqlCallbackPool, sql: string, values: unknown[], timeLeft: number): Promise<any> {
  const until = performance.now() + timeLeft
  const connection = await new Promise<MysqlConnection>((resolve, reject) => {
    pool.getConnection((error, connection) => error ? reject(error) : resolve(connection))
  })
  let timer
  try {
    return await new Promise((resolve, reject) => {
      const remaining = until - performance.now()
      if (remaining <= 0) throw storeError(TIMEOUT)
      timer = setTimeout(() => {
        connection.destroy()
        reject(storeError(TIMEOUT))
      }, remaining)
      // A closed connection calls back at once.
      connection.execute(queryOf(pool, sql), values, (error, reply) => {
        // After a failover, a new connection leads to the server that is writable.
        if (error && READ_ONLY.includes(errorNumber(error))) connection.destroy()
        if (error) reject(error)
        else resolve(reply)
      })
    })
  } finally {
    clearTimeout(timer)
    connection.release()
  }
}

/** Overrides options of the host's pool that would change the rows. mysql2 needs 1.3 times the CPU time for options. */
function queryOf ({ config }: MysqlCallbackPool, sql: string): unknown {
  const { nestTables = false, typeCast = true } = config?.connectionConfig ?? {}
  return nestTables === false && typeCast === true ? sql : { sql, nestTables: false, typeCast: true }
}

function errorNumber (error: unknown): number {
  return Number((error as { errno?: unknown }).errno)
}
