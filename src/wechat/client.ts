/** The client of WeChat's server API: a method per API, no Fastify. */
import {
  FST_WEAPP_INVALID_OPTION, FST_WEAPP_PHONE_CODE_INVALID, FST_WEAPP_SESSION_KEY_STALE, FST_WEAPP_WECHAT_BAD_REPLY, isWeappError, type WeappError
} from '../errors.js'
import { traced } from '../diagnostics/tracing.js'
import { logSafely } from '../diagnostics/log-safely.js'
import { isText } from '../utils/type-checks.js'
import { createAccessTokens } from './access-token.js'
import type { AppCredentials, Apps } from './apps.js'
import { createCode2Session, type WechatUser } from './code2session.js'
import { configHint } from './errcodes.js'
import { createTransport, type TransportOptions, type WechatCall, type WechatReply } from './request.js'
import { signWithSessionKey } from './user-data.js'

/** Which Mini Program; may be left out where there is one. */
export interface AppOptions {
  appId?: string | undefined
}

/** A phone number as WeChat tells it. */
export interface PhoneNumber {
  /** With the country code where it is not a Chinese number. */
  phoneNumber: string
  purePhoneNumber: string
  /** Such as '86'. */
  countryCode: string
}

/** What WeChat needs as proof that a session_key is ours. */
export interface SessionKeyProof extends AppOptions {
  openid: string
  sessionKey: string
}

export interface ApiRequest extends AppOptions {
  query?: Record<string, string> | undefined
  /** Sent as JSON by POST; without one the request is a GET. */
  body?: object | undefined
}

/**
 * Every method rejects with FST_WEAPP_APP_UNKNOWN, FST_WEAPP_WECHAT_LIMITED, _UNAVAILABLE, _TIMEOUT, _BAD_REPLY or
 * _CONFIG; errors that WeChat gave carry its `errcode`.
 */
export interface WechatClient {
  /**
   * Trades a code of wx.login, which works once and for five minutes.
   * https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session
   *
   * @throws FST_WEAPP_CODE_INVALID, _CODE_USED, _LOGIN_BLOCKED, _BUSY
   */
  code2Session (code: string, app?: AppOptions): Promise<WechatUser>
  /**
   * Whether a session_key still lives.
   * https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_checksessionkey
   */
  checkSessionKey (holder: SessionKeyProof): Promise<boolean>
  /**
   * Has WeChat replace a session_key, which dies, and resolves to the new one. Not often for a user.
   * https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_resetusersessionkey
   *
   * @throws FST_WEAPP_SESSION_KEY_STALE when the key was dead already
   */
  resetUserSessionKey (holder: SessionKeyProof): Promise<string>
  /**
   * An access_token that lives five minutes more at least, from stable_token; one fetch however many ask.
   * https://developers.weixin.qq.com/minigame/dev/api-backend/open-api/access-token/auth.getStableAccessToken.html
   */
  getAccessToken (app?: AppOptions): Promise<string>
  /**
   * Trades the code of the phone number button, which is not the one of wx.login. With `openid` WeChat checks that the
   * code is of that user.
   * https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-info/phone-number/getPhoneNumber.html
   *
   * @throws FST_WEAPP_PHONE_CODE_INVALID
   */
  getPhoneNumber (code: string, options?: AppOptions & { openid?: string | undefined }): Promise<PhoneNumber>
  /**
   * Any other API that takes an access_token, by its path: the token is added, and renewed once when WeChat refuses it.
   * Resolves to the JSON object of the answer; an errcode other than 0 rejects.
   */
  request (path: string, request?: ApiRequest): Promise<WechatReply>
  /** Lets calls under way finish, then closes the connections, unless the dispatcher is the host's. */
  close (): Promise<void>
}

/** An access_token that has expired, was never good, or is not the newest. */
const TOKEN_REFUSED = new Set([40001, 40014, 42001])
/** WeChat's answer to a signature under a dead session_key. */
const KEY_DEAD = 87009
/** Of a phone code: not valid or expired, used. */
const CODE_REFUSED = [40029, 40163]

export interface ClientDependencies extends TransportOptions {
  apps: Apps
  /** Told when WeChat refuses us for a reason that whoever runs the server must mend. */
  onConfigError: (errcode: number, hint: string, appId: string) => void
}

export function createClient ({ apps, onConfigError, ...options }: ClientDependencies): WechatClient {
  const transport = createTransport(options)
  const accessTokens = createAccessTokens(ask)
  const code2Session = createCode2Session(ask, options.concurrency)

  function ask (appId: string, call: WechatCall): Promise<WechatReply> {
    return traced('fastify-weapp.wechat', { appId, path: call.path }, () => transport.call(call))
  }

  /** Calls with an access_token; one that WeChat refuses is renewed, and the call repeated, once. */
  async function askWithToken (app: AppCredentials, call: WechatCall): Promise<WechatReply> {
    const askWith = (token: string) => ask(app.appId, { ...call, query: { ...call.query, access_token: token } })
    const token = await accessTokens.get(app)
    try {
      return await askWith(token)
    } catch (error) {
      if (!isWeappError(error) || !TOKEN_REFUSED.has(error.errcode!)) throw error
      accessTokens.drop(app.appId, token)
      return await askWith(await accessTokens.get(app))
    }
  }

  /** Work for an app, whose failure is reported where whoever runs the server must mend it. */
  async function forApp<Result> (appId: string | undefined, work: (app: AppCredentials) => Promise<Result>): Promise<Result> {
    const app = await apps.credentials(appId)
    try {
      return await work(app)
    } catch (error) {
      const { errcode } = error as Partial<WeappError>
      const hint = configHint(errcode)
      if (hint !== undefined) {
        // It may have been changed in the WeChat console, and since then where the host keeps it.
        apps.forget(app.appId)
        logSafely(() => onConfigError(errcode!, hint, app.appId))
      }
      throw error
    }
  }

  /** The query that proves a session_key, for calls without a body. */
  function proofOf ({ openid, sessionKey }: SessionKeyProof): Record<string, string> {
    return { openid, signature: signWithSessionKey(sessionKey, ''), sig_method: 'hmac_sha256' }
  }

  return {
    code2Session: (code, { appId } = {}) => forApp(appId, (app) => code2Session(app, code)),

    checkSessionKey: (holder) => forApp(holder.appId, async (app) => {
      const reply = await askWithToken(app, { path: '/wxa/checksession', query: proofOf(holder), answers: [KEY_DEAD] })
      return reply.errcode !== KEY_DEAD
    }),

    resetUserSessionKey: (holder) => forApp(holder.appId, async (app) => {
      const reply = await askWithToken(app, { path: '/wxa/resetusersessionkey', query: proofOf(holder), answers: [KEY_DEAD] })
      if (reply.errcode === KEY_DEAD) throw new FST_WEAPP_SESSION_KEY_STALE()
      if (!isText(reply.session_key) || reply.openid !== holder.openid) throw new FST_WEAPP_WECHAT_BAD_REPLY()
      return reply.session_key
    }),

    getAccessToken: ({ appId } = {}) => forApp(appId, accessTokens.get),

    getPhoneNumber: (code, { appId, openid } = {}) => forApp(appId, async (app) => {
      if (!isText(code)) throw new FST_WEAPP_PHONE_CODE_INVALID()
      const body = { code, ...openid !== undefined && { openid } }
      const reply = await askWithToken(app, { path: '/wxa/business/getuserphonenumber', query: {}, body, answers: CODE_REFUSED })
      const { errcode } = reply as { errcode?: number }
      if (CODE_REFUSED.includes(errcode!)) throw Object.assign(new FST_WEAPP_PHONE_CODE_INVALID(), { errcode })
      return phoneNumberOf(reply, app.appId)
    }),

    request: (path, { appId, query = {}, body } = {}) => forApp(appId, (app) => {
      if (!/^(\/[\w-][\w.-]*)+$/.test(path)) throw new FST_WEAPP_INVALID_OPTION('path', "must be an API's path, such as '/wxa/msg_sec_check'")
      return askWithToken(app, { path, query, ...body !== undefined && { body } })
    }),

    close: transport.close
  }
}

function phoneNumberOf ({ phone_info: info }: WechatReply, appId: string): PhoneNumber {
  const { phoneNumber, purePhoneNumber, countryCode, watermark } = (info ?? {}) as Record<string, unknown>
  const isOurs = (watermark as { appid?: unknown } | undefined)?.appid === appId
  // Documented as a string, shown as a number in WeChat's own sample.
  const country = typeof countryCode === 'number' ? String(countryCode) : countryCode
  if (!isOurs || !isText(phoneNumber) || !isText(purePhoneNumber) || !isText(country)) throw new FST_WEAPP_WECHAT_BAD_REPLY()
  return { phoneNumber, purePhoneNumber, countryCode: country }
}
