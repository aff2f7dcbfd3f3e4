import { randomBytes } from 'node:crypto'
import type {
  CreateSession, EndReason, SealedKey, SessionRecord, SessionStore, StoredSession
} from '../../stores/store.js'

/** A check of one sentence of the contract. Throws if the store violates it. */
export interface StoreCheck {
  name: string
  run (store: SessionStore): Promise<void>
}

export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

export interface SignIn extends Partial<Omit<CreateSession, 'userId' | 'session'>>, Partial<StoredSession> {}

/**
 * A user unknown to every store, with a clock of its own: `now` is passed to every operation. Checks move it forward. A
 * check that moves it back may only test `create`, because a store may have dropped expired sessions.
 */
export class TestUser {
  readonly userId = randomId()
  readonly openid = randomBytes(21).toString('base64url')
  /** The result of the latest `create`. */
  accepted: unknown
  now = Math.ceil(Date.now() / SECOND) * SECOND
  readonly #store: SessionStore

  constructor (store: SessionStore) {
    this.#store = store
  }

  /** Creates a session. By default its idle expiry is after an hour, and its absolute expiry after a day. */
  async signIn (login: SignIn = {}): Promise<StoredSession> {
    const {
      startedAt = this.now, openid = this.openid, unionid = null, key = null, limit = null, replaces = null, ...fields
    } = login
    const session: StoredSession = {
      id: randomId(),
      createdAt: Math.floor(this.now / SECOND) * SECOND,
      expiresAt: this.now + DAY,
      idleExpiresAt: this.now + HOUR,
      label: null,
      data: null,
      ...fields
    }
    this.accepted = await this.#store.create({
      ...this.#ref, startedAt, openid, unionid, key, limit, replaces, session: { ...session }
    })
    return session
  }

  async read (sessionId: string): Promise<SessionRecord | null> {
    return await this.#store.read({ ...this.#ref, sessionId })
  }

  async isLive (sessionId: string): Promise<boolean> {
    return (await this.read(sessionId))?.status === 'live'
  }

  /** Returns the ids of the live sessions, oldest first. */
  async liveIds (): Promise<string[]> {
    return (await this.list()).map(({ id }) => id)
  }

  touch (sessionId: string, idleExpiresAt: number): Promise<boolean> {
    return this.#store.touch({ ...this.#ref, sessionId, idleExpiresAt })
  }

  update (sessionId: string, data: string | null): Promise<boolean> {
    return this.#store.update({ ...this.#ref, sessionId, data })
  }

  revoke (sessionId: string, reason: EndReason = 'revoked'): Promise<boolean> {
    return this.#store.revoke({ ...this.#ref, sessionId, reason })
  }

  revokeAll (reason: EndReason = 'revoked', except: string | null = null, pendingLogins = false): Promise<number> {
    return this.#store.revokeAll({ ...this.#ref, reason, except, pendingLogins })
  }

  list (): Promise<StoredSession[]> {
    return this.#store.list(this.#ref)
  }

  readKeys (): Promise<string[]> {
    return this.#store.readKeys(this.#ref)
  }

  writeKey (key: SealedKey): Promise<boolean> {
    return this.#store.writeKey({ ...this.#ref, key })
  }

  get #ref (): { userId: string, now: number } {
    return { userId: this.userId, now: this.now }
  }
}

/** Returns a sealed key of the usual length. Two results with a common fingerprint are seals of the same key. */
export function sealedKey (...fingerprints: [string?, ...string[]]): SealedKey {
  const [current = randomId(), ...earlier] = fingerprints
  return { sealed: randomBytes(48).toString('base64url'), fingerprints: [current, ...earlier] as [string, ...string[]] }
}

export function randomId (): string {
  return randomBytes(16).toString('base64url')
}
