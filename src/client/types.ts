/** The public types of the client. */
import type { Wx, WxResponse } from './wx.js'

/** The options of `createWeappClient`. */
export interface WeappClientOptions {
  /** The URL of the server, such as 'https://api.example.com'. The token is sent to this server only. */
  baseUrl: string
  /**
   * The `prefix` of the plugin on the server.
   *
   * @default '/weapp'
   */
  prefix?: string | undefined
  /**
   * The platform: Taro, uni, or a fake one in tests.
   *
   * @default the global `wx`
   */
  wx?: Wx | undefined
  /**
   * The key of the sign-in state in the device's storage. A state that the storage refuses is written under this key
   * with ' spare' at its end, and again by the next call of the client.
   *
   * @default a key derived from `baseUrl` and `prefix`
   */
  storageKey?: string | undefined
  /**
   * Called when the server has signed this device out. The code is FST_WEAPP_SESSION_REVOKED (by the user, on another
   * device), _KICKED (by the host) or _REPLACED (by a newer device). Also called if the server ends a login in flight
   * with one of these codes, and if an optional route served a guest because the session had ended. Called once, before
   * the request settles. Show a page with a button that calls `login()`. Your own `logout()` does not call it.
   */
  onSignedOut?: ((code: string) => void) | undefined
  /**
   * Returns the plugin's body from the body of a response, if the host wraps its responses. Use `(body) => body.data`
   * for a host that sends `{ data: … }`. Applies to the plugin's own routes only. `request` resolves with the host's
   * body as it is.
   *
   * @default (body) => body
   */
  unwrap?: ((body: any) => any) | undefined
}

/** The response to a login. The host's `onLogin` may add fields. */
export interface LoginAnswer {
  token: string
  tokenType: 'Bearer'
  /** Seconds until the session's absolute expiry. */
  expiresIn: number
  /** The session's absolute expiry, in epoch milliseconds. */
  expiresAt: number
  [field: string]: any
}

/** A session of this user. Times are epoch milliseconds. */
export interface SessionInfo {
  id: string
  createdAt: number
  /** Absolute expiry. Activity does not extend it. */
  expiresAt: number
  /** Idle expiry. Activity extends it. */
  idleExpiresAt: number
}

/** The response of the session route: this session, and all sessions of the user. */
export interface SessionAnswer extends SessionInfo {
  /** All sessions of the user, oldest first. */
  sessions: Array<SessionInfo & { current: boolean, label: string | null }>
}

/**
 * How a request authenticates:
 * - 'required': signs in first if necessary, and again if the session has expired
 * - 'optional': sends the token if there is one, and never signs a guest in. If a response shows that the session has
 *   expired, the next request renews it. If that fails, the request is sent as it is.
 * - false: sends no token, and returns every response as it is
 */
export type Auth = 'required' | 'optional' | false

/** The options that requests and uploads have in common. */
export interface WeappTransfer {
  /** A path on the server such as '/me', or a URL below `baseUrl`. */
  url: string
  header?: Record<string, string>
  /**
   * In milliseconds. The client itself does not limit the time of your requests and uploads.
   *
   * @default the platform's, 60 seconds
   */
  timeout?: number
  enableHttp2?: boolean
  enableQuic?: boolean
  /** @default 'required' */
  auth?: Auth
  /**
   * Called with the return value of wx.request or wx.uploadFile, once per attempt. Use it to abort the task, to show
   * its progress or to read its chunks. An aborted request rejects with WEAPP_NETWORK_FAILED.
   */
  onTask?: (task: any) => void
}

/** A request with wx.request. */
export interface WeappRequest extends WeappTransfer {
  /** @default 'GET' */
  method?: 'OPTIONS' | 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'TRACE' | 'CONNECT'
  /** The same as for wx.request. JSON without data is sent as `{}`, because Fastify rejects an empty JSON body. */
  data?: string | object | ArrayBuffer
  /**
   * With any value but 'json', `data` stays a string.
   *
   * @default 'json'
   */
  dataType?: string
  responseType?: 'text' | 'arraybuffer'
  enableCache?: boolean
  enableChunked?: boolean
}

/** An upload with wx.uploadFile. */
export interface WeappUpload extends WeappTransfer {
  /** The path of a file, such as the one that `chooseAvatar` or wx.chooseMedia returns. */
  filePath: string
  /** The form field of the file. */
  name: string
  /** The other form fields. */
  formData?: Record<string, any>
}

/**
 * A client. Every promise rejects with a WeappClientError, except that an error of your `onTask` or `unwrap` passes
 * unchanged. Calls of wx.login and wx.checkSession are given up after 12 seconds, and requests to the plugin's routes
 * after 65 seconds. The next call works again.
 *
 * Logins that `login` did not ask for are delayed after a failure: by `retryAfter` of the failure, or else by 1 second
 * or twice the delay before, up to 32. Until then they reject at once with the last failure and the seconds that are
 * left in `retryAfter`.
 *
 * A refused token is renewed at once. If the new token is refused too, the next renewal is delayed by 1 second, doubled
 * up to 32. Until then the refusal is final. The delay ends when the route that refused a token accepts one.
 */
export interface WeappClient {
  /**
   * Signs in: calls wx.login, then the login route. Only one login is in flight at a time, and concurrent callers share
   * its result. A login with a different `extra` waits for its turn. A signed-out device signs in only by this call.
   * Rejects if this device is signed out before the response arrives. The new session is then ended.
   *
   * The request has the header Weapp-Device with a random id of this device, which is stored with the sign-in state. A
   * session whose response was lost is replaced by the next login of the same device.
   *
   * @param extra further fields of the login body, for the host's `onLogin`
   * @throws the server's code, WEAPP_REFUSED, WEAPP_UNAUTHORIZED, WEAPP_WX_LOGIN_FAILED, WEAPP_NETWORK_FAILED,
   * WEAPP_BAD_ANSWER, WEAPP_BAD_EXTRA, FST_WEAPP_SESSION_REVOKED, FST_WEAPP_SESSION_KICKED, FST_WEAPP_SESSION_REPLACED
   */
  login (extra?: Record<string, unknown>): Promise<LoginAnswer>

  /**
   * Sends a request with wx.request and the token. Resolves with every response of the host, whatever its status. If
   * the session has expired, signs in once for all requests and sends them again. Does the same if the session_key is
   * stale. If the session_key is still stale after that, the data was encrypted with an old key. Then ask the user to
   * tap again.
   *
   * A request that was served is never sent again. That includes an optional route that served a guest because the
   * session had ended. If a 401 has no code, the client asks the session route whether the session has ended.
   *
   * A request belongs to the sign-in that it began under. If a sign-out comes before it is sent again, it rejects with
   * the code of the sign-out, whether another user has signed in meanwhile or not.
   *
   * @throws WEAPP_NETWORK_FAILED, WEAPP_BAD_URL, FST_WEAPP_SESSION_REVOKED, FST_WEAPP_SESSION_KICKED,
   * FST_WEAPP_SESSION_REPLACED, FST_WEAPP_SESSION_KEY_STALE, FST_WEAPP_SESSION_KEY_MISSING, and the codes of `login`
   */
  request<Data = any> (request: WeappRequest): Promise<WxResponse<Data>>

  /**
   * Sends a file with wx.uploadFile and the token, by POST as multipart/form-data. Recovers as `request` does. Resolves
   * with every response of the host. `data` is parsed if it is JSON. `header` is empty, because the platform omits it.
   * A file that the server accepted is never sent again, whatever code the JSON contains.
   *
   * @throws the codes of `request`, and WEAPP_NO_WX if `wx` has no uploadFile
   */
  upload<Data = any> (upload: WeappUpload): Promise<WxResponse<Data>>

  /**
   * Ensures that the server can decrypt the data of the next tap. Call it when a page with such a button opens, not in
   * the callback of the tap. Checks wx.checkSession once per launch. Signs in if the key has expired or no session
   * exists.
   *
   * @throws the codes of `login`, FST_WEAPP_SESSION_REVOKED, FST_WEAPP_SESSION_KICKED, FST_WEAPP_SESSION_REPLACED
   */
  ensureSessionKey (): Promise<void>

  /**
   * Signs out this device at once, or with `all` every device of the user. This device stays signed out until
   * `login()`. A session that has already ended counts as success. If the server is unreachable, this device is signed
   * in again, so that you can retry, unless a login has begun meanwhile. A login that is pending is signed out too.
   *
   * Only a live session can end the others, so `all` renews an expired session first. It rejects if this device is
   * signed out, because the other devices may still be signed in.
   *
   * @throws the codes of `request`
   */
  logout (options?: { all?: boolean }): Promise<void>

  /**
   * Returns this session and all sessions of the user.
   *
   * @throws the codes of `request`, and WEAPP_REFUSED if the server refuses without a code
   */
  session (): Promise<SessionAnswer>

  /**
   * The token, or null if this device is not signed in. Use it for transfers that `request` does not cover, such as a
   * header of wx.downloadFile.
   */
  readonly token: string | null
}
