/**
 * What every rejection is: an Error with fields and not a class of its own, because a class that extends Error loses
 * its `instanceof` when DevTools compiles it to ES5. Decide by `code`.
 */
export interface WeappClientError extends Error {
  /**
   * The server's code (`FST_WEAPP_…`, or one of the host's own), or what went wrong on the phone:
   * - `WEAPP_NETWORK_FAILED`: no answer arrived, or it was aborted; `errMsg` and `errno` are the platform's
   * - `WEAPP_WX_LOGIN_FAILED`: wx.login gave no code; `errMsg` and `errno` are wx.login's
   * - `WEAPP_REFUSED`: the server refused and named no code
   * - `WEAPP_UNAUTHORIZED`: the login or the logout was answered by a 401 that arrived without headers
   * - `WEAPP_BAD_ANSWER`: the answer to the login has no token
   * - `WEAPP_BAD_URL`: a url that is not under `baseUrl`, where the token must not go; or a `baseUrl` that is none
   * - `WEAPP_NO_WX`: no `wx` was given, and there is no global one; or it cannot upload
   */
  code: string
  /** The HTTP status, where the server answered. */
  statusCode?: number
  /** Seconds to wait before it is worth trying again, where the server said so. */
  retryAfter?: number
  /** The body of the server's answer. */
  data?: unknown
  errMsg?: string
  errno?: number
}

type Details = Partial<Pick<WeappClientError, 'statusCode' | 'retryAfter' | 'data' | 'errMsg' | 'errno'>>

export function clientError (code: string, message: string, details?: Details): WeappClientError {
  return Object.assign(new Error(message), { code }, details)
}
