/**
 * The backoff of logins that no user asked for. After a login that failed they reject at once until a delay has passed.
 * A token whose predecessor was refused too is renewed only after a delay.
 */
import { clientError, isClientError } from './errors.js'

/** A login that failed. */
export interface FailedLogin {
  /** A client error, or what the host's `unwrap` threw. */
  readonly failure: unknown
}

export interface Backoff {
  /** @throws the last failure, if it is a client error with the seconds that are left in `retryAfter` */
  check (): void
  /** Whether a refused token must not be renewed yet, because the last login did not help. */
  isDelaying (): boolean
  /** Records that a route refused a token, so that the next login renews it. */
  refuse (url: string): void
  /** Records that a route accepted a token. Ends the delay if this route refused the last one. */
  accept (url: string): void
  /**
   * Begins a delay after a login that failed, and after each login since a route refused a token. Otherwise ends it.
   * The delay is the `retryAfter` of a failure, or else 1 second, or twice the delay before up to 32.
   */
  settle (failed: FailedLogin | null): void
}

export function createBackoff (): Backoff {
  let last: FailedLogin | null = null
  let start = 0
  let delay = 0
  /** The URL of the last refusal. Only a response to the same URL shows that a guard accepts the token. */
  let refusedUrl: string | null = null

  function secondsLeft (): number {
    const passed = (Date.now() - start) / 1000
    // The clock of the device may be set back.
    return passed < 0 ? 0 : Math.ceil(delay - passed)
  }

  return {
    check () {
      const retryAfter = secondsLeft()
      if (last === null || retryAfter <= 0) return
      const { failure } = last
      throw isClientError(failure) ? clientError(failure.code, failure.message, { ...failure, retryAfter }) : failure
    },
    isDelaying: () => last === null && secondsLeft() > 0,
    refuse (url) { refusedUrl = url },
    accept (url) {
      // After a login that failed, the response is one to the refused token.
      if (url !== refusedUrl || last !== null) return
      refusedUrl = null
      delay = 0
    },
    settle (failed) {
      last = failed
      start = Date.now()
      const failure = failed && failed.failure
      const retryAfter = isClientError(failure) && failure.retryAfter
      delay = failed || refusedUrl ? retryAfter || Math.min(delay * 2, 32) || 1 : 0
    }
  }
}
