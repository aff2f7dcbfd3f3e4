/**
 * Work that needs a user's session_key. The key is opened for it here and goes nowhere: what comes out is data, a
 * verdict, or an error that says nothing of why.
 *
 * The key belongs to the user and dies when WeChat says so, unannounced; so the newest key and the one before it are
 * tried, and no failure ends a session.
 */
import { LRUCache } from 'lru-cache'
import { parseDuration } from '../utils/duration.js'
import { FST_WEAPP_SESSION_ENDED, FST_WEAPP_SESSION_KEY_MISSING, FST_WEAPP_SESSION_KEY_STALE } from '../errors.js'
import { traced } from '../diagnostics/tracing.js'
import type { Seal } from '../crypto/seal.js'
import type { SessionStore } from '../stores/store.js'
import type { WechatClient } from '../wechat/client.js'
import { decryptUserData, isSignatureOf, type UserData } from '../wechat/user-data.js'

/** Whose key it is. */
export interface SessionKeyOwner {
  appId: string
  openid: string
  userId: string
}

export interface DecryptOptions {
  /** How old the data may be, by its watermark: milliseconds, or a string such as '5m'. Default: any age. */
  maxAge?: number | string | undefined
}

export interface SessionKeys {
  /** @throws FST_WEAPP_SESSION_KEY_STALE, _MISSING, FST_WEAPP_STORE_UNAVAILABLE */
  decrypt (owner: SessionKeyOwner, encryptedData: string, iv: string, options?: DecryptOptions): Promise<UserData>
  /** As `decrypt`, in a login whose key is not in the store yet. */
  decryptAtLogin (
    owner: SessionKeyOwner, sessionKey: string, encryptedData: string, iv: string, options?: DecryptOptions
  ): Promise<UserData>
  /** @throws as `decrypt` does */
  verifySignature (owner: SessionKeyOwner, rawData: string, signature: string): Promise<true>
  /** Whether WeChat still knows the newest key. */
  isAlive (owner: SessionKeyOwner): Promise<boolean>
  /** As `isAlive`, from a short memory where that is possible; a dead key throws FST_WEAPP_SESSION_KEY_STALE. */
  assertAlive (owner: SessionKeyOwner): Promise<void>
  /** Has WeChat replace the newest key, and keeps what comes. */
  reset (owner: SessionKeyOwner): Promise<void>
}

export interface SessionKeyDependencies {
  store: SessionStore
  seal: Seal
  keepSessionKey: boolean
  wechat: Pick<WechatClient, 'checkSessionKey' | 'resetUserSessionKey'>
}

/** How long WeChat's word on a key is believed, in milliseconds, and for how many keys. */
const VERDICT_MS = 60_000
const VERDICTS = 10_000

export function createSessionKeys ({ store, seal, keepSessionKey, wechat }: SessionKeyDependencies): SessionKeys {
  const verdicts = new LRUCache<string, Promise<boolean>>({ maxSize: VERDICTS, sizeCalculation: () => 1, ttl: VERDICT_MS, perf: Date, ttlResolution: 0 })

  async function sealedKeys ({ userId }: SessionKeyOwner): Promise<string[]> {
    return keepSessionKey ? await store.readKeys({ userId, now: Date.now() }) : []
  }

  /** The keys that open, newest first; one under a retired secret is as good as none. */
  async function openKeys (owner: SessionKeyOwner): Promise<string[]> {
    const keys = (await sealedKeys(owner)).map((sealed) => seal.open(sealed, owner.userId))
    return keys.filter((key) => key !== null)
  }

  async function newestKey (owner: SessionKeyOwner): Promise<{ sealed: string, sessionKey: string }> {
    const [sealed] = await sealedKeys(owner)
    const sessionKey = sealed === undefined ? null : seal.open(sealed, owner.userId)
    if (sealed === undefined || sessionKey === null) throw new FST_WEAPP_SESSION_KEY_MISSING()
    return { sealed, sessionKey }
  }

  /** What the first key gives that fits. For the one that a login has just brought, the store need not be asked. */
  function tryKeys<Result> (owner: SessionKeyOwner, attempt: (sessionKey: string) => Result | null, ofLogin: string | null = null) {
    return traced('fastify-weapp.decrypt', { appId: owner.appId }, async () => {
      const atOnce = ofLogin === null ? null : attempt(ofLogin)
      if (atOnce !== null) return atOnce
      const keys = await openKeys(owner)
      if (keys.length === 0 && ofLogin === null) throw new FST_WEAPP_SESSION_KEY_MISSING()
      for (const sessionKey of keys) {
        const result = attempt(sessionKey)
        if (result !== null) return result
      }
      throw new FST_WEAPP_SESSION_KEY_STALE()
    })
  }

  return {
    async decrypt (owner, encryptedData, iv, options) {
      return await tryKeys(owner, decryption(owner, encryptedData, iv, options))
    },

    async decryptAtLogin (owner, sessionKey, encryptedData, iv, options) {
      // The phone may have encrypted it a moment before wx.login changed the key.
      return await tryKeys(owner, decryption(owner, encryptedData, iv, options), sessionKey)
    },

    async verifySignature (owner, rawData, signature) {
      return await tryKeys(owner, (sessionKey) => isSignatureOf(sessionKey, rawData, signature) || null)
    },

    async isAlive (owner) {
      const { appId, openid } = owner
      const { sessionKey } = await newestKey(owner)
      return await wechat.checkSessionKey({ appId, openid, sessionKey })
    },

    async assertAlive (owner) {
      const { appId, openid } = owner
      const { sealed, sessionKey } = await newestKey(owner)
      let verdict = verdicts.get(sealed)
      if (verdict === undefined) {
        verdict = wechat.checkSessionKey({ appId, openid, sessionKey })
        verdicts.set(sealed, verdict)
        // A check that failed is no verdict: the next request asks again.
        verdict.catch(() => verdicts.delete(sealed))
      }
      if (!await verdict) throw new FST_WEAPP_SESSION_KEY_STALE()
    },

    async reset (owner) {
      const { appId, openid, userId } = owner
      const { sessionKey } = await newestKey(owner)
      const key = seal.seal(await wechat.resetUserSessionKey({ appId, openid, sessionKey }), userId)
      // Without a live session there is nobody to keep it for.
      if (!await store.writeKey({ userId, key, now: Date.now() })) throw new FST_WEAPP_SESSION_ENDED()
    }
  }
}

/** Decrypts for one user: data of another user, or older than wanted, fails like data that does not decrypt. */
function decryption (
  { appId, openid }: SessionKeyOwner, encryptedData: string, iv: string, { maxAge }: DecryptOptions = {}
): (sessionKey: string) => UserData | null {
  const oldest = maxAge === undefined ? -Infinity : Date.now() - parseDuration(maxAge, 'maxAge')
  return (sessionKey) => {
    const data = decryptUserData(sessionKey, appId, { encryptedData, iv })
    const isWanted = data !== null && (data.openId === undefined || data.openId === openid) && data.watermark.timestamp * 1000 >= oldest
    return isWanted ? data : null
  }
}
