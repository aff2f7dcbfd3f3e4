/** A server whose clock differs from that of other servers, and the logins that it serves. */
import { isDeepStrictEqual } from 'node:util'
import type { CreateSession, EndReason, SessionRecord, SessionStore, StoredSession } from '../../src/stores/store.js'
import { randomId } from '../../src/testing/store-suite/test-user.js'
import { DAY } from './clock.js'

export interface LoginOptions extends Partial<Omit<CreateSession, 'session' | 'startedAt'>> {
  /** Milliseconds since the login began. By default it began with `begin`. */
  startedAgo?: number
  session?: Partial<StoredSession>
}

export interface PendingLogin {
  sessionId: string
  /** Completes the login. Returns the reason that refuses it, or null. */
  complete (options?: LoginOptions): Promise<EndReason | null>
}

export class SkewedServer {
  readonly store: SessionStore
  readonly #ahead: number

  /** @param ahead milliseconds by which the clock of this server is ahead */
  constructor (store: SessionStore, ahead = 0) {
    this.store = store
    this.#ahead = ahead
  }

  get now (): number {
    return Date.now() + this.#ahead
  }

  /** Begins a login, as a request for it does. */
  begin (userId: string): PendingLogin {
    const beganAt = performance.now()
    const sessionId = randomId()
    const complete = ({ session, ...options }: LoginOptions = {}): Promise<EndReason | null> => {
      const now = this.now
      const createdAt = Math.floor(now / 1000) * 1000
      return this.store.create({
        userId,
        now,
        openid: userId,
        unionid: null,
        session: {
          id: sessionId,
          createdAt,
          expiresAt: now + 30 * DAY,
          idleExpiresAt: now + 7 * DAY,
          label: null,
          data: null,
          ...session
        },
        key: null,
        limit: null,
        replaces: null,
        device: null,
        ...options,
        startedAt: options.startedAgo === undefined ? beganAt : performance.now() - options.startedAgo
      })
    }
    return { sessionId, complete }
  }

  /**
   * Logs in and returns the id of the session. A store may take the start of a login as earlier by the duration of an
   * operation, so a login that follows an end at once may be refused. It then logs in again, as a phone does.
   */
  async signIn (userId: string, options: LoginOptions = {}): Promise<string> {
    for (let attempt = 0; attempt < 1000; attempt++) {
      const login = this.begin(userId)
      if (await login.complete(options) === null) return login.sessionId
    }
    throw new Error('every login is refused')
  }

  revoke (userId: string, sessionId: string, { reason = 'kicked', pendingLogins = true }: Ending = {}): Promise<boolean> {
    return this.store.revoke({ userId, sessionId, reason, pendingLogins, now: this.now })
  }

  revokeAll (userId: string, { reason = 'kicked', pendingLogins = true }: Ending = {}): Promise<number> {
    return this.store.revokeAll({ userId, reason, pendingLogins, except: null, now: this.now })
  }

  async read (userId: string, sessionId: string): Promise<SessionRecord | null> {
    return await this.store.read({ userId, sessionId, now: this.now })
  }

  async isLive (userId: string, sessionId: string): Promise<boolean> {
    return (await this.read(userId, sessionId))?.status === 'live'
  }

  async hasEnded (userId: string, sessionId: string, reason: EndReason): Promise<boolean> {
    return isDeepStrictEqual(await this.read(userId, sessionId), { status: 'ended', reason })
  }

  /** Returns the ids of the live sessions, oldest first. */
  async liveIds (userId: string): Promise<string[]> {
    return (await this.store.list({ userId, now: this.now })).map(({ id }) => id)
  }
}

interface Ending {
  reason?: EndReason
  pendingLogins?: boolean
}
