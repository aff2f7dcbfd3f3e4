import { FST_WEAPP_BUSY } from '../errors.js'

/** How long work may wait for a slot, in milliseconds: enough for a burst, too short for a backlog. */
const MAX_QUEUE_WAIT_MS = 1000

/** How many may wait for each slot. More could not get a slot within MAX_QUEUE_WAIT_MS. */
const MAX_QUEUE_PER_SLOT = 16

/** A limit on how much work runs at once. Excess work waits briefly, first come, first served. */
export interface ConcurrencyLimit {
  /**
   * Runs `work` once a slot is free. Rejects without calling `work` if the queue is full or the wait is too long.
   *
   * @throws FST_WEAPP_BUSY
   */
  run<Result> (work: () => Promise<Result>): Promise<Result>
}

export function createConcurrencyLimit (concurrency: number): ConcurrencyLimit {
  const queue = new Set<() => void>()
  let running = 0

  async function acquire (): Promise<void> {
    if (running < concurrency) {
      running++
      return
    }
    if (queue.size >= concurrency * MAX_QUEUE_PER_SLOT) throw new FST_WEAPP_BUSY()
    await new Promise<void>((resolve, reject) => {
      const takeSlot = () => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(() => {
        queue.delete(takeSlot)
        reject(new FST_WEAPP_BUSY())
      }, MAX_QUEUE_WAIT_MS)
      queue.add(takeSlot)
    })
  }

  /** Hands the slot to the work that has waited longest, or frees it. */
  function release (): void {
    const [next] = queue
    if (next === undefined) {
      running--
    } else {
      queue.delete(next)
      next()
    }
  }

  return {
    async run (work) {
      await acquire()
      try {
        return await work()
      } finally {
        release()
      }
    }
  }
}
