/** Reads the server's responses: which are the plugin's refusals, and how the client recovers from each. */
import { clientError, type WeappClientError } from './errors.js'
import { failureText, type RawResponse, type WxResponse } from './wx.js'

export interface Reply {
  response: WxResponse
  /** The plugin's error code, if the plugin refused the request or its token. */
  code: string | undefined
  /** Whether the request was served. It must not be repeated. With a code, a guest was served for that reason. */
  isServed: boolean
  /** Whether the session route must be asked for the code. */
  isAmbiguous: boolean
}

export type Recovery = 'reauthenticate' | 'refresh-key' | 'signed-out'

/** The code of a 401 that arrives without headers and without one of the plugin's codes. */
export const UNAUTHORIZED = 'WEAPP_UNAUTHORIZED'

/**
 * Recoveries by the guard's error code. The caller handles every other refusal. The status alone cannot decide, because
 * a 401 may also refuse a login code, or come from the host. FST_WEAPP_TOKEN_MISSING is absent: the token was sent, so
 * a login would not help.
 */
export const RECOVERY: Record<string, Recovery | undefined> = {
  FST_WEAPP_TOKEN_INVALID: 'reauthenticate',
  FST_WEAPP_TOKEN_EXPIRED: 'reauthenticate',
  FST_WEAPP_SESSION_EXPIRED: 'reauthenticate',
  [UNAUTHORIZED]: 'reauthenticate',
  FST_WEAPP_SESSION_KEY_STALE: 'refresh-key',
  FST_WEAPP_SESSION_KEY_MISSING: 'refresh-key',
  FST_WEAPP_SESSION_REVOKED: 'signed-out',
  FST_WEAPP_SESSION_KICKED: 'signed-out',
  FST_WEAPP_SESSION_REPLACED: 'signed-out'
}

/**
 * Reads a response and the plugin's codes in it. A 401 without headers and without a plugin code counts as the guard's.
 * Otherwise a device whose session expired would never recover.
 */
export function readResponse (raw: RawResponse): Reply {
  const { header, statusCode } = raw
  const response = { ...raw, header: header || {} }
  const { code } = Object(response.data)
  const isText = typeof code === 'string'
  const isPluginCode = isText && code.startsWith('FST_WEAPP_')
  const isServed = statusCode < 400
  // The body of a successful response may contain any code, such as user input.
  const refused = headerOf(response.header, 'weapp-error') || (isPluginCode && !isServed ? code : undefined)
  const served = headerOf(response.header, 'weapp-session')
  const is401 = statusCode === 401
  return {
    response,
    code: refused || served || (is401 && !header ? UNAUTHORIZED : undefined),
    isServed: !refused && (isServed || Boolean(served)),
    // An error filter of a framework may drop the header and the code. wx.uploadFile omits all headers.
    isAmbiguous: !refused && (is401 ? !header || !isText : !header && isPluginCode)
  }
}

/**
 * Matches a failure that is a 401 and nothing else, such as 'request:fail 401 Unauthorized' of WeChat on a PC.
 *
 * @see https://developers.weixin.qq.com/community/develop/doc/0002888225c1e8458f492d38b5b400
 */
const UNAUTHORIZED_TEXT = /^(\w+:fail )?401( Unauthorized)?$/

/** Returns the response in a failure of wx.request, or null if there is none. */
export function responseIn (failure: unknown): RawResponse | null {
  const response = Object(failure)
  if (response.statusCode) return response
  const is401 = response.errno === 401 || UNAUTHORIZED_TEXT.test(failureText(failure))
  return is401 ? { ...response, statusCode: 401 } : null
}

/** Parses the body of a wx.uploadFile response, as wx.request does. Text that is not JSON stays as it is. */
export function parseData (response: RawResponse): RawResponse {
  try {
    return { ...response, data: JSON.parse(response.data) }
  } catch {
    return response
  }
}

/** Returns whether the plugin or the host refused a request. */
export function isRefusal ({ response: { statusCode }, code }: Reply): boolean {
  return code !== undefined || statusCode < 200 || statusCode > 299
}

/** Returns the error that represents a refusal. */
export function refusal ({ response, code }: Reply, message?: string): WeappClientError {
  const { statusCode, data } = response
  const body = Object(data)
  const retryAfter = Number(headerOf(response.header, 'retry-after'))
  return clientError(
    code || (typeof body.code === 'string' ? body.code : 'WEAPP_REFUSED'),
    message || (typeof body.message === 'string' ? body.message : `The server returned status ${statusCode}.`),
    { statusCode, data, ...retryAfter > 0 && { retryAfter } }
  )
}

/** Returns the body of a response. Throws if the response is a refusal. */
export function bodyOf (reply: Reply): unknown {
  if (isRefusal(reply)) throw refusal(reply)
  return reply.response.data
}

/** Returns the value of a header. Names match in any case. */
export function headerOf (header: Record<string, any> = {}, name: string): string | undefined {
  for (const key of Object.keys(header)) if (key.toLowerCase() === name) return String(header[key])
}
