/** The login: code -> WeChat's user -> the host's account -> a session and its token. */
import type { FastifyRequest, RawServerBase, RouteGenericInterface } from 'fastify'
import { FST_WEAPP_APP_UNKNOWN, FST_WEAPP_DATA_INVALID, FST_WEAPP_REPLY_INVALID, isWeappError } from './errors.js'
import { traced } from './diagnostics/tracing.js'
import { logSafely } from './diagnostics/log-safely.js'
import type { SelectApp } from './options.js'
import { encodeData, type SessionData } from './sessions/session-data.js'
import type { DecryptOptions, SessionKeys } from './sessions/session-keys.js'
import type { SessionService } from './sessions/service.js'
import { userIdOf, type Tokens } from './crypto/tokens.js'
import type { Apps } from './wechat/apps.js'
import type { WechatClient } from './wechat/client.js'
import type { UserData } from './wechat/user-data.js'

/**
 * The body of a login, for a host that extends it (`routes.login.body`) to merge into:
 *
 * ```ts
 * declare module 'fastify-weapp' { interface LoginBody { inviteCode?: string } }
 * ```
 */
export interface LoginBody {
  /** What wx.login gave: it works once and for five minutes. */
  code: string
}

/** What `onLogin` is told. There is no session_key in it, and nothing in it came from the phone but `body`. */
export interface LoginContext {
  appId: string
  openid: string
  unionid: string | null
  body: LoginBody
  request: FastifyRequest
  /**
   * Opens what the phone encrypted and sent along, as `session.decrypt` will.
   *
   * @throws FST_WEAPP_SESSION_KEY_STALE, FST_WEAPP_STORE_UNAVAILABLE
   */
  decrypt (encryptedData: string, iv: string, options?: DecryptOptions): Promise<UserData>
}

/** Whether a session without data is what `SessionData` says. */
type MayLackData = object extends SessionData ? true : false

/** What `onLogin` may answer; `data` has to be there where `SessionData` demands something. */
export type OnLoginResult = (MayLackData extends true ? Partial<LoginData> : LoginData) & LoginExtras

interface LoginData {
  /** Becomes `session.data`: a JSON object of at most 4 KiB. */
  data: SessionData
}

interface LoginExtras {
  /** Goes into the answer to the phone, beside the token and never over it. */
  reply?: Record<string, unknown> | undefined
  /** What to call this device in the list of devices: at most 128 characters. */
  label?: string | null | undefined
}

type LoginOutcome = OnLoginResult | (MayLackData extends true ? void : never)

export type OnLogin = (context: LoginContext) => LoginOutcome | Promise<LoginOutcome>

/** The answer to a login. */
export interface LoginResponse extends Record<string, unknown> {
  /** To be sent as `Authorization: Bearer <token>`. */
  token: string
  tokenType: 'Bearer'
  /** Seconds until the session's absolute end. */
  expiresIn: number
  /** The session's absolute end in epoch milliseconds. */
  expiresAt: number
}

export interface LoginDependencies {
  selectApp: SelectApp
  apps: Pick<Apps, 'has'>
  wechat: WechatClient
  tokens: Tokens
  sessions: SessionService
  keys: SessionKeys
  onLogin: OnLogin
}

export interface LoginParams {
  /** What wx.login gave. */
  code: string
  /** What else the phone sent, for `onLogin`. */
  body?: object | undefined
}

/** The request may be one of any of Fastify's servers, HTTP/2 among them. */
export type Login = (request: FastifyRequest<RouteGenericInterface, RawServerBase>, input: LoginParams) => Promise<LoginResponse>

const MAX_LABEL_LENGTH = 128

export function createLogin ({ selectApp, apps, wechat, tokens, sessions, keys, onLogin }: LoginDependencies): Login {
  /** The session that the phone holds until now, if it is one of the same user; any other token is ignored. */
  function sessionToReplace (request: FastifyRequest, user: { appId: string, userId: string }, now: number): string | null {
    try {
      const claims = tokens.bearer(request.headers.authorization, now)
      return claims !== null && claims.appId === user.appId && claims.userId === user.userId ? claims.sessionId : null
    } catch {
      return null
    }
  }

  async function login (request: FastifyRequest, appId: string, { code, body }: LoginParams): Promise<LoginResponse> {
    const startedAt = Date.now()
    const { openid, unionid, sessionKey } = await wechat.code2Session(code, { appId })
    const userId = userIdOf(appId, openid)
    const decrypt: LoginContext['decrypt'] = (encryptedData, iv, options) => {
      return keys.decryptAtLogin({ appId, openid, userId }, sessionKey, encryptedData, iv, options)
    }
    const result = checkedResult(await onLogin({ appId, openid, unionid, body: { ...body, code }, request, decrypt }))
    // Whatever is wrong with the result is found before there is a session.
    const data = encodeData(result.data === undefined ? {} : result.data)
    const label = checkedLabel(result.label)
    const reply = checkedReply(result.reply)

    const now = Date.now()
    const lifetime = sessions.lifetime(now)
    const { token, sessionId } = tokens.issue({ appId, userId, ...lifetime })
    const replaces = sessionToReplace(request, { appId, userId }, now)
    await sessions.open({ userId, sessionId, startedAt, now, openid, unionid, sessionKey, ...lifetime, data, label, replaces })
    logSafely(() => request.log.info({ weapp: { event: 'login', appId, userId, sessionId } }, 'weapp: signed in'))
    const { createdAt, expiresAt } = lifetime
    return { ...reply, token, tokenType: 'Bearer', expiresIn: (expiresAt - createdAt) / 1000, expiresAt }
  }

  return async (ofAnyServer, input) => {
    // The host's functions are typed for the request that nearly all have.
    const request = ofAnyServer as FastifyRequest
    // Of one of our apps: what selectApp chose may be anything that a phone sent.
    let appId: string | undefined
    try {
      const selected = selectApp(request)
      const chosen = typeof selected === 'string' ? selected : await selected
      if (typeof chosen !== 'string' || !await apps.has(chosen)) throw new FST_WEAPP_APP_UNKNOWN()
      appId = chosen
      return await traced('fastify-weapp.login', { appId: chosen }, () => login(request, chosen, input))
    } catch (error) {
      const code = codeOf(error)
      const { errcode, failure } = isWeappError(error) ? error : {}
      logSafely(() => request.log.warn({ weapp: { event: 'login-failed', appId, code, errcode, failure } }, 'weapp: login failed'))
      throw error
    }
  }
}

/** For the log: the host's own refusals and its failures have codes of their own making, which may be anything. */
function codeOf (error: unknown): string {
  if (isWeappError(error)) return error.code
  const statusCode = (error as { statusCode?: number } | null | undefined)?.statusCode ?? 500
  return statusCode < 500 ? 'REFUSED_BY_HOST' : 'FAILED_IN_HOST'
}

/** What is misplaced, such as `{ userId }` for `{ data: { userId } }`, would be missed by every route. */
function checkedResult (result: unknown): OnLoginResult {
  if (result === undefined || result === null) return {} as OnLoginResult
  const { data, reply, label, ...misplaced } = result as Partial<Record<keyof OnLoginResult, unknown>>
  if (typeof result !== 'object' || Array.isArray(result) || Object.keys(misplaced).length > 0) {
    throw new FST_WEAPP_DATA_INVALID('onLogin may answer an object of data, reply and label alone, and what the session is to hold belongs in data')
  }
  return result as OnLoginResult
}

function checkedLabel (label: unknown = null): string | null {
  if (label === null || (typeof label === 'string' && label.length <= MAX_LABEL_LENGTH)) return label
  throw new FST_WEAPP_DATA_INVALID('its label is not a string of at most 128 characters')
}

const RESERVED_FIELDS = ['token', 'tokenType', 'expiresIn', 'expiresAt']

function checkedReply (reply: unknown): Record<string, unknown> {
  if (reply === undefined) return {}
  try {
    // What JSON cannot hold would otherwise fail after the session is made.
    const copy: unknown = JSON.parse(JSON.stringify(reply))
    if (typeof copy === 'object' && copy !== null && !Array.isArray(copy) && !RESERVED_FIELDS.some((field) => Object.hasOwn(copy, field))) {
      return copy as Record<string, unknown>
    }
  } catch { /* answered below */ }
  throw new FST_WEAPP_REPLY_INVALID()
}
