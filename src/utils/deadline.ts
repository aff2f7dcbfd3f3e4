import { LONGEST_TIMER } from './duration.js'

/** The time by which work has to end. Its timer keeps the process alive until the deadline is settled or expires. */
export class Deadline {
  /** In milliseconds of `performance.now()`, which does not follow changes of the system clock. */
  readonly until: number
  /**
   * Runs when the time is over. Each step of the work sets it to its own cancellation. Null once the deadline is
   * settled or has expired.
   */
  expire: (() => void) | null
  readonly #timer: NodeJS.Timeout

  constructor (milliseconds: number, expire: () => void = () => {}) {
    this.until = performance.now() + milliseconds
    this.expire = expire
    // Node.js may run a timer up to a millisecond early.
    const delay = Math.min(milliseconds + 1, LONGEST_TIMER)
    this.#timer = setTimeout(() => {
      const run = this.expire
      this.expire = null
      run?.()
    }, delay)
  }

  /** Returns whether the deadline is settled or has expired. Check it before the next step. */
  get isExpired (): boolean {
    return this.expire === null
  }

  /** Settles as a promise does, or rejects with an error if the time is over first. */
  race<Value> (pending: Promise<Value>, createError: () => Error): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.expire = () => reject(createError())
      pending.then(resolve, reject)
    })
  }

  /** Ends the deadline. Returns false if its time was over already. */
  settle (): boolean {
    if (this.expire === null) return false
    this.expire = null
    clearTimeout(this.#timer)
    return true
  }
}

/** Runs work with a deadline and settles it afterwards. The work must set `expire` or check the deadline. */
export async function withDeadline<Result> (
  milliseconds: number, work: (deadline: Deadline) => Promise<Result>
): Promise<Result> {
  const deadline = new Deadline(milliseconds)
  try {
    return await work(deadline)
  } finally {
    deadline.settle()
  }
}
