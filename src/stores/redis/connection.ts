/**
 * Sends commands at once or never. ioredis queues commands while its server is away and sends them later, after the
 * caller was answered 503. So a command is rejected if the client is not ready, if it takes longer than the timeout, or
 * if too many commands are unanswered.
 *
 * ioredis may still send a command late: to a server that hung, over a new connection, or, on a Cluster, to the replica
 * that took over. A late read is harmless. A late write would end a newer session or undo newer data. So each write
 * carries a deadline in the server's own time, and the server rejects it after that.
 *
 * Clocks need not be synchronized, because every write's reply carries the server's time. The estimate lags by the
 * network delay, so it errs towards rejecting. A write that is rejected too early, because it is the first one or
 * because a clock was set, takes the time from the reply and retries.
 */
import type { RedisScript } from './fence.js'
import type { DuplicableClient } from './invalidation.js'
import { withDeadline, type Deadline } from '../../utils/deadline.js'
import { storeError, type StoreError } from '../store-error.js'

/**
 * The part of a Redis client that the store uses: of ioredis 5 or 6 (one server, Sentinel or Cluster), or of
 * `@fastify/redis`. The host creates the client, listens to its errors and closes it.
 */
export interface RedisClient extends DuplicableClient {
  readonly status: string
  /** Undefined on a Cluster. */
  readonly stream?: { readonly writable: boolean, cork? (): void, uncork? (): void }
  readonly isCluster?: boolean
  connect (): Promise<unknown>
  once (event: 'ready', listener: () => void): unknown
  hmget (key: string, ...fields: string[]): Promise<(string | null)[]>
  evalsha (sha1: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>
  eval (source: string, numberOfKeys: number, ...keysAndArguments: string[]): Promise<unknown>
}

/** Limits memory if the server does not keep up. */
const MAX_UNANSWERED = 1000

/** Attempts of a write before its rejection by the fence is final. */
const MAX_ATTEMPTS = 4

const TIMEOUT: StoreError = {
  code: 'WEAPP_REDIS_TIMEOUT', message: 'Redis did not answer in time. Check its load and the network.'
}
const TOO_MANY_WAITING: StoreError = {
  code: 'WEAPP_REDIS_TOO_MANY_WAITING', message: 'Too many commands wait for Redis. Check its load and the network.'
}
const NOT_CONNECTED: StoreError = {
  code: 'WEAPP_REDIS_NOT_CONNECTED', message: 'Redis is not connected. Check its address and whether it runs.'
}

export class RedisConnection {
  readonly #client: RedisClient
  readonly #timeout: number
  /** The stream that is corked until the end of this turn of the event loop. */
  #corked: RedisClient['stream'] | null = null
  /** Number of commands that ioredis has not answered. Commands that timed out still count. */
  #unanswered = 0
  /** Commands that wait for the client's first connection, outside of ioredis. Null after that connection. */
  #awaitingReady: Set<() => void> | null = null
  /**
   * The server's clock minus `performance.now()`, or a little less. Zero before the first reply to a write. The server
   * then rejects any write.
   */
  #clockOffset = 0

  /** @param timeout milliseconds for one operation */
  constructor (client: RedisClient, timeout: number) {
    this.#client = client
    this.#timeout = timeout
    if (client.status === 'ready') return
    const waiting = this.#awaitingReady = new Set<() => void>()
    client.once('ready', () => {
      this.#awaitingReady = null
      for (const resume of waiting) resume()
    })
  }

  read (key: string, fields: string[]): Promise<(string | null)[]> {
    return withDeadline(this.#timeout, (deadline) => {
      return this.#command(() => this.#client.hmget(key, ...fields), deadline)
    })
  }

  /** Runs a script without a fence. */
  run (script: RedisScript, key: string, args: string[]): Promise<unknown> {
    return withDeadline(this.#timeout, (deadline) => this.#script(script, key, args, deadline))
  }

  /**
   * Runs a script with a fence. `createArgs` is called for each attempt. It gets the server's clock minus
   * `performance.now()`, or a little less.
   */
  write (script: RedisScript, key: string, createArgs: (clockOffset: number) => string[]): Promise<unknown> {
    return withDeadline(this.#timeout, async (deadline) => {
      // A rejection returns the server's time, so the next attempt has the right fence. A second rejection is rare:
      // this process read the reply late, or a clock was set.
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const fence = Math.floor(deadline.until + this.#clockOffset)
        const args = [String(fence), ...createArgs(this.#clockOffset)]
        const [time, ...result] = await this.#script(script, key, args, deadline) as unknown[]
        this.#clockOffset = Number(time) - performance.now()
        if (result.length > 0) return result[0]
      }
      throw storeError(TIMEOUT)
    })
  }

  /** Sends the digest of a script. Sends its source to a server that is new or was flushed. */
  #script ({ source, sha1 }: RedisScript, key: string, args: string[], deadline: Deadline): Promise<unknown> {
    return this.#command(() => this.#client.evalsha(sha1, 1, key, ...args), deadline).catch((error: unknown) => {
      if (!isReply(error, 'NOSCRIPT')) throw error
      return this.#command(() => this.#client.eval(source, 1, key, ...args), deadline)
    })
  }

  /** Sends a command at once, or rejects it at once. Before the client's first connection, waits for that. */
  async #command<Reply> (issue: () => Promise<Reply>, deadline: Deadline): Promise<Reply> {
    if (this.#awaitingReady !== null) await this.#firstConnection(this.#awaitingReady, deadline)
    if (this.#unanswered >= MAX_UNANSWERED) throw storeError(TOO_MANY_WAITING)
    if (!this.#isReady()) throw storeError(NOT_CONNECTED)
    this.#cork()
    this.#unanswered++
    const reply = issue().finally(() => { this.#unanswered-- })
    return await deadline.race(reply, () => storeError(TIMEOUT))
  }

  async #firstConnection (waiting: Set<() => void>, deadline: Deadline): Promise<void> {
    if (waiting.size >= MAX_UNANSWERED) throw storeError(TOO_MANY_WAITING)
    if (this.#client.status === 'end') throw storeError(NOT_CONNECTED)
    // A lazy client connects with its first command. Success is reported by 'ready'; a failure ends at the deadline.
    if (this.#client.status === 'wait') this.#client.connect().catch(() => {})
    await new Promise<void>((resolve, reject) => {
      waiting.add(resolve)
      deadline.expire = () => {
        waiting.delete(resolve)
        reject(storeError(TIMEOUT))
      }
    })
  }

  /** Checks the stream as well, because a closing connection is unwritable before the client's status changes. */
  #isReady (): boolean {
    return this.#client.status === 'ready' && this.#client.stream?.writable !== false
  }

  /**
   * Delays what is sent in this turn of the event loop to its end. Requests that arrive together then cost one system
   * call instead of one each. A pipeline of ioredis does the same at twice the cost.
   */
  #cork (): void {
    const { stream } = this.#client
    if (this.#corked !== null || stream?.cork === undefined) return
    stream.cork()
    this.#corked = stream
    setImmediate(this.#uncork)
  }

  // One function for all turns, not a closure. Node.js keeps immediates in a linked list. A closure there would retain
  // its request until the garbage collector promotes it.
  readonly #uncork = (): void => {
    this.#corked?.uncork?.()
    this.#corked = null
  }
}

/** Returns whether an error is a reply of the server of this kind. */
export function isReply (error: unknown, kind: 'NOSCRIPT' | 'WRONGTYPE'): boolean {
  return error instanceof Error && error.message.startsWith(kind)
}
