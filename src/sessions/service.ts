/**
 * Sessions and their policy over a store: how long they live, how many there are, and what a token's bearer learns of
 * one. Time is taken once per operation, here or by the caller, and handed to the store.
 */
import {
  FST_WEAPP_SESSION_ENDED, FST_WEAPP_SESSION_EXPIRED, FST_WEAPP_SESSION_KICKED, FST_WEAPP_SESSION_REPLACED, FST_WEAPP_SESSION_REVOKED,
  FST_WEAPP_STORE_UNAVAILABLE, type WeappErrorConstructor
} from '../errors.js'
import type { CommitRead, SessionCache } from './session-cache.js'
import type { LoadedSession, SessionToken } from './session-memo.js'
import type { Seal } from '../crypto/seal.js'
import { decodeData, encodeData, type SessionData } from './session-data.js'
import type { SessionKeys } from './session-keys.js'
import { RequestSession, type SessionOperations, type SessionSummary, type WeappIdentity } from './request-session.js'
import { isLive, type EndReason, type LiveRecord, type SessionRecord, type SessionRef, type SessionStore, type StoredSession } from '../stores/store.js'
import { userIdOf } from '../crypto/tokens.js'

export interface SessionServiceDependencies {
  store: SessionStore
  seal: Seal
  keys: SessionKeys
  /** Milliseconds from sign-in to the absolute end. */
  ttl: number
  /** Milliseconds without use after which a session ends; false: never before its absolute end. */
  idle: number | false
  /** How many sessions a user may have at once; null for any number. */
  limit: number | null
  keepSessionKey: boolean
  /** What this process has read lately; null where every request asks the store. */
  cache: SessionCache | null
  /** Told when a record is not one of ours, which is worth an operator's look. */
  onUnreadable: (sessionId: string) => void
}

export interface NewSession {
  userId: string
  sessionId: string
  /** When its login began, in epoch milliseconds. */
  startedAt: number
  /** In epoch milliseconds; `createdAt` is its whole second. */
  now: number
  openid: string
  unionid: string | null
  sessionKey: string
  createdAt: number
  expiresAt: number
  data: string | null
  label: string | null
  /** The session of the same user that the phone held until now. */
  replaces: string | null
}

export interface SessionService extends SessionOperations {
  /** The life of a session that begins at `now`. Both are whole seconds, so that a token's claims say the same. */
  lifetime (now: number): { createdAt: number, expiresAt: number }
  /** @throws FST_WEAPP_SESSION_KICKED when the host ended all sessions of the user after `startedAt` */
  open (session: NewSession): Promise<void>
  /**
   * The identity behind a valid token, as of `now`; at once where the cache knows it, or the store answers at once.
   *
   * @throws FST_WEAPP_SESSION_EXPIRED, _REVOKED, _KICKED, _REPLACED, FST_WEAPP_STORE_UNAVAILABLE
   */
  resume (claims: SessionToken, now: number): WeappIdentity | Promise<WeappIdentity>
  /** The user's live sessions, oldest first. */
  list (userId: string): Promise<SessionSummary[]>
  /** False when no such session is live. */
  revoke (userId: string, sessionId: string, reason: EndReason): Promise<boolean>
  /** Ends every session of the user but `except` and, with `pendingLogins`, refuses logins under way; resolves to the number of sessions ended. */
  revokeAll (ending: { userId: string, reason: EndReason, except: string | null, pendingLogins: boolean }): Promise<number>
}

const ENDED: Record<EndReason, WeappErrorConstructor> = {
  revoked: FST_WEAPP_SESSION_REVOKED,
  kicked: FST_WEAPP_SESSION_KICKED,
  replaced: FST_WEAPP_SESSION_REPLACED
}

/** So often may the idle end move within `idle`: a write for every request would cost more than it tells. */
const TOUCHES_PER_IDLE = 20

/** In characters. It is kept with each of many tokens; what is longer is read with every request. */
const MAX_REMEMBERED_DATA = 256

export function createSessionService (parts: SessionServiceDependencies): SessionService {
  const { store, seal, keys, ttl, idle, limit, keepSessionKey, cache, onUnreadable } = parts

  function idleEnd (expiresAt: number, now: number): number {
    return idle === false ? expiresAt : Math.min(now + idle, expiresAt)
  }

  /** From when on a use is worth a write that moves the idle end. */
  function nextTouchAt ({ idleExpiresAt, expiresAt }: StoredSession): number {
    if (idleExpiresAt >= expiresAt) return Infinity
    // It was made while the host had an idle end: the next use moves it to the absolute one.
    if (idle === false) return -Infinity
    // The second: from there one touch reaches the absolute end.
    return Math.min(idleExpiresAt - idle + idle / TOUCHES_PER_IDLE, expiresAt - idle)
  }

  /** What the store knows of a live session; every other answer is an error that says why. */
  function liveRecord (record: SessionRecord | null, sessionId: string): LiveRecord {
    if (record === null) throw new FST_WEAPP_SESSION_EXPIRED()
    if (isEnded(record)) throw new ENDED[record.reason]()
    if (!isLive(record, sessionId)) throw unreadable(sessionId)
    return record
  }

  function unreadable (sessionId: string): Error {
    onUnreadable(sessionId)
    return new FST_WEAPP_SESSION_EXPIRED()
  }

  /** The live session of the token's own user. */
  function ownSession (claims: SessionToken, record: SessionRecord | null): LoadedSession {
    const { openid, unionid, session } = liveRecord(record, claims.sessionId)
    const { parsed } = claims.memo
    const isParsed = parsed !== null && parsed.openid === openid && parsed.text === session.data
    const data = isParsed ? parsed.data : ownData(claims, openid, session.data)
    return { openid, unionid, session, data, nextTouchAt: nextTouchAt(session) }
  }

  /**
   * The data of a record that can be read and is about the token's own user. The token's signature covers a digest of the
   * openid: who can write to the store still cannot become somebody else.
   */
  function ownData (claims: SessionToken, openid: string, text: string | null): Readonly<SessionData> {
    const data = decodeData(text)
    if (data === null || userIdOf(claims.appId, openid) !== claims.userId) throw unreadable(claims.sessionId)
    if (isShort(text)) claims.memo.parsed = { openid, text, data }
    return data
  }

  /** Moves the idle end of a session that is in use. */
  async function touch (claims: SessionToken, ref: SessionRef, live: LoadedSession): Promise<WeappIdentity> {
    const idleExpiresAt = idleEnd(live.session.expiresAt, ref.now)
    claims.memo.isTouching = true
    const wasLive = await store.touch({ ...ref, idleExpiresAt }).finally(() => { claims.memo.isTouching = false })
    if (wasLive) return identityOf(claims, { ...live, session: { ...live.session, idleExpiresAt } })
    // It ended between read and touch: a second read tells why.
    return identityOf(claims, ownSession(claims, await store.read(ref)))
  }

  /** At once where the store answers at once. */
  function readIdentity (claims: SessionToken, now: number): WeappIdentity | Promise<WeappIdentity> {
    const { userId, sessionId } = claims
    const ref = { userId, sessionId, now }
    const commit = cache?.beginRead(claims)
    const record = store.read(ref)
    return record instanceof Promise
      ? record.then((record) => settle(claims, ref, record, commit))
      : settle(claims, ref, record, commit)
  }

  function settle (
    claims: SessionToken, ref: SessionRef, record: SessionRecord | null, commit: CommitRead | undefined
  ): WeappIdentity | Promise<WeappIdentity> {
    const live = ownSession(claims, record)
    // One request moves the end for all that come meanwhile, which need not wait for it: each has read for itself.
    if (ref.now >= live.nextTouchAt) return claims.memo.isTouching ? identityOf(claims, live) : touch(claims, ref, live)
    commit?.(live, ref.now, Math.min(live.nextTouchAt, live.session.idleExpiresAt))
    return identityOf(claims, live)
  }

  function identityOf (claims: SessionToken, { openid, unionid, session, data }: LoadedSession): WeappIdentity {
    return { appId: claims.appId, openid, unionid, session: new RequestSession(claims, openid, session, data, sessions) }
  }

  const sessions: SessionService = {
    keys,

    lifetime (now) {
      const createdAt = Math.floor(now / 1000) * 1000
      return { createdAt, expiresAt: createdAt + Math.floor(ttl / 1000) * 1000 }
    },

    open ({ userId, sessionId, startedAt, now, openid, unionid, sessionKey, createdAt, expiresAt, data, label, replaces }) {
      return store.create({
        userId,
        now,
        startedAt,
        openid,
        unionid,
        session: { id: sessionId, createdAt, expiresAt, idleExpiresAt: idleEnd(expiresAt, now), label, data },
        key: keepSessionKey ? seal.seal(sessionKey, userId) : null,
        limit,
        replaces
      }).then((isOpen) => {
        if (isOpen === false) throw new FST_WEAPP_SESSION_KICKED()
      })
    },

    resume (claims, now) {
      const live = cache?.recall(claims, now) ?? null
      return live === null ? readIdentity(claims, now) : identityOf(claims, live)
    },

    async update (userId, sessionId, data) {
      const text = encodeData(data)
      const ref = { userId, sessionId, now: Date.now() }
      if (!await store.update({ ...ref, data: text })) {
        // Live all the same: what became of the write is unknown.
        throw isLive(await store.read(ref), sessionId) ? new FST_WEAPP_STORE_UNAVAILABLE() : new FST_WEAPP_SESSION_ENDED()
      }
      return decodeData(text)!
    },

    async list (userId) {
      const stored = await store.list({ userId, now: Date.now() })
      // Without their data, which is for the routes of each session alone.
      return stored.map(({ id, createdAt, expiresAt, idleExpiresAt, label }) => ({ id, createdAt, expiresAt, idleExpiresAt, label }))
    },
    revoke: (userId, sessionId, reason) => store.revoke({ userId, sessionId, reason, now: Date.now() }),
    revokeAll: (ending) => store.revokeAll({ ...ending, now: Date.now() })
  }
  return sessions
}

function isShort (text: string | null): boolean {
  return text === null || text.length <= MAX_REMEMBERED_DATA
}

function isEnded (record: SessionRecord): record is Extract<SessionRecord, { status: 'ended' }> {
  return record?.status === 'ended' && Object.hasOwn(ENDED, record.reason)
}
