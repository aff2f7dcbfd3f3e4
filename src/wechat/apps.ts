/** The Mini Programs of one registration: app ids and secrets. */
import { LRUCache } from 'lru-cache'
import { FST_WEAPP_APP_UNKNOWN, FST_WEAPP_INVALID_OPTION } from '../errors.js'

/** App secrets by app id, or a lookup function that returns null for an unknown app. */
export type AppSecrets = Readonly<Record<string, string>> | ((appId: string) => string | null | Promise<string | null>)

export interface AppCredentials {
  appId: string
  appSecret: string
}

export interface Apps {
  /**
   * Returns the credentials of an app. Without an id, returns those of the only app.
   *
   * @throws FST_WEAPP_APP_UNKNOWN, FST_WEAPP_INVALID_OPTION
   */
  credentials (appId: string | undefined): Promise<AppCredentials>
  /** Returns false if the app is unknown. Synchronous if the answer is cached, because the guard needs it per token. */
  has (appId: string): boolean | Promise<boolean>
  /** Discards the cached secret of an app because it may be outdated. */
  forget (appId: string): void
}

/** How long a result of the lookup function is cached, in milliseconds. */
const CACHE_TTL_MS = 60_000
const MAX_CACHED_APPS = 10_000

/** WeChat's app ids have 18 characters. */
const MAX_APP_ID_LENGTH = 64

export function createApps (secrets: AppSecrets): Apps {
  const { lookUp, forget } = typeof secrets === 'function' ? cachedSecrets(secrets) : mappedSecrets(secrets)
  const ids = typeof secrets === 'function' ? [] : Object.keys(secrets)
  const onlyId = ids.length === 1 ? ids[0] : undefined

  return {
    async credentials (appId = onlyId) {
      if (appId === undefined) {
        throw new FST_WEAPP_INVALID_OPTION('appId', 'is required if several Mini Programs are configured')
      }
      const appSecret = await lookUp(appId)
      if (appSecret === null) throw new FST_WEAPP_APP_UNKNOWN()
      return { appId, appSecret }
    },

    has (appId) {
      const found = lookUp(appId)
      return found instanceof Promise ? found.then((secret) => secret !== null) : found !== null
    },

    forget
  }
}

interface Secrets {
  lookUp (appId: string): string | null | Promise<string | null>
  forget (appId: string): void
}

function mappedSecrets (secrets: Readonly<Record<string, string>>): Secrets {
  // A copy, because the host may change its object after validation.
  const known = new Map(Object.entries(secrets))
  return { lookUp: (appId) => known.get(appId) ?? null, forget () {} }
}

function cachedSecrets (lookUpSecret: Secrets['lookUp']): Secrets {
  const inFlight = new Map<string, Promise<string | null>>()
  const cache = new LRUCache<string, { secret: string | null }>({
    maxSize: MAX_CACHED_APPS, sizeCalculation: () => 1, ttl: CACHE_TTL_MS, perf: Date, ttlResolution: 0
  })
  return {
    lookUp (appId) {
      const cached = cache.get(appId)
      if (cached !== undefined) return cached.secret
      // Too long to be an app id: do not look it up, do not cache it.
      if (appId.length > MAX_APP_ID_LENGTH) return null
      let pending = inFlight.get(appId)
      if (pending === undefined) {
        pending = load(appId).finally(() => inFlight.delete(appId))
        inFlight.set(appId, pending)
      }
      return pending
    },

    forget (appId) {
      cache.delete(appId)
    }
  }

  async function load (appId: string): Promise<string | null> {
    const found: unknown = await lookUpSecret(appId)
    const secret = typeof found === 'string' && found.trim() !== '' ? found : null
    cache.set(appId, { secret })
    return secret
  }
}

/**
 * Returns the app id in the Referer, `https://servicewechat.com/{appid}/{version}/page-frame.html`.
 * Returns undefined if the Referer has another form.
 * WeChat's client sets this header, and a Mini Program cannot change it. Any other HTTP client can.
 * The app id therefore proves nothing. It may only choose among the apps of one registration.
 */
export function appIdFromReferer (request: { headers: { referer?: string | undefined } }): string | undefined {
  return /^https:\/\/servicewechat\.com\/(wx[0-9a-zA-Z]+)\//.exec(request.headers.referer ?? '')?.[1]
}
