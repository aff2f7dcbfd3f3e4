/** The client of WeChat's server API, with one method per API. Independent of Fastify. */
import {
  FST_WEAPP_PHONE_CODE_INVALID, FST_WEAPP_SESSION_KEY_STALE, FST_WEAPP_WECHAT_BAD_REPLY, type ErrorDetails,
  type WeappError
} from '../errors.js'
import { traced } from '../diagnostics/tracing.js'
import { logSafely } from '../diagnostics/log-safely.js'
import { isText } from '../utils/type-checks.js'
import { createAccessTokens } from './access-token.js'
import type { AppCredentials, Apps } from './apps.js'
import { createCode2Session, type WechatUser } from './code2session.js'
import { createConcurrencyLimit } from './concurrency-limit.js'
import { configHint, withDetails } from './errcodes.js'
import { apiCall, signCall, type ApiRequest, type AppOptions, type UserOptions } from './api-call.js'
import { phoneNumberOf, type PhoneNumber } from './phone-number.js'
import { createTransport, type TransportOptions, type WechatCall } from './request.js'
import type { WechatFile, WechatReply } from './response.js'
import { signWithSessionKey } from './user-data.js'
import type { VirtualPayments } from './virtual-payment.js'

/** A user's session_key. The client signs with it to prove to WeChat that the caller has it. */
export interface SessionKeyProof extends AppOptions {
  openid: string
  sessionKey: string
}

/**
 * The client of WeChat's server API. If WeChat returned an errcode, the error carries it as `errcode`.
 *
 * @throws FST_WEAPP_APP_UNKNOWN, FST_WEAPP_BUSY, FST_WEAPP_WECHAT_LIMITED, FST_WEAPP_WECHAT_UNAVAILABLE,
 * FST_WEAPP_WECHAT_TIMEOUT, FST_WEAPP_WECHAT_BAD_REPLY, FST_WEAPP_WECHAT_CONFIG from every method
 */
export interface WechatClient {
  /**
   * Exchanges a code of wx.login for the user. A code works once and expires after five minutes.
   *
   * @see https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session
   * @throws FST_WEAPP_CODE_INVALID, FST_WEAPP_CODE_USED, FST_WEAPP_LOGIN_BLOCKED
   */
  code2Session (code: string, app?: AppOptions): Promise<WechatUser>
  /**
   * Resolves to false if the session_key has expired, or if WeChat does not know the openid any more.
   *
   * @see https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_checksessionkey
   */
  checkSessionKey (proof: SessionKeyProof): Promise<boolean>
  /**
   * Replaces a session_key and resolves to the new one. The old one becomes invalid. Not intended for frequent use.
   *
   * @see https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_resetusersessionkey
   * @throws FST_WEAPP_SESSION_KEY_STALE
   */
  resetUserSessionKey (proof: SessionKeyProof): Promise<string>
  /**
   * Resolves to an access_token of stable_token that is valid for at least five more minutes.
   * Concurrent calls share one fetch.
   *
   * @see https://developers.weixin.qq.com/minigame/dev/api-backend/open-api/access-token/auth.getStableAccessToken.html
   */
  getAccessToken (app?: AppOptions): Promise<string>
  /**
   * Exchanges a code of the phone number button, which differs from a code of wx.login, for the phone number.
   * With `openid`, WeChat verifies that the code belongs to that user. It is also the default of `user`.
   *
   * @see https://developers.weixin.qq.com/miniprogram/dev/OpenApiDoc/user-info/phone-number/getPhoneNumber.html
   * @throws FST_WEAPP_PHONE_CODE_INVALID
   */
  getPhoneNumber (code: string, options?: UserOptions & { openid?: string | undefined }): Promise<PhoneNumber>
  /**
   * Calls any other API that takes an access_token, and resolves to the JSON object of the response.
   * Adds the access_token, and renews it once if WeChat refuses it. Rejects if WeChat returns an errcode other than 0.
   *
   * @param path such as '/wxa/msg_sec_check'
   * @throws FST_WEAPP_INVALID_OPTION, FST_WEAPP_PAYMENT_NOT_CONFIGURED if `paySig` is true
   */
  request (path: string, request?: ApiRequest): Promise<WechatReply>
  /**
   * Calls an API as `request` does, and signs the body with the user's session_key, as the query parameter `signature`
   * (用户态签名). Some APIs require `openid` and `sig_method` in the query as well.
   *
   * @throws FST_WEAPP_SESSION_KEY_STALE if WeChat does not accept the session_key, FST_WEAPP_INVALID_OPTION,
   *   FST_WEAPP_PAYMENT_NOT_CONFIGURED if `paySig` is true
   */
  requestSigned (path: string, proof: SessionKeyProof, request?: SignedApiRequest): Promise<WechatReply>
  /**
   * Calls an API that returns a picture or another file, such as '/wxa/getwxacodeunlimit'. Rejects as `request` does if
   * the response is JSON with an errcode. `maxBytes` limits the size.
   *
   * @throws FST_WEAPP_INVALID_OPTION
   */
  download (path: string, request?: Omit<ApiRequest, 'largeIntegers'>): Promise<WechatFile>
  /** Waits for pending calls, then closes the connections. A dispatcher of the host stays open. */
  close (): Promise<void>
}

/** The options of a signed call. The proof names the app and the user. */
export type SignedApiRequest = Omit<ApiRequest, 'appId' | 'user'>

const MAX_ROUNDED_PATHS = 1000

/** The share of the concurrency that one user may have at once. */
const USER_SHARE = 1 / 8

/** Errcodes of a session_key: its signature is wrong because it has expired, or its openid is no longer of the app. */
const SESSION_KEY_DEAD = [87009, 40003]
/** Errcodes of the signature of a signed request: 268490009 is that of virtual payment. */
const SESSION_KEY_REFUSED = [87009, 268490009]
/** Errcodes of a phone code: of another app, invalid or expired, already used. */
const PHONE_CODE_REFUSED = [40013, 40029, 40163]

export interface ClientDependencies extends TransportOptions {
  apps: Apps
  virtualPayments: VirtualPayments
  /** Called when WeChat refuses this server for a reason that the operator must fix. */
  onConfigError: (errcode: number, hint: string, appId: string, details: ErrorDetails) => void
  /** Called once for each API whose reply contained an integer beyond 2^53, which was rounded. */
  onRounded: (path: string) => void
}

export function createClient (
  { apps, virtualPayments, onConfigError, onRounded, ...options }: ClientDependencies
): WechatClient {
  const roundedPaths = new Set<string>()
  const transport = createTransport(options, warnOfRounding)
  const accessTokens = createAccessTokens(call)
  const code2Session = createCode2Session(call, options.concurrency)
  // Apart from the limit of logins, so that slow calls of one kind do not delay the other.
  const limit = createConcurrencyLimit(options.concurrency, {
    maxWait: options.timeout, slotsPerUser: Math.ceil(options.concurrency * USER_SHARE)
  })

  function call (appId: string, request: WechatCall): Promise<WechatReply> {
    return sendWith(transport.call, appId, request)
  }

  function sendWith<Result> (
    send: (call: WechatCall) => Promise<Result>, appId: string, request: WechatCall
  ): Promise<Result> {
    // The outcome of a promise is never a promise.
    return traced('fastify-weapp.wechat', { appId, path: request.path }, () => send(request)) as Promise<Result>
  }

  /** Warns once for each API, because its replies are alike. */
  function warnOfRounding (path: string): void {
    if (roundedPaths.has(path) || roundedPaths.size === MAX_ROUNDED_PATHS) return
    roundedPaths.add(path)
    logSafely(() => onRounded(path))
  }

  /** Calls with an access_token, within the concurrency limit. */
  function callWithToken<Result = WechatReply> (
    app: AppCredentials, request: WechatCall, user: string | undefined,
    send = transport.call as (call: WechatCall) => Promise<Result>
  ): Promise<Result> {
    const key = user === undefined ? undefined : `${app.appId} ${user}`
    return limit.run(() => accessTokens.use(app, (token) => {
      return sendWith(send, app.appId, { ...request, query: { ...request.query, access_token: token } })
    }), key)
  }

  /** Runs work with the credentials of an app, and reports configuration errors to the operator. */
  async function forApp<Result> (
    appId: string | undefined, work: (app: AppCredentials) => Promise<Result>
  ): Promise<Result> {
    const app = await apps.credentials(appId)
    try {
      return await work(app)
    } catch (error) {
      const { code, errcode, rid, ip } = error as Partial<WeappError>
      const hint = code === 'FST_WEAPP_WECHAT_CONFIG' ? configHint(errcode) : undefined
      if (hint !== undefined) {
        // The cached secret may be outdated. The next call looks it up again.
        apps.forget(app.appId)
        logSafely(() => onConfigError(errcode!, hint, app.appId, { rid, ip }))
      }
      throw error
    }
  }

  async function signedCall (
    { appId }: AppCredentials, path: string, request: ApiRequest, sessionKey: string | null = null
  ): Promise<WechatCall> {
    const call = apiCall(path, request)
    const { appKey } = request.paySig === true ? await virtualPayments.credentials(appId) : { appKey: null }
    return signCall(call, { appKey, sessionKey })
  }

  return {
    code2Session: (code, { appId } = {}) => forApp(appId, (app) => code2Session(app, code)),

    checkSessionKey: (proof) => forApp(proof.appId, async (app) => {
      const reply = await callWithToken(app, {
        path: '/wxa/checksession', query: proofQuery(proof), expectedErrcodes: SESSION_KEY_DEAD
      }, proof.openid)
      return !SESSION_KEY_DEAD.includes(reply.errcode as number)
    }),

    resetUserSessionKey: (proof) => forApp(proof.appId, async (app) => {
      const reply = await callWithToken(app, {
        path: '/wxa/resetusersessionkey', query: proofQuery(proof), expectedErrcodes: SESSION_KEY_DEAD
      }, proof.openid)
      if (SESSION_KEY_DEAD.includes(reply.errcode as number)) throw new FST_WEAPP_SESSION_KEY_STALE()
      if (!isText(reply.session_key) || reply.openid !== proof.openid) throw new FST_WEAPP_WECHAT_BAD_REPLY()
      return reply.session_key
    }),

    getAccessToken: ({ appId } = {}) => forApp(appId, accessTokens.get),

    getPhoneNumber: (code, { appId, openid, user = openid } = {}) => forApp(appId, async (app) => {
      if (!isText(code)) throw new FST_WEAPP_PHONE_CODE_INVALID()
      const reply = await callWithToken(app, {
        path: '/wxa/business/getuserphonenumber',
        query: {},
        body: JSON.stringify({ code, ...openid !== undefined && { openid } }),
        expectedErrcodes: PHONE_CODE_REFUSED
      }, user)
      const { errcode, errmsg } = reply as { errcode?: number, errmsg?: unknown }
      if (PHONE_CODE_REFUSED.includes(errcode!)) {
        throw withDetails(Object.assign(new FST_WEAPP_PHONE_CODE_INVALID(), { errcode }), errmsg)
      }
      return phoneNumberOf(reply, app.appId)
    }),

    request: (path, request = {}) => forApp(request.appId, async (app) => {
      return await callWithToken(app, await signedCall(app, path, request), request.user)
    }),

    requestSigned: (path, { appId, openid, sessionKey }, request = {}) => forApp(appId, async (app) => {
      const call = await signedCall(app, path, request, sessionKey)
      const reply = await callWithToken(app, { ...call, expectedErrcodes: SESSION_KEY_REFUSED }, openid)
      const errcode = reply.errcode as number
      if (SESSION_KEY_REFUSED.includes(errcode)) throw Object.assign(new FST_WEAPP_SESSION_KEY_STALE(), { errcode })
      return reply
    }),

    download: (path, request = {}) => forApp(request.appId, async (app) => {
      return await callWithToken(app, await signedCall(app, path, request), request.user, transport.download)
    }),

    close: transport.close
  }
}

/** Returns the query that proves a session_key. The signed body is empty because these calls have none. */
function proofQuery ({ openid, sessionKey }: SessionKeyProof): Record<string, string> {
  return { openid, signature: signWithSessionKey(sessionKey, ''), sig_method: 'hmac_sha256' }
}
