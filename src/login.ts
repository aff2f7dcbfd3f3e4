/** The login: a code becomes a WeChat user, then the host's account, then a session with its token. */
import type { FastifyRequest, RawServerBase, RouteGenericInterface } from 'fastify'
import { userIdOf, type Tokens } from './crypto/tokens.js'
import { logLogin, logLoginFailure } from './diagnostics/operator-log.js'
import { traced } from './diagnostics/tracing.js'
import { FST_WEAPP_APP_UNKNOWN } from './errors.js'
import { parseOnLoginResult, type OnLoginReturn } from './on-login-result.js'
import { deviceDigest, deviceIdOf } from './device-id.js'
import { recordThrown } from './response-headers.js'
import type { SessionService } from './sessions/service.js'
import type { DecryptOptions, SessionKeys } from './sessions/session-keys.js'
import type { Apps } from './wechat/apps.js'
import type { WechatClient } from './wechat/client.js'
import type { UserData } from './wechat/user-data.js'

/**
 * The body of a login. A host that extends it with `routes.login.body` merges its fields:
 *
 * ```ts
 * declare module 'fastify-weapp' { interface LoginBody { inviteCode?: string } }
 * ```
 */
export interface LoginBody {
  /** The code of wx.login. It is valid once and for five minutes. */
  code: string
}

/** The argument of `onLogin`. It contains no session_key. Only `body` comes from the phone. */
export interface LoginContext {
  appId: string
  openid: string
  unionid: string | null
  body: LoginBody
  request: FastifyRequest
  /**
   * Decrypts data that the phone sent with the code, as `session.decrypt` does later.
   *
   * @throws FST_WEAPP_SESSION_KEY_STALE, FST_WEAPP_STORE_UNAVAILABLE
   */
  decrypt (encryptedData: string, iv: string, options?: DecryptOptions): Promise<UserData>
}

export type OnLogin = (context: LoginContext) => OnLoginReturn | Promise<OnLoginReturn>

/** Returns the app id of a login. */
export type SelectApp = (request: FastifyRequest) => string | null | undefined | Promise<string | null | undefined>

/** The response to a login. */
export interface LoginResponse extends Record<string, unknown> {
  /** The token for the header `Authorization: Bearer <token>`. */
  token: string
  tokenType: 'Bearer'
  /** Seconds until the absolute expiry of the session. */
  expiresIn: number
  /** The absolute expiry of the session in epoch milliseconds. */
  expiresAt: number
}

export interface LoginParams {
  /** The code of wx.login. */
  code: string
  /** The other fields from the phone, passed to `onLogin`. */
  body?: object | undefined
}

/**
 * Logs a user in. The request may be of any server of Fastify, such as HTTP/2. Reads the app id by `selectApp`, the
 * token to replace from `Authorization`, and the id of the device from `Weapp-Device`.
 */
export type Login = (
  request: FastifyRequest<RouteGenericInterface, RawServerBase>, params: LoginParams
) => Promise<LoginResponse>

export interface LoginDependencies {
  selectApp: SelectApp
  apps: Pick<Apps, 'has'>
  wechat: WechatClient
  tokens: Tokens
  sessions: SessionService
  keys: SessionKeys
  onLogin: OnLogin
}

export function createLogin ({ selectApp, apps, wechat, tokens, sessions, keys, onLogin }: LoginDependencies): Login {
  /** Returns the selected app id if the app is configured. `selectApp` may return any value that a phone sent. */
  async function chooseApp (request: FastifyRequest): Promise<string> {
    const appId: unknown = await selectApp(request)
    if (typeof appId !== 'string' || !await apps.has(appId)) throw new FST_WEAPP_APP_UNKNOWN()
    return appId
  }

  async function logIn (
    request: FastifyRequest, appId: string, { code, body }: LoginParams, startedAt: number
  ): Promise<LoginResponse> {
    const deviceId = deviceIdOf(request)
    const { openid, unionid, sessionKey } = await wechat.code2Session(code, { appId })
    const userId = userIdOf(appId, openid)
    const decrypt: LoginContext['decrypt'] = (encryptedData, iv, options) => {
      return keys.decryptAtLogin({ appId, openid, userId }, sessionKey, encryptedData, iv, options)
    }
    const result = await onLogin({ appId, openid, unionid, body: { ...body, code }, request, decrypt })
    // Validated before the session is created, so that an invalid result leaves no session.
    const { data, label, reply } = parseOnLoginResult(result)

    const now = Date.now()
    const lifetime = sessions.lifetime(now)
    const { token, sessionId } = tokens.issue({ appId, userId, ...lifetime })
    const replaces = replacedSessionId(request, { appId, userId }, now)
    await sessions.open({
      userId,
      sessionId,
      startedAt,
      now,
      openid,
      unionid,
      sessionKey,
      ...lifetime,
      data,
      label,
      replaces,
      device: deviceId === null ? null : deviceDigest(userId, deviceId)
    })
    logLogin(request.log, { appId, userId, sessionId })
    const { createdAt, expiresAt } = lifetime
    return { ...reply, token, tokenType: 'Bearer', expiresIn: (expiresAt - createdAt) / 1000, expiresAt }
  }

  /** Returns the id of the session of the request's token, if it belongs to the same user. Ignores any other token. */
  function replacedSessionId (
    request: FastifyRequest, user: { appId: string, userId: string }, now: number
  ): string | null {
    try {
      const claims = tokens.bearer(request.headers.authorization, now)
      return claims?.appId === user.appId && claims.userId === user.userId ? claims.sessionId : null
    } catch {
      return null
    }
  }

  return async (anyRequest, params) => {
    // `onLogin` and `selectApp` are typed for the request of an HTTP/1 server, which nearly every host has.
    const request = anyRequest as FastifyRequest
    const startedAt = performance.now()
    let appId: string | undefined
    try {
      const chosen = await chooseApp(request)
      appId = chosen
      return await traced('fastify-weapp.login', { appId: chosen }, () => logIn(request, chosen, params, startedAt))
    } catch (error) {
      logLoginFailure(request.log, appId, error)
      recordThrown(request, error)
      throw error
    }
  }
}
