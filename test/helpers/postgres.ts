/** A real PostgreSQL for tests: private, on a free port of the loopback, without fsync, ended with the test. */
import { spawnSync } from 'node:child_process'
import { chownSync, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, kill, start, temporaryDirectory, type Teardown } from './processes.js'

/** Debian's directory of programs, one for each version, outside of the PATH. */
const DEBIAN = '/usr/lib/postgresql'

/** Returns the directory of initdb and postgres with a slash, '' if the PATH has them, or null. */
export function postgresPrograms (): string | null {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort((a, b) => Number(b) - Number(a)) : []
  const places = ['', ...versions.map((version) => `${DEBIAN}/${version}/bin/`)]
  return places.find((place) => ['initdb', 'postgres'].every((name) => runs(`${place}${name}`))) ?? null
}

function runs (program: string): boolean {
  return spawnSync(program, ['--version']).status === 0
}

/** @returns the URL of an empty database */
export async function startPostgres (t: Teardown): Promise<string> {
  const programs = postgresPrograms()
  const port = await freePort()
  const directory = temporaryDirectory(t)
  const data = join(directory, 'data')
  const owner = ownerOfData()
  if (owner !== null) chownSync(directory, owner.uid, owner.gid)
  // PostgreSQL reads its working directory, and its user may have no access to that of the test.
  const options = { ...owner, cwd: directory }

  const args = ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N']
  const initdb = spawnSync(`${programs}initdb`, args, options)
  if (initdb.status !== 0) throw new Error(`initdb failed:\n${initdb.stderr}`)
  const child = await start({
    command: `${programs}postgres`,
    args: ['-D', data, '-p', `${port}`, '-h', '127.0.0.1', '-k', '', '-F', '-c', 'max_connections=50'],
    ready: 'database system is ready to accept connections',
    log: 'stderr',
    options,
    // An immediate shutdown that removes the shared memory.
    end: 'SIGQUIT'
  })
  t.teardown(() => kill(child))
  return `postgres://postgres@127.0.0.1:${port}/postgres`
}

/** Returns the user of the PostgreSQL package if this process is root, because PostgreSQL refuses to run as root. */
function ownerOfData (): { uid: number, gid: number } | null {
  if (process.getuid?.() !== 0) return null
  const [uid, gid] = ['-u', '-g'].map((flag) => {
    return Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout)
  })
  if (!uid || !gid) throw new Error('PostgreSQL does not run as root. Create the user postgres.')
  return { uid, gid }
}
