import { randomBytes } from 'node:crypto'
import type { CreateSession, EndReason, SealedKey, SessionRecord, SessionStore, StoredSession } from '../../stores/store.js'

/** One promise of the contract, and how to find out whether a store keeps it. */
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
 * A user that no store has seen, with a clock of its own: `now` goes with every operation. A check moves it on and never
 * back, since a store may forget what has ended.
 */
export class TestUser {
  readonly userId = randomId()
  readonly openid = randomBytes(21).toString('base64url')
  /** What the last login was answered. */
  isIn: unknown
  now = Math.ceil(Date.now() / SECOND) * SECOND
  readonly #store: SessionStore

  constructor (store: SessionStore) {
    this.#store = store
  }

  /** Creates a session that is idle after an hour and ends after a day, but for what is given. */
  async signIn (login: SignIn = {}): Promise<StoredSession> {
    const { startedAt = this.now, openid = this.openid, unionid = null, key = null, limit = null, replaces = null, ...fields } = login
    const session: StoredSession = {
      id: randomId(),
      createdAt: Math.floor(this.now / SECOND) * SECOND,
      expiresAt: this.now + DAY,
      idleExpiresAt: this.now + HOUR,
      label: null,
      data: null,
      ...fields
    }
    this.isIn = await this.#store.create({ ...this.#ref, startedAt, openid, unionid, key, limit, replaces, session: { ...session } })
    return session
  }

  async read (sessionId: string): Promise<SessionRecord | null> {
    return await this.#store.read({ ...this.#ref, sessionId })
  }

  async isLive (sessionId: string): Promise<boolean> {
    return (await this.read(sessionId))?.status === 'live'
  }

  /** The ids of the live sessions, oldest first. */
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

/** A sealed key of the usual length. Two with the same fingerprint are seals of the same key. */
export function sealedKey (...fingerprints: [string?, ...string[]]): SealedKey {
  const [current = randomId(), ...earlier] = fingerprints
  return { sealed: randomBytes(48).toString('base64url'), fingerprints: [current, ...earlier] as [string, ...string[]] }
}

export function randomId (): string {
  return randomBytes(16).toString('base64url')
}
