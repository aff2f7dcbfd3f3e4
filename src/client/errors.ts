/**
 * The error of every rejection: an Error with fields. It has no class of its own, because a class that extends Error
 * loses its `instanceof` when DevTools compiles it to ES5. Decide by `code`.
 */
export interface WeappClientError extends Error {
  /**
   * The server's code (`FST_WEAPP_…`, or one of the host's own), or one of the client's:
   * - `WEAPP_NETWORK_FAILED`: no response arrived, or the request was aborted; `errMsg` and `errno` are the platform's
   * - `WEAPP_WX_LOGIN_FAILED`: wx.login returned no code in 12 seconds; `errMsg` and `errno` are those of wx.login
   * - `WEAPP_REFUSED`: the server refused the request without a code
   * - `WEAPP_UNAUTHORIZED`: the response to the login, the logout or `session` was a 401 without headers
   * - `WEAPP_BAD_ANSWER`: the login response has no token
   * - `WEAPP_BAD_EXTRA`: the `extra` of a login is not JSON, such as a circular object
   * - `WEAPP_BAD_URL`: the url is not below `baseUrl`, so the token must not go there; or `baseUrl` is invalid
   * - `WEAPP_NO_WX`: no `wx` was passed and there is no global one, or `wx` cannot upload
   */
  code: string
  /** The HTTP status, if the server responded. */
  statusCode?: number
  /** Seconds to wait before a retry, if the server sent Retry-After or the client delays its own logins. */
  retryAfter?: number
  /** The body of the server's response. */
  data?: unknown
  errMsg?: string
  errno?: number
  /** What the platform threw, if it threw instead of calling `fail`. */
  cause?: unknown
}

type Details = Partial<Omit<WeappClientError, keyof Error>> & Pick<WeappClientError, 'cause'>

const clientErrors = new WeakSet<WeappClientError>()

export function clientError (code: string, message: string, details?: Details): WeappClientError {
  const error = Object.assign(new Error(message), { code }, details)
  clientErrors.add(error)
  return error
}

/** Returns whether an error is the client's. Anything else was thrown by code of the host. */
export function isClientError (error: unknown): error is WeappClientError {
  return clientErrors.has(error as WeappClientError)
}
