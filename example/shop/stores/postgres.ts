/**
 * A session store for PostgreSQL 9.5 or later. Copy it with postgres-schema.ts, or use it as a template for other
 * stores. `storeSuite` of 'fastify-weapp/testing' checks it, and checks your store as well.
 *
 * It has two tables with one row per user and per session. An operation that changes several rows is a transaction. The
 * transaction locks the user's row first, so the changes of a user are serialized. Other operations are single
 * statements.
 *
 * The host creates the pool. The pool needs timeouts. Otherwise a server that hangs occupies all connections.
 *
 *     const pool = new Pool({
 *       connectionString, connectionTimeoutMillis: 800, statement_timeout: 1000, query_timeout: 1000
 *     })
 *     pool.on('error', (error) => app.log.error(error))
 *     await pool.query(schema)
 *     await app.register(weapp, { …, store: postgresStore(pool) })
 */
import type { EndReason, SealedKey, SessionRecord, SessionStore, StoredSession, UserRef } from 'fastify-weapp'
import type { Pool, QueryResult, QueryResultRow } from 'pg'
import type { KeysRow, RecordRow, SessionRow } from './postgres-schema.js'

export { schema } from './postgres-schema.js'

/** Constants of the SessionStore contract. Their types verify the values at compile time. */
const MAX_END_REASONS: typeof import('fastify-weapp').MAX_END_REASONS = 16
const PENDING_LOGIN_TTL_MS: typeof import('fastify-weapp').PENDING_LOGIN_TTL_MS = 3_600_000

/** The connection of a transaction. Rejects queries after the timeout. */
interface Queryable {
  query<Row extends QueryResultRow> (text: string, values?: unknown[]): Promise<QueryResult<Row>>
}

/** The maximum duration of the last statement of an operation. Must be the `query_timeout` of the pool. */
const STATEMENT_MS = 1000

/**
 * Returns a session store over a pool.
 *
 * @param timeout milliseconds after which a transaction sends no further statement, in particular no COMMIT. When
 *   `storeTimeout` is exceeded, the plugin responds with 503, and the write must not happen later. It can only happen
 *   later if the network delays a COMMIT that was sent in time.
 */
export function postgresStore (pool: Pool, { timeout = 800 } = {}): SessionStore {
  const transaction = <Result>(run: (db: Queryable) => Promise<Result>) => inTransaction(pool, run, timeout)

  /** Ends live sessions: the session with this id, or all others. */
  function end (
    { userId, now }: UserRef, reason: EndReason, which: 'only' | 'except', id: string | null, pendingLogins = false
  ): Promise<number> {
    return transaction(async (db) => {
      if (pendingLogins) {
        await db.query(
          `INSERT INTO weapp_users (user_id, logins_ended_at) VALUES ($1, $2)
           ON CONFLICT (user_id) DO UPDATE SET logins_ended_at = excluded.logins_ended_at`,
          [userId, Math.ceil(await currentTime(db))])
      } else {
        await db.query('SELECT FROM weapp_users WHERE user_id = $1 FOR UPDATE', [userId])
      }
      const { rows } = await db.query(
        `UPDATE weapp_sessions SET reason = $3, position = DEFAULT, label = NULL, data = NULL
         WHERE user_id = $1 AND reason IS NULL AND idle_expires_at > $2 AND (id IS NOT DISTINCT FROM $4) = $5
         RETURNING id`,
        [userId, now, reason, id, which === 'only'])
      await deleteOldReasons(db, userId)
      await deleteUnusedKeys(db, { userId, now })
      return rows.length
    })
  }

  return {
    timeout: timeout + STATEMENT_MS,

    create ({ userId, now, startedAt, openid, unionid, session, key, limit, replaces }) {
      const began = startedAt
      return transaction(async (db) => {
        const startedAt = Math.floor(await currentTime(db) - (performance.now() - began))
        const { rowCount } = await db.query(
          `INSERT INTO weapp_users (user_id, openid, unionid) VALUES ($1, $2, $3)
           ON CONFLICT (user_id) DO UPDATE SET openid = excluded.openid, unionid = excluded.unionid
           WHERE weapp_users.logins_ended_at IS NULL OR weapp_users.logins_ended_at - $4 NOT BETWEEN 1 AND $5`,
          [userId, openid, unionid, startedAt, PENDING_LOGIN_TTL_MS - 1])
        if (rowCount === 0) return 'kicked'
        await db.query('DELETE FROM weapp_sessions WHERE user_id = $1 AND idle_expires_at <= $2', [userId, now])
        // Before any session is removed, because a login that replaces the user's only session preserves the key.
        await deleteUnusedKeys(db, { userId, now })
        await storeKey(db, userId, key)
        await db.query('DELETE FROM weapp_sessions WHERE user_id = $1 AND id = $2', [userId, replaces])
        await db.query(
          `UPDATE weapp_sessions SET reason = 'replaced', position = DEFAULT, label = NULL, data = NULL
           WHERE user_id = $1 AND $2::bigint IS NOT NULL AND id IN (
             SELECT id FROM weapp_sessions WHERE user_id = $1 AND reason IS NULL
             ORDER BY created_at DESC, position DESC OFFSET $2 - 1)`,
          [userId, limit])
        await deleteOldReasons(db, userId)
        await db.query(
          `INSERT INTO weapp_sessions (user_id, id, created_at, expires_at, idle_expires_at, label, data)
           VALUES ($1, $2, $3, $4, $5, $6, $7)`,
          [
            userId, session.id, session.createdAt, session.expiresAt, session.idleExpiresAt, session.label, session.data
          ])
        return null
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
        await storeKey(db, userId, key)
        return true
      })
    }
  }
}

/**
 * Deletes expired sessions, and users without sessions. The operations already ignore them. Call it from a timer or a
 * job of the host, for example once an hour, because PostgreSQL does not expire rows.
 */
export async function deleteExpired (pool: Pool, now = Date.now()): Promise<void> {
  await pool.query('DELETE FROM weapp_sessions WHERE idle_expires_at <= $1', [now])
  const hasExpired = `(logins_ended_at IS NULL OR logins_ended_at <= $1)
    AND NOT EXISTS (SELECT FROM weapp_sessions WHERE weapp_sessions.user_id = weapp_users.user_id)`
  const endedBefore = now - PENDING_LOGIN_TTL_MS
  await inTransaction(pool, async (db) => {
    // Skips users that a login has locked. A later login waits, and the DELETE checks the user again.
    const { rows } = await db.query(
      `SELECT user_id FROM weapp_users WHERE ${hasExpired} FOR UPDATE SKIP LOCKED`, [endedBefore])
    const ids = rows.map(({ user_id: id }) => id)
    await db.query(`DELETE FROM weapp_users WHERE user_id = ANY ($2) AND ${hasExpired}`, [endedBefore, ids])
  })
}

async function inTransaction<Result> (
  pool: Pool, run: (db: Queryable) => Promise<Result>, timeout = Infinity
): Promise<Result> {
  const start = performance.now()
  const client = await pool.connect()
  const db: Queryable = {
    query: async (text, values) => {
      if (performance.now() - start > timeout) throw new Error('The transaction timed out.')
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
    // Destroys the connection, because its state is unknown. This also rolls the transaction back.
    client.release(true)
    throw error
  }
}

/** Returns the time of the database in epoch milliseconds. It decides whether a login began before an end. */
async function currentTime (db: Queryable): Promise<number> {
  const { rows: [row] } = await db.query<{ now: string }>('SELECT extract(epoch FROM clock_timestamp()) * 1000 AS now')
  return Number(row?.now)
}

/** Deletes all but the newest end reasons of a user. */
async function deleteOldReasons (db: Queryable, userId: string): Promise<void> {
  await db.query(
    `DELETE FROM weapp_sessions WHERE user_id = $1 AND id IN (
       SELECT id FROM weapp_sessions WHERE user_id = $1 AND reason IS NOT NULL ORDER BY position DESC OFFSET $2)`,
    [userId, MAX_END_REASONS])
}

/** Deletes the keys of a user without live sessions. */
async function deleteUnusedKeys (db: Queryable, { userId, now }: UserRef): Promise<void> {
  await db.query(
    `UPDATE weapp_users SET sealed = NULL, fingerprint = NULL, previous = NULL
     WHERE user_id = $1 AND NOT EXISTS (
       SELECT FROM weapp_sessions WHERE user_id = $1 AND reason IS NULL AND idle_expires_at > $2)`,
    [userId, now])
}

/** Stores a key. The current key becomes the previous key, unless it is the same. Null deletes both keys. */
async function storeKey (db: Queryable, userId: string, key: SealedKey | null): Promise<void> {
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
