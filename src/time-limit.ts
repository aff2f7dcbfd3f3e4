/** What began, until it ends: `null` then. */
export interface Wait {
  readonly until: number
  expire: (() => void) | null
}

/** How many that have ended are removed at once while one before them still waits. */
const FORGOTTEN_TOGETHER = 1000

/**
 * One timer for everything that has to end within the same time: something begins with every guarded request.
 *
 * A queue and not a Set: what comes and goes fills the table of a Set again and again, each table holds on to the next
 * one, and once one is in the old generation the garbage collector carries every request there.
 */
export class TimeLimit {
  readonly #milliseconds: number
  /** Oldest first, and the first of them waits. */
  #waits: Wait[] = []
  #first = 0
  #timer: NodeJS.Timeout | null = null

  constructor (milliseconds: number) {
    this.#milliseconds = milliseconds
  }

  /** Calls `expire` unless `end` is called with the answer in time. */
  begin (expire: () => void): Wait {
    const wait = { until: performance.now() + this.#milliseconds, expire }
    this.#waits.push(wait)
    this.#timer = this.#timer?.ref() ?? this.#watch(this.#milliseconds)
    return wait
  }

  /** False when its time was over already. */
  end (wait: Wait): boolean {
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

  #watch (delay: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#timer = null
      const now = performance.now()
      for (let wait = this.#waits[this.#first]; wait !== undefined; wait = this.#waits[this.#first]) {
        if (wait.until > now) {
          this.#timer = this.#watch(wait.until - now)
          return
        }
        const { expire } = wait
        this.end(wait)
        expire?.()
      }
    }, delay)
  }
}
