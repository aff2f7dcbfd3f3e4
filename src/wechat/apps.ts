/** The Mini Programs of one registration: their ids and secrets. */
import { LRUCache } from 'lru-cache'
import { FST_WEAPP_APP_UNKNOWN, FST_WEAPP_INVALID_OPTION } from '../errors.js'

/** App ids with their secrets, or who knows them: it answers null for an app that is not ours. */
export type AppSecrets = Readonly<Record<string, string>> | ((appId: string) => string | null | Promise<string | null>)

export interface AppCredentials {
  appId: string
  appSecret: string
}

export interface Apps {
  /**
   * The app's credentials; without an id, those of the only app there is.
   *
   * @throws FST_WEAPP_APP_UNKNOWN, FST_WEAPP_INVALID_OPTION when an id is needed
   */
  credentials (appId: string | undefined): Promise<AppCredentials>
  /** Whether the app is ours: at once where that is known, for it is asked with every token. */
  has (appId: string): boolean | Promise<boolean>
  /** What is remembered of the app may be wrong: it is looked up anew. */
  forget (appId: string): void
}

/** How long the answer of a function is remembered, in milliseconds, and how many. */
const REMEMBERED_MS = 60_000
const REMEMBERED_APPS = 10_000

/** Those of WeChat have 18 characters. */
const MAX_APP_ID_LENGTH = 64

export function createApps (secrets: AppSecrets): Apps {
  const { lookUp, forget } = typeof secrets === 'function' ? remembered(secrets) : inMap(secrets)
  const ids = typeof secrets === 'function' ? [] : Object.keys(secrets)
  const onlyId = ids.length === 1 ? ids[0] : undefined

  return {
    async credentials (appId = onlyId) {
      if (appId === undefined) throw new FST_WEAPP_INVALID_OPTION('appId', 'must say which of several Mini Programs is meant')
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

function inMap (secrets: Readonly<Record<string, string>>): Secrets {
  // A copy: what the host does to its object later is not what was checked.
  const known = new Map(Object.entries(secrets))
  return { lookUp: (appId) => known.get(appId) ?? null, forget () {} }
}

function remembered (ask: Secrets['lookUp']): Secrets {
  const pending = new Map<string, Promise<string | null>>()
  const answers = new LRUCache<string, { secret: string | null }>({ maxSize: REMEMBERED_APPS, sizeCalculation: () => 1, ttl: REMEMBERED_MS, perf: Date, ttlResolution: 0 })
  return {
    lookUp (appId) {
      const answer = answers.get(appId)
      if (answer !== undefined) return answer.secret
      // Whoever says it, nothing of this length is an app id: it is not asked about, nor remembered.
      if (appId.length > MAX_APP_ID_LENGTH) return null
      let asked = pending.get(appId)
      if (asked === undefined) {
        asked = askFor(appId).finally(() => pending.delete(appId))
        pending.set(appId, asked)
      }
      return asked
    },

    forget (appId) {
      answers.delete(appId)
    }
  }

  async function askFor (appId: string): Promise<string | null> {
    const given: unknown = await ask(appId)
    const secret = typeof given === 'string' && given.trim() !== '' ? given : null
    answers.set(appId, { secret })
    return secret
  }
}

/**
 * The app id in the Referer that WeChat's client sends and a Mini Program cannot change,
 * `https://servicewechat.com/{appid}/{version}/page-frame.html`; undefined when it is not of that form. Any other HTTP
 * client can send what it likes: it may choose among the apps of a registration and proves nothing.
 */
export function appIdFromReferer (request: { headers: { referer?: string | undefined } }): string | undefined {
  return /^https:\/\/servicewechat\.com\/(wx[0-9a-zA-Z]+)\//.exec(request.headers.referer ?? '')?.[1]
}
