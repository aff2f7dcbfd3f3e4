/**
 * Sessions in PostgreSQL: one row for each user. Every operation is a SELECT, and an UPDATE or INSERT if it changes the
 * row, in no transaction of the host.
 */
import { LONGEST_TIMER, parseDuration } from '../../utils/duration.js'
import { isObject } from '../../utils/type-checks.js'
import { invalidOption, objectOption } from '../../utils/validate.js'
import type { SessionStore } from '../store.js'
import { databaseStore } from './store.js'
import { DEFAULT_TABLE, tableOption, withTable, type TableDatabase, type TableOptions } from './table.js'

/** The part of a pool of `pg` that the store uses, such as `app.pg.pool` of @fastify/postgres. */
export interface PostgresPool {
  query (query: any): Promise<any>
}

/** The options of `postgresStore`. */
export interface PostgresStoreOptions extends TableOptions {
  /** A pool of `pg`, such as `app.pg.pool`. The host closes it; the store never does. */
  pool: PostgresPool
  /**
   * Timeout of one operation: milliseconds, or a string such as '1s'. Must be less than the plugin's `storeTimeout`.
   * @default 1000
   */
  timeout?: number | string | undefined
}

/** Epoch milliseconds, rounded down. Not now(), which is the start of the statement. */
const CLOCK = 'floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint'

/** The start of the statement. It is constant within the statement, so that DELETE uses the index. */
const STATEMENT_START = 'floor(extract(epoch FROM now()) * 1000)::bigint'

/** serialization_failure and deadlock_detected, and the errors of two servers that create the table at once. */
const RETRYABLE = ['40001', '40P01', '23505', '42P07', '42710']

/** Milliseconds after the timeout at which a connection that hangs is discarded. The store's own error comes first. */
const DISCARD_DELAY = 100

/** Returns the SQL that creates the table, for a migration of the host. It may run several times. */
export function postgresSchema (table: string = DEFAULT_TABLE): string {
  const name = tableOption(table, 'table')
  return `CREATE TABLE IF NOT EXISTS ${name} (
  user_id text COLLATE "C" PRIMARY KEY,
  record text COLLATE "C" NOT NULL,
  expires_at bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS ${name.replace(/^.*\./, '')}_expires_at ON ${name} (expires_at);`
}

/**
 * Creates a store in PostgreSQL, for any number of servers.
 *
 * Every operation rejects after `timeout`, also if the pool has no free connection. A write that rejected because of a
 * timeout may have happened before. It does not happen later.
 *
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function postgresStore (options: PostgresStoreOptions): SessionStore {
  const names = ['pool', 'table', 'createTable', 'timeout']
  const { pool, table = DEFAULT_TABLE, createTable = false, timeout = 1000 } =
    objectOption(options, 'postgresStore', names)
  if (!isPool(pool)) throw invalidOption('postgresStore.pool', 'must be a pool of pg, such as app.pg.pool')
  const name = tableOption(table, 'postgresStore.table')
  const milliseconds = parseDuration(timeout, 'postgresStore.timeout', LONGEST_TIMER)
  const database = withTable(postgresDatabase(pool, name, milliseconds), createTable, 'postgresStore.createTable',
    () => query(pool, postgresSchema(name), undefined, milliseconds))
  return databaseStore({ ...database, timeout: milliseconds })
}

function isPool (value: unknown): value is PostgresPool {
  return isObject(value) && typeof value.query === 'function'
}

function postgresDatabase (pool: PostgresPool, table: string, timeout: number): TableDatabase {
  // The time is text, because the host chooses the type of a bigint, and the option `binary` of pg damages it.
  const READ = `SELECT ${CLOCK}::text AS time, (SELECT record FROM ${table} WHERE user_id = $1) AS record`
  // strpos returns 0 if no line starts so. substr then returns the whole record.
  const READ_LINES = `SELECT split_part(record, chr(10), 1) || chr(10) ||
    split_part(substr(record, strpos(record, $2)), chr(10), 2) AS lines FROM ${table} WHERE user_id = $1`
  const INSERT = `INSERT INTO ${table} (user_id, record, expires_at) SELECT $1, $2, $3 WHERE ${CLOCK} < $4
    ON CONFLICT (user_id) DO NOTHING`
  // Locks the row first. PostgreSQL does not compute a condition again after it waited for a row that another
  // transaction only locked. The clock would be that from before the wait.
  const UPDATE = `WITH locked AS (SELECT user_id FROM ${table} WHERE user_id = $1 AND record = $5 FOR UPDATE)
    UPDATE ${table} AS session SET record = $2, expires_at = $3
    FROM locked WHERE session.user_id = locked.user_id AND ${CLOCK} < $4`
  const isExpired = `expires_at <= ${STATEMENT_START}`
  const DELETE = `DELETE FROM ${table} WHERE ${isExpired} AND user_id IN (
    SELECT user_id FROM ${table} WHERE ${isExpired} ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED)`

  return {
    async read ({ userId, timeLeft }) {
      const { rows: [row] } = await query(pool, READ, [userId], timeLeft)
      return { record: row.record, time: Number(row.time) }
    },

    async readLines ({ userId, line, timeLeft }) {
      const { rows } = await query(pool, READ_LINES, [userId, line], timeLeft)
      return rows.length === 0 ? null : rows[0].lines
    },

    async write ({ userId, before, after, expiresAt, until, timeLeft }) {
      const values = [userId, after, expiresAt, until]
      const { rowCount } = before === null
        ? await query(pool, INSERT, values, timeLeft)
        : await query(pool, UPDATE, [...values, before], timeLeft)
      return rowCount === 1
    },

    isRetryable: (error) => RETRYABLE.includes((error as { code: string }).code),

    deleteExpired: () => query(pool, DELETE, undefined, timeout)
  }
}

/**
 * Queries through the pool. A client that is lent out has no listener for errors, so that a broken connection would end
 * the process. After `query_timeout` the pool discards a connection that hangs.
 */
function query (pool: PostgresPool, text: string, values: unknown[] | undefined, timeLeft: number): Promise<any> {
  return pool.query({ text, values, query_timeout: Math.min(timeLeft + DISCARD_DELAY, LONGEST_TIMER) })
}
