/**
 * Maps WeChat's errcodes to errors. WeChat answers HTTP 200 with `{ errcode, errmsg }`.
 * errmsg varies between calls. It is never returned, logged or used in a decision, except for a rid and an IP address.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session
 * @see https://developers.weixin.qq.com/doc/channels/API/basics/commErrCode.html
 */
import { isIP } from 'node:net'
import {
  FST_WEAPP_CODE_INVALID, FST_WEAPP_CODE_USED, FST_WEAPP_LOGIN_BLOCKED, FST_WEAPP_WECHAT_BAD_REPLY,
  FST_WEAPP_WECHAT_CONFIG, FST_WEAPP_WECHAT_LIMITED, FST_WEAPP_WECHAT_UNAVAILABLE, type WeappError,
  type WeappErrorConstructor
} from '../errors.js'

/** System busy: the only errcode that a retry can help with. */
export const SYSTEM_BUSY = -1

const ERRORS: ReadonlyMap<number, WeappErrorConstructor> = new Map([
  [SYSTEM_BUSY, FST_WEAPP_WECHAT_UNAVAILABLE],
  [40029, FST_WEAPP_CODE_INVALID],
  [42003, FST_WEAPP_CODE_INVALID],
  [40163, FST_WEAPP_CODE_USED],
  [40226, FST_WEAPP_LOGIN_BLOCKED]
])

/** Retry-After in seconds: 45011 is a limit by the minute, 45009 by the day. */
const RETRY_AFTER: ReadonlyMap<number, number> = new Map([[45011, 60], [45009, 3600]])

const IP_NOT_LISTED = "this server's IP address is not on the IP whitelist. Add it in the WeChat console"
const CHECK_PROXY = 'Check whether a proxy changes requests'
const TOKEN_NOT_NEWEST = 'WeChat refused a renewed access_token. Check whether another process renews it'

/**
 * Configuration errors, with a hint for the operator that only the log shows.
 *
 * @see https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken
 */
const CONFIG_HINTS: ReadonlyMap<number, string> = new Map([
  [40013, 'WeChat does not recognize the app id. Copy it from the WeChat console again'],
  [40125, 'the app secret is wrong, or was reset in the WeChat console. Set the current one'],
  [40001, 'the app secret or access_token is wrong. Check the secret, and whether another process renews the token'],
  [41002, `the app id is missing from the request. ${CHECK_PROXY}`],
  [41004, `the app secret is missing from the request. ${CHECK_PROXY}`],
  [41008, `the code is missing from the request. ${CHECK_PROXY}`],
  [40164, IP_NOT_LISTED],
  [61004, IP_NOT_LISTED],
  [40002, `WeChat does not accept the grant_type. ${CHECK_PROXY}`],
  [40243, 'the app secret is frozen. Unfreeze it in the WeChat console'],
  [43001, `WeChat requires GET. ${CHECK_PROXY}`],
  [43002, `WeChat requires POST. ${CHECK_PROXY}`],
  [43003, 'WeChat requires HTTPS. Check baseUrl and the proxies'],
  [48001, 'the app has no permission for this API. See its permissions in the WeChat console'],
  [48004, 'WeChat withdrew this API from the app because of a violation. See the notices in the WeChat console'],
  [50002, 'the app is frozen, was moved or is closed. See the notices in the WeChat console'],
  [50004, 'the account of the app may not use this API. See the notices in the WeChat console'],
  [50007, 'the account of the app is frozen. See the notices in the WeChat console'],
  [89501, "the app's administrator has not confirmed this server's IP address. Ask for the confirmation in WeChat"],
  [89503, "the app's administrator has not confirmed this server's call. Ask for the confirmation in WeChat"],
  [89506, "the app's administrator refused this server's IP address twice. Ask for its confirmation after 24 hours"],
  [89507, "the app's administrator refused this server's IP address. Ask for its confirmation after an hour"],
  [40014, TOKEN_NOT_NEWEST],
  [42001, TOKEN_NOT_NEWEST]
])

const MAX_ERRMSG_LENGTH = 512
/** The id of the request, which WeChat's support asks for: hexadecimal groups. */
const RID = /\brid: ?([0-9a-f]{1,16}(?:-[0-9a-f]{1,16}){1,4})(?![\w-])/i
/** The address in "invalid ip 192.0.2.1 ipv6 ::ffff:192.0.2.1, not in whitelist". */
const IP = /\binvalid ip:? ([0-9a-f.:]{2,45})(?![\w.:])/i

/**
 * Returns the error of an errcode. An unknown errcode, or a value that is not an integer, gives
 * FST_WEAPP_WECHAT_BAD_REPLY.
 */
export function errorOf (errcode: unknown, errmsg: unknown): WeappError {
  if (!Number.isInteger(errcode)) return new FST_WEAPP_WECHAT_BAD_REPLY()
  const code = errcode as number
  const retryAfter = RETRY_AFTER.get(code)
  const Known = ERRORS.get(code) ?? (CONFIG_HINTS.has(code) ? FST_WEAPP_WECHAT_CONFIG : FST_WEAPP_WECHAT_BAD_REPLY)
  const error = retryAfter === undefined ? new Known() : rateLimited(retryAfter)
  error.errcode = code
  return withDetails(error, errmsg)
}

/** Adds the rid and the refused IP address of errmsg to an error. JSON.stringify and a spread do not copy them. */
export function withDetails (error: WeappError, errmsg: unknown): WeappError {
  const text = typeof errmsg === 'string' ? errmsg.slice(0, MAX_ERRMSG_LENGTH) : ''
  const details = { rid: RID.exec(text)?.[1], ip: IP.exec(text)?.[1] }
  if (details.ip !== undefined && isIP(details.ip) === 0) details.ip = undefined
  for (const [name, value] of Object.entries(details)) {
    if (value !== undefined) Object.defineProperty(error, name, { value, configurable: true, writable: true })
  }
  return error
}

/** Returns the log's hint for an errcode that the operator must fix, or undefined for any other errcode. */
export function configHint (errcode: unknown): string | undefined {
  return CONFIG_HINTS.get(errcode as number)
}

/** Returns FST_WEAPP_WECHAT_LIMITED with a Retry-After in seconds. */
export function rateLimited (seconds: number): WeappError {
  const error = new FST_WEAPP_WECHAT_LIMITED()
  error.headers = { ...error.headers, 'retry-after': String(seconds) }
  return error
}
