import { assertDigits, assertKnownKeys, assertOneOf, assertUser } from '../assert-options.js'
import type { Platform } from './apis.js'
import { encryptUserData, newSessionKey, signRawData } from './crypto.js'
import type { EncryptedData } from './crypto.js'
import { Faults } from './faults.js'
import type { Fault, FaultScope } from './faults.js'
import { SimulatorServer } from './server.js'
import type { WechatRequest } from './server.js'
import { AccessTokens } from './access-tokens.js'
import { Users } from './users.js'
import type { Account, Apps, PhoneNumberOptions } from './users.js'

export type { Apps, EncryptedData, Fault, FaultScope, PhoneNumberOptions, WechatRequest }

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
  keyChanges?: 'always' | 'never' | undefined
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
export interface AppOptions {
  appId?: string | undefined
}

/**
 * WeChat on this machine: its server API over HTTP at `url`, and what a phone does there as methods. Users have any
 * names but empty ones and exist on first use; a user's openid is the same in every simulator. What is not known, such
 * as a misspelt option or fault, throws.
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
  login (user: string, options?: AppOptions): string
  /**
   * Stands for wx.checkSession: whether the session_key of the user's latest login is still the valid one.
   *
   * https://developers.weixin.qq.com/miniprogram/dev/api/open-api/login/wx.checkSession
   */
  checkSession (user: string, options?: AppOptions): boolean
  /**
   * Stands for a tap on the phone number button: a code for getuserphonenumber, for five minutes and one use. It is
   * no login code, nor is a login code one.
   *
   * https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/getPhoneNumber.html
   */
  phoneCode (user: string, options?: AppOptions & PhoneNumberOptions): string
  /**
   * Encrypts what a phone would hand to its Mini Program: `payload` with a watermark, under the valid session_key or
   * under the one given.
   */
  encrypt (user: string, payload: object, options?: AppOptions & { sessionKey?: string | undefined }): EncryptedData
  /** The phone's `signature` over `rawData`, with the valid session_key. */
  sign (user: string, rawData: string, options?: AppOptions): string

  openid (user: string, options?: AppOptions): string
  /** The same in all apps; logins bring it only with `openPlatform`. */
  unionid (user: string): string
  /** The only session_key that is valid now. */
  sessionKey (user: string, options?: AppOptions): string
  /** The session_key dies unannounced: a new one takes its place, which the next login brings. */
  rotateKey (user: string, options?: AppOptions): void
  /** Every access token expires now: the next use of one is refused with 42001. */
  expireAccessTokens (): void

  /**
   * Makes requests go wrong until the function that it returns is called, or `times` requests have. What it does not
   * know, it refuses; a fault without any trouble is the right answer.
   */
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
 * `GET /simulator/login?user=alice[&appid=wx…]` answers `{ "code": "…" }`: wx.login for those who have only curl; and
 * `/simulator/phone-code` the code of a tap on the phone number button. They are not WeChat's, so no fault hits them and
 * `requests` does not show them.
 *
 * @throws what listening throws, such as EADDRINUSE; and when an option is not known
 */
export async function startWechatSimulator (options: WechatSimulatorOptions = {}): Promise<WechatSimulator> {
  assertKnownKeys('startWechatSimulator', options, ['apps', 'port', 'host', 'openPlatform', 'keyChanges', 'countryCodeAs', 'now'])
  const {
    port = 0, host = '127.0.0.1', openPlatform = false, keyChanges = 'always', countryCodeAs = 'string', now = Date.now
  } = options
  assertOneOf('startWechatSimulator', keyChanges, ['always', 'never'])
  assertOneOf('startWechatSimulator', countryCodeAs, ['string', 'number'])
  const apps: Apps = { ...options.apps ?? { wx0123456789abcdef: 'simulated-app-secret-0123456789ab' } }
  const users = new Users(apps, now)
  const tokens = new AccessTokens(now)
  const faults = new Faults()

  function accountOf<Options extends AppOptions> (
    caller: string, user: string, options: Options, ...others: Array<string & keyof Options>
  ): Account {
    assertUser(caller, user)
    assertKnownKeys(caller, options, ['appId', ...others])
    return users.account(user, options.appId)
  }

  function login (user: string, options: AppOptions = {}): string {
    const account = accountOf('login', user, options)
    if (keyChanges === 'always') account.sessionKey = newSessionKey()
    account.keyIsOfLogin = true
    return users.issue('login', account)
  }

  const platform: Platform = { apps, users, tokens, openPlatform, countryCodeAs }
  const phoneCode: WechatSimulator['phoneCode'] = (user, options = {}) => {
    const account = accountOf('phoneCode', user, options, 'phoneNumber', 'countryCode')
    const { phoneNumber, countryCode } = options
    assertDigits('phoneCode', { phoneNumber, countryCode })
    return users.issue('phone', account, { phoneNumber, countryCode })
  }
  const server = new SimulatorServer(platform, faults, now, { '/simulator/login': login, '/simulator/phone-code': phoneCode })
  const url = await server.listen(port, host)
  const close = () => server.close()

  return {
    url,
    apps,

    login,
    checkSession: (user, options = {}) => accountOf('checkSession', user, options).keyIsOfLogin,
    phoneCode,
    encrypt (user, payload, options = {}) {
      const account = accountOf('encrypt', user, options, 'sessionKey')
      const watermark = { timestamp: Math.floor(now() / 1000), appid: account.appId }
      return encryptUserData(JSON.stringify({ ...payload, watermark }), options.sessionKey ?? account.sessionKey)
    },
    sign: (user, rawData, options = {}) => signRawData(rawData, accountOf('sign', user, options).sessionKey),

    openid: (user, options = {}) => accountOf('openid', user, options).openid,
    unionid: (user) => accountOf('unionid', user, {}).unionid,
    sessionKey: (user, options = {}) => accountOf('sessionKey', user, options).sessionKey,
    rotateKey (user, options = {}) {
      Object.assign(accountOf('rotateKey', user, options), { sessionKey: newSessionKey(), keyIsOfLogin: false })
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
