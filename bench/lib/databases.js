/** Starts PostgreSQL and MariaDB on free loopback ports without fsync, and opens SQLite files. */
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

/** The server's statements by hand, on a table with a row for each session. */
const BY_HAND = {
  table: `CREATE TABLE hand_sessions (
    id VARCHAR(64) PRIMARY KEY, openid VARCHAR(64), data TEXT, expires_at BIGINT)`,
  select: 'SELECT openid, data FROM hand_sessions WHERE id = ? AND expires_at > ?',
  insert: 'INSERT INTO hand_sessions (id, openid, data, expires_at) VALUES (?, ?, ?, ?)'
}
const dollars = (sql) => {
  let number = 0
  return sql.replaceAll('?', () => `$${++number}`)
}

/**
 * Each database: its `store`, `select` and `insert` by hand, the number of bytes that the table of the store takes, and
 * `stop`.
 */
export const DATABASES = {
  async postgresStore () {
    const { directory, owner } = ownedDirectory('postgres')
    const programs = postgresPrograms()
    const data = join(directory, 'data')
    run(`${programs}initdb`, ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N'], owner)
    const port = await freePort()
    const args = ['-D', data, '-p', `${port}`, '-h', '127.0.0.1', '-k', '', '-F']
    const child = startProgram('redis', `${programs}postgres`, args, { ...owner, stdio: ['ignore', 'ignore', 'pipe'] })
    await untilReady(child.stderr, 'ready to accept connections')
    const pool = new Pool({ connectionString: `postgres://postgres@127.0.0.1:${port}/postgres` })
    pool.on('error', () => {})
    await pool.query(BY_HAND.table)
    return {
      store: postgresStore({ pool, ...OPTIONS }),
      select: async (id, now) => (await pool.query(dollars(BY_HAND.select), [id, now])).rows[0],
      insert: (...values) => pool.query(dollars(BY_HAND.insert), values),
      bytes: async () => {
        await pool.query('VACUUM FULL weapp_sessions')
        return Number((await pool.query("SELECT pg_total_relation_size('weapp_sessions') AS bytes")).rows[0].bytes)
      },
      stop: async () => {
        await pool.end()
        await stop(child, directory, 'SIGQUIT')
      }
    }
  },

  async mysqlStore () {
    const { directory, owner } = ownedDirectory('mysql')
    const data = `--datadir=${join(directory, 'data')}`
    run('mariadb-install-db', ['--no-defaults', data, '--auth-root-authentication-method=normal'], owner)
    const port = await freePort()
    const child = startProgram('redis', existsSync('/usr/sbin/mariadbd') ? '/usr/sbin/mariadbd' : 'mariadbd', [
      '--no-defaults', data, `--port=${port}`, '--bind-address=127.0.0.1', `--socket=${join(directory, 'socket')}`,
      '--innodb-flush-log-at-trx-commit=0'
    ], { ...owner, stdio: ['ignore', 'ignore', 'pipe'] })
    await untilReady(child.stderr, 'ready for connections')
    const pool = createPool({ uri: `mysql://root@127.0.0.1:${port}/test` })
    await pool.query(BY_HAND.table)
    return {
      store: mysqlStore({ pool, ...OPTIONS }),
      select: async (id, now) => (await pool.execute(BY_HAND.select, [id, now]))[0][0],
      insert: (...values) => pool.execute(BY_HAND.insert, values),
      bytes: async () => {
        await pool.query('OPTIMIZE TABLE weapp_sessions')
        return statSync(join(directory, 'data', 'test', 'weapp_sessions.ibd')).size
      },
      stop: async () => {
        await pool.end()
        await stop(child, directory, 'SIGKILL')
      }
    }
  },

  async sqliteStore () {
    const directory = mkdtempSync(join(tmpdir(), 'fastify-weapp-bench-'))
    const file = join(directory, 'sessions.db')
    const database = new Sqlite(file, { timeout: 0 })
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    database.exec(BY_HAND.table)
    const [select, insert] = [database.prepare(BY_HAND.select), database.prepare(BY_HAND.insert)]
    return {
      store: sqliteStore({ database, ...OPTIONS }),
      select: (id, now) => select.get(id, now),
      insert: (...values) => insert.run(...values),
      bytes: async () => {
        database.exec('VACUUM')
        database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()
        return statSync(file).size
      },
      stop: async () => {
        database.close()
        rmSync(directory, { recursive: true })
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
