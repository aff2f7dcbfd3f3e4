import { assertDigits, assertKnownKeys, assertOneOf, assertUser } from '../assert-options.js'
import type { Platform } from './platform.js'
import { encryptUserData, newSessionKey, signRawData } from './crypto.js'
import type { EncryptedData } from './crypto.js'
import { Faults } from './faults.js'
import type { Fault, FaultScope } from './faults.js'
import { SimulatorServer } from './server.js'
import type { WechatRequest } from './server.js'
import { AccessTokens } from './access-tokens.js'
import { Users } from './users.js'
import type { Account, Apps, PhoneNumberOptions } from './users.js'
import { VirtualPayments } from './virtual-payment.js'
import type {
  VirtualPayment, VirtualPaymentArguments, VirtualPaymentResult, VirtualPaymentSettings
} from './virtual-payment.js'

export type { Apps, EncryptedData, Fault, FaultScope, PhoneNumberOptions, WechatRequest }
export type { VirtualPayment, VirtualPaymentArguments, VirtualPaymentResult, VirtualPaymentSettings }

export interface WechatSimulatorOptions {
  /**
   * The Mini Programs: app secrets by app id. The first app is the default of every `appId` below.
   *
   * @default one app, see {@link WechatSimulator.apps}
   */
  apps?: Apps | undefined
  /**
   * The port of the HTTP server. 0 selects a free port.
   *
   * @default 0
   */
  port?: number | undefined
  /**
   * A host name or an IPv4 address.
   *
   * @default '127.0.0.1'
   */
  host?: string | undefined
  /**
   * Whether the apps are linked to an Open Platform account. If they are, logins return a unionid.
   *
   * @default false
   */
  openPlatform?: boolean | undefined
  /**
   * Whether a login creates a new session_key. WeChat may or may not do so, and a host must support both.
   *
   * @default 'always'
   */
  keyChanges?: 'always' | 'never' | undefined
  /**
   * The type of a phone number's countryCode. WeChat documents a string, but its sample shows a number.
   *
   * @default 'string'
   */
  countryCodeAs?: 'string' | 'number' | undefined
  /**
   * The virtual payment of the apps, by app id.
   *
   * @default none, so that no payment succeeds
   */
  virtualPayment?: Readonly<Record<string, VirtualPaymentSettings>> | undefined
  /**
   * Returns the time in epoch milliseconds. Codes and access tokens expire by this clock.
   *
   * @default Date.now
   */
  now?: (() => number) | undefined
}

/** The options that select a Mini Program. */
export interface AppOptions {
  /**
   * The app id. An unknown app id throws.
   *
   * @default the first app
   */
  appId?: string | undefined
}

/**
 * A simulated WeChat. It serves WeChat's server API over HTTP at `url`, and its methods act as the phones. A user has
 * any non-empty name and is created on first use. A user's openid is the same in every simulator. Unknown options and
 * faults throw.
 */
export interface WechatSimulator {
  /** The base URL that replaces `https://api.weixin.qq.com`. */
  readonly url: string
  /** The Mini Programs: app secrets by app id. Changes apply at once. */
  readonly apps: Apps

  /**
   * Simulates wx.login and returns a code for code2Session. The code is valid for five minutes and one use. The login
   * creates a new session_key and invalidates the previous one, unless `keyChanges` is 'never'.
   *
   * @see https://developers.weixin.qq.com/miniprogram/dev/api/open-api/login/wx.login.html
   */
  login (user: string, options?: AppOptions): string
  /**
   * Simulates wx.checkSession. Returns false if the session_key of the user's latest login is no longer valid.
   *
   * @see https://developers.weixin.qq.com/miniprogram/dev/api/open-api/login/wx.checkSession
   */
  checkSession (user: string, options?: AppOptions): boolean
  /**
   * Simulates a tap on the phone number button and returns a code for getuserphonenumber. The code is valid for five
   * minutes and one use. Phone codes and login codes are not interchangeable.
   *
   * @see https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/getPhoneNumber.html
   */
  phoneCode (user: string, options?: AppOptions & PhoneNumberOptions): string
  /**
   * Encrypts `payload` and a watermark as a phone does for its Mini Program. The key is `sessionKey` if it is given,
   * otherwise the valid session_key.
   */
  encrypt (user: string, payload: object, options?: AppOptions & { sessionKey?: string | undefined }): EncryptedData
  /** Returns the phone's `signature` over `rawData`, made with the valid session_key. */
  sign (user: string, rawData: string, options?: AppOptions): string
  /**
   * Simulates wx.requestVirtualPayment and the user's consent. Checks both signatures, the order and the session_key. A
   * `signature` fails with -15007 after `rotateKey`, until the next login.
   *
   * @see https://developers.weixin.qq.com/miniprogram/dev/api/payment/wx.requestVirtualPayment.html
   */
  requestVirtualPayment (user: string, args: VirtualPaymentArguments, options?: AppOptions): VirtualPaymentResult
  /** The payments so far, newest last. */
  readonly virtualPayments: readonly VirtualPayment[]

  /** Returns the user's openid in an app. */
  openid (user: string, options?: AppOptions): string
  /** Returns the user's unionid, which is the same in all apps. Logins return it only with `openPlatform`. */
  unionid (user: string): string
  /** Returns the valid session_key. */
  sessionKey (user: string, options?: AppOptions): string
  /** Replaces the session_key without notice. The device's key stays invalid until the next login. */
  rotateKey (user: string, options?: AppOptions): void
  /** Expires all access tokens. WeChat refuses their next use with 42001. */
  expireAccessTokens (): void

  /**
   * Adds a fault, which applies to `times` requests or until the returned function is called. Unknown members throw.
   * A fault without a kind is the regular response.
   */
  fault (fault: Fault, scope?: FaultScope): () => void
  /** Removes all faults. */
  clearFaults (): void

  /** The last 10,000 requests, newest last. */
  readonly requests: readonly WechatRequest[]
  /** Discards the recorded requests. */
  clearRequests (): void
  /** Resolves to the next request when it arrives, before the response is sent. */
  nextRequest (): Promise<WechatRequest>

  /** Stops the server at once and closes all connections. Never rejects. */
  close (): Promise<void>
  [Symbol.asyncDispose] (): Promise<void>
}

/**
 * Starts a WeChat simulator: an HTTP server with WeChat's login API, for tests, demos and development without a WeChat
 * account. It logs nothing and writes nothing to disk.
 *
 * The simulated APIs are `/sns/jscode2session`, `/wxa/checksession`, `/wxa/resetusersessionkey`,
 * `/wxa/business/getuserphonenumber`, `/cgi-bin/token`, `/cgi-bin/stable_token`, `/xpay/query_order` and
 * `/xpay/query_user_balance`. Two more routes serve clients such as curl. `GET /simulator/login?user=alice[&appid=wx…]`
 * simulates wx.login and returns `{ "code": "…" }`. `GET /simulator/phone-code` returns the code of a tap on the phone
 * number button in the same format. These routes are not part of WeChat: faults do not apply to them, and `requests`
 * does not contain them.
 *
 * @throws TypeError, and errors of `server.listen` such as EADDRINUSE
 */
export async function startWechatSimulator (options: WechatSimulatorOptions = {}): Promise<WechatSimulator> {
  assertKnownKeys('startWechatSimulator', options, [
    'apps', 'port', 'host', 'openPlatform', 'keyChanges', 'countryCodeAs', 'virtualPayment', 'now'
  ])
  const {
    port = 0, host = '127.0.0.1', openPlatform = false, keyChanges = 'always', countryCodeAs = 'string', now = Date.now
  } = options
  assertOneOf('startWechatSimulator', keyChanges, ['always', 'never'])
  assertOneOf('startWechatSimulator', countryCodeAs, ['string', 'number'])
  const apps: Apps = { ...options.apps ?? { wx0123456789abcdef: 'simulated-app-secret-0123456789ab' } }
  const users = new Users(apps, now)
  const tokens = new AccessTokens(now)
  const faults = new Faults()
  const payments = new VirtualPayments(options.virtualPayment)

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
    account.isLoginKeyValid = true
    return users.issue('login', account)
  }

  const platform: Platform = { apps, users, tokens, payments, openPlatform, countryCodeAs }
  const phoneCode: WechatSimulator['phoneCode'] = (user, options = {}) => {
    const account = accountOf('phoneCode', user, options, 'phoneNumber', 'countryCode')
    const { phoneNumber, countryCode } = options
    assertDigits('phoneCode', { phoneNumber, countryCode })
    return users.issue('phone', account, { phoneNumber, countryCode })
  }
  const phoneCodes = { '/simulator/login': login, '/simulator/phone-code': phoneCode }
  const server = new SimulatorServer(platform, faults, now, phoneCodes)
  const url = await server.listen(port, host)
  const close = () => server.close()

  return {
    url,
    apps,
    login,
    checkSession: (user, options = {}) => accountOf('checkSession', user, options).isLoginKeyValid,
    phoneCode,
    encrypt (user, payload, options = {}) {
      const account = accountOf('encrypt', user, options, 'sessionKey')
      const watermark = { timestamp: Math.floor(now() / 1000), appid: account.appId }
      return encryptUserData(JSON.stringify({ ...payload, watermark }), options.sessionKey ?? account.sessionKey)
    },
    sign: (user, rawData, options = {}) => signRawData(rawData, accountOf('sign', user, options).sessionKey),
    requestVirtualPayment (user, args, options = {}) {
      return payments.pay(accountOf('requestVirtualPayment', user, options), args)
    },
    get virtualPayments () { return payments.made },

    openid: (user, options = {}) => accountOf('openid', user, options).openid,
    unionid: (user) => accountOf('unionid', user, {}).unionid,
    sessionKey: (user, options = {}) => accountOf('sessionKey', user, options).sessionKey,
    rotateKey (user, options = {}) {
      Object.assign(accountOf('rotateKey', user, options), { sessionKey: newSessionKey(), isLoginKeyValid: false })
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
