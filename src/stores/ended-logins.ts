import { PENDING_LOGIN_TTL_MS, type UserRef } from './store.js'

/** When the pending logins of users were ended lately: beside the users, of whom they are few. */
export class EndedLogins {
  /** The latest at the end, in epoch milliseconds. */
  readonly #times = new Map<string, number>()

  add ({ userId, now }: UserRef): void {
    this.#times.delete(userId)
    this.#times.set(userId, now)
    for (const [user, time] of this.#times) {
      if (Math.abs(now - time) < PENDING_LOGIN_TTL_MS) break
      this.#times.delete(user)
    }
  }

  /** Whether a login that began then was one of them. */
  include (userId: string, startedAt: number): boolean {
    const age = (this.#times.get(userId) ?? -Infinity) - startedAt
    // None that began longer before is still on its way: the time was told by a clock that ran ahead, and has been set right.
    return age > 0 && age < PENDING_LOGIN_TTL_MS
  }
}
