/**
 * A real MariaDB for tests: private, on a free port of the loopback, without fsync, ended with the test. With the
 * variable MYSQLD, the path of a `mysqld`, it is that MySQL.
 */
import { spawnSync, type SpawnSyncOptions } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createPool, type Pool, type PoolOptions } from 'mysql2/promise'
import { ownDirectory, startDatabase, type DatabaseServer } from './database-server.js'
import { freePort, temporaryDirectory, type Teardown } from './processes.js'

const { MYSQLD } = process.env

/** What mariadb-install-db does by itself. Each start runs it. */
const INIT_SQL = `CREATE DATABASE IF NOT EXISTS test;
CREATE USER IF NOT EXISTS 'root'@'%' IDENTIFIED BY '';
GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;
`

/** Small files, because a test stores little. */
const SMALL = [
  '--innodb-log-file-size=4M', '--innodb-data-file-path=ibdata1:4M:autoextend', '--innodb-buffer-pool-size=16M'
]

/** Starts a server with an empty database `test`. `options` are command line arguments. */
export async function startMariadb (t: Teardown, options: string[] = []): Promise<DatabaseServer> {
  const port = await freePort()
  const directory = temporaryDirectory(t)
  const owner = ownDirectory(directory, 'mysql')
  const paths = [`--datadir=${join(directory, 'data')}`, `--socket=${join(directory, 'socket')}`]
  const program = {
    ...MYSQLD === undefined ? prepareMariadb(paths, owner) : prepareMysql(MYSQLD, directory, paths, owner),
    ready: 'ready for connections',
    log: 'stderr' as const,
    options: { ...owner, env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` } }
  }
  program.args.push(
    `--port=${port}`, '--bind-address=127.0.0.1', '--skip-name-resolve', '--skip-log-bin',
    '--innodb-flush-log-at-trx-commit=2', ...options
  )
  return await startDatabase(t, program, { url: `mysql://root@127.0.0.1:${port}/test`, port })
}

interface PreparedServer { command: string, args: string[] }

function prepareMariadb (paths: string[], owner: SpawnSyncOptions): PreparedServer {
  const files = ['--no-defaults', ...paths, ...SMALL]
  run('mariadb-install-db', [...files, '--auth-root-authentication-method=normal', '--skip-name-resolve'], owner)
  return { command: 'mariadbd', args: [...files, '--innodb-flush-method=nosync'] }
}

function prepareMysql (command: string, directory: string, paths: string[], owner: SpawnSyncOptions): PreparedServer {
  const files = ['--no-defaults', ...paths, '--secure-file-priv=NULL']
  run(command, [...files, '--initialize-insecure'], owner)
  const statements = join(directory, 'init.sql')
  writeFileSync(statements, INIT_SQL)
  return { command, args: [...files, '--mysqlx=OFF', `--init-file=${statements}`] }
}

function run (command: string, args: string[], owner: SpawnSyncOptions): void {
  const { status, stdout, stderr } = spawnSync(command, args, { ...owner, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} failed:\n${stdout}${stderr}`)
}

/** Returns a pool that the test's end closes. */
export function connectMysql (t: Teardown, { url }: DatabaseServer, options: PoolOptions = {}): Pool {
  const pool = createPool({ uri: url, ...options })
  t.teardown(() => pool.end())
  return pool
}
