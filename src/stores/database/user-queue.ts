import type { Deadline } from '../../utils/deadline.js'
import { storeError } from '../store-error.js'
import { TIMEOUT, TOO_MANY_WAITING } from './errors.js'

/**
 * Runs the operations of each user one after another. Otherwise concurrent logins of a user would overwrite each other,
 * and each would repeat most attempts.
 */
export class UserQueue {
  /** By user id: the operations that wait for the running one, in order. */
  readonly #queues = new Map<string, Set<() => void>>()
  readonly #maxWaiting: number
  #waiting = 0

  constructor (maxWaiting: number) {
    this.#maxWaiting = maxWaiting
  }

  /** Runs an operation after the earlier ones of its user. Rejects it without a run if its time is over before. */
  async run<Result> (userId: string, deadline: Deadline, operation: () => Promise<Result>): Promise<Result> {
    const queue = this.#queues.get(userId)
    if (queue === undefined) this.#queues.set(userId, new Set())
    else await this.#turn(queue, deadline)
    try {
      return await operation()
    } finally {
      this.#next(userId)
    }
  }

  async #turn (queue: Set<() => void>, deadline: Deadline): Promise<void> {
    if (this.#waiting >= this.#maxWaiting) throw storeError(TOO_MANY_WAITING)
    this.#waiting++
    try {
      await new Promise<void>((resolve, reject) => {
        queue.add(resolve)
        deadline.expire = () => {
          queue.delete(resolve)
          reject(storeError(TIMEOUT))
        }
      })
    } finally {
      this.#waiting--
    }
  }

  #next (userId: string): void {
    const queue = this.#queues.get(userId)!
    const [start] = queue
    if (start === undefined) {
      this.#queues.delete(userId)
      return
    }
    queue.delete(start)
    start()
  }
}
