/** Real Redis servers for tests: private, on a free port of the loopback, without persistence, ended with the test. */
import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'
import { freePort, kill, start, temporaryDirectory, type Program, type Teardown } from './processes.js'

export type { Teardown }

export interface RedisServer {
  port: number
  url: string
  /** Sends SIGKILL, as if the server died. */
  kill (): Promise<void>
  /** Sends SIGSTOP: connections stay open and unanswered. */
  pause (): void
  resume (): void
  /** Starts the server again on the same port, empty. */
  restart (): Promise<void>
}

/** Returns the name of the server program, of Redis or Valkey. */
export function redisProgram (): string {
  const program = ['redis-server', 'valkey-server'].find((name) => spawnSync(name, ['--version']).status === 0)
  if (program === undefined) throw new Error('redis-server is not installed: run "npm run pretest"')
  return program
}

/** Returns the major version of Redis or Valkey. Valkey continues from Redis 7. */
export function redisMajorVersion (): number {
  const output = spawnSync(redisProgram(), ['--version'], { encoding: 'utf8' }).stdout
  return Number(/v=(\d+)/.exec(output)?.[1])
}

/** Starts a private server that the test may kill. `options` are command line arguments. */
export async function startRedis (t: Teardown, options: string[] = [], port?: number): Promise<RedisServer> {
  port ??= await freePort()
  const directory = temporaryDirectory(t)
  const program: Program = {
    command: redisProgram(),
    args: [
      '--port', `${port}`, '--bind', '127.0.0.1', '--dir', directory, '--save', '', '--appendonly', 'no', ...options
    ],
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

/** Returns the URL of a shared server, REDIS_URL or a new one. Each test uses a prefix of its own. */
export async function redisUrl (t: Teardown): Promise<string> {
  return process.env['REDIS_URL'] ?? (await startRedis(t)).url
}

export interface ConnectOptions {
  enableAutoPipelining?: boolean
  enableOfflineQueue?: boolean
  keyPrefix?: string
  lazyConnect?: boolean
  maxRetriesPerRequest?: null
  reconnectOnError?: (error: Error) => boolean
}

/** Returns a client that reconnects within 20 ms, and that the test's end disconnects. */
export function connectRedis (t: Teardown, url: string, options: ConnectOptions = {}): Redis {
  const client = new Redis(url, { retryStrategy: () => 20, ...options })
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  return client
}

/** Returns the number of connections that the server has accepted. */
export async function connectionsReceived (client: Redis): Promise<number> {
  return Number(/total_connections_received:(\d+)/.exec(await client.info('stats'))![1])
}

export function uniquePrefix (): string {
  return `test:${randomUUID()}:`
}
