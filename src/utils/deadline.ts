import { LONGEST_TIMER } from './duration.js'

/** The time by which work has to end. Its timer keeps the process alive until the deadline is settled or expires. */
export class Deadline {
  /** In milliseconds of `performance.now()`, which does not follow changes of the system clock. */
  readonly until: number
  /** Runs when the time is over. Work in steps replaces it. Null once the deadline is settled or has expired. */
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

  /** Whether no time is left. Work checks it before its next step. */
  get isExpired (): boolean {
    return this.expire === null
  }

  /** Ends the deadline. Returns false if its time was over already. */
  settle (): boolean {
    if (this.expire === null) return false
    this.expire = null
    clearTimeout(this.#timer)
    return true
  }
}

/** Runs work in several steps within one deadline. */
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
