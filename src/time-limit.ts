/** What has to end in time. */
export interface Wait {
  /** By `performance.now()`, which nobody sets. */
  readonly until: number
  /** What to do when the time is over; null once it has ended, in time or not. */
  expire: (() => void) | null
  timer: NodeJS.Timeout
}

/** Whether work has no time left, which it asks before it begins another step. */
export function isOver ({ expire }: Wait): boolean {
  return expire === null
}

/** Ends work that takes too long. Node.js keeps timers of one duration in one list: one for each wait costs no more than a queue of our own. */
export class TimeLimit {
  readonly #milliseconds: number

  constructor (milliseconds: number) {
    this.#milliseconds = milliseconds
  }

  /** Calls `expire` unless `end` is called with the answer in time. Work in several steps sets `wait.expire` at each. */
  begin (expire = () => {}): Wait {
    const timer = setTimeout(() => {
      const { expire } = wait
      wait.expire = null
      expire?.()
    }, this.#milliseconds)
    const wait: Wait = { until: performance.now() + this.#milliseconds, expire, timer }
    return wait
  }

  /** False when its time was over already. */
  end (wait: Wait): boolean {
    if (wait.expire === null) return false
    wait.expire = null
    clearTimeout(wait.timer)
    return true
  }

  /** Begins and ends the wait around work in steps. */
  async within<Result> (work: (wait: Wait) => Promise<Result>): Promise<Result> {
    const wait = this.begin()
    try {
      return await work(wait)
    } finally {
      this.end(wait)
    }
  }
}
