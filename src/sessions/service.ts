/**
 * Sessions over a store: opens, resumes, updates, lists and ends them. Each operation takes the time once and passes it
 * to the store.
 */
import { FST_WEAPP_SESSION_ENDED, FST_WEAPP_STORE_UNAVAILABLE } from '../errors.js'
import { createSessionLoader, endedError } from './loader.js'
import { createSessionPolicy, type SessionPolicy } from './policy.js'
import { RequestSession, type SessionOperations, type SessionSummary, type WeappIdentity } from './request-session.js'
import type { CommitRead, SessionCache } from './session-cache.js'
import { decodeData, encodeData } from './session-data.js'
import type { SessionKeys } from './session-keys.js'
import type { LoadedSession, SessionToken } from './session-memo.js'
import type { Seal } from '../crypto/seal.js'
import { isLive, type EndReason, type SessionRecord, type SessionRef, type SessionStore } from '../stores/store.js'

export interface SessionServiceDependencies {
  store: SessionStore
  seal: Seal
  keys: SessionKeys
  /** Time from sign-in to the absolute expiry, in milliseconds. */
  ttl: number
  /** Time without use after which a session expires, in milliseconds. If false, only the absolute expiry applies. */
  idle: number | false
  /** Number of sessions that a user may have; null for any number. */
  limit: number | null
  keepSessionKey: boolean
  /** If null, every request reads the store. */
  cache: SessionCache | null
  /** Called for a record that this plugin did not write. */
  onUnreadable: (sessionId: string) => void
}

/** All times except `startedAt` are epoch milliseconds. */
export interface NewSession {
  userId: string
  sessionId: string
  /** `performance.now()` at the start of the login. */
  startedAt: number
  now: number
  openid: string
  unionid: string | null
  sessionKey: string
  createdAt: number
  expiresAt: number
  /** JSON text; null for no data. */
  data: string | null
  label: string | null
  /** Session of the same user on the same device, replaced by this one; null for none. */
  replaces: string | null
  /** Digest of the device's id, or null. */
  device: string | null
}

export interface SessionService extends SessionOperations, Pick<SessionPolicy, 'lifetime'> {
  /**
   * Stores a session.
   *
   * @throws FST_WEAPP_SESSION_REVOKED, FST_WEAPP_SESSION_KICKED, FST_WEAPP_SESSION_REPLACED if this login was ended
   *   after `startedAt`, FST_WEAPP_STORE_UNAVAILABLE
   */
  open (session: NewSession): Promise<void>
  /**
   * Returns the identity of a token as of `now`. Synchronous if the session is cached, or if the store reads
   * synchronously.
   *
   * @throws FST_WEAPP_SESSION_EXPIRED, FST_WEAPP_SESSION_REVOKED, FST_WEAPP_SESSION_KICKED, FST_WEAPP_SESSION_REPLACED,
   *   FST_WEAPP_STORE_UNAVAILABLE
   */
  resume (token: SessionToken, now: number): WeappIdentity | Promise<WeappIdentity>
  /** Returns the user's live sessions, oldest first. */
  list (userId: string): Promise<SessionSummary[]>
  /**
   * Ends one session. Resolves to false if the session is not live. `pendingLogins` also refuses the logins in flight
   * that would replace it.
   */
  revoke (
    ending: { userId: string, sessionId: string, reason: EndReason, pendingLogins: boolean }
  ): Promise<boolean>
  /**
   * Ends every session of the user except `except`. Resolves to the number of ended sessions. `pendingLogins` also
   * refuses all logins of the user that are in flight.
   */
  revokeAll (
    ending: { userId: string, reason: EndReason, except: string | null, pendingLogins: boolean }
  ): Promise<number>
}

export function createSessionService (
  { store, seal, keys, ttl, idle, limit, keepSessionKey, cache, onUnreadable }: SessionServiceDependencies
): SessionService {
  const policy = createSessionPolicy({ ttl, idle })
  const loadSession = createSessionLoader({ policy, onUnreadable })

  function read (token: SessionToken, now: number): WeappIdentity | Promise<WeappIdentity> {
    const { userId, sessionId } = token
    const ref = { userId, sessionId, now }
    const commit = cache?.beginRead(token)
    const record = store.read(ref)
    return record instanceof Promise
      ? record.then((record) => onRead(token, ref, record, commit))
      : onRead(token, ref, record, commit)
  }

  function onRead (
    token: SessionToken, ref: SessionRef, record: SessionRecord | null, commit: CommitRead | undefined
  ): WeappIdentity | Promise<WeappIdentity> {
    const loaded = loadSession(token, record)
    const isTouchDue = ref.now >= loaded.nextTouchAt
    // One request moves the idle expiry. Concurrent requests need not wait for it, because each has read the session
    // itself.
    if (isTouchDue && !token.memo.isTouching) return touch(token, ref, loaded)
    if (!isTouchDue) commit?.(loaded, ref.now, Math.min(loaded.nextTouchAt, loaded.session.idleExpiresAt))
    return identityOf(token, loaded)
  }

  /** Moves the idle expiry of a session that is in use. */
  async function touch (token: SessionToken, ref: SessionRef, loaded: LoadedSession): Promise<WeappIdentity> {
    const idleExpiresAt = policy.idleEnd(loaded.session.expiresAt, ref.now)
    token.memo.isTouching = true
    const wasLive = await store.touch({ ...ref, idleExpiresAt }).finally(() => { token.memo.isTouching = false })
    if (wasLive) return identityOf(token, { ...loaded, session: { ...loaded.session, idleExpiresAt } })
    // The session ended between read and touch. A second read returns the reason.
    return identityOf(token, loadSession(token, await store.read(ref)))
  }

  function identityOf (token: SessionToken, { openid, unionid, session, data }: LoadedSession): WeappIdentity {
    return { appId: token.appId, openid, unionid, session: new RequestSession(token, openid, session, data, service) }
  }

  const service: SessionService = {
    keys,
    lifetime: policy.lifetime,

    async open ({
      userId, sessionId, startedAt, now, openid, unionid, sessionKey, createdAt, expiresAt, data, label, replaces,
      device
    }) {
      const refusal = await store.create({
        userId,
        now,
        startedAt,
        openid,
        unionid,
        session: { id: sessionId, createdAt, expiresAt, idleExpiresAt: policy.idleEnd(expiresAt, now), label, data },
        key: keepSessionKey ? seal.seal(sessionKey, userId) : null,
        limit,
        replaces,
        device
      })
      if (refusal !== null) throw endedError(refusal)
    },

    resume (token, now) {
      const cached = cache?.recall(token, now) ?? null
      return cached === null ? read(token, now) : identityOf(token, cached)
    },

    async update (userId, sessionId, data) {
      const text = encodeData(data)
      const ref = { userId, sessionId, now: Date.now() }
      if (!await store.update({ ...ref, data: text })) {
        // The store found no live session. If this read finds it, the replies contradict each other and the outcome is
        // unknown.
        const isStillLive = isLive(await store.read(ref), sessionId)
        throw isStillLive ? new FST_WEAPP_STORE_UNAVAILABLE() : new FST_WEAPP_SESSION_ENDED()
      }
      return decodeData(text)!
    },

    async list (userId) {
      const sessions = await store.list({ userId, now: Date.now() })
      // Omits `data`. Only a request with the session's own token may read it.
      return sessions.map(({ id, createdAt, expiresAt, idleExpiresAt, label }) => {
        return { id, createdAt, expiresAt, idleExpiresAt, label }
      })
    },

    revoke: (ending) => store.revoke({ ...ending, now: Date.now() }),
    revokeAll: (ending) => store.revokeAll({ ...ending, now: Date.now() })
  }
  return service
}
