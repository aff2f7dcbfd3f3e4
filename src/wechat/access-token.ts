/**
 * access_tokens, one per app, from WeChat's stable_token: normal mode, which never takes a token from anybody.
 *
 * https://developers.weixin.qq.com/minigame/dev/api-backend/open-api/access-token/auth.getStableAccessToken.html
 */
import { FST_WEAPP_WECHAT_BAD_REPLY } from '../errors.js'
import { isText } from '../utils/type-checks.js'
import type { AppCredentials } from './apps.js'
import type { WechatCall, WechatReply } from './request.js'

export interface AccessTokens {
  /** A token that lives five minutes more at least, fetched once however many ask. */
  get (app: AppCredentials): Promise<string>
  /**
   * WeChat refuses this token: the next `get` fetches another, unless that has happened meanwhile, or WeChat has just given the
   * same one again: each fetch counts towards a quota, without which nothing could be asked at all.
   */
  drop (appId: string, token: string): void
}

/** WeChat makes the next token five minutes before the end of the last, and both work until then. */
const RENEW_EARLY_MS = 5 * 60_000
/** How long a token that WeChat gave again after it had refused it is not asked about once more. */
const GIVEN_AGAIN_MS = 30_000

export function createAccessTokens (call: (appId: string, call: WechatCall) => Promise<WechatReply>): AccessTokens {
  const tokens = new Map<string, { token: string, renewAt: number, keepUntil: number }>()
  /** The last token of each app that WeChat refused. */
  const refused = new Map<string, string>()
  const fetches = new Map<string, Promise<string>>()

  async function fetch ({ appId, appSecret }: AppCredentials): Promise<string> {
    const asked = Date.now()
    const reply = await call(appId, {
      path: '/cgi-bin/stable_token',
      query: {},
      body: { grant_type: 'client_credential', appid: appId, secret: appSecret }
    })
    const { access_token: token, expires_in: seconds } = reply
    if (!isText(token) || !Number.isFinite(seconds)) throw new FST_WEAPP_WECHAT_BAD_REPLY()
    tokens.set(appId, {
      token,
      renewAt: asked + (seconds as number) * 1000 - RENEW_EARLY_MS,
      keepUntil: token === refused.get(appId) ? asked + GIVEN_AGAIN_MS : 0
    })
    return token
  }

  return {
    async get (app) {
      const known = tokens.get(app.appId)
      if (known !== undefined && Date.now() < known.renewAt) return known.token
      // One at a time for each app, so that a late answer never replaces a newer one.
      let pending = fetches.get(app.appId)
      if (pending === undefined) {
        pending = fetch(app).finally(() => fetches.delete(app.appId))
        fetches.set(app.appId, pending)
      }
      return await pending
    },

    drop (appId, token) {
      const known = tokens.get(appId)
      if (known?.token !== token) return
      // More than was given is left: the clock has been set back.
      const left = known.keepUntil - Date.now()
      if (left > 0 && left <= GIVEN_AGAIN_MS) return
      refused.set(appId, token)
      tokens.delete(appId)
    }
  }
}
