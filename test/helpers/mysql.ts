/** A real MariaDB for tests: private, on a free port of the loopback, without fsync, ended with the test. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { createPool, type Pool, type PoolOptions } from 'mysql2/promise'
import { ownDirectory, startDatabase, type DatabaseServer } from './database-server.js'
import { freePort, temporaryDirectory, type Teardown } from './processes.js'

/** Small files, because a test stores little. */
const SMALL = [
  '--innodb-log-file-size=4M', '--innodb-data-file-path=ibdata1:4M:autoextend', '--innodb-buffer-pool-size=16M'
]

/** Starts a server with an empty database `test`. `options` are command line arguments. */
export async function startMariadb (t: Teardown, options: string[] = []): Promise<DatabaseServer> {
  const port = await freePort()
  const directory = temporaryDirectory(t)
  const data = join(directory, 'data')
  const owner = ownDirectory(directory, 'mysql')

  const install = spawnSync('mariadb-install-db', [
    '--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-name-resolve', ...SMALL
  ], { ...owner, encoding: 'utf8' })
  if (install.status !== 0) throw new Error(`mariadb-install-db failed:\n${install.stdout}${install.stderr}`)
  const program = {
    command: 'mariadbd',
    args: [
      '--no-defaults', `--datadir=${data}`, `--socket=${join(directory, 'socket')}`, `--port=${port}`,
      '--bind-address=127.0.0.1', '--skip-name-resolve', '--skip-log-bin', '--innodb-flush-log-at-trx-commit=2',
      '--innodb-flush-method=nosync', ...SMALL, ...options
    ],
    ready: 'ready for connections',
    log: 'stderr' as const,
    options: { ...owner, env: { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin` } }
  }
  return await startDatabase(t, program, { url: `mysql://root@127.0.0.1:${port}/test`, port })
}

/** Returns a pool that the test's end closes. */
export function connectMysql (t: Teardown, { url }: DatabaseServer, options: PoolOptions = {}): Pool {
  const pool = createPool({ uri: url, ...options })
  t.teardown(() => pool.end())
  return pool
}
