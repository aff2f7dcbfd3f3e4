/**
 * Operations that need a user's session_key. The key is unsealed here. No method returns it to the host. Methods return
 * data or the result of a check. Their errors do not reveal why a key failed.
 *
 * The key belongs to the user. WeChat invalidates it without notice. Therefore the current key and the previous one are
 * tried, and no failure ends a session.
 */
import { LRUCache } from 'lru-cache'
import { parseDuration } from '../utils/duration.js'
import { FST_WEAPP_SESSION_ENDED, FST_WEAPP_SESSION_KEY_MISSING, FST_WEAPP_SESSION_KEY_STALE } from '../errors.js'
import { traced, type DecryptFailure } from '../diagnostics/tracing.js'
import type { Seal } from '../crypto/seal.js'
import type { SessionStore } from '../stores/store.js'
import type { SignedApiRequest, WechatClient } from '../wechat/client.js'
import type { WechatReply } from '../wechat/response.js'
import { decryptUserData, isSignatureOf, type UserData } from '../wechat/user-data.js'
import { orderOption, type VirtualPaymentOrder } from '../wechat/virtual-payment-order.js'
import { signOrder, type VirtualPaymentArguments, type VirtualPayments } from '../wechat/virtual-payment.js'

/** The user of a session_key. */
export interface SessionKeyOwner {
  appId: string
  openid: string
  userId: string
}

export interface DecryptOptions {
  /**
   * Maximum age of the data by its watermark: milliseconds, or a string such as '5m'.
   *
   * @default any age
   */
  maxAge?: number | string | undefined
}

export interface SessionKeys {
  /**
   * Decrypts user data.
   *
   * @throws FST_WEAPP_SESSION_KEY_STALE, FST_WEAPP_SESSION_KEY_MISSING, FST_WEAPP_STORE_UNAVAILABLE,
   *   FST_WEAPP_INVALID_OPTION
   */
  decrypt (owner: SessionKeyOwner, encryptedData: string, iv: string, options?: DecryptOptions): Promise<UserData>
  /**
   * Decrypts user data during a login, when the store does not have the new key yet.
   *
   * @throws FST_WEAPP_SESSION_KEY_STALE, FST_WEAPP_STORE_UNAVAILABLE, FST_WEAPP_INVALID_OPTION
   */
  decryptAtLogin (
    owner: SessionKeyOwner, sessionKey: string, encryptedData: string, iv: string, options?: DecryptOptions
  ): Promise<UserData>
  /**
   * Verifies the signature of user data.
   *
   * @throws FST_WEAPP_SESSION_KEY_STALE, FST_WEAPP_SESSION_KEY_MISSING, FST_WEAPP_STORE_UNAVAILABLE
   */
  verifySignature (owner: SessionKeyOwner, rawData: string, signature: string): Promise<true>
  /**
   * Checks with WeChat whether the current key is valid.
   *
   * @throws FST_WEAPP_SESSION_KEY_MISSING, FST_WEAPP_WECHAT_*, FST_WEAPP_STORE_UNAVAILABLE
   */
  isAlive (owner: SessionKeyOwner): Promise<boolean>
  /**
   * Checks as `isAlive` does, and reuses a check of the last minute.
   *
   * @throws FST_WEAPP_SESSION_KEY_STALE, FST_WEAPP_SESSION_KEY_MISSING, FST_WEAPP_WECHAT_*, FST_WEAPP_STORE_UNAVAILABLE
   */
  assertAlive (owner: SessionKeyOwner): Promise<void>
  /**
   * Requests a new key from WeChat and stores it.
   *
   * @throws FST_WEAPP_SESSION_KEY_STALE, FST_WEAPP_SESSION_KEY_MISSING, FST_WEAPP_SESSION_ENDED, FST_WEAPP_WECHAT_*,
   *   FST_WEAPP_STORE_UNAVAILABLE
   */
  reset (owner: SessionKeyOwner): Promise<void>
  /**
   * Signs an order of virtual payment with the current key.
   *
   * @throws FST_WEAPP_PAYMENT_NOT_CONFIGURED, FST_WEAPP_SESSION_KEY_MISSING, FST_WEAPP_STORE_UNAVAILABLE,
   *   FST_WEAPP_INVALID_OPTION
   */
  signVirtualPayment (owner: SessionKeyOwner, order: VirtualPaymentOrder): Promise<VirtualPaymentArguments>
  /**
   * Calls an API that requires a signature by the current key.
   *
   * @throws FST_WEAPP_SESSION_KEY_STALE, FST_WEAPP_SESSION_KEY_MISSING, FST_WEAPP_WECHAT_*,
   *   FST_WEAPP_STORE_UNAVAILABLE, FST_WEAPP_PAYMENT_NOT_CONFIGURED, FST_WEAPP_INVALID_OPTION
   */
  request (owner: SessionKeyOwner, path: string, request?: SignedApiRequest): Promise<WechatReply>
}

export interface SessionKeyDependencies {
  store: SessionStore
  seal: Seal
  keepSessionKey: boolean
  wechat: Pick<WechatClient, 'checkSessionKey' | 'resetUserSessionKey' | 'requestSigned'>
  virtualPayments: VirtualPayments
  /** Called with the reason why user data or a signature failed, which the error does not contain. */
  onDecryptFailure: (owner: SessionKeyOwner, reason: DecryptFailure) => void
}

/** Time for which WeChat's check of a key is reused, in milliseconds. */
const CHECK_TTL_MS = 60_000
const MAX_CHECKS = 10_000

export function createSessionKeys (
  { store, seal, keepSessionKey, wechat, virtualPayments, onDecryptFailure }: SessionKeyDependencies
): SessionKeys {
  /** By sealed key. */
  const keyChecks = new LRUCache<string, Promise<boolean>>({
    maxSize: MAX_CHECKS, sizeCalculation: () => 1, ttl: CHECK_TTL_MS, perf: Date, ttlResolution: 0
  })

  async function sealedKeys ({ userId }: SessionKeyOwner): Promise<string[]> {
    return keepSessionKey ? await store.readKeys({ userId, now: Date.now() }) : []
  }

  /** Returns the keys that open, newest first. A key under a retired secret counts as missing. */
  async function unsealKeys (owner: SessionKeyOwner): Promise<string[]> {
    const keys = (await sealedKeys(owner)).map((sealed) => seal.open(sealed, owner.userId))
    return keys.filter((key) => key !== null)
  }

  async function currentKey (owner: SessionKeyOwner): Promise<{ sealed: string, sessionKey: string }> {
    const [sealed] = await sealedKeys(owner)
    const sessionKey = sealed === undefined ? null : seal.open(sealed, owner.userId)
    if (sealed === undefined || sessionKey === null) throw new FST_WEAPP_SESSION_KEY_MISSING()
    return { sealed, sessionKey }
  }

  /** Returns the result of the first key that fits. The key of a login is tried before the store is read. */
  function withKeys<Result extends object | true> (
    owner: SessionKeyOwner, attempt: (sessionKey: string) => Result | DecryptFailure, loginKey: string | null = null
  ): Promise<Result> {
    const context: { appId: string, reason?: DecryptFailure } = { appId: owner.appId }
    return traced('fastify-weapp.decrypt', context, async () => {
      const loginResult = loginKey === null ? null : attempt(loginKey)
      if (loginResult !== null && typeof loginResult !== 'string') return loginResult
      const keys = await unsealKeys(owner)
      if (keys.length === 0 && loginKey === null) throw new FST_WEAPP_SESSION_KEY_MISSING()
      const failures = loginResult === null ? [] : [loginResult]
      for (const sessionKey of keys) {
        const result = attempt(sessionKey)
        if (typeof result !== 'string') return result
        failures.push(result)
      }
      // The key that decrypts the data gives the better reason.
      const reason = failures.find((failure) => failure !== 'wrong-key') ?? 'wrong-key'
      context.reason = reason
      onDecryptFailure(owner, reason)
      throw new FST_WEAPP_SESSION_KEY_STALE()
    })
  }

  return {
    async decrypt (owner, encryptedData, iv, options) {
      return await withKeys(owner, decryption(owner, encryptedData, iv, options))
    },

    async decryptAtLogin (owner, sessionKey, encryptedData, iv, options) {
      // The device may have encrypted the data before wx.login changed the key, so the stored keys are tried as well.
      return await withKeys(owner, decryption(owner, encryptedData, iv, options), sessionKey)
    },

    async verifySignature (owner, rawData, signature) {
      return await withKeys(owner, (sessionKey) => {
        return isSignatureOf(sessionKey, rawData, signature) || 'wrong-signature'
      })
    },

    async isAlive (owner) {
      const { appId, openid } = owner
      const { sessionKey } = await currentKey(owner)
      return await wechat.checkSessionKey({ appId, openid, sessionKey })
    },

    async assertAlive (owner) {
      const { appId, openid } = owner
      const { sealed, sessionKey } = await currentKey(owner)
      let check = keyChecks.get(sealed)
      if (check === undefined) {
        check = wechat.checkSessionKey({ appId, openid, sessionKey })
        keyChecks.set(sealed, check)
        // Does not reuse a check that rejected.
        check.catch(() => keyChecks.delete(sealed))
      }
      if (!await check) throw new FST_WEAPP_SESSION_KEY_STALE()
    },

    async reset (owner) {
      const { appId, openid, userId } = owner
      const { sessionKey } = await currentKey(owner)
      const key = seal.seal(await wechat.resetUserSessionKey({ appId, openid, sessionKey }), userId)
      // False if the user's last session ended meanwhile.
      if (!await store.writeKey({ userId, key, now: Date.now() })) throw new FST_WEAPP_SESSION_ENDED()
    },

    async signVirtualPayment (owner, givenOrder) {
      const order = orderOption(givenOrder)
      const credentials = await virtualPayments.credentials(owner.appId)
      const { sessionKey } = await currentKey(owner)
      return signOrder(order, credentials, sessionKey)
    },

    async request (owner, path, request) {
      const { appId, openid } = owner
      const { sessionKey } = await currentKey(owner)
      return await wechat.requestSigned(path, { appId, openid, sessionKey }, request)
    }
  }
}

/**
 * Returns a function that decrypts for one user. Data of another user, or older than `maxAge`, fails like data that
 * does not decrypt.
 */
function decryption (
  { appId, openid }: SessionKeyOwner, encryptedData: string, iv: string, { maxAge }: DecryptOptions = {}
): (sessionKey: string) => UserData | DecryptFailure {
  const oldest = maxAge === undefined ? -Infinity : Date.now() - parseDuration(maxAge, 'maxAge')
  return (sessionKey) => {
    const data = decryptUserData(sessionKey, appId, { encryptedData, iv })
    if (typeof data === 'string') return data
    if (data.openId !== undefined && data.openId !== openid) return 'other-user'
    return data.watermark.timestamp * 1000 >= oldest ? data : 'too-old'
  }
}
