/**
 * Maps WeChat's errcodes to errors. WeChat answers HTTP 200 with `{ errcode, errmsg }`.
 * errmsg varies between calls. It is never returned, logged or used in a decision.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session
 * @see https://developers.weixin.qq.com/doc/channels/API/basics/commErrCode.html
 */
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
  [40226, FST_WEAPP_LOGIN_BLOCKED],
  [50002, FST_WEAPP_LOGIN_BLOCKED],
  [50004, FST_WEAPP_LOGIN_BLOCKED]
])

/** Retry-After in seconds: 45011 is a limit by the minute, 45009 by the day. */
const RETRY_AFTER: ReadonlyMap<number, number> = new Map([[45011, 60], [45009, 3600]])

/** Configuration errors, with a hint for the operator that only the log shows. */
const CONFIG_HINTS: ReadonlyMap<number, string> = new Map([
  [40013, 'WeChat does not recognize the app id'],
  [40125, 'the app secret is wrong, or was reset in the WeChat console'],
  [40001, 'the app secret or access_token is wrong'],
  [41002, 'the app id is missing from the request'],
  [41004, 'the app secret is missing from the request'],
  [41008, 'the code is missing from the request'],
  [40164, "this server's IP address is not on the IP whitelist in the WeChat console"],
  [61004, "this server's IP address is not on the IP whitelist in the WeChat console"],
  [43001, 'WeChat requires GET; a proxy may have changed the request'],
  [43002, 'WeChat requires POST; a proxy may have changed the request'],
  [43003, 'WeChat requires HTTPS'],
  [48001, 'the app has no permission for this API'],
  [40014, 'WeChat refused a renewed access_token; another process may renew it as well'],
  [42001, 'WeChat refused a renewed access_token; another process may renew it as well']
])

/** Returns the error of an errcode. An undocumented errcode, such as a string or a float, is a bad reply. */
export function errorOf (errcode: unknown): WeappError {
  if (!Number.isInteger(errcode)) return new FST_WEAPP_WECHAT_BAD_REPLY()
  const code = errcode as number
  const retryAfter = RETRY_AFTER.get(code)
  const Known = ERRORS.get(code) ?? (CONFIG_HINTS.has(code) ? FST_WEAPP_WECHAT_CONFIG : FST_WEAPP_WECHAT_BAD_REPLY)
  const error = retryAfter === undefined ? new Known() : rateLimited(retryAfter)
  error.errcode = code
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
