/**
 * Circuit breakers for code2Session, one per app. A breaker opens after 45011, WeChat's rate limit.
 * WeChat does not document what 45011 counts: some sources name the calls of the app, others the calls of one user.
 * The breaker therefore becomes half-open every second. One probe finds out whether WeChat still serves other users.
 */
import { isWithin } from '../utils/is-within.js'
import { rateLimited } from './errcodes.js'

/** How long a breaker stays open, in milliseconds. WeChat counts by the minute. */
const OPEN_MS = 10_000

/**
 * Interval between two probes, in milliseconds. After a success, a 45011 within this time may be
 * the limit of one user, and the breaker stays closed.
 */
const PROBE_INTERVAL_MS = 1000

/** Maximum number of refused codes that an open breaker remembers. */
const MAX_LIMITED_CODES = 64

/** `closed` lets every call through, `open` none, `half-open` one probe. After that the breaker is `open` again. */
type State = 'closed' | 'open' | 'half-open'

interface Breaker {
  openedAt: number
  nextProbeAt: number
  /** Codes that WeChat refused with 45011. They are still valid but must not use up another probe. */
  limitedCodes: Set<string>
}

export interface Cooldown {
  /**
   * Returns if the breaker of the app is closed, or if this code is the probe of a half-open breaker.
   *
   * @throws FST_WEAPP_WECHAT_LIMITED
   */
  assertClosed (appId: string, code: string): void
  /** Closes the breaker because WeChat accepted a code of the app. */
  recordSuccess (appId: string): void
  /** Opens the breaker after a 45011, unless WeChat accepted a code just before. Then the limit may be one user's. */
  open (appId: string, code: string): void
  /** Closes the breaker because WeChat answers the app again. */
  close (appId: string): void
}

export function createCooldown (): Cooldown {
  /** Apps without an entry have a closed breaker. */
  const breakers = new Map<string, Breaker>()
  const lastSuccess = new Map<string, number>()

  return {
    assertClosed (appId, code) {
      const breaker = breakers.get(appId)
      if (breaker === undefined) return
      const now = Date.now()
      const state = stateOf(breaker, now)
      if (state === 'closed') {
        breakers.delete(appId)
      } else if (state === 'half-open' && !breaker.limitedCodes.has(code)) {
        breaker.nextProbeAt = now + PROBE_INTERVAL_MS
      } else {
        throw rateLimited(Math.ceil((breaker.openedAt + OPEN_MS - now) / 1000))
      }
    },

    recordSuccess (appId) {
      lastSuccess.set(appId, Date.now())
      breakers.delete(appId)
    },

    open (appId, code) {
      const now = Date.now()
      if (isRecent(lastSuccess.get(appId), now)) return
      const { limitedCodes } = breakers.get(appId) ?? { limitedCodes: new Set<string>() }
      if (limitedCodes.size < MAX_LIMITED_CODES) limitedCodes.add(code)
      breakers.set(appId, { openedAt: now, nextProbeAt: now + PROBE_INTERVAL_MS, limitedCodes })
    },

    close (appId) {
      breakers.delete(appId)
    }
  }
}

function stateOf ({ openedAt, nextProbeAt }: Breaker, now: number): State {
  if (!isWithin(now, openedAt, OPEN_MS)) return 'closed'
  return now >= nextProbeAt ? 'half-open' : 'open'
}

/** Measures in both directions: after the clock was set back, an old success lies in the future and must not count. */
function isRecent (success = -Infinity, now: number): boolean {
  return Math.abs(now - success) <= PROBE_INTERVAL_MS
}
