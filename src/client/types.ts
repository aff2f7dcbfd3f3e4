/** The public face of the client. */
import type { Answer, Wx } from './wx.js'

export interface WeappClientOptions {
  /** Where the server is, such as 'https://api.example.com'. The token goes nowhere else. */
  baseUrl: string
  /** The plugin's `prefix` on the server. Default '/weapp'. */
  prefix?: string | undefined
  /** The platform: Taro, uni, or a fake one in tests. Default: the global `wx`. */
  wx?: Wx | undefined
  /** Under which key the sign-in is kept in the phone's storage. Default: a key of this `baseUrl` and `prefix`. */
  storageKey?: string | undefined
  /**
   * The server has ended this sign-in: FST_WEAPP_SESSION_REVOKED (by its user, elsewhere), _KICKED (by the server's
   * people) or _REPLACED (by a newer device). Also a login that was on its way when the server's
   * people ended all sessions of the user. Called once, before the request that learned of it rejects. Show a page
   * with a button that calls `login()`. Your own `logout()` does not call it.
   */
  onSignedOut?: ((code: string) => void) | undefined
  /**
   * Takes what the plugin sent out of what the host wraps every answer in: `(body) => body.data` for hosts that answer
   * `{ data: … }`. Used for the plugin's own routes alone; `request` resolves with what the host sent. Default: as it is.
   */
  unwrap?: ((body: any) => any) | undefined
}

/** The answer to a login; whatever else there is, the host's `onLogin` put there. */
export interface LoginAnswer {
  token: string
  tokenType: 'Bearer'
  /** Seconds until the session's absolute end. */
  expiresIn: number
  /** The session's absolute end, in epoch milliseconds. */
  expiresAt: number
  [field: string]: any
}

/** A device of this user. Times are epoch milliseconds. */
export interface SessionInfo {
  id: string
  createdAt: number
  /** The absolute end. */
  expiresAt: number
  /** The end unless it is used before. */
  idleExpiresAt: number
}

export interface SessionAnswer extends SessionInfo {
  /** All devices that are signed in, oldest first. */
  sessions: Array<SessionInfo & { current: boolean, label: string | null }>
}

/**
 * - 'required' (default): signs in first when nobody is, and again when the session has expired
 * - 'optional': sends the token if there is one, and never signs in
 * - false: neither; the answer is not looked at
 */
export type Auth = 'required' | 'optional' | false

/** What requests and uploads have in common. */
export interface WeappTransfer {
  /** A path on the server such as '/me', or a whole URL below `baseUrl`. */
  url: string
  header?: Record<string, string>
  /** In milliseconds. Default: the platform's, 60 seconds. */
  timeout?: number
  enableHttp2?: boolean
  enableQuic?: boolean
  auth?: Auth
  /**
   * Told what wx.request or wx.uploadFile returned, whenever this is sent: to abort it, to show its progress, to read
   * its chunks. A repetition is a task of its own. What was aborted rejects with WEAPP_NETWORK_FAILED.
   */
  onTask?: (task: any) => void
}

export interface WeappRequest extends WeappTransfer {
  /** Default 'GET'. */
  method?: 'OPTIONS' | 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'TRACE' | 'CONNECT'
  /** As for wx.request. JSON without data is sent as `{}`, for a server refuses JSON that is empty. */
  data?: string | object | ArrayBuffer
  /** Anything but 'json', the default, leaves `data` a string. */
  dataType?: string
  responseType?: 'text' | 'arraybuffer'
  enableCache?: boolean
  enableChunked?: boolean
}

export interface WeappUpload extends WeappTransfer {
  /** Such as what `chooseAvatar` or wx.chooseMedia gave. */
  filePath: string
  /** The field of the form that holds the file. */
  name: string
  /** The other fields of the form. */
  formData?: Record<string, any>
}

/** Every promise rejects with a WeappClientError, but for what an `onTask` of yours throws, which passes as it is. */
export interface WeappClient {
  /**
   * Signs in: wx.login, then the server's login route. There is one login at a time, and who asks meanwhile gets its
   * outcome; only other `extra` than that login has waits for its turn. The only way out of being signed out.
   *
   * @param extra goes into the body of the login beside the code, for the host's `onLogin`
   * @throws FST_WEAPP_* of the login route, whatever else the host refuses with,
   * WEAPP_WX_LOGIN_FAILED, WEAPP_NETWORK_FAILED, WEAPP_BAD_ANSWER
   */
  login (extra?: Record<string, unknown>): Promise<LoginAnswer>

  /**
   * wx.request, signed in. Resolves with every answer of the host whatever its status. When the guard refuses because
   * the session has expired, it signs in, once for all requests, and repeats; when a session_key is dead, too.
   *
   * @throws when no answer arrives (WEAPP_NETWORK_FAILED), when the login fails, when this phone is
   * signed out (FST_WEAPP_SESSION_REVOKED, _KICKED, _REPLACED), and FST_WEAPP_SESSION_KEY_STALE or _MISSING when the
   * repetition did not open the data either: it was made with a key of the past, so ask for the tap again
   */
  request<Data = any> (request: WeappRequest): Promise<Answer<Data>>

  /**
   * wx.uploadFile, signed in, and repeated as a `request` is: one file by POST as multipart/form-data. Resolves with every
   * answer of the host; `data` is parsed where it is JSON, and `header` is empty, because the platform keeps the headers.
   *
   * @throws as `request`, and WEAPP_NO_WX when the `wx` that was given has no uploadFile
   */
  upload<Data = any> (upload: WeappUpload): Promise<Answer<Data>>

  /**
   * Makes sure that what the next tap encrypts can be opened: call it when a page with such a button appears, not in
   * its callback. Asks wx.checkSession once per launch, and signs in when the key is dead or nobody is signed in.
   *
   * @throws as `login`, or when this phone is signed out
   */
  ensureSessionKey (): Promise<void>

  /**
   * Signs out, here or with `all` on every device of the user, and stays signed out until `login()`. A session that
   * has already ended counts as success. When the server cannot be asked, this phone is signed in as before: repeat it.
   *
   * With `all` it takes a live session to end the others, so an expired one is renewed; where that is not to be, because
   * this phone is signed out, it rejects: the others may be signed in.
   */
  logout (options?: { all?: boolean }): Promise<void>

  /** This session and the other devices of its user. */
  session (): Promise<SessionAnswer>

  /** The token, for what does not go through `request`, such as a header of wx.downloadFile. Null when not signed in. */
  readonly token: string | null
}
