/** Opens the database of DATABASE_URL, for the sessions and for the bindings of openids to accounts. */
import type { FastifyInstance } from 'fastify'
import { mysqlStore, postgresStore, sqliteStore, type SessionStore } from 'fastify-weapp'
import { sqlBindings, type Bindings } from '../accounts/bindings.js'

export interface Database {
  store: SessionStore
  bindings: Bindings
}

/** Takes a URL of PostgreSQL or MySQL, or the path of a SQLite file after `file:`. */
export async function openDatabase (app: FastifyInstance, url: string): Promise<Database> {
  // Only the driver that is used is loaded.
  if (/^postgres(ql)?:/.test(url)) return await openPostgres(app, url)
  if (url.startsWith('mysql:')) return await openMysql(app, url)
  if (url.startsWith('file:')) return await openSqlite(app, url)
  throw new Error('DATABASE_URL must begin with postgres:, mysql: or file:.')
}

async function openPostgres (app: FastifyInstance, url: string): Promise<Database> {
  const { Pool } = await import('pg')
  const pool = new Pool({ connectionString: url, connectionTimeoutMillis: 2000, query_timeout: 2000 })
  // Without a listener, an idle connection that breaks would end the process.
  pool.on('error', ({ message }) => app.log.error(`PostgreSQL: ${message}`))
  app.addHook('onClose', () => pool.end())
  await pool.query('CREATE TABLE IF NOT EXISTS shop_bindings (openid text PRIMARY KEY, username text NOT NULL)')
  return {
    store: postgresStore({ pool, createTable: true }),
    bindings: sqlBindings({
      select: async (openid) => {
        return (await pool.query('SELECT username FROM shop_bindings WHERE openid = $1', [openid])).rows[0]
      },
      upsert: (openid, username) => pool.query(
        `INSERT INTO shop_bindings (openid, username) VALUES ($1, $2)
         ON CONFLICT (openid) DO UPDATE SET username = excluded.username`,
        [openid, username])
    })
  }
}

async function openMysql (app: FastifyInstance, url: string): Promise<Database> {
  const { createPool } = await import('mysql2/promise')
  const pool = createPool({ uri: url, connectTimeout: 2000 })
  app.addHook('onClose', () => pool.end())
  await pool.query(`CREATE TABLE IF NOT EXISTS shop_bindings (
    openid VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin PRIMARY KEY, username VARCHAR(64) NOT NULL)`)
  return {
    store: mysqlStore({ pool, createTable: true }),
    bindings: sqlBindings({
      select: async (openid) => {
        const sql = 'SELECT username FROM shop_bindings WHERE openid = ?'
        const [rows] = await pool.query({ sql, values: [openid], timeout: 2000 })
        return (rows as { username: string }[])[0]
      },
      upsert: (openid, username) => pool.query({
        sql: 'REPLACE INTO shop_bindings (openid, username) VALUES (?, ?)', values: [openid, username], timeout: 2000
      })
    })
  }
}

/** Uses libsql, which runs on every version of Node.js. From Node.js 22.13 on, node:sqlite works as well. */
async function openSqlite (app: FastifyInstance, url: string): Promise<Database> {
  const { default: Sqlite } = await import('libsql')
  const path = url.slice('file:'.length)
  const shop = new Sqlite(path, { timeout: 1000 })
  shop.exec('PRAGMA journal_mode = WAL')
  // A connection of its own: the store refuses to work while a transaction of the shop is open.
  const sessions = new Sqlite(path, { timeout: 0 })
  app.addHook('onClose', async () => {
    sessions.close()
    shop.close()
  })
  for (const database of [sessions, shop]) database.exec('PRAGMA synchronous = NORMAL')
  shop.exec('CREATE TABLE IF NOT EXISTS shop_bindings (openid TEXT PRIMARY KEY, username TEXT NOT NULL)')
  const select = shop.prepare('SELECT username FROM shop_bindings WHERE openid = ?')
  const upsert = shop.prepare('REPLACE INTO shop_bindings (openid, username) VALUES (?, ?)')
  return {
    store: sqliteStore({ database: sessions, createTable: true }),
    bindings: sqlBindings({
      select: async (openid) => select.get(openid) as { username: string } | undefined,
      upsert: async (openid, username) => upsert.run(openid, username)
    })
  }
}
