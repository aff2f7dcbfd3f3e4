import { FST_WEAPP_BUSY } from '../errors.js'

/** How long work may wait for its turn, in milliseconds: long enough for a burst, too short for a queue to grow old. */
const PATIENCE_MS = 1000

/** How many may wait for each that may run: more than could get their turn in time. */
const WAITING_PER_PLACE = 16

/** Lets so many run at once; the rest wait their turn for a moment, in order. */
export interface ConcurrencyLimit {
  /** @throws FST_WEAPP_BUSY when there is no turn in time, at once when too many wait already */
  run<Result> (work: () => Promise<Result>): Promise<Result>
}

export function createConcurrencyLimit (concurrency: number): ConcurrencyLimit {
  const waiting = new Set<() => void>()
  let running = 0

  /** Waits for a place, which it then has. */
  async function turn (): Promise<void> {
    if (waiting.size >= concurrency * WAITING_PER_PLACE) throw new FST_WEAPP_BUSY()
    await new Promise<void>((resolve, reject) => {
      const takePlace = () => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(() => {
        waiting.delete(takePlace)
        reject(new FST_WEAPP_BUSY())
      }, PATIENCE_MS)
      waiting.add(takePlace)
    })
  }

  /** Hands the place to who has waited longest, or gives it up. */
  function leave (): void {
    const [next] = waiting
    if (next === undefined) {
      running--
    } else {
      waiting.delete(next)
      next()
    }
  }

  return {
    async run (work) {
      if (running >= concurrency) await turn()
      else running++
      try {
        return await work()
      } finally {
        leave()
      }
    }
  }
}
