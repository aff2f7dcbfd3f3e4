/** A real PostgreSQL for tests: private, on a free port of the loopback, without fsync, gone with the test. */
import { spawnSync } from 'node:child_process'
import { chownSync, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, kill, start, temporaryDirectory, type Teardown } from './processes.js'

/** Debian keeps them out of the PATH, a directory for each version. */
const DEBIAN = '/usr/lib/postgresql'

/** The directory of initdb and postgres, with a slash, or '' where they are in the PATH; null where they are not at all. */
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
  // It asks where it is; the directory that a test runs in may be closed to its user.
  const options = { ...owner, cwd: directory }

  const made = spawnSync(`${programs}initdb`, ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-N'], options)
  if (made.status !== 0) throw new Error(`initdb failed:\n${made.stderr}`)
  const child = await start({
    command: `${programs}postgres`,
    args: ['-D', data, '-p', `${port}`, '-h', '127.0.0.1', '-k', '', '-F', '-c', 'max_connections=50'],
    ready: 'database system is ready to accept connections',
    log: 'stderr',
    options,
    // At once, but it takes its shared memory along.
    end: 'SIGQUIT'
  })
  t.teardown(() => kill(child))
  return `postgres://postgres@127.0.0.1:${port}/postgres`
}

/** PostgreSQL refuses to run as root: then as the user that its package made. */
function ownerOfData (): { uid: number, gid: number } | null {
  if (process.getuid?.() !== 0) return null
  const [uid, gid] = ['-u', '-g'].map((flag) => Number(spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' }).stdout))
  if (!uid || !gid) throw new Error('PostgreSQL does not run as root, and there is no user postgres')
  return { uid, gid }
}
