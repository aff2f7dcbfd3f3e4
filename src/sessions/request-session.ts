/** The session of a request: what a host can read of it and do with it. */
import type { DecryptOptions, SessionKeyOwner, SessionKeys } from './session-keys.js'
import type { SessionData } from './session-data.js'
import type { StoredSession } from '../stores/store.js'
import { recordThrown } from '../response-headers.js'
import type { TokenClaims } from '../crypto/tokens.js'
import type { UserData } from '../wechat/user-data.js'
import type { SignedApiRequest } from '../wechat/client.js'
import type { WechatReply } from '../wechat/response.js'
import type { VirtualPaymentOrder } from '../wechat/virtual-payment-order.js'
import type { VirtualPaymentArguments } from '../wechat/virtual-payment.js'

/** The user of a request, as returned by code2Session. */
export interface WeappIdentity {
  readonly appId: string
  readonly openid: string
  /** Null unless the app is bound to an Open Platform account. */
  readonly unionid: string | null
  readonly session: WeappSession
}

/** All times are epoch milliseconds. */
export interface WeappSession {
  /** Public id: safe to show and to log. It grants no access. */
  readonly id: string
  readonly createdAt: number
  /** Absolute expiry. Activity does not extend it. */
  readonly expiresAt: number
  /** Idle expiry. Activity extends it, at most to `expiresAt`. */
  readonly idleExpiresAt: number
  /** Name that `onLogin` gave to the device, or null. */
  readonly label: string | null
  /** The host's data: frozen, replaced whole by `update`. */
  readonly data: Readonly<SessionData>
  /**
   * Replaces the data. The last write wins. A new login starts with the data of `onLogin`, not with this data. After
   * FST_WEAPP_STORE_UNAVAILABLE the outcome is unknown: repeat the call.
   *
   * @throws FST_WEAPP_DATA_INVALID if the data is not a JSON object of at most 4 KiB, FST_WEAPP_SESSION_ENDED if the
   *   session ended during the request, FST_WEAPP_STORE_UNAVAILABLE
   */
  update (data: SessionData): Promise<void>
  /**
   * Ends the session, as a logout does. A session that has already ended stays ended. A login in flight that would
   * replace the session is refused with FST_WEAPP_SESSION_REVOKED. After FST_WEAPP_STORE_UNAVAILABLE the outcome is
   * unknown: repeat the call.
   *
   * @throws FST_WEAPP_STORE_UNAVAILABLE
   */
  revoke (): Promise<void>
  /**
   * Decrypts data that the device encrypted, with the user's current session_key or the previous one. `encryptedData`
   * and `iv` are base64. An `openId` in the data is that of this session. Never identify a user by decrypted fields,
   * because the encryption is not authenticated.
   *
   * @throws FST_WEAPP_SESSION_KEY_STALE if the data is invalid in any way (the device must sign in again and request
   *   new data), FST_WEAPP_SESSION_KEY_MISSING, FST_WEAPP_STORE_UNAVAILABLE, FST_WEAPP_INVALID_OPTION if `maxAge` is
   *   not a duration
   * @see https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature.en.md
   */
  decrypt (encryptedData: string, iv: string, options?: DecryptOptions): Promise<UserData>
  /**
   * Verifies the `signature` of `rawData`.
   *
   * @throws FST_WEAPP_SESSION_KEY_STALE, FST_WEAPP_SESSION_KEY_MISSING, FST_WEAPP_STORE_UNAVAILABLE
   */
  verifySignature (rawData: string, signature: string): Promise<true>
  /**
   * Checks with WeChat whether the current session_key is valid.
   *
   * @throws FST_WEAPP_SESSION_KEY_MISSING, FST_WEAPP_WECHAT_*, FST_WEAPP_STORE_UNAVAILABLE
   */
  checkSessionKey (): Promise<boolean>
  /**
   * Requests a new session_key from WeChat and stores it. Do not call it often for one user.
   *
   * @throws FST_WEAPP_SESSION_KEY_STALE if the key is no longer valid, FST_WEAPP_SESSION_ENDED if the user's last
   *   session ended meanwhile, FST_WEAPP_SESSION_KEY_MISSING, FST_WEAPP_WECHAT_*, FST_WEAPP_STORE_UNAVAILABLE
   */
  resetSessionKey (): Promise<void>
  /**
   * Signs an order of virtual payment (虚拟支付) with the AppKey and with the user's current session_key. The result is
   * the argument of wx.requestVirtualPayment. TAKE THE ORDER FROM THE SERVER'S OWN DATA. A phone that chooses the
   * fields buys at a price of its choice. The phone receives -15007 if the session_key has expired. Then sign in again,
   * and sign the same order again.
   *
   * @throws FST_WEAPP_INVALID_OPTION if a field is invalid or unknown, FST_WEAPP_PAYMENT_NOT_CONFIGURED,
   *   FST_WEAPP_SESSION_KEY_MISSING, FST_WEAPP_STORE_UNAVAILABLE
   * @see https://developers.weixin.qq.com/miniprogram/dev/api/payment/wx.requestVirtualPayment.html
   */
  signVirtualPayment (order: VirtualPaymentOrder): Promise<VirtualPaymentArguments>
  /**
   * Calls a server API of WeChat that requires a signature by the user's current session_key (用户态签名), as
   * `app.weapp.wechat.request` does. Adds the query parameter `signature`, and with `paySig` also `pay_sig`. Adds
   * nothing to the body.
   *
   * @param path such as '/xpay/query_user_balance'
   * @throws FST_WEAPP_SESSION_KEY_STALE if WeChat does not accept the session_key, FST_WEAPP_SESSION_KEY_MISSING,
   *   FST_WEAPP_PAYMENT_NOT_CONFIGURED, FST_WEAPP_INVALID_OPTION, FST_WEAPP_WECHAT_*, FST_WEAPP_STORE_UNAVAILABLE
   */
  request (path: string, request?: SignedApiRequest): Promise<WechatReply>
}

/** The fields of a session that its user may see. All times are epoch milliseconds. */
export type SessionSummary = Pick<StoredSession, 'id' | 'createdAt' | 'expiresAt' | 'idleExpiresAt' | 'label'>

/** The operations of a session. */
export interface SessionOperations {
  /** Replaces the data. Resolves to the new data, frozen. */
  update (userId: string, sessionId: string, data: SessionData): Promise<Readonly<SessionData>>
  revoke (
    ending: { userId: string, sessionId: string, reason: 'revoked', pendingLogins: boolean }
  ): Promise<boolean>
  readonly keys: SessionKeys
}

export class RequestSession implements WeappSession {
  readonly id: string
  readonly createdAt: number
  readonly expiresAt: number
  readonly idleExpiresAt: number
  readonly label: string | null
  // #private fields, because JSON.stringify and util.inspect would show any other field.
  readonly #claims: TokenClaims
  readonly #openid: string
  readonly #operations: SessionOperations
  #data: Readonly<SessionData>
  /** The request that records the errors of the operations. */
  #request: object = this

  constructor (
    claims: TokenClaims, openid: string, stored: StoredSession, data: Readonly<SessionData>,
    operations: SessionOperations
  ) {
    this.id = stored.id
    this.createdAt = stored.createdAt
    this.expiresAt = stored.expiresAt
    this.idleExpiresAt = stored.idleExpiresAt
    this.label = stored.label
    this.#claims = claims
    this.#openid = openid
    this.#operations = operations
    this.#data = data
  }

  /** Returns the claims of a session. The host cannot change them, unlike the fields of `request.weapp`. */
  static claimsOf (session: WeappSession): TokenClaims {
    return (session as RequestSession).#claims
  }

  /** Records the errors of the operations on the request, because a framework of the host may hide them. */
  static recordErrors (session: WeappSession, request: object): void {
    (session as RequestSession).#request = request
  }

  get data (): Readonly<SessionData> {
    return this.#data
  }

  async update (data: SessionData): Promise<void> {
    const { userId, sessionId } = this.#claims
    this.#data = await this.#recorded(this.#operations.update(userId, sessionId, data))
  }

  async revoke (): Promise<void> {
    const { userId, sessionId } = this.#claims
    const ending = { userId, sessionId, reason: 'revoked', pendingLogins: true } as const
    await this.#recorded(this.#operations.revoke(ending))
  }

  decrypt (encryptedData: string, iv: string, options?: DecryptOptions): Promise<UserData> {
    return this.#recorded(this.#operations.keys.decrypt(this.#keyOwner(), encryptedData, iv, options))
  }

  verifySignature (rawData: string, signature: string): Promise<true> {
    return this.#recorded(this.#operations.keys.verifySignature(this.#keyOwner(), rawData, signature))
  }

  checkSessionKey (): Promise<boolean> {
    return this.#recorded(this.#operations.keys.isAlive(this.#keyOwner()))
  }

  resetSessionKey (): Promise<void> {
    return this.#recorded(this.#operations.keys.reset(this.#keyOwner()))
  }

  signVirtualPayment (order: VirtualPaymentOrder): Promise<VirtualPaymentArguments> {
    return this.#recorded(this.#operations.keys.signVirtualPayment(this.#keyOwner(), order))
  }

  request (path: string, request?: SignedApiRequest): Promise<WechatReply> {
    return this.#recorded(this.#operations.keys.request(this.#keyOwner(), path, request))
  }

  async #recorded<Result> (operation: Promise<Result>): Promise<Result> {
    try {
      return await operation
    } catch (error) {
      recordThrown(this.#request, error)
      throw error
    }
  }

  #keyOwner (): SessionKeyOwner {
    const { appId, userId } = this.#claims
    return { appId, openid: this.#openid, userId }
  }
}
