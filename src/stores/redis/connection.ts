/**
 * How the Redis store asks: at once or not at all. ioredis keeps commands for a server that is away and sends them
 * when it is back; what was answered 503 would then happen later. So a client that is not ready is refused here,
 * every command has its time, and only so many may be waiting.
 *
 * What ioredis holds all the same, it may send late: to a server that hung, again over a new connection, and on a
 * Cluster, whose client stays ready while one master is away, to the replica that took over. A late read harms nobody.
 * A late write would end a newer session or undo newer data, so each one carries the time by which it must have
 * happened, by the server's clock, and the server refuses it after that.
 *
 * Nobody has to set clocks for it: every write's answer tells the server's time. It was a little earlier than when the
 * answer arrives, so the time derived from it errs towards refusing. Who is refused too early, at the first write or
 * after a clock was set, knows the time from the refusal and writes again.
 */
import type { RedisScript } from './fence.js'
import type { DuplicableClient } from './invalidation.js'
import { DeadlineQueue, type Deadline } from '../../utils/deadline-queue.js'

type Values = (string | null)[]

/** Makes a read's result of what the server answered; what it throws is the read's error. */
export type Decode<Result> = (error: Error | null, values: Values | null) => Result

/**
 * What the store uses of a Redis client: ioredis 5 or 6 (one server, Sentinel or Cluster) and the client of
 * `@fastify/redis` have it. The host makes the client, listens to its errors and closes it.
 */
export interface RedisClient extends DuplicableClient {
  readonly status: string
  /** Only clients of one server have it. */
  readonly stream?: { readonly writable: boolean, cork? (): void, uncork? (): void }
  readonly isCluster?: boolean
  connect (): Promise<unknown>
  once (event: 'ready', listener: () => void): unknown
  hmget (key: string, ...fields: string[]): Promise<Values>
  evalsha (sha1: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>
  eval (source: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>
}

/** How many commands may wait for an answer; with more, the server does not keep up and memory would grow. */
const MAX_WAITING = 1000

/** How often a write may be refused for its time before that is believed. */
const MAX_REFUSALS = 4

const TOO_LATE = { code: 'WEAPP_REDIS_TIMEOUT', message: 'Redis did not answer in time' }
const TOO_MANY = { code: 'WEAPP_REDIS_TOO_MANY_WAITING', message: 'too many commands wait for Redis' }
const NOT_CONNECTED = { code: 'WEAPP_REDIS_NOT_CONNECTED', message: 'Redis is not connected' }

/** An error with a code, which is what a log shows of it. */
function redisError ({ code, message }: { code: string, message: string }): Error {
  return Object.assign(new Error(message), { code })
}

export class RedisConnection {
  readonly #client: RedisClient
  readonly #limit: DeadlineQueue
  /** Held back until the end of this turn of the event loop. */
  #corked: RedisClient['stream'] | null = null
  /** Commands that ioredis has not answered: those that took too long for us are still among them. */
  #unanswered = 0
  /** Commands that wait for the client's first connection, which ioredis has not seen; null once there was one. */
  #early: Set<() => void> | null = null
  /** How far the server's clock is ahead of `performance.now()`, or a little less; null before it has told. */
  #ahead: number | null = null

  /** @param timeout milliseconds for one operation */
  constructor (client: RedisClient, timeout: number) {
    this.#client = client
    this.#limit = new DeadlineQueue(timeout)
    if (client.status === 'ready') return
    const early = this.#early = new Set()
    client.once('ready', () => {
      this.#early = null
      for (const send of early) send()
    })
  }

  read<Result> (key: string, fields: string[], decode: Decode<Result>): Promise<Result> {
    if (this.#early !== null) {
      return this.#limit.run((wait) => this.#command(() => this.#client.hmget(key, ...fields), wait))
        .then((values) => decode(null, values), (error) => decode(error, null))
    }
    return new Promise((resolve, reject) => {
      if (this.#unanswered >= MAX_WAITING) throw redisError(TOO_MANY)
      if (!this.#isReady()) throw redisError(NOT_CONNECTED)
      this.#cork()
      this.#unanswered++
      const wait = this.#limit.add(() => reject(redisError(TOO_LATE)))
      const settle = (error: Error | null, values: Values | null): void => {
        this.#unanswered--
        if (!this.#limit.settle(wait)) return
        try {
          resolve(decode(error, values))
        } catch (thrown) {
          reject(thrown)
        }
      }
      this.#client.hmget(key, ...fields).then((values) => settle(null, values), (error) => settle(error, null))
    })
  }

  /**
   * What is asked during one turn of the event loop goes out at its end, together: requests that arrive together cost one
   * system call instead of one each. A pipeline of ioredis would do the same at twice the price.
   */
  #cork (): void {
    const { stream } = this.#client
    if (this.#corked !== null || stream?.cork === undefined) return
    stream.cork()
    this.#corked = stream
    setImmediate(this.#uncork)
  }

  // One function for all turns. One made for each would hold on to that request, and Node.js chains its immediates: the
  // garbage collector would carry every request into the old generation.
  readonly #uncork = (): void => {
    this.#corked?.uncork?.()
    this.#corked = null
  }

  run (script: RedisScript, key: string, args: string[]): Promise<unknown> {
    return this.#limit.run((wait) => this.#run(script, key, args, wait))
  }

  /** Runs a script of those that do not write late. */
  write (script: RedisScript, key: string, args: string[]): Promise<number> {
    return this.#limit.run(async (wait) => {
      // One refusal tells the time; more are a busy process, which hears it late, or a clock that is being set.
      for (let attempt = 0; attempt < MAX_REFUSALS; attempt++) {
        const fence = this.#ahead === null ? 0 : Math.floor(wait.until + this.#ahead)
        const [time, ...result] = await this.#run(script, key, [String(fence), ...args], wait) as unknown[]
        this.#ahead = Number(time) - performance.now()
        if (result.length > 0) return Number(result[0])
      }
      throw redisError(TOO_LATE)
    })
  }

  /** Sends the digest alone, and the text to a server that does not know it: a new one, or one that was flushed. */
  #run ({ source, sha1 }: RedisScript, key: string, args: string[], wait: Deadline): Promise<unknown> {
    return this.#command(() => this.#client.evalsha(sha1, 1, key, ...args), wait).catch((error: unknown) => {
      if (!isReply(error, 'NOSCRIPT')) throw error
      return this.#command(() => this.#client.eval(source, 1, key, ...args), wait)
    })
  }

  #command<T> (issue: () => Promise<T>, wait: Deadline): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#unanswered + (this.#early?.size ?? 0) >= MAX_WAITING) throw redisError(TOO_MANY)

      const send = (): void => {
        if (!this.#isReady()) return reject(redisError(NOT_CONNECTED))
        this.#cork()
        this.#unanswered++
        issue().then((answer) => {
          this.#unanswered--
          resolve(answer)
        }, (error) => {
          this.#unanswered--
          reject(error)
        })
      }
      wait.expire = () => {
        this.#early?.delete(send)
        reject(redisError(TOO_LATE))
      }

      if (this.#early === null) return send()
      if (this.#client.status === 'end') return reject(redisError(NOT_CONNECTED))
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
