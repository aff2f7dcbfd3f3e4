/**
 * code2Session: a code of wx.login for the user it stands for, with manners.
 *
 * https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session
 */
import { FST_WEAPP_CODE_INVALID, FST_WEAPP_WECHAT_BAD_REPLY, isWeappError } from '../errors.js'
import { isText } from '../utils/type-checks.js'
import type { AppCredentials } from './apps.js'
import { createConcurrencyLimit } from './concurrency-limit.js'
import type { WechatCall, WechatReply } from './request.js'
import { createCooldown } from './cooldown.js'

/** What code2Session tells of a user. */
export interface WechatUser {
  openid: string
  /** Only where the app is bound to an Open Platform account. */
  unionid: string | null
  /** Never leaves the server. */
  sessionKey: string
}

/** WeChat does not document a code's shape; today's have 32 characters. */
export const MAX_CODE_LENGTH = 256

/** What wx.login gives in DevTools when the project has no real app id. */
const MOCK_CODE = 'the code is a mock one'

const TOO_OFTEN = 45011

/** What says something of the code, and so that WeChat answers this app. */
const ABOUT_THE_CODE = ['FST_WEAPP_CODE_INVALID', 'FST_WEAPP_CODE_USED', 'FST_WEAPP_LOGIN_BLOCKED']

/**
 * Throws at a code that cannot be one, and rejects otherwise.
 *
 * @param concurrency how many exchanges may be under way at once; the rest wait up to a second
 */
export function createCode2Session (
  call: (appId: string, call: WechatCall) => Promise<WechatReply>, concurrency: number
): (app: AppCredentials, code: string) => Promise<WechatUser> {
  const gate = createConcurrencyLimit(concurrency)
  const underWay = new Map<string, Promise<WechatUser>>()
  const rests = createCooldown()

  async function exchange ({ appId, appSecret }: AppCredentials, code: string): Promise<WechatUser> {
    const query = { appid: appId, secret: appSecret, js_code: code, grant_type: 'authorization_code' }
    let reply
    try {
      reply = await gate.run(() => {
        rests.assertClosed(appId, code)
        return call(appId, { path: '/sns/jscode2session', query })
      })
    } catch (error) {
      if (isWeappError(error) && error.errcode === TOO_OFTEN) rests.open(appId, code)
      if (isWeappError(error) && ABOUT_THE_CODE.includes(error.code)) rests.close(appId)
      throw error
    }
    rests.recordSuccess(appId)
    const { openid, session_key: sessionKey, unionid } = reply
    if (!isText(openid) || !isText(sessionKey) || typeof (unionid ?? '') !== 'string') throw new FST_WEAPP_WECHAT_BAD_REPLY()
    return { openid, sessionKey, unionid: isText(unionid) ? unionid : null }
  }

  return (app, code) => {
    if (!isCode(code)) throw new FST_WEAPP_CODE_INVALID()
    // A code works once: requests that bring the same one while it is being traded share the exchange.
    const key = `${app.appId} ${code}`
    const shared = underWay.get(key)
    if (shared !== undefined) return shared
    const pending = exchange(app, code)
    underWay.set(key, pending)
    const forget = () => { underWay.delete(key) }
    pending.then(forget, forget)
    return pending
  }
}

/** Checked here too, because a route's schema can be bypassed or replaced. */
function isCode (code: unknown): boolean {
  // eslint-disable-next-line no-control-regex
  return isText(code) && code.length <= MAX_CODE_LENGTH && code !== MOCK_CODE && !/[\x00-\x1f\x7f-\x9f]/.test(code)
}
