/**
 * What WeChat's errcodes mean here. WeChat answers HTTP 200 with `{ errcode, errmsg }`; errmsg varies from call to
 * call and is never shown, logged or decided on.
 *
 * Sources: the code2Session page
 * https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session and the general list
 * https://developers.weixin.qq.com/doc/channels/API/basics/commErrCode.html
 */
import {
  FST_WEAPP_CODE_INVALID, FST_WEAPP_CODE_USED, FST_WEAPP_LOGIN_BLOCKED, FST_WEAPP_WECHAT_BAD_REPLY, FST_WEAPP_WECHAT_CONFIG,
  FST_WEAPP_WECHAT_LIMITED, FST_WEAPP_WECHAT_UNAVAILABLE, type WeappError, type WeappErrorConstructor
} from '../errors.js'

/** System busy: the one errcode that is worth asking again for. */
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

/** Seconds to wait: 45011 is a limit by the minute, 45009 by the day. */
const RETRY_AFTER: ReadonlyMap<number, number> = new Map([[45011, 60], [45009, 3600]])

/** What whoever runs the server can do about it: for the log only. */
const CONFIG_HINTS: ReadonlyMap<number, string> = new Map([
  [40013, 'WeChat does not know the app id'],
  [40125, 'the app secret is wrong, or was reset in the WeChat console'],
  [40001, 'the app secret or access_token is wrong'],
  [41002, 'the app id is missing from the request'],
  [41004, 'the app secret is missing from the request'],
  [41008, 'the code is missing from the request'],
  [40164, "this server's IP address is not in the white list of the WeChat console"],
  [61004, "this server's IP address is not in the white list of the WeChat console"],
  [43001, 'WeChat wants GET: a proxy may have changed the request'],
  [43002, 'WeChat wants POST: a proxy may have changed the request'],
  [43003, 'WeChat wants HTTPS'],
  [48001, 'the app has no permission for this API'],
  [40014, 'the access_token is refused though it was renewed: something else renews it'],
  [42001, 'the access_token is refused though it was renewed: something else renews it']
])

/** The error of an errcode, which it carries; anything undocumented, a string or a float among them, is a bad reply. */
export function errorOf (errcode: unknown): WeappError {
  if (!Number.isInteger(errcode)) return new FST_WEAPP_WECHAT_BAD_REPLY()
  const code = errcode as number
  const retryAfter = RETRY_AFTER.get(code)
  const Known = ERRORS.get(code) ?? (CONFIG_HINTS.has(code) ? FST_WEAPP_WECHAT_CONFIG : FST_WEAPP_WECHAT_BAD_REPLY)
  const error = retryAfter === undefined ? new Known() : rateLimited(retryAfter)
  error.errcode = code
  return error
}

/** The hint for the log when an errcode is ours to mend, else undefined. */
export function configHint (errcode: unknown): string | undefined {
  return CONFIG_HINTS.get(errcode as number)
}

/** WeChat's limit, with the seconds after which asking again makes sense. */
export function rateLimited (seconds: number): WeappError {
  const error = new FST_WEAPP_WECHAT_LIMITED()
  error.headers = { ...error.headers, 'retry-after': String(seconds) }
  return error
}
