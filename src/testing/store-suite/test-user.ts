import assert from 'node:assert/strict'
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

export const REASONS: readonly EndReason[] = ['revoked', 'kicked', 'replaced']

/** How far the clock of a server is off. */
export const SKEWS = [-30 * MINUTE, 30 * MINUTE]

/** Attempts of a login until the store must accept one that began after an end. */
const MAX_ATTEMPTS = 100

type LoginFields = Omit<CreateSession, 'userId' | 'session' | 'startedAt'>

export interface SignIn extends Partial<LoginFields>, Partial<StoredSession> {
  /** Milliseconds since the login began. */
  startedAgo?: number
}

/**
 * A user unknown to every store, with a clock of its own: `now` is passed to every operation. Checks move it forward. A
 * check that moves it back may only test `create`, because a store may have dropped expired sessions.
 */
export class TestUser {
  readonly userId: string
  readonly openid = randomBytes(21).toString('base64url')
  /** The result of the latest `create`: null if the session was added. */
  refusal: unknown
  now = Math.ceil(Date.now() / SECOND) * SECOND
  readonly #store: SessionStore

  constructor (store: SessionStore, userId = randomId()) {
    this.#store = store
    this.userId = userId
  }

  /**
   * Creates a session. By default its login began just now, its idle expiry is after an hour, and its absolute expiry
   * after a day.
   */
  async signIn (login: SignIn = {}): Promise<StoredSession> {
    const {
      startedAgo = 0, openid = this.openid, unionid = null, key = null, limit = null, replaces = null, device = null,
      ...fields
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
    this.refusal = await this.#store.create({
      ...this.#ref,
      openid,
      unionid,
      key,
      limit,
      replaces,
      device,
      session: { ...session },
      startedAt: performance.now() - startedAgo
    })
    return session
  }

  /**
   * Signs in as soon as the store accepts a login that begins now. A store may take the start as earlier, by the
   * duration of its operation.
   */
  async signInAfterEnd (login: SignIn): Promise<StoredSession> {
    for (let attempt = 1; ; attempt++) {
      const session = await this.signIn(login)
      if (this.refusal === null) return session
      assert.ok(attempt < MAX_ATTEMPTS, 'a login that began after the end is refused')
    }
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

  revoke (sessionId: string, reason: EndReason = 'revoked', pendingLogins = false): Promise<boolean> {
    return this.#store.revoke({ ...this.#ref, sessionId, reason, pendingLogins })
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

/** Returns the digest of a device's id, in the form of the plugin. */
export function randomDevice (): string {
  return randomBytes(12).toString('base64url')
}

export function randomId (): string {
  return randomBytes(16).toString('base64url')
}
