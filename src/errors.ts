/**
 * Every error this plugin raises. Messages are fixed text: nothing that WeChat, a phone or a store said is in them,
 * and none carries a cause, so each may be shown, logged and serialised without a second thought.
 */
import { createError, type FastifyError } from '@fastify/error'

/**
 * `headers` go out with the answer:
 * - `weapp-error`: the code, so that a phone knows our answers under any error envelope of the host
 * - `cache-control: no-store`
 * - `www-authenticate` on every 401 (RFC 6750 section 3)
 * - `retry-after`, in seconds, where waiting helps
 */
export interface WeappError extends FastifyError {
  code: WeappErrorCode
  statusCode: number
  headers: Readonly<Record<string, string>>
  /** WeChat's errcode, where that is what went wrong. */
  errcode?: number
  /**
   * What was in the way, where WeChat could not be reached or was not understood: the system's word for it, such as
   * `ECONNREFUSED` or `CERT_HAS_EXPIRED`, `HTTP 403`, `not JSON` or `too large`.
   */
  failure?: string
}

export interface WeappErrorConstructor {
  new (): WeappError
  readonly prototype: WeappError
}

const REALM = 'Bearer realm="fastify-weapp"'
const INVALID_TOKEN = `${REALM}, error="invalid_token"`

function weappError (code: string, statusCode: number, message: string, headers: Record<string, string> = {}): WeappErrorConstructor {
  const Constructor = createError(code, message, statusCode)
  // On the prototype, where JSON.stringify and util.inspect do not repeat them with every error.
  Object.defineProperty(Constructor.prototype, 'headers', {
    value: Object.freeze({ 'weapp-error': code, 'cache-control': 'no-store', ...headers }),
    writable: true
  })
  return Constructor as unknown as WeappErrorConstructor
}

/** A 401 that answers a token: it says so in the words of RFC 6750. */
function tokenError (code: string, message: string): WeappErrorConstructor {
  return weappError(code, 401, message, { 'www-authenticate': INVALID_TOKEN })
}

/** A 401 to somebody who brought no token. */
function credentialError (code: string, message: string): WeappErrorConstructor {
  return weappError(code, 401, message, { 'www-authenticate': REALM })
}

/** Boot: an option is wrong. The message names it and never repeats its value. */
export const FST_WEAPP_INVALID_OPTION = createError('FST_WEAPP_INVALID_OPTION', 'fastify-weapp: option %s %s', 500)

export const FST_WEAPP_APP_UNKNOWN = weappError('FST_WEAPP_APP_UNKNOWN', 400,
  'This Mini Program is not configured here.')
export const FST_WEAPP_CODE_INVALID = credentialError('FST_WEAPP_CODE_INVALID',
  'The code is not valid or has expired: call wx.login and send the new code. (Neither a code of the phone number button nor a mock code of DevTools works here.)')
/** The other kind of code: what the phone number button gives. Who sends a bad one is signed in all the same. */
export const FST_WEAPP_PHONE_CODE_INVALID = weappError('FST_WEAPP_PHONE_CODE_INVALID', 400,
  'The phone code is not valid, has expired or was used: send the code that the phone number button gives (getPhoneNumber), not the one of wx.login.')
export const FST_WEAPP_CODE_USED = credentialError('FST_WEAPP_CODE_USED',
  'The code has been used: a code works once, call wx.login and send the new code.')
export const FST_WEAPP_LOGIN_BLOCKED = weappError('FST_WEAPP_LOGIN_BLOCKED', 403,
  'WeChat blocks this user from signing in.')

export const FST_WEAPP_WECHAT_LIMITED = weappError('FST_WEAPP_WECHAT_LIMITED', 429,
  'WeChat limits how often it may be asked: try again later.', { 'retry-after': '60' })
export const FST_WEAPP_WECHAT_UNAVAILABLE = weappError('FST_WEAPP_WECHAT_UNAVAILABLE', 503,
  'WeChat cannot be reached or is busy: try again with a new code.', { 'retry-after': '5' })
export const FST_WEAPP_BUSY = weappError('FST_WEAPP_BUSY', 503,
  'Too many logins at once: try again.', { 'retry-after': '1' })
export const FST_WEAPP_WECHAT_TIMEOUT = weappError('FST_WEAPP_WECHAT_TIMEOUT', 504,
  'WeChat did not answer in time: try again with a new code.')
export const FST_WEAPP_WECHAT_BAD_REPLY = weappError('FST_WEAPP_WECHAT_BAD_REPLY', 502,
  'WeChat gave an answer that is not understood.')
export const FST_WEAPP_WECHAT_CONFIG = weappError('FST_WEAPP_WECHAT_CONFIG', 500,
  'WeChat refuses this server: its configuration must be fixed; the log says how.')

export const FST_WEAPP_TOKEN_MISSING = credentialError('FST_WEAPP_TOKEN_MISSING',
  'No token: send it as "Authorization: Bearer <token>".')
export const FST_WEAPP_TOKEN_INVALID = tokenError('FST_WEAPP_TOKEN_INVALID', 'The token is not valid: sign in again.')
export const FST_WEAPP_TOKEN_EXPIRED = tokenError('FST_WEAPP_TOKEN_EXPIRED', 'The token has expired: sign in again.')

export const FST_WEAPP_SESSION_EXPIRED = tokenError('FST_WEAPP_SESSION_EXPIRED', 'The session has expired: sign in again.')
export const FST_WEAPP_SESSION_REVOKED = tokenError('FST_WEAPP_SESSION_REVOKED', 'The session was signed out.')
export const FST_WEAPP_SESSION_KICKED = tokenError('FST_WEAPP_SESSION_KICKED', 'The session was ended by the server.')
export const FST_WEAPP_SESSION_REPLACED = tokenError('FST_WEAPP_SESSION_REPLACED', 'The session was ended by a newer sign-in.')

/** No 401, for which a phone would sign in and repeat what the route has done already. */
export const FST_WEAPP_SESSION_ENDED = weappError('FST_WEAPP_SESSION_ENDED', 409,
  'The session ended while this request was answered: what it was to keep in the session is lost.')

export const FST_WEAPP_STORE_UNAVAILABLE = weappError('FST_WEAPP_STORE_UNAVAILABLE', 503,
  'The session store, or what knows the apps, does not answer: try again.', { 'retry-after': '5' })
export const FST_WEAPP_SESSION_KEY_STALE = weappError('FST_WEAPP_SESSION_KEY_STALE', 409,
  'The data or signature does not fit the session_key: call wx.login, sign in again, and have the data made anew.')
export const FST_WEAPP_SESSION_KEY_MISSING = weappError('FST_WEAPP_SESSION_KEY_MISSING', 409,
  'No session_key is kept for this session: sign in again, if the server keeps them.')
/** Not the phone's fault, and no reason for it to sign in again. */
export const FST_WEAPP_NOT_GUARDED = weappError('FST_WEAPP_NOT_GUARDED', 500,
  'This route asks who is signed in, but the guard was not asked before: give the route config: { weapp: true }.')
/** `what` is wrong with what the session was to hold, in fixed words of ours. */
export const FST_WEAPP_DATA_INVALID = weappError('FST_WEAPP_DATA_INVALID', 500,
  'The session cannot be kept: %s.') as unknown as new (what: string) => WeappError
export const FST_WEAPP_REPLY_INVALID = weappError('FST_WEAPP_REPLY_INVALID', 500,
  'The reply of onLogin is not a JSON object, or would overwrite token, tokenType, expiresIn or expiresAt.')

/** The codes that reach a phone. */
export type WeappErrorCode = Exclude<Extract<keyof typeof import('./errors.js'), `FST_WEAPP_${string}`>, 'FST_WEAPP_INVALID_OPTION'>

/** Whether an error is one of ours that answers a request; anything else comes from the host. */
export function isWeappError (error: unknown): error is WeappError {
  return error instanceof Error && 'headers' in error && 'code' in error && String(error.code).startsWith('FST_WEAPP_')
}
