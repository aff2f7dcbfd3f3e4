/**
 * How the Redis store asks: at once or not at all. ioredis keeps commands for a server that is away and sends them
 * when it is back; what was answered 503 would then happen later. So a client that is not ready is refused here,
 * every command has its time, and only so many may be waiting.
 */
import type { RedisScript } from './redis-scripts.js'

/**
 * What the store uses of a Redis client: ioredis 5 or 6 (one server, Sentinel or Cluster) and the client of
 * `@fastify/redis` have it. The host makes the client, listens to its errors and closes it.
 */
export interface RedisClient {
  readonly status: string
  /** Only clients of one server have it. */
  readonly stream?: { readonly writable: boolean }
  connect (): Promise<unknown>
  once (event: 'ready', listener: () => void): unknown
  hmget (key: string, ...fields: string[]): Promise<(string | null)[]>
  evalsha (sha1: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>
  eval (source: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>
}

/** How many commands may wait for an answer; with more, the server does not keep up and memory would grow. */
const MAX_WAITING = 1000

export class RedisConnection {
  readonly #client: RedisClient
  readonly #timeout: number
  /** Commands that ioredis has not answered: those that took too long for us are still among them. */
  #unanswered = 0
  /** Commands that wait for the client's first connection, which ioredis has not seen; null once there was one. */
  #early: Set<() => void> | null = null

  /** @param timeout milliseconds for one command */
  constructor (client: RedisClient, timeout: number) {
    this.#client = client
    this.#timeout = timeout
    if (client.status === 'ready') return
    const early = this.#early = new Set()
    client.once('ready', () => {
      this.#early = null
      for (const send of early) send()
    })
  }

  hmget (key: string, ...fields: string[]): Promise<(string | null)[]> {
    return this.#command(() => this.#client.hmget(key, ...fields))
  }

  /** Sends the digest alone, and the text to a server that does not know it: a new one, or one that was flushed. */
  async run ({ source, sha1 }: RedisScript, key: string, args: string[]): Promise<unknown> {
    try {
      return await this.#command(() => this.#client.evalsha(sha1, 1, key, ...args))
    } catch (error) {
      if (!isReply(error, 'NOSCRIPT')) throw error
      return await this.#command(() => this.#client.eval(source, 1, key, ...args))
    }
  }

  #command<T> (issue: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#unanswered + (this.#early?.size ?? 0) >= MAX_WAITING) throw new Error('too many commands wait for Redis')

      const timer = setTimeout(() => {
        this.#early?.delete(send)
        reject(new Error('Redis did not answer in time'))
      }, this.#timeout)

      const send = (): void => {
        if (!this.#isReady()) return refuse()
        this.#unanswered++
        issue().then(resolve, reject).finally(() => {
          this.#unanswered--
          clearTimeout(timer)
        })
      }
      const refuse = (): void => {
        clearTimeout(timer)
        reject(new Error('Redis is not connected'))
      }

      if (this.#early === null) return send()
      if (this.#client.status === 'end') return refuse()
      this.#early.add(send)
      // A lazy client connects when it is first asked. Whether that works, its 'ready' says.
      if (this.#client.status === 'wait') this.#client.connect().catch(() => {})
    })
  }

  /** A connection that is being closed is not writable before its client's status says so. */
  #isReady (): boolean {
    return this.#client.status === 'ready' && this.#client.stream?.writable !== false
  }
}

/** Whether an error is the server's own answer of this kind. */
export function isReply (error: unknown, kind: 'NOSCRIPT' | 'WRONGTYPE'): boolean {
  return error instanceof Error && error.message.startsWith(kind)
}
