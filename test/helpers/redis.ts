/** Real Redis servers for tests: private, on a free port of the loopback, without persistence, gone with the test. */
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { freePort, kill, start, temporaryDirectory, type Program, type Teardown } from './processes.js'

export type { Teardown }

export interface RedisServer {
  port: number
  url: string
  /** SIGKILL: as a server that dies. */
  kill (): Promise<void>
  /** SIGSTOP: the connections stay, and nothing is answered. */
  pause (): void
  resume (): void
  /** Starts again on the same port, empty. */
  restart (): Promise<void>
}

/** The server's program: Redis, or its free successor. */
export function redisProgram (): string {
  const program = ['redis-server', 'valkey-server'].find((name) => spawnSync(name, ['--version']).status === 0)
  if (program === undefined) throw new Error('redis-server is not installed: run "npm run pretest"')
  return program
}

/** Of Redis or Valkey, which went on from Redis 7. */
export function redisMajorVersion (): number {
  const said = spawnSync(redisProgram(), ['--version'], { encoding: 'utf8' }).stdout
  return Number(/v=(\d+)/.exec(said)?.[1])
}

/** A server of the test's own, which it may kill. `options` are words of the command line. */
export async function startRedis (t: Teardown, options: string[] = [], port?: number): Promise<RedisServer> {
  port ??= await freePort()
  const directory = temporaryDirectory(t)
  const program: Program = {
    command: redisProgram(),
    args: ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no', ...options],
    ready: 'Ready to accept connections',
    log: 'stdout'
  }
  let child = await start(program)
  t.teardown(() => kill(child))

  return {
    port,
    url: `redis://127.0.0.1:${port}`,
    kill: () => kill(child),
    pause: () => { child.kill('SIGSTOP') },
    resume: () => { child.kill('SIGCONT') },
    restart: async () => { child = await start(program) }
  }
}

/** A server to share, for tests that only talk to it under a prefix of their own: REDIS_URL, or one that is started. */
export async function redisUrl (t: Teardown): Promise<string> {
  return process.env['REDIS_URL'] ?? (await startRedis(t)).url
}

export function uniquePrefix (): string {
  return `test:${randomUUID()}:`
}
