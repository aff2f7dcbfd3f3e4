/** The backoff of logins that no user asked for: after a failure they reject at once until a delay has passed. */
import { clientError, type WeappClientError } from './errors.js'

export interface Backoff {
  /** @throws the last failure, with the seconds that are left in `retryAfter` */
  check (): void
  /**
   * Begins a delay after a failure, or ends it after a success (null). It is the failure's `retryAfter`, or else 1
   * second, doubled with each failure in a row up to 32.
   */
  settle (failure: WeappClientError | null): void
}

export function createBackoff (): Backoff {
  let last: WeappClientError | null = null
  let delay = 0
  let nextDelay = 1
  let start = 0

  return {
    check () {
      const passed = (Date.now() - start) / 1000
      // The clock of the device may be set back.
      if (passed < 0 || passed >= delay) return
      throw clientError(last!.code, last!.message, { ...last, retryAfter: Math.ceil(delay - passed) })
    },
    settle (failure) {
      last = failure
      start = Date.now()
      delay = failure ? failure.retryAfter || nextDelay : 0
      nextDelay = failure ? Math.min(nextDelay * 2, 32) : 1
    }
  }
}
