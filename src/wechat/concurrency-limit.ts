import { FST_WEAPP_BUSY } from '../errors.js'

/** How long a login may wait for a slot, in milliseconds: enough for a burst, too short for a backlog. */
const MAX_QUEUE_WAIT_MS = 1000

/** How many may wait for each slot. More could not get a slot within MAX_QUEUE_WAIT_MS. */
const MAX_QUEUE_PER_SLOT = 16

/** A limit on how much work runs at once. Excess work waits briefly, first come, first served. */
export interface ConcurrencyLimit {
  /**
   * Runs `work` once a slot is free. Rejects without calling `work` if the queue is full or the wait is too long.
   *
   * @param user the user that the work belongs to, if known
   * @throws FST_WEAPP_BUSY
   */
  run<Result> (work: () => Promise<Result>, user?: string): Promise<Result>
}

export interface ConcurrencyLimitOptions {
  /**
   * How long work may wait for a slot, in milliseconds.
   * @default 1000
   */
  maxWait?: number
  /**
   * How many slots one user may have at once. The user's further work waits, and the work of others overtakes it.
   * @default all slots
   */
  slotsPerUser?: number
}

/** The slots that a user has, and the places in the queue. */
interface Usage {
  running: number
  queued: number
}

interface Waiter {
  user: string | undefined
  takeSlot: () => void
}

export function createConcurrencyLimit (
  concurrency: number, { maxWait = MAX_QUEUE_WAIT_MS, slotsPerUser = concurrency }: ConcurrencyLimitOptions = {}
): ConcurrencyLimit {
  const queue = new Set<Waiter>()
  const usages = new Map<string, Usage>()
  let running = 0

  function usageOf (user: string | undefined): Usage {
    return (user === undefined ? undefined : usages.get(user)) ?? { running: 0, queued: 0 }
  }

  function count (user: string | undefined, change: Usage): void {
    running += change.running
    if (user === undefined) return
    const before = usageOf(user)
    const after = { running: before.running + change.running, queued: before.queued + change.queued }
    if (after.running === 0 && after.queued === 0) usages.delete(user)
    else usages.set(user, after)
  }

  async function acquire (user: string | undefined): Promise<void> {
    const usage = usageOf(user)
    if (running < concurrency && usage.running < slotsPerUser) {
      count(user, { running: 1, queued: 0 })
      return
    }
    if (queue.size >= concurrency * MAX_QUEUE_PER_SLOT || usage.queued >= slotsPerUser * MAX_QUEUE_PER_SLOT) {
      throw new FST_WEAPP_BUSY()
    }
    await new Promise<void>((resolve, reject) => {
      const waiter: Waiter = {
        user,
        takeSlot () {
          clearTimeout(timer)
          queue.delete(waiter)
          count(user, { running: 1, queued: -1 })
          resolve()
        }
      }
      const timer = setTimeout(() => {
        queue.delete(waiter)
        count(user, { running: 0, queued: -1 })
        reject(new FST_WEAPP_BUSY())
      }, maxWait)
      queue.add(waiter)
      count(user, { running: 0, queued: 1 })
    })
  }

  /** Frees the slot, or hands it to the work that has waited longest and whose user may have another slot. */
  function release (user: string | undefined): void {
    count(user, { running: -1, queued: 0 })
    for (const waiter of queue) {
      if (usageOf(waiter.user).running < slotsPerUser) return waiter.takeSlot()
    }
  }

  return {
    async run (work, user) {
      await acquire(user)
      try {
        return await work()
      } finally {
        release(user)
      }
    }
  }
}
