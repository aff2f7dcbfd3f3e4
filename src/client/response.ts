/** Reads the server's responses: which are the plugin's refusals, and how the client recovers from each. */
import { clientError, type WeappClientError } from './errors.js'
import type { RawResponse, WxFailure, WxResponse } from './wx.js'

/** A response, with the plugin's error code if the plugin refused the request. */
export interface Reply {
  response: WxResponse
  code: string | undefined
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
 * Reads a response and the plugin's code in it. A 401 without headers and without a plugin code is ambiguous: the guard
 * or the host may have sent it. The client treats it as the guard's. The worst case is one unnecessary login.
 * Otherwise a device whose session expired would never recover.
 */
export function readResponse (raw: RawResponse): Reply {
  const { header, statusCode } = raw
  const response = { ...raw, header: header || {} }
  const { code } = response.data || {} as { code?: unknown }
  // The body of a successful response may contain any code, such as user input. Without headers only the body is left.
  const isPluginError = (statusCode > 399 || !header) && typeof code === 'string' && code.startsWith('FST_WEAPP_')
  const ambiguous = statusCode === 401 && !header ? UNAUTHORIZED : undefined
  return { response, code: headerOf(response.header, 'weapp-error') || (isPluginError ? code : ambiguous) }
}

/**
 * Reads the response in a failure of wx.request. Returns null if there is none. WeChat on a PC has been seen to report
 * a 401 as a failure.
 *
 * @see https://developers.weixin.qq.com/community/develop/doc/0002888225c1e8458f492d38b5b400
 */
export function readFailure (failure: WxFailure & Partial<WxResponse>): Reply | null {
  const { errMsg = '', data } = failure
  // Excludes -401, which is an error number of the network stack.
  const statusCode = failure.statusCode || (/(^|[^-\w])401\b/.test(errMsg) ? 401 : 0)
  return statusCode ? readResponse({ ...failure, statusCode, data }) : null
}

/** Parses the body of a wx.uploadFile response, as wx.request does. Text that is not JSON stays as it is. */
export function parseData (response: RawResponse): RawResponse {
  try {
    return { ...response, data: JSON.parse(response.data) }
  } catch {
    return response
  }
}

export function isRefusal ({ response: { statusCode }, code }: Reply): boolean {
  return code !== undefined || statusCode < 200 || statusCode > 299
}

/** Returns the error that represents a refusal. */
export function refusal ({ response, code }: Reply, message?: string): WeappClientError {
  const { statusCode, data } = response
  const body = data || {} as { code?: unknown, message?: unknown }
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
export function headerOf (header: Record<string, any>, name: string): string | undefined {
  const key = Object.keys(header).find((key) => key.toLowerCase() === name)
  return key && String(header[key])
}
