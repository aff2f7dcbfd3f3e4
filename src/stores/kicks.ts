import { LONGEST_LOGIN_MS, type UserRef } from './store.js'

/** When the pending logins of users were ended lately: beside the users, of whom they are few. */
export class Kicks {
  /** The latest at the end, in epoch milliseconds. */
  readonly #times = new Map<string, number>()

  remember ({ userId, now }: UserRef): void {
    this.#times.delete(userId)
    this.#times.set(userId, now)
    for (const [kicked, time] of this.#times) {
      if (now - time < LONGEST_LOGIN_MS) return
      this.#times.delete(kicked)
    }
  }

  /** Whether this login was one of those that were ended. */
  haveHit (userId: string, startedAt: number): boolean {
    return startedAt < (this.#times.get(userId) ?? -Infinity)
  }
}
