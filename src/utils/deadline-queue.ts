/** What has to end in time. */
export interface Deadline {
  /** By `performance.now()`, which nobody sets. */
  readonly until: number
  /** What to do when the time is over; null once it has ended, in time or not. */
  expire: (() => void) | null
}

/** How many that have ended are removed at once while one before them still waits. */
const FORGOTTEN_TOGETHER = 1000

/** Whether work has no time left, which it asks before it begins another step. */
export function isExpired ({ expire }: Deadline): boolean {
  return expire === null
}

const NOTHING = (): void => {}

/**
 * One timer for everything that has to end within the same time: something begins with every guarded request.
 *
 * A queue and not a Set: what comes and goes fills the table of a Set again and again, each table holds on to the next
 * one, and once one is in the old generation the garbage collector carries every request there. What has ended leaves
 * the queue when all before it has: behind one that hangs, some 70 bytes of each stay until that one's time is over.
 */
export class DeadlineQueue {
  readonly #milliseconds: number
  /** Oldest first, and the first of them waits. */
  #waits: Deadline[] = []
  #first = 0
  #timer: NodeJS.Timeout | null = null

  constructor (milliseconds: number) {
    this.#milliseconds = milliseconds
  }

  /** Calls `expire` unless `end` is called with the answer in time. Work in several steps sets `wait.expire` at each. */
  add (expire = NOTHING): Deadline {
    const wait = { until: performance.now() + this.#milliseconds, expire }
    this.#waits.push(wait)
    this.#timer = this.#timer?.ref() ?? this.#watch(this.#milliseconds)
    return wait
  }

  /** False when its time was over already. */
  settle (wait: Deadline): boolean {
    if (wait.expire === null) return false
    wait.expire = null
    const waits = this.#waits
    while (this.#first < waits.length && waits[this.#first]!.expire === null) this.#first++
    if (this.#first === waits.length) {
      this.#first = waits.length = 0
      // A process that has nothing else to do may end.
      this.#timer?.unref()
    } else if (this.#first >= FORGOTTEN_TOGETHER) {
      waits.splice(0, this.#first)
      this.#first = 0
    }
    return true
  }

  /** Begins and ends the wait around work in steps. */
  async run<Result> (work: (wait: Deadline) => Promise<Result>): Promise<Result> {
    const wait = this.add()
    try {
      return await work(wait)
    } finally {
      this.settle(wait)
    }
  }

  #watch (delay: number): NodeJS.Timeout {
    return setTimeout(() => {
      try {
        this.#expireLate()
      } finally {
        // Also when one of them threw: the others have their time too.
        const next = this.#waits[this.#first]
        this.#timer = next === undefined ? null : this.#watch(next.until - performance.now())
      }
    }, delay)
  }

  #expireLate (): void {
    const now = performance.now()
    for (let wait = this.#waits[this.#first]; wait !== undefined && wait.until <= now; wait = this.#waits[this.#first]) {
      const { expire } = wait
      this.settle(wait)
      expire?.()
    }
  }
}
