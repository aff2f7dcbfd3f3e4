/**
 * The lifetime of sessions: when they expire, and when a use moves their idle expiry. Pure: it reads no clock and no
 * store.
 */
import type { StoredSession } from '../stores/store.js'

export interface SessionPolicyOptions {
  /** Time from sign-in to the absolute expiry, in milliseconds. */
  ttl: number
  /** Time without use after which a session expires, in milliseconds. If false, only the absolute expiry applies. */
  idle: number | false
}

/** All times are epoch milliseconds. */
export interface SessionPolicy {
  /** Returns the lifetime of a session that begins at `now`. Both times are whole seconds, as in a token's claims. */
  lifetime (now: number): { createdAt: number, expiresAt: number }
  /** Returns the idle expiry of a session that is used at `now`. */
  idleEnd (expiresAt: number, now: number): number
  /** Returns the time from which a use moves the idle expiry. */
  nextTouchAt (session: Pick<StoredSession, 'expiresAt' | 'idleExpiresAt'>): number
}

/** Touches are throttled to this many per idle period. Otherwise every request would cost a write. */
const TOUCHES_PER_IDLE = 20

export function createSessionPolicy ({ ttl, idle }: SessionPolicyOptions): SessionPolicy {
  return {
    lifetime (now) {
      const createdAt = Math.floor(now / 1000) * 1000
      return { createdAt, expiresAt: createdAt + Math.floor(ttl / 1000) * 1000 }
    },

    idleEnd (expiresAt, now) {
      return idle === false ? expiresAt : Math.min(now + idle, expiresAt)
    },

    nextTouchAt ({ expiresAt, idleExpiresAt }) {
      if (idleExpiresAt >= expiresAt) return Infinity
      // The session was created under an idle time, and the host has since set `idle` to false. The next use moves the
      // idle expiry to `expiresAt`.
      if (idle === false) return -Infinity
      // From `expiresAt - idle`, one touch moves the idle expiry to the absolute expiry.
      return Math.min(idleExpiresAt - idle + idle / TOUCHES_PER_IDLE, expiresAt - idle)
    }
  }
}
