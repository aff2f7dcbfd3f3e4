/** Sessions in MySQL or MariaDB: one row for each user. */
import { LONGEST_TIMER, parseDuration } from '../../utils/duration.js'
import { isObject } from '../../utils/type-checks.js'
import { invalidOption, objectOption } from '../../utils/validate.js'
import { storeError } from '../store-error.js'
import type { SessionStore } from '../store.js'
import type { SessionDatabase } from './contract.js'
import { AUTOCOMMIT_OFF, TIMEOUT } from './errors.js'
import { databaseStore } from './store.js'
import { DEFAULT_TABLE, tableOption, withTable, type TableOptions } from './table.js'

/** The part of a pool of `mysql2/promise` that the store uses, such as `app.mysql.pool` of @fastify/mysql. */
export interface MysqlPool {
  getConnection (): Promise<MysqlConnection>
}

/** The part of a connection of `mysql2/promise` that the store uses. */
export interface MysqlConnection {
  execute (query: any): Promise<any>
  release (): void
  destroy (): void
}

/** The options of `mysqlStore`. */
export interface MysqlStoreOptions extends TableOptions {
  /** A pool of `mysql2/promise`. The host closes it; the store never does. */
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
  if (!isPool(pool)) throw invalidOption('mysqlStore.pool', 'must be a pool of mysql2/promise, such as app.mysql.pool')
  const name = tableOption(table, 'mysqlStore.table')
  const milliseconds = parseDuration(timeout, 'mysqlStore.timeout', LONGEST_TIMER)
  const database = withTable(mysqlDatabase(pool, name, milliseconds), createTable, 'mysqlStore.createTable',
    () => execute(pool, mysqlSchema(name), [], milliseconds))
  return databaseStore({ ...database, timeout: milliseconds })
}

/** Refuses a pool of callbacks. Only such a pool has the method `promise`. */
function isPool (value: unknown): value is MysqlPool {
  return isObject(value) && typeof value.getConnection === 'function' && typeof value.promise !== 'function'
}

function mysqlDatabase (pool: MysqlPool, table: string, timeout: number): SessionDatabase {
  // The conversions let the index be used, whatever the character set of the connection is.
  const ofUser = 'user_id = CONVERT(? USING ascii)'
  // Short names, because the reply contains them. The time is NULL if autocommit is off.
  const READ = `SELECT IF(@@autocommit, ${CLOCK}, NULL) AS t, (SELECT record FROM ${table} WHERE ${ofUser}) AS r`
  const INSERT = `INSERT INTO ${table} (user_id, record, expires_at) SELECT ?, ?, ? FROM DUAL WHERE ${CLOCK} < ?`
  const UPDATE = `UPDATE ${table} SET record = ?, expires_at = ?
    WHERE ${ofUser} AND record = CONVERT(? USING ascii) AND ${CLOCK} < ?`
  const DELETE = `DELETE FROM ${table} WHERE expires_at <= ${STATEMENT_START} ORDER BY expires_at LIMIT 100`

  return {
    async read ({ userId, timeLeft }) {
      const [[[time, record]]] = await execute(pool, READ, [userId], timeLeft)
      // Without autocommit, reads would return the past, and nothing would be committed.
      if (time === null) throw storeError(AUTOCOMMIT_OFF)
      return { record, time: Number(time) }
    },

    async write ({ userId, before, after, expiresAt, until, timeLeft }) {
      if (before === null) {
        try {
          const [{ affectedRows }] = await execute(pool, INSERT, [userId, after, expiresAt, until], timeLeft)
          return affectedRows === 1
        } catch (error) {
          // Not INSERT IGNORE, which would also ignore that a text was cut off.
          if (errorNumber(error) === ER_DUP_ENTRY) return false
          throw error
        }
      }
      const [{ affectedRows }] = await execute(pool, UPDATE, [after, expiresAt, userId, before, until], timeLeft)
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
async function execute (pool: MysqlPool, sql: string, values: unknown[], timeLeft: number): Promise<any> {
  const until = performance.now() + timeLeft
  const connection = await pool.getConnection()
  const remaining = until - performance.now()
  if (remaining <= 0) {
    connection.release()
    throw storeError(TIMEOUT)
  }
  let timer
  try {
    return await Promise.race([
      connection.execute({ sql, values, rowsAsArray: true }),
      new Promise((_resolve, reject) => {
        timer = setTimeout(() => {
          connection.destroy()
          reject(storeError(TIMEOUT))
        }, remaining)
      })
    ])
  } finally {
    clearTimeout(timer)
    connection.release()
  }
}

function errorNumber (error: unknown): number {
  return Number((error as { errno?: unknown }).errno)
}
