import { PENDING_LOGIN_TTL_MS, type UserRef } from './store.js'

/** When the pending logins of users were ended lately. Separate from the users, because few users have an entry. */
export class EndedLogins {
  /** Epoch milliseconds by user id, the latest last. */
  readonly #times = new Map<string, number>()

  add ({ userId, now }: UserRef): void {
    this.#times.delete(userId)
    this.#times.set(userId, now)
    for (const [user, time] of this.#times) {
      if (Math.abs(now - time) < PENDING_LOGIN_TTL_MS) break
      this.#times.delete(user)
    }
  }

  /** Returns whether a login that began at `startedAt` was ended. */
  include (userId: string, startedAt: number): boolean {
    const age = (this.#times.get(userId) ?? -Infinity) - startedAt
    // No login takes that long. A greater age means that a clock which ran ahead set the time.
    return age > 0 && age < PENDING_LOGIN_TTL_MS
  }
}
