/**
 * Caches one access_token per app, from WeChat's stable_token. Its normal mode never invalidates the token of another
 * process.
 *
 * @see https://developers.weixin.qq.com/minigame/dev/api-backend/open-api/access-token/auth.getStableAccessToken.html
 */
import { FST_WEAPP_WECHAT_BAD_REPLY, isWeappError } from '../errors.js'
import { isWithin } from '../utils/is-within.js'
import { isText } from '../utils/type-checks.js'
import type { AppCredentials } from './apps.js'
import type { WechatCall } from './request.js'
import type { WechatReply } from './response.js'

export interface AccessTokens {
  /** Returns a token that is valid for at least five more minutes. Concurrent callers share one fetch. */
  get (app: AppCredentials): Promise<string>
  /** Calls with a token. If WeChat refuses the token, renews it and repeats the call once. */
  use<Result> (app: AppCredentials, callWith: (token: string) => Promise<Result>): Promise<Result>
}

/** Errcodes of a token that is invalid, has expired or is not the newest. */
const TOKEN_REFUSED = new Set([40001, 40014, 42001])

/** WeChat issues the next token five minutes before the previous one expires. Both are valid until then. */
const RENEW_EARLY_MS = 5 * 60_000
/** Minimum interval between refetches when stable_token keeps returning a token that WeChat refuses. */
const MIN_REFETCH_INTERVAL_MS = 30_000

interface CachedToken {
  token: string
  renewAt: number
  /** When stable_token returned this token although WeChat had refused it. null if WeChat had not refused it. */
  returnedAgainAt: number | null
}

export function createAccessTokens (call: (appId: string, call: WechatCall) => Promise<WechatReply>): AccessTokens {
  const tokens = new Map<string, CachedToken>()
  /** The last token of each app that WeChat refused. */
  const refused = new Map<string, string>()
  const inFlight = new Map<string, Promise<string>>()

  async function fetch ({ appId, appSecret }: AppCredentials): Promise<string> {
    // The lifetime counts from the request: WeChat may have issued the token long before its answer arrives.
    const requestedAt = Date.now()
    const reply = await call(appId, {
      path: '/cgi-bin/stable_token',
      query: {},
      body: JSON.stringify({ grant_type: 'client_credential', appid: appId, secret: appSecret })
    })
    const { access_token: token, expires_in: seconds } = reply
    if (!isText(token) || !Number.isFinite(seconds)) throw new FST_WEAPP_WECHAT_BAD_REPLY()
    tokens.set(appId, {
      token,
      renewAt: requestedAt + (seconds as number) * 1000 - RENEW_EARLY_MS,
      returnedAgainAt: token === refused.get(appId) ? requestedAt : null
    })
    return token
  }

  async function get (app: AppCredentials): Promise<string> {
    const cached = tokens.get(app.appId)
    if (cached !== undefined && Date.now() < cached.renewAt) return cached.token
    // One fetch at a time for each app, so that a late answer never replaces a newer one.
    let pending = inFlight.get(app.appId)
    if (pending === undefined) {
      pending = fetch(app).finally(() => inFlight.delete(app.appId))
      inFlight.set(app.appId, pending)
    }
    return await pending
  }

  /**
   * Discards a token that WeChat refused, so that the next `get` fetches another.
   * Does nothing if a newer token is cached, or if WeChat has just returned the refused token again.
   * Otherwise each call could fetch, and fetches count towards a quota that every API depends on.
   */
  function drop (appId: string, token: string): void {
    const cached = tokens.get(appId)
    if (cached?.token !== token) return
    const { returnedAgainAt } = cached
    if (returnedAgainAt !== null && isWithin(Date.now(), returnedAgainAt, MIN_REFETCH_INTERVAL_MS)) return
    refused.set(appId, token)
    tokens.delete(appId)
  }

  return {
    get,

    async use (app, callWith) {
      const token = await get(app)
      try {
        return await callWith(token)
      } catch (error) {
        if (!isWeappError(error) || !TOKEN_REFUSED.has(error.errcode!)) throw error
        drop(app.appId, token)
        return await callWith(await get(app))
      }
    }
  }
}
