/** Starts PostgreSQL and MariaDB on free loopback ports without fsync, and opens their stores and SQLite's. */
import { spawnSync } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import Sqlite from 'libsql'
import { createPool } from 'mysql2/promise'
import { Pool } from 'pg'
import { mysqlStore, postgresStore, sqliteStore } from '../../dist/index.js'
import { startProgram, stopProgram } from './processes.js'
import { freePort } from './redis.js'

const DEBIAN_POSTGRES = '/usr/lib/postgresql'
const OPTIONS = { createTable: true, timeout: '30s' }

/** Statements of a host without the plugin: one row for each session. */
const HAND_TABLE = `CREATE TABLE IF NOT EXISTS hand_sessions (
  id VARCHAR(64) PRIMARY KEY, openid VARCHAR(64), data TEXT, expires_at BIGINT)`
const HAND_SELECT = 'SELECT openid, data FROM hand_sessions WHERE id = ? AND expires_at > ?'
const HAND_INSERT = 'INSERT INTO hand_sessions (id, openid, data, expires_at) VALUES (?, ?, ?, ?)'

function dollars (sql) {
  let number = 0
  return sql.replaceAll('?', () => `$${++number}`)
}

/**
 * Each database by the name of its store:
 * - `start` starts a server and resolves to its `url`, and to a function that stops it.
 * - `open` resolves to a `store`, to `select` and `insert` by hand, to the `bytes` of the table of the store, and to a
 *   function that closes the connections.
 */
export const DATABASES = {
  postgresStore: {
    async start () {
      const { directory, owner } = ownedDirectory('postgres')
      const programs = postgresPrograms()
      const data = join(directory, 'data')
      run(`${programs}initdb`, ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N'], owner)
      const port = await freePort()
      const args = ['-D', data, '-p', `${port}`, '-h', '127.0.0.1', '-k', '', '-F']
      const options = { ...owner, stdio: ['ignore', 'ignore', 'pipe'] }
      const child = startProgram('redis', `${programs}postgres`, args, options)
      await untilReady(child.stderr, 'ready to accept connections')
      return { url: `postgres://postgres@127.0.0.1:${port}/postgres`, stop: () => stop(child, directory, 'SIGQUIT') }
    },

    async open (url) {
      const pool = new Pool({ connectionString: url })
      pool.on('error', () => {})
      await pool.query(HAND_TABLE)
      return {
        store: postgresStore({ pool, ...OPTIONS }),
        select: async (id, now) => (await pool.query(dollars(HAND_SELECT), [id, now])).rows[0],
        insert: (...values) => pool.query(dollars(HAND_INSERT), values),
        bytes: async () => {
          await pool.query('VACUUM FULL weapp_sessions')
          return Number((await pool.query("SELECT pg_total_relation_size('weapp_sessions') AS bytes")).rows[0].bytes)
        },
        close: () => pool.end()
      }
    }
  },

  mysqlStore: {
    async start () {
      const { directory, owner } = ownedDirectory('mysql')
      const data = `--datadir=${join(directory, 'data')}`
      run('mariadb-install-db', ['--no-defaults', data, '--auth-root-authentication-method=normal'], owner)
      const port = await freePort()
      const program = existsSync('/usr/sbin/mariadbd') ? '/usr/sbin/mariadbd' : 'mariadbd'
      const child = startProgram('redis', program, [
        '--no-defaults', data, `--port=${port}`, '--bind-address=127.0.0.1', `--socket=${join(directory, 'socket')}`,
        '--innodb-flush-log-at-trx-commit=0'
      ], { ...owner, stdio: ['ignore', 'ignore', 'pipe'] })
      await untilReady(child.stderr, 'ready for connections')
      return { url: `mysql://root@127.0.0.1:${port}/test`, stop: () => stop(child, directory, 'SIGKILL') }
    },

    async open (url) {
      const pool = createPool(url)
      await pool.query(HAND_TABLE)
      return {
        store: mysqlStore({ pool, ...OPTIONS }),
        select: async (id, now) => (await pool.execute(HAND_SELECT, [id, now]))[0][0],
        insert: (...values) => pool.execute(HAND_INSERT, values),
        bytes: async () => {
          await pool.query('OPTIMIZE TABLE weapp_sessions')
          const [[{ bytes }]] = await pool.query(`SELECT FILE_SIZE AS bytes
            FROM information_schema.INNODB_SYS_TABLESPACES WHERE NAME = 'test/weapp_sessions'`)
          return Number(bytes)
        },
        close: () => pool.end()
      }
    }
  },

  sqliteStore: {
    async start () {
      const directory = mkdtempSync(join(tmpdir(), 'fastify-weapp-bench-'))
      return { url: join(directory, 'sessions.db'), stop: async () => rmSync(directory, { recursive: true }) }
    },

    async open (file) {
      const database = new Sqlite(file, { timeout: 0 })
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
      database.exec(HAND_TABLE)
      const [select, insert] = [database.prepare(HAND_SELECT), database.prepare(HAND_INSERT)]
      return {
        store: sqliteStore({ database, ...OPTIONS }),
        select: (id, now) => select.get(id, now),
        insert: (...values) => insert.run(...values),
        bytes: async () => {
          database.exec('VACUUM')
          database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()
          return statSync(file).size
        },
        close: () => database.close()
      }
    }
  }
}

function postgresPrograms () {
  const versions = existsSync(DEBIAN_POSTGRES) ? readdirSync(DEBIAN_POSTGRES).map(Number).sort((a, b) => b - a) : []
  return versions.length === 0 ? '' : `${DEBIAN_POSTGRES}/${versions[0]}/bin/`
}

/** Servers refuse to run as root, so the user of their package gets the directory. */
function ownedDirectory (user) {
  const directory = mkdtempSync(join(tmpdir(), 'fastify-weapp-bench-'))
  if (process.getuid() !== 0) return { directory, owner: { cwd: directory } }
  const [uid, gid] = ['-u', '-g'].map((flag) => Number(spawnSync('id', [flag, user], { encoding: 'utf8' }).stdout))
  chownSync(directory, uid, gid)
  return { directory, owner: { uid, gid, cwd: directory } }
}

function run (command, args, options) {
  const { status, stdout, stderr } = spawnSync(command, args, { ...options, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} failed:\n${stdout}${stderr}`)
}

async function untilReady (log, text) {
  for await (const line of createInterface(log)) {
    if (line.includes(text)) {
      log.resume()
      return
    }
  }
  throw new Error('The database did not start.')
}

async function stop (child, directory, signal) {
  await stopProgram(child, signal)
  rmSync(directory, { recursive: true })
}
