/**
 * Exchanges a code of wx.login for the user, with limits on concurrency and rate.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session
 */
import { FST_WEAPP_CODE_INVALID, FST_WEAPP_WECHAT_BAD_REPLY, isWeappError } from '../errors.js'
import { isText } from '../utils/type-checks.js'
import type { AppCredentials } from './apps.js'
import { createConcurrencyLimit } from './concurrency-limit.js'
import { createCooldown } from './cooldown.js'
import type { WechatCall } from './request.js'
import type { WechatReply } from './response.js'

/** The user that WeChat returns for a code. */
export interface WechatUser {
  openid: string
  /** The user's id across the apps of one Open Platform account. null if the app is not linked to an account. */
  unionid: string | null
  /** Never leaves the server. */
  sessionKey: string
}

/** WeChat does not document a code's shape. Current codes have 32 characters. */
export const MAX_CODE_LENGTH = 256

/** The code that wx.login returns in DevTools if the project has no real app id. */
const MOCK_CODE = 'the code is a mock one'

/** The errcode of WeChat's limit by the minute. */
const RATE_LIMITED = 45011

/** Errors about the code itself. They prove that WeChat is answering this app. */
const CODE_ERRORS = ['FST_WEAPP_CODE_INVALID', 'FST_WEAPP_CODE_USED', 'FST_WEAPP_LOGIN_BLOCKED']

/**
 * Returns a function that exchanges codes. It throws if the value cannot be a code, and rejects on other errors.
 *
 * @param concurrency maximum number of exchanges at once; further ones wait up to a second
 */
export function createCode2Session (
  call: (appId: string, call: WechatCall) => Promise<WechatReply>, concurrency: number
): (app: AppCredentials, code: string) => Promise<WechatUser> {
  const limit = createConcurrencyLimit(concurrency)
  const cooldown = createCooldown()
  const inFlight = new Map<string, Promise<WechatUser>>()

  async function exchange ({ appId, appSecret }: AppCredentials, code: string): Promise<WechatUser> {
    const query = { appid: appId, secret: appSecret, js_code: code, grant_type: 'authorization_code' }
    let reply
    try {
      reply = await limit.run(() => {
        // Checked after the wait for a slot, because the breaker may open meanwhile.
        cooldown.assertClosed(appId, code)
        return call(appId, { path: '/sns/jscode2session', query })
      })
    } catch (error) {
      if (isWeappError(error) && error.errcode === RATE_LIMITED) cooldown.open(appId, code)
      if (isWeappError(error) && CODE_ERRORS.includes(error.code)) cooldown.close(appId)
      throw error
    }
    cooldown.recordSuccess(appId)
    return userOf(reply)
  }

  return (app, code) => {
    if (!isCode(code)) throw new FST_WEAPP_CODE_INVALID()
    // A code works once: concurrent requests with the same code share one exchange.
    const key = `${app.appId} ${code}`
    const shared = inFlight.get(key)
    if (shared !== undefined) return shared
    const pending = exchange(app, code)
    inFlight.set(key, pending)
    const remove = () => { inFlight.delete(key) }
    pending.then(remove, remove)
    return pending
  }
}

function userOf ({ openid, session_key: sessionKey, unionid }: WechatReply): WechatUser {
  if (!isText(openid) || !isText(sessionKey) || typeof (unionid ?? '') !== 'string') {
    throw new FST_WEAPP_WECHAT_BAD_REPLY()
  }
  return { openid, sessionKey, unionid: isText(unionid) ? unionid : null }
}

/** Returns false if the value cannot be a code. Route schemas check this as well, but a host can bypass them. */
function isCode (code: unknown): boolean {
  // eslint-disable-next-line no-control-regex
  return isText(code) && code.length <= MAX_CODE_LENGTH && code !== MOCK_CODE && !/[\x00-\x1f\x7f-\x9f]/.test(code)
}
