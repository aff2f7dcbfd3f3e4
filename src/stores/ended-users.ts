import { isEmpty, withoutExpired, type UserRecord } from './user-record/record.js'

/** Records that a change looks at, so that expired ones are dropped without a timer. */
const SWEEP_STEPS = 2

/**
 * The records of users without live sessions: reasons, and ends of pending logins. They are kept apart from the others.
 * Otherwise reasons of many users would evict signed-in users.
 */
export class EndedUsers {
  readonly #records = new Map<string, UserRecord>()
  readonly #max: number
  #sweep = this.#records.entries()

  /** @param max number of users. Beyond it, the least recently changed one is dropped. */
  constructor (max: number) {
    this.#max = max
  }

  get (userId: string): UserRecord | undefined {
    return this.#records.get(userId)
  }

  delete (userId: string): void {
    this.#records.delete(userId)
  }

  /** Stores a record, and drops some records that have expired by `now` and `clock`. */
  set (userId: string, record: UserRecord, now: number, clock: number): void {
    this.#records.delete(userId)
    this.#records.set(userId, record)
    for (let step = 0; step < SWEEP_STEPS; step++) {
      const { done, value } = this.#sweep.next()
      if (done) this.#sweep = this.#records.entries()
      else if (isEmpty(withoutExpired(value[1], now, clock))) this.#records.delete(value[0])
    }
    for (const oldest of this.#records.keys()) {
      if (this.#records.size <= this.#max) break
      this.#records.delete(oldest)
    }
  }
}
