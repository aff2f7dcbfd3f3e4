import type { Platform } from './simulator-apis.js'
import { encryptUserData, newSessionKey, signRawData } from './simulator-crypto.js'
import type { EncryptedData } from './simulator-crypto.js'
import { Faults } from './simulator-faults.js'
import type { Fault, FaultScope } from './simulator-faults.js'
import { SimulatorServer } from './simulator-server.js'
import type { WechatRequest } from './simulator-server.js'
import { AccessTokens } from './simulator-tokens.js'
import { Users } from './simulator-users.js'
import type { Apps } from './simulator-users.js'

export type { Apps, EncryptedData, Fault, FaultScope, WechatRequest }

export interface WechatSimulatorOptions {
  /**
   * The Mini Programs: appId to appSecret. The first is the default of every `appId` below.
   *
   * @default one app, see {@link WechatSimulator.apps}
   */
  apps?: Apps | undefined
  /**
   * @default 0, any free one
   */
  port?: number | undefined
  /**
   * A host name or an IPv4 address.
   *
   * @default '127.0.0.1'
   */
  host?: string | undefined
  /**
   * Whether the apps are bound to an Open Platform account, so that logins bring a unionid.
   *
   * @default false
   */
  openPlatform?: boolean | undefined
  /**
   * Whether a login brings a new session_key. WeChat says that it may; nothing may depend on either.
   *
   * @default 'always'
   */
  keyChanges?: 'always' | 'never'
  /**
   * How a phone number's countryCode is written: WeChat documents a string and shows a number.
   *
   * @default 'string'
   */
  countryCodeAs?: 'string' | 'number' | undefined
  /**
   * The clock, in epoch milliseconds, by which codes and access tokens expire.
   *
   * @default Date.now
   */
  now?: (() => number) | undefined
}

/** Which Mini Program; by default the first. An unknown one throws. */
export interface InApp {
  appId?: string | undefined
}

/**
 * WeChat on this machine: its server API over HTTP at `url`, and what a phone does there as methods. Users have any
 * names and exist on first use; a user's openid is the same in every simulator.
 */
export interface WechatSimulator {
  /** The base URL, to be used in place of `https://api.weixin.qq.com`. */
  readonly url: string
  /** The Mini Programs, appId to appSecret; a change counts at once. */
  readonly apps: Apps

  /**
   * Stands for wx.login: a code for code2Session, for five minutes and one use. A new session_key comes with it,
   * unless `keyChanges` is 'never', and the one before is dead from then on.
   *
   * https://developers.weixin.qq.com/miniprogram/dev/api/open-api/login/wx.login.html
   */
  login (user: string, options?: InApp): string
  /**
   * Stands for wx.checkSession: whether the session_key of the user's latest login is still the valid one.
   *
   * https://developers.weixin.qq.com/miniprogram/dev/api/open-api/login/wx.checkSession
   */
  checkSession (user: string, options?: InApp): boolean
  /**
   * Stands for a tap on the phone number button: a code for getuserphonenumber, for five minutes and one use. It is
   * no login code, nor is a login code one. The number is 13800138000 unless another is given.
   *
   * https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/getPhoneNumber.html
   */
  phoneCode (user: string, options?: InApp & { phoneNumber?: string }): string
  /**
   * Encrypts what a phone would hand to its Mini Program: `payload` with a watermark, under the valid session_key or
   * under the one given.
   */
  encrypt (user: string, payload: object, options?: InApp & { sessionKey?: string }): EncryptedData
  /** The phone's `signature` over `rawData`, with the valid session_key. */
  sign (user: string, rawData: string, options?: InApp): string

  openid (user: string, options?: InApp): string
  /** The same in all apps; logins bring it only with `openPlatform`. */
  unionid (user: string): string
  /** The only session_key that is valid now. */
  sessionKey (user: string, options?: InApp): string
  /** The session_key dies unannounced: a new one takes its place, which the next login brings. */
  rotateKey (user: string, options?: InApp): void
  /** Every access token expires now: the next use of one is refused with 42001. */
  expireAccessTokens (): void

  /** Makes requests go wrong until the function that it returns is called, or `times` requests have. */
  fault (fault: Fault, scope?: FaultScope): () => void
  clearFaults (): void

  /** The requests so far, newest last; the last 10,000 of them. */
  readonly requests: readonly WechatRequest[]
  clearRequests (): void
  /** Resolves with the next request to arrive, before it is answered. */
  nextRequest (): Promise<WechatRequest>

  /** Stops at once, whatever is in flight; never rejects. */
  close (): Promise<void>
  [Symbol.asyncDispose] (): Promise<void>
}

/**
 * Starts a WeChat simulator: a real HTTP server that speaks WeChat's login API as WeChat does, for tests, demos and
 * development without an account. It logs nothing and keeps nothing.
 *
 * It answers `/sns/jscode2session`, `/wxa/checksession`, `/wxa/resetusersessionkey`,
 * `/wxa/business/getuserphonenumber`, `/cgi-bin/token` and `/cgi-bin/stable_token`. Beside them
 * `GET /simulator/login?user=alice[&appid=wx…]` answers `{ "code": "…" }`: wx.login for who has only curl; and
 * `/simulator/phone-code` the code of a tap on the phone number button. They are not WeChat's, so no fault hits them and
 * `requests` does not show them.
 *
 * @throws what listening throws, such as EADDRINUSE
 */
export async function startWechatSimulator (options: WechatSimulatorOptions = {}): Promise<WechatSimulator> {
  const {
    port = 0, host = '127.0.0.1', openPlatform = false, keyChanges = 'always', countryCodeAs = 'string', now = Date.now
  } = options
  const apps: Apps = { ...options.apps ?? { wx0123456789abcdef: 'simulated-app-secret-0123456789ab' } }
  const users = new Users(apps, now)
  const tokens = new AccessTokens(now)
  const faults = new Faults()

  function login (user: string, { appId }: InApp = {}): string {
    const account = users.account(user, appId)
    if (keyChanges === 'always') account.sessionKey = newSessionKey()
    account.keyIsOfLogin = true
    return users.issue('login', account)
  }

  const platform: Platform = { apps, users, tokens, openPlatform, countryCodeAs }
  const phoneCode: WechatSimulator['phoneCode'] = (user, { appId, phoneNumber } = {}) => {
    return users.issue('phone', users.account(user, appId), phoneNumber)
  }
  const server = new SimulatorServer(platform, faults, now, { '/simulator/login': login, '/simulator/phone-code': phoneCode })
  const url = await server.listen(port, host)
  const close = () => server.close()

  return {
    url,
    apps,

    login,
    checkSession: (user, { appId } = {}) => users.account(user, appId).keyIsOfLogin,
    phoneCode,
    encrypt (user, payload, { appId, sessionKey } = {}) {
      const account = users.account(user, appId)
      const watermark = { timestamp: Math.floor(now() / 1000), appid: account.appId }
      return encryptUserData(JSON.stringify({ ...payload, watermark }), sessionKey ?? account.sessionKey)
    },
    sign: (user, rawData, { appId } = {}) => signRawData(rawData, users.account(user, appId).sessionKey),

    openid: (user, { appId } = {}) => users.account(user, appId).openid,
    unionid: (user) => users.account(user).unionid,
    sessionKey: (user, { appId } = {}) => users.account(user, appId).sessionKey,
    rotateKey (user, { appId } = {}) {
      Object.assign(users.account(user, appId), { sessionKey: newSessionKey(), keyIsOfLogin: false })
    },
    expireAccessTokens: () => tokens.expireAll(),

    fault: (fault, scope) => faults.add(fault, scope),
    clearFaults: () => faults.clear(),

    get requests () { return server.requests },
    clearRequests () { server.requests = [] },
    nextRequest: () => server.nextRequest(),

    close,
    [Symbol.asyncDispose]: close
  }
}
