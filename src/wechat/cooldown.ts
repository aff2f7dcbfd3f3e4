/**
 * When an app is not to ask code2Session. WeChat does not document what 45011 counts: the app's calls by some accounts,
 * each user's by others. So an app rests after it, and finds out meanwhile whether the others may pass.
 */
import { rateLimited } from './errcodes.js'

/** How long an app rests after 45011, in milliseconds. WeChat counts by the minute. */
const REST_MS = 10_000

/**
 * An app that traded a code within so many milliseconds before a 45011 does not rest, and one that rests asks again with one
 * code in so many, in milliseconds: once WeChat answers that one, the rest is over.
 */
const PROBE_MS = 1000

/** How many refused codes are remembered in a rest. */
const MAX_REFUSED = 64

interface Rest {
  until: number
  /** When the next code may be asked about all the same. */
  probeAt: number
  /** Codes that were 45011 themselves, and are not spent: none of them takes the turn of another's once more. */
  refused: Set<string>
}

export interface Cooldown {
  /** Has the app rest, unless a code of it was traded just before: then 45011 is one user's alone. */
  open (appId: string, code: string): void
  /** @throws FST_WEAPP_WECHAT_LIMITED when the app rests and this code is not the one that asks all the same */
  assertClosed (appId: string, code: string): void
  /** WeChat traded a code of the app. */
  recordSuccess (appId: string): void
  /** WeChat answers the app again. */
  close (appId: string): void
}

export function createCooldown (): Cooldown {
  /** An entry goes with the first code that is answered, or the first to be asked about after its end. */
  const rests = new Map<string, Rest>()
  const lastTraded = new Map<string, number>()

  return {
    open (appId, code) {
      const now = Date.now()
      // A clock that was set back makes no trade of the future.
      if (Math.abs(now - (lastTraded.get(appId) ?? -Infinity)) <= PROBE_MS) return
      const { refused } = rests.get(appId) ?? { refused: new Set<string>() }
      if (refused.size < MAX_REFUSED) refused.add(code)
      rests.set(appId, { until: now + REST_MS, probeAt: now + PROBE_MS, refused })
    },

    assertClosed (appId, code) {
      const rest = rests.get(appId)
      if (rest === undefined) return
      const now = Date.now()
      if (now >= rest.until || now < rest.until - REST_MS) {
        rests.delete(appId)
      } else if (now >= rest.probeAt && !rest.refused.has(code)) {
        rest.probeAt = now + PROBE_MS
      } else {
        throw rateLimited(Math.ceil((rest.until - now) / 1000))
      }
    },

    recordSuccess (appId) {
      lastTraded.set(appId, Date.now())
      rests.delete(appId)
    },

    close (appId) {
      rests.delete(appId)
    }
  }
}
