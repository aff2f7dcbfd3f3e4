/**
 * Sessions in PostgreSQL 9.5 or later: a store to copy, with postgres-schema.ts, and to start another one from. `storeSuite` of
 * 'fastify-weapp/testing' checks it, and will check yours.
 *
 * Two tables, a row for each user and each session. An operation that changes more than one row is a transaction that locks
 * the user's row first, so the changes of one user happen one after another; any other operation is a single statement.
 *
 * The host makes the pool, with times in it, or a server that hangs would keep every connection of the pool:
 *
 *     const pool = new Pool({ connectionString, connectionTimeoutMillis: 800, statement_timeout: 1000, query_timeout: 1000 })
 *     pool.on('error', (error) => app.log.error(error))
 *     await pool.query(schema)
 *     await app.register(weapp, { …, store: postgresStore(pool) })
 */
import type { EndReason, SealedKey, SessionRecord, SessionStore, StoredSession, UserRef } from 'fastify-weapp'
import type { Pool, QueryResult, QueryResultRow } from 'pg'
import type { KeysRow, RecordRow, SessionRow } from './postgres-schema.js'

export { schema } from './postgres-schema.js'

/** Of the contract; the compiler sees to it that it is the same. */
const MAX_END_REASONS: typeof import('fastify-weapp').MAX_END_REASONS = 16
const PENDING_LOGIN_TTL_MS: typeof import('fastify-weapp').PENDING_LOGIN_TTL_MS = 3_600_000

/** A transaction's connection, for as long as there is time. */
interface Queryable {
  query<Row extends QueryResultRow> (text: string, values?: unknown[]): Promise<QueryResult<Row>>
}

/** How long the last statement of an operation may take: `query_timeout` of the pool. */
const STATEMENT_MS = 1000

/**
 * @param timeout milliseconds after which nothing more of a transaction is sent, above all no COMMIT: a write that the plugin has answered with 503 by its
 *   `storeTimeout` shall not happen later, unless the network holds up what was sent in time
 */
export function postgresStore (pool: Pool, { timeout = 800 } = {}): SessionStore {
  const transaction = <Result>(run: (db: Queryable) => Promise<Result>) => inTransaction(pool, run, timeout)

  /** Ends live sessions: the one with this id, or all others. */
  function end ({ userId, now }: UserRef, reason: EndReason, which: 'only' | 'except', id: string | null, pendingLogins = false): Promise<number> {
    return transaction(async (db) => {
      if (pendingLogins) {
        await db.query(
          `INSERT INTO weapp_users (user_id, logins_ended_at) VALUES ($1, $2)
           ON CONFLICT (user_id) DO UPDATE SET logins_ended_at = excluded.logins_ended_at`,
          [userId, now])
      } else {
        await db.query('SELECT FROM weapp_users WHERE user_id = $1 FOR UPDATE', [userId])
      }
      const { rows } = await db.query(
        `UPDATE weapp_sessions SET reason = $3, position = DEFAULT, label = NULL, data = NULL
         WHERE user_id = $1 AND reason IS NULL AND idle_expires_at > $2 AND (id IS NOT DISTINCT FROM $4) = $5
         RETURNING id`,
        [userId, now, reason, id, which === 'only'])
      await forgetReasons(db, userId)
      await forgetDeadKeys(db, { userId, now })
      return rows.length
    })
  }

  return {
    timeout: timeout + STATEMENT_MS,

    create ({ userId, now, startedAt, openid, unionid, session, key, limit, replaces }) {
      return transaction(async (db) => {
        const { rowCount } = await db.query(
          `INSERT INTO weapp_users (user_id, openid, unionid) VALUES ($1, $2, $3)
           ON CONFLICT (user_id) DO UPDATE SET openid = excluded.openid, unionid = excluded.unionid
           WHERE weapp_users.logins_ended_at IS NULL OR weapp_users.logins_ended_at - $4 NOT BETWEEN 1 AND $5`,
          [userId, openid, unionid, startedAt, PENDING_LOGIN_TTL_MS - 1])
        if (rowCount === 0) return false
        await db.query('DELETE FROM weapp_sessions WHERE user_id = $1 AND idle_expires_at <= $2', [userId, now])
        // Before any session makes room: a login over the user's only session keeps the key that it had.
        await forgetDeadKeys(db, { userId, now })
        await keepKey(db, userId, key)
        await db.query('DELETE FROM weapp_sessions WHERE user_id = $1 AND id = $2', [userId, replaces])
        await db.query(
          `UPDATE weapp_sessions SET reason = 'replaced', position = DEFAULT, label = NULL, data = NULL
           WHERE user_id = $1 AND $2::bigint IS NOT NULL AND id IN (
             SELECT id FROM weapp_sessions WHERE user_id = $1 AND reason IS NULL
             ORDER BY created_at DESC, position DESC OFFSET $2 - 1)`,
          [userId, limit])
        await forgetReasons(db, userId)
        await db.query(
          `INSERT INTO weapp_sessions (user_id, id, created_at, expires_at, idle_expires_at, label, data)
           VALUES ($1, $2, $3, $4, $5, $6, $7)`,
          [userId, session.id, session.createdAt, session.expiresAt, session.idleExpiresAt, session.label, session.data])
        return true
      })
    },

    async read ({ userId, now, sessionId }) {
      const { rows: [row] } = await pool.query<RecordRow>(
        `SELECT * FROM weapp_sessions JOIN weapp_users USING (user_id)
         WHERE user_id = $1 AND id = $2 AND idle_expires_at > $3`,
        [userId, sessionId, now])
      return row === undefined ? null : recordOf(row)
    },

    async touch ({ userId, now, sessionId, idleExpiresAt }) {
      const { rowCount } = await pool.query(
        `UPDATE weapp_sessions SET idle_expires_at = greatest(idle_expires_at, $4)
         WHERE user_id = $1 AND id = $2 AND reason IS NULL AND idle_expires_at > $3`,
        [userId, sessionId, now, idleExpiresAt])
      return rowCount === 1
    },

    async update ({ userId, now, sessionId, data }) {
      const { rowCount } = await pool.query(
        `UPDATE weapp_sessions SET data = $4
         WHERE user_id = $1 AND id = $2 AND reason IS NULL AND idle_expires_at > $3`,
        [userId, sessionId, now, data])
      return rowCount === 1
    },

    async revoke ({ sessionId, reason, ...user }) {
      return await end(user, reason, 'only', sessionId) === 1
    },

    revokeAll: ({ except, reason, pendingLogins, ...user }) => end(user, reason, 'except', except, pendingLogins),

    async list ({ userId, now }) {
      const { rows } = await pool.query<SessionRow>(
        `SELECT * FROM weapp_sessions WHERE user_id = $1 AND reason IS NULL AND idle_expires_at > $2
         ORDER BY created_at, position`,
        [userId, now])
      return rows.map(sessionOf)
    },

    async readKeys ({ userId, now }) {
      const { rows: [keys] } = await pool.query<KeysRow>(
        `SELECT sealed, previous FROM weapp_users WHERE user_id = $1 AND EXISTS (
           SELECT FROM weapp_sessions WHERE user_id = $1 AND reason IS NULL AND idle_expires_at > $2)`,
        [userId, now])
      return [keys?.sealed, keys?.previous].filter((sealed) => typeof sealed === 'string')
    },

    writeKey ({ userId, now, key }) {
      return transaction(async (db) => {
        await db.query('SELECT FROM weapp_users WHERE user_id = $1 FOR UPDATE', [userId])
        const { rowCount } = await db.query(
          'SELECT FROM weapp_sessions WHERE user_id = $1 AND reason IS NULL AND idle_expires_at > $2 LIMIT 1',
          [userId, now])
        if (rowCount === 0) return false
        await keepKey(db, userId, key)
        return true
      })
    }
  }
}

/**
 * Deletes what has ended, which the operations no longer see, with the openids of users whose sessions are all over: for a timer or a job of the host's, once an hour for instance.
 * A database forgets nothing by itself.
 */
export async function forgetEnded (pool: Pool, now = Date.now()): Promise<void> {
  await pool.query('DELETE FROM weapp_sessions WHERE idle_expires_at <= $1', [now])
  const isOver = `(logins_ended_at IS NULL OR logins_ended_at <= $1)
    AND NOT EXISTS (SELECT FROM weapp_sessions WHERE weapp_sessions.user_id = weapp_users.user_id)`
  const endedBefore = now - PENDING_LOGIN_TTL_MS
  await inTransaction(pool, async (db) => {
    // Who is signing in just now is locked, and skipped; who does next waits, and is looked at once more.
    const { rows } = await db.query(`SELECT user_id FROM weapp_users WHERE ${isOver} FOR UPDATE SKIP LOCKED`, [endedBefore])
    await db.query(`DELETE FROM weapp_users WHERE user_id = ANY ($2) AND ${isOver}`, [endedBefore, rows.map(({ user_id: id }) => id)])
  })
}

async function inTransaction<Result> (pool: Pool, run: (db: Queryable) => Promise<Result>, timeout = Infinity): Promise<Result> {
  const start = performance.now()
  const client = await pool.connect()
  const db: Queryable = {
    query: async (text, values) => {
      if (performance.now() - start > timeout) throw new Error('The transaction took too long')
      return await client.query(text, values)
    }
  }
  try {
    await db.query('BEGIN')
    const result = await run(db)
    await db.query('COMMIT')
    client.release()
    return result
  } catch (error) {
    // Nobody else shall have a connection in an unknown state; with it goes what was not committed.
    client.release(true)
    throw error
  }
}

/** Leaves the newest reasons of a user. */
async function forgetReasons (db: Queryable, userId: string): Promise<void> {
  await db.query(
    `DELETE FROM weapp_sessions WHERE user_id = $1 AND id IN (
       SELECT id FROM weapp_sessions WHERE user_id = $1 AND reason IS NOT NULL ORDER BY position DESC OFFSET $2)`,
    [userId, MAX_END_REASONS])
}

/** The keys go with the last live session. */
async function forgetDeadKeys (db: Queryable, { userId, now }: UserRef): Promise<void> {
  await db.query(
    `UPDATE weapp_users SET sealed = NULL, fingerprint = NULL, previous = NULL
     WHERE user_id = $1 AND NOT EXISTS (
       SELECT FROM weapp_sessions WHERE user_id = $1 AND reason IS NULL AND idle_expires_at > $2)`,
    [userId, now])
}

/** The newest key becomes the previous one, unless it is the same key; null forgets both. */
async function keepKey (db: Queryable, userId: string, key: SealedKey | null): Promise<void> {
  await db.query(
    `UPDATE weapp_users SET
       previous = CASE WHEN $2::text IS NULL THEN NULL WHEN fingerprint = ANY ($4) THEN previous ELSE sealed END,
       sealed = $2,
       fingerprint = $3
     WHERE user_id = $1`,
    [userId, key?.sealed, key?.fingerprints[0], key?.fingerprints])
}

function recordOf (row: RecordRow): SessionRecord {
  if (row.reason !== null) return { status: 'ended', reason: row.reason }
  return { status: 'live', openid: row.openid, unionid: row.unionid, session: sessionOf(row) }
}

function sessionOf (row: SessionRow): StoredSession {
  return {
    id: row.id,
    createdAt: Number(row.created_at),
    expiresAt: Number(row.expires_at),
    idleExpiresAt: Number(row.idle_expires_at),
    label: row.label,
    data: row.data
  }
}
