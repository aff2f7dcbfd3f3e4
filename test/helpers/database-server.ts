/** A database server for tests: private, on a free port of the loopback, ended with the test. */
import { spawnSync } from 'node:child_process'
import { chownSync } from 'node:fs'
import { kill, start, type Program, type Teardown } from './processes.js'

export interface DatabaseServer {
  url: string
  port: number
  /** Sends SIGKILL, as if the server died. */
  kill (): Promise<void>
  /** Sends SIGSTOP to all its processes: connections stay open and unanswered. */
  pause (): void
  resume (): void
  /** Starts the server again on the same port, with the data that it had. */
  restart (): Promise<void>
}

/**
 * Starts a server.
 *
 * @param processes returns the process ids besides that of the program
 */
export async function startDatabase (
  t: Teardown, program: Program, { url, port }: { url: string, port: number }, processes: () => number[] = () => []
): Promise<DatabaseServer> {
  let child = await start(program)
  let paused: number[] = []
  const signalAll = (pids: number[], signal: NodeJS.Signals): void => {
    for (const pid of pids) process.kill(pid, signal)
  }
  const resume = (): void => {
    signalAll(paused, 'SIGCONT')
    paused = []
  }
  t.teardown(() => {
    resume()
    return kill(child)
  })
  return {
    url,
    port,
    kill: () => kill(child, 'SIGKILL'),
    pause: () => {
      paused = [child.pid!, ...processes()]
      signalAll(paused, 'SIGSTOP')
    },
    resume,
    restart: async () => { child = await start(program) }
  }
}

/**
 * Gives a directory to the user of a server's package if this process is root, because servers refuse to run as root.
 *
 * @returns options of a process that runs as that user
 */
export function ownDirectory (directory: string, name: string): { uid?: number, gid?: number, cwd: string } {
  if (process.getuid?.() !== 0) return { cwd: directory }
  const [uid, gid] = ['-u', '-g'].map((flag) => Number(spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout))
  if (!uid || !gid) throw new Error(`The server does not run as root. Create the user ${name}.`)
  chownSync(directory, uid, gid)
  // The server reads its working directory, and its user may have no access to that of the test.
  return { uid, gid, cwd: directory }
}

export function runs (program: string): boolean {
  return spawnSync(program, ['--version']).status === 0
}
