/**
 * The reads of one turn of the event loop, sent together: requests that arrive together cost one system call and one
 * timer instead of one each. A read alone waits no longer than the turn that it was made in.
 */

export type Values = (string | null)[]

/** Makes a read's result of what the server answered; what it throws is the read's error. */
export type Decode<Result> = (error: Error | null, values: Values | null) => Result

export interface Read {
  key: string
  fields: string[]
  settle (error: Error | null, values: Values | null): void
}

export class RedisReads {
  readonly #send: (reads: Read[]) => void
  #reads: Read[] = []

  /** @param send told of the reads of a turn at its end */
  constructor (send: (reads: Read[]) => void) {
    this.#send = send
  }

  add<Result> (key: string, fields: string[], decode: Decode<Result>): Promise<Result> {
    return new Promise((resolve, reject) => {
      const settle = (error: Error | null, values: Values | null) => {
        try {
          resolve(decode(error, values))
        } catch (thrown) {
          reject(thrown)
        }
      }
      if (this.#reads.push({ key, fields, settle }) === 1) setImmediate(this.#flush)
    })
  }

  // One function for all turns. One made in `add` would hold on to that request, and Node.js chains its immediates: the
  // garbage collector would carry every request into the old generation.
  readonly #flush = (): void => {
    const reads = this.#reads
    this.#reads = []
    this.#send(reads)
  }
}
