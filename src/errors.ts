/**
 * The errors of the plugin. Messages are fixed text without any text of WeChat, a phone or a store. No error has a
 * cause. Every error is safe to show, log and serialize.
 */
import { createError, type FastifyError } from '@fastify/error'

/** An error that answers a request. */
export interface WeappError extends FastifyError {
  code: WeappErrorCode
  statusCode: number
  /**
   * The headers of the response, which response-headers.ts sets:
   * - `weapp-error`: the code, which a phone can read under any error envelope of the host
   * - `cache-control: no-store`
   * - `www-authenticate` on every 401
   * - `retry-after` in seconds, if a retry can succeed later
   *
   * @see https://www.rfc-editor.org/rfc/rfc6750#section-3
   */
  headers: Readonly<Record<string, string>>
  /** The errcode of WeChat, if WeChat returned one. */
  errcode?: number
  /** WeChat's id of the refused request, which its support asks for. Not enumerable, so a response does not show it. */
  rid?: string
  /** The IP address of this server that WeChat refused with 40164. Not enumerable. */
  ip?: string
  /**
   * The cause, if WeChat was unreachable or its response was invalid. It is a system error code such as `ECONNREFUSED`
   * or `CERT_HAS_EXPIRED`, or `HTTP 403`, `not JSON` or `too large`.
   */
  failure?: string
}

/** What the errmsg of WeChat contains for the operator. */
export interface ErrorDetails {
  rid?: string | undefined
  ip?: string | undefined
}

export interface WeappErrorConstructor {
  new (): WeappError
  readonly prototype: WeappError
}

const REALM = 'Bearer realm="fastify-weapp"'
const INVALID_TOKEN = `${REALM}, error="invalid_token"`

function weappError (
  code: string, statusCode: number, message: string, headers: Record<string, string> = {}
): WeappErrorConstructor {
  const Constructor = createError(code, message, statusCode)
  // On the prototype, so that JSON.stringify and util.inspect do not repeat the headers with every error.
  Object.defineProperty(Constructor.prototype, 'headers', {
    value: Object.freeze({ 'weapp-error': code, 'cache-control': 'no-store', ...headers }),
    writable: true
  })
  return Constructor as unknown as WeappErrorConstructor
}

/** Creates a 401 for a request with a token. */
function tokenError (code: string, message: string): WeappErrorConstructor {
  return weappError(code, 401, message, { 'www-authenticate': INVALID_TOKEN })
}

/** Creates a 401 that is not about the validity of a token: the token is missing, or the login code was refused. */
function credentialError (code: string, message: string): WeappErrorConstructor {
  return weappError(code, 401, message, { 'www-authenticate': REALM })
}

/**
 * An option or an argument is invalid. An invalid option of the plugin fails the boot. The message names the option and
 * never contains its value.
 */
export const FST_WEAPP_INVALID_OPTION = createError('FST_WEAPP_INVALID_OPTION', 'fastify-weapp: option %s %s', 500)

export const FST_WEAPP_APP_UNKNOWN = weappError('FST_WEAPP_APP_UNKNOWN', 400,
  'This Mini Program is not configured on the server. Check its app id.')
export const FST_WEAPP_DEVICE_INVALID = weappError('FST_WEAPP_DEVICE_INVALID', 400,
  'The header Weapp-Device is invalid. Send 1 to 64 characters of A-Z, a-z, 0-9, "-" and "_", or no such header.')
export const FST_WEAPP_CODE_INVALID = credentialError('FST_WEAPP_CODE_INVALID',
  'The code is invalid or has expired. ' +
  'Send a new code of wx.login, not a code of the phone number button or a mock code of DevTools.')
/** A code of the phone number button is invalid. The session of the user stays live, so this is no 401. */
export const FST_WEAPP_PHONE_CODE_INVALID = weappError('FST_WEAPP_PHONE_CODE_INVALID', 400,
  'The phone code is invalid, expired or used. ' +
  'Send a new code of the phone number button (getPhoneNumber), not a code of wx.login.')
export const FST_WEAPP_CODE_USED = credentialError('FST_WEAPP_CODE_USED',
  'The code was already used. Call wx.login and send the new code.')
export const FST_WEAPP_LOGIN_BLOCKED = weappError('FST_WEAPP_LOGIN_BLOCKED', 403,
  'WeChat blocked the login of this user. Tell the user, and do not try again.')

export const FST_WEAPP_WECHAT_LIMITED = weappError('FST_WEAPP_WECHAT_LIMITED', 429,
  'The rate limit of WeChat was exceeded. Try again later.', { 'retry-after': '60' })
export const FST_WEAPP_WECHAT_UNAVAILABLE = weappError('FST_WEAPP_WECHAT_UNAVAILABLE', 503,
  'WeChat is unreachable or busy. Try again with a new code.', { 'retry-after': '5' })
export const FST_WEAPP_BUSY = weappError('FST_WEAPP_BUSY', 503,
  'There are too many calls to WeChat at once. Try again.', { 'retry-after': '1' })
export const FST_WEAPP_WECHAT_TIMEOUT = weappError('FST_WEAPP_WECHAT_TIMEOUT', 504,
  'WeChat did not respond in time. Try again with a new code.')
export const FST_WEAPP_WECHAT_BAD_REPLY = weappError('FST_WEAPP_WECHAT_BAD_REPLY', 502,
  'The response of WeChat was unexpected. Try again later with a new code.')
export const FST_WEAPP_WECHAT_CONFIG = weappError('FST_WEAPP_WECHAT_CONFIG', 500,
  'WeChat refused this server. Fix its configuration as the log describes.')

export const FST_WEAPP_TOKEN_MISSING = credentialError('FST_WEAPP_TOKEN_MISSING',
  'The token is missing. Send it as "Authorization: Bearer <token>".')
export const FST_WEAPP_TOKEN_INVALID = tokenError('FST_WEAPP_TOKEN_INVALID',
  'The token is invalid. Sign in again.')
export const FST_WEAPP_TOKEN_EXPIRED = tokenError('FST_WEAPP_TOKEN_EXPIRED',
  'The token has expired. Sign in again.')

export const FST_WEAPP_SESSION_EXPIRED = tokenError('FST_WEAPP_SESSION_EXPIRED',
  'The session has expired. Sign in again.')
export const FST_WEAPP_SESSION_REVOKED = tokenError('FST_WEAPP_SESSION_REVOKED',
  'The user signed out of the session. Sign in again only if the user asks for it.')
export const FST_WEAPP_SESSION_KICKED = tokenError('FST_WEAPP_SESSION_KICKED',
  'The server ended the session. Sign in again only if the user asks for it.')
export const FST_WEAPP_SESSION_REPLACED = tokenError('FST_WEAPP_SESSION_REPLACED',
  'A newer login ended the session. Sign in again only if the user asks for it.')

/** The session ended during a request. A 401 would make the phone sign in and repeat the work of the route. */
export const FST_WEAPP_SESSION_ENDED = weappError('FST_WEAPP_SESSION_ENDED', 409,
  'The session ended, so this request did not save its changes to the session. ' +
  'Do not repeat it. The response to the next request has the reason.')

export const FST_WEAPP_STORE_UNAVAILABLE = weappError('FST_WEAPP_STORE_UNAVAILABLE', 503,
  'The session store or the app lookup is unavailable. Try again.', { 'retry-after': '5' })
export const FST_WEAPP_SESSION_KEY_STALE = weappError('FST_WEAPP_SESSION_KEY_STALE', 409,
  'The data or signature does not match the session_key. Sign in again and request new data from the user.')
export const FST_WEAPP_SESSION_KEY_MISSING = weappError('FST_WEAPP_SESSION_KEY_MISSING', 409,
  'The session has no session_key. Sign in again if the server stores session_keys.')
export const FST_WEAPP_PAYMENT_NOT_CONFIGURED = weappError('FST_WEAPP_PAYMENT_NOT_CONFIGURED', 500,
  'Virtual payment is not configured for this Mini Program. Set the option virtualPayment.')
/** The host has not guarded the route. A 401 would make the phone sign in again without success. */
export const FST_WEAPP_NOT_GUARDED = weappError('FST_WEAPP_NOT_GUARDED', 500,
  'identity() was called on an unguarded route. Add config: { weapp: true } to the route.')
/** The session cannot be stored. `problem` is fixed text of the plugin. */
export const FST_WEAPP_DATA_INVALID = weappError('FST_WEAPP_DATA_INVALID', 500,
  'The session cannot be stored: %s.') as unknown as new (problem: string) => WeappError
export const FST_WEAPP_REPLY_INVALID = weappError('FST_WEAPP_REPLY_INVALID', 500,
  'The reply of onLogin is invalid. Return a JSON object without token, tokenType, expiresIn or expiresAt.')

/** The codes of WeappError. FST_WEAPP_INVALID_OPTION is a programming error and has no headers. */
export type WeappErrorCode =
  Exclude<Extract<keyof typeof import('./errors.js'), `FST_WEAPP_${string}`>, 'FST_WEAPP_INVALID_OPTION'>

/** Returns whether an error is a WeappError. FST_WEAPP_INVALID_OPTION is none, because it has no headers. */
export function isWeappError (error: unknown): error is WeappError {
  return error instanceof Error && 'headers' in error && 'code' in error && String(error.code).startsWith('FST_WEAPP_')
}
