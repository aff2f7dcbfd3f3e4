/** A real PostgreSQL for tests: private, on a free port of the loopback, without fsync, ended with the test. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Pool, type PoolConfig } from 'pg'
import { ownDirectory, runs, startDatabase, type DatabaseServer } from './database-server.js'
import { freePort, temporaryDirectory, type Teardown } from './processes.js'

/** Debian's directory of programs, one for each version, outside of the PATH. */
const DEBIAN = '/usr/lib/postgresql'

/** Returns the directory of initdb and postgres with a slash, or '' if the PATH has them. */
function postgresPrograms (): string {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : []
  const places = ['', ...versions.map((version) => `${DEBIAN}/${version}/bin/`)]
  const place = places.find((place) => ['initdb', 'postgres'].every((name) => runs(`${place}${name}`)))
  if (place === undefined) throw new Error('PostgreSQL is not installed: run "npm run pretest"')
  return place
}

/** Starts a server with an empty database. `options` are command line arguments. */
export async function startPostgres (t: Teardown, options: string[] = []): Promise<DatabaseServer> {
  const programs = postgresPrograms()
  const port = await freePort()
  const directory = temporaryDirectory(t)
  const data = join(directory, 'data')
  const owner = ownDirectory(directory, 'postgres')

  const args = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N']
  const initdb = spawnSync(`${programs}initdb`, args, owner)
  if (initdb.status !== 0) throw new Error(`initdb failed:\n${initdb.stderr}`)
  const program = {
    command: `${programs}postgres`,
    args: ['-D', data, '-p', `${port}`, '-h', '127.0.0.1', '-k', '', '-F', '-c', 'max_connections=50', ...options],
    ready: 'database system is ready to accept connections',
    log: 'stderr' as const,
    options: owner,
    // An immediate shutdown that removes the shared memory.
    end: 'SIGQUIT' as const
  }
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`
  return await startDatabase(t, program, { url, port }, () => childrenOf(join(data, 'postmaster.pid')))
}

/** Returns the process ids of the children of the process in this file. */
function childrenOf (pidFile: string): number[] {
  const pid = Number.parseInt(readFileSync(pidFile, 'utf8'), 10)
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').map(Number)
}

/** Returns a pool that the test's end closes. */
export function connectPostgres (t: Teardown, { url }: DatabaseServer, options: PoolConfig = {}): Pool {
  const pool = new Pool({ connectionString: url, ...options })
  pool.on('error', () => {})
  t.teardown(() => pool.end())
  return pool
}
