/** Delays the logins that no user asked for: after a failure they reject at once until a time has passed. */
import { clientError, type WeappClientError } from './errors.js'

export interface Brake {
  /** @throws the last failure, with the seconds that are left in `retryAfter` */
  check (): void
  /**
   * Begins a delay of `retryAfter` of the failure, or else of 1 second, doubled with each failure in a row up to 32.
   * Null ends the delay.
   */
  note (failure: WeappClientError | null): void
}

export function createBrake (): Brake {
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
    note (failure) {
      last = failure
      start = Date.now()
      delay = failure ? failure.retryAfter || nextDelay : 0
      nextDelay = failure ? Math.min(nextDelay * 2, 32) : 1
    }
  }
}
