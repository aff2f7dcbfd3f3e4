/** What a request holds of its session: what a host may know of it and do with it. */
import type { DecryptOptions, SessionKeyOwner, SessionKeys } from './session-keys.js'
import type { SessionData } from './session-data.js'
import type { StoredSession } from '../stores/store.js'
import type { TokenClaims } from '../crypto/tokens.js'
import type { UserData } from '../wechat/user-data.js'

/** Who is behind a request, as code2Session told it. */
export interface WeappIdentity {
  readonly appId: string
  readonly openid: string
  /** Only where the app is bound to an Open Platform account. */
  readonly unionid: string | null
  readonly session: WeappSession
}

/** All times are epoch milliseconds. */
export interface WeappSession {
  /** Safe to show and to log; opens nothing. */
  readonly id: string
  readonly createdAt: number
  /** The absolute end. */
  readonly expiresAt: number
  /** The end unless the session is used before it. */
  readonly idleExpiresAt: number
  /** What `onLogin` called this device, or null. */
  readonly label: string | null
  /** What the host keeps in the session: frozen, replaced whole by `update`. */
  readonly data: Readonly<SessionData>
  /**
   * Replaces the data; the last write wins. A new login has the data that `onLogin` gives it, and none of this session.
   *
   * @throws FST_WEAPP_DATA_INVALID when it is not a JSON object of at most 4 KiB
   * @throws FST_WEAPP_SESSION_ENDED when it ended since the guard looked
   * @throws FST_WEAPP_STORE_UNAVAILABLE when it is unknown whether the data was written: repeat it
   */
  update (data: SessionData): Promise<void>
  /**
   * Ends the session, as its user's sign-out does. One that has ended already stays ended.
   *
   * @throws FST_WEAPP_STORE_UNAVAILABLE when it is unknown whether it ended: repeat it
   */
  revoke (): Promise<void>
  /**
   * Opens what the phone encrypted (`encryptedData` and `iv`, both base64) under the user's newest session_key or the one
   * before. An `openId` in it is that of this session; take nobody's identity from it all the same, for the encryption
   * has no seal.
   * https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature.en.md
   *
   * @throws FST_WEAPP_SESSION_KEY_STALE whatever is wrong with it: the phone signs in again and has the data made anew
   * @throws FST_WEAPP_SESSION_KEY_MISSING, FST_WEAPP_STORE_UNAVAILABLE
   * @throws FST_WEAPP_INVALID_OPTION when `maxAge` is no duration
   */
  decrypt (encryptedData: string, iv: string, options?: DecryptOptions): Promise<UserData>
  /**
   * Checks the `signature` that came with `rawData`.
   *
   * @throws as `decrypt` does, when it is not good
   */
  verifySignature (rawData: string, signature: string): Promise<true>
  /**
   * Asks WeChat whether the newest session_key still lives.
   *
   * @throws FST_WEAPP_SESSION_KEY_MISSING, FST_WEAPP_WECHAT_*, FST_WEAPP_STORE_UNAVAILABLE
   */
  checkSessionKey (): Promise<boolean>
  /**
   * Has WeChat replace the newest session_key, and keeps the new one. Not often for a user.
   *
   * @throws FST_WEAPP_SESSION_KEY_STALE when it was dead, FST_WEAPP_SESSION_ENDED when the user's last session
   *   ended meanwhile, and as `checkSessionKey` does
   */
  resetSessionKey (): Promise<void>
}

/** A session as a host and its user may see it; times are epoch milliseconds. */
export type SessionSummary = Pick<StoredSession, 'id' | 'createdAt' | 'expiresAt' | 'idleExpiresAt' | 'label'>

/** What a session asks of the rest of the plugin. */
export interface SessionOperations {
  update (userId: string, sessionId: string, data: SessionData): Promise<Readonly<SessionData>>
  revoke (userId: string, sessionId: string, reason: 'revoked'): Promise<boolean>
  readonly keys: SessionKeys
}

export class RequestSession implements WeappSession {
  readonly id: string
  readonly createdAt: number
  readonly expiresAt: number
  readonly idleExpiresAt: number
  readonly label: string | null
  // Private to the language, so that neither JSON.stringify nor util.inspect shows them.
  readonly #user: TokenClaims
  readonly #openid: string
  readonly #actions: SessionOperations
  #data: Readonly<SessionData>

  constructor (user: TokenClaims, openid: string, stored: StoredSession, data: Readonly<SessionData>, actions: SessionOperations) {
    this.id = stored.id
    this.createdAt = stored.createdAt
    this.expiresAt = stored.expiresAt
    this.idleExpiresAt = stored.idleExpiresAt
    this.label = stored.label
    this.#user = user
    this.#openid = openid
    this.#actions = actions
    this.#data = data
  }

  /** Whom a session is of and which it is, whatever a host has written on `request.weapp`. */
  static claimsOf (session: WeappSession): TokenClaims {
    return (session as RequestSession).#user
  }

  get data (): Readonly<SessionData> {
    return this.#data
  }

  async update (data: SessionData): Promise<void> {
    this.#data = await this.#actions.update(this.#user.userId, this.#user.sessionId, data)
  }

  async revoke (): Promise<void> {
    await this.#actions.revoke(this.#user.userId, this.#user.sessionId, 'revoked')
  }

  decrypt (encryptedData: string, iv: string, options?: DecryptOptions): Promise<UserData> {
    return this.#actions.keys.decrypt(this.#keyOwner(), encryptedData, iv, options)
  }

  verifySignature (rawData: string, signature: string): Promise<true> {
    return this.#actions.keys.verifySignature(this.#keyOwner(), rawData, signature)
  }

  checkSessionKey (): Promise<boolean> {
    return this.#actions.keys.isAlive(this.#keyOwner())
  }

  resetSessionKey (): Promise<void> {
    return this.#actions.keys.reset(this.#keyOwner())
  }

  #keyOwner (): SessionKeyOwner {
    const { appId, userId } = this.#user
    return { appId, openid: this.#openid, userId }
  }
}
