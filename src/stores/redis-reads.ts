/**
 * The reads of one turn of the event loop, in one pipeline: requests that arrive together cost one system call and one
 * timer instead of one each. A read alone waits no longer than the turn that it was made in.
 */

/** What is used of a client's pipeline. */
export interface RedisPipeline {
  hmget (key: string, ...fields: string[]): unknown
  /** An error or a result for each command, in order. */
  exec (): Promise<[error: Error | null, result: unknown][] | null>
}

/** What is used of a client to read. */
export interface ReadingClient {
  hmget (key: string, ...fields: string[]): Promise<Values>
  pipeline (): RedisPipeline
}

export type Values = (string | null)[]

/** Makes a read's result of what the server answered; what it throws is the read's error. */
export type Decode<Result> = (error: Error | null, values: Values) => Result

export interface Read {
  key: string
  fields: string[]
  settle (error: Error | null, values: Values): void
}

export const NO_VALUES: Values = []

export class RedisReads {
  readonly #send: (reads: Read[]) => void
  #reads: Read[] = []

  /** @param send told of the reads of a turn at its end */
  constructor (send: (reads: Read[]) => void) {
    this.#send = send
  }

  add<Result> (key: string, fields: string[], decode: Decode<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const settle = (error: Error | null, values: Values) => {
        try {
          resolve(decode(error, values))
        } catch (thrown) {
          reject(thrown)
        }
      }
      if (this.#reads.push({ key, fields, settle }) === 1) setImmediate(() => this.#flush())
    })
  }

  #flush (): void {
    const reads = this.#reads
    this.#reads = []
    this.#send(reads)
  }
}

/** Asks, and hands each read its own answer. A pipeline of one would cost more than it saves. */
export async function ask (reads: Read[], client: ReadingClient): Promise<void> {
  const [first, ...others] = reads
  if (first !== undefined && others.length === 0) return first.settle(null, await client.hmget(first.key, ...first.fields))
  const pipeline = client.pipeline()
  for (const { key, fields } of reads) pipeline.hmget(key, ...fields)
  const results = await pipeline.exec()
  reads.forEach(({ settle }, index) => {
    const [error, values] = results![index]!
    settle(error, values as Values)
  })
}
