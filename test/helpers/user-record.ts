/** Inputs and records for the tests of the operations on a user's record. */
import type { CreateSession, StoredSession } from '../../src/stores/store.js'
import type { EndedSession, LiveSession, LoginDevice, UserRecord } from '../../src/stores/user-record/record.js'
import { DAY, HOUR } from './clock.js'

/** The callers' clock. The store's clock is another one, far from it. */
export const NOW = Date.UTC(2026, 0, 1)
export const CLOCK = 5 * HOUR

export const REF = { userId: 'u'.repeat(22), now: NOW }

export function session (id: string, fields: Partial<StoredSession> = {}): StoredSession {
  return { id, createdAt: NOW, expiresAt: NOW + DAY, idleExpiresAt: NOW + HOUR, label: null, data: null, ...fields }
}

/** Returns the input of a login that began when the store's clock was at `startedAt`. */
export function login (id: string, fields: Partial<CreateSession> = {}): CreateSession {
  return {
    ...REF,
    startedAt: CLOCK,
    openid: 'openid',
    unionid: null,
    session: session(id),
    key: null,
    limit: null,
    replaces: null,
    device: null,
    ...fields
  }
}

export function live (id: string, fields: Partial<LiveSession> = {}): LiveSession {
  return { ...session(id), device: null, ...fields }
}

/** Returns the device of a session whose login began at `startedAt`. */
export function device (digest: string, startedAt = CLOCK): LoginDevice {
  return { digest, startedAt }
}

export function ended (id: string, fields: Partial<EndedSession> = {}): EndedSession {
  return { id, reason: 'kicked', until: NOW + HOUR, endedAt: null, device: null, ...fields }
}

/** Returns a record with these fields. By default it has no session. */
export function recordOf (fields: Partial<UserRecord> = {}): UserRecord {
  const isLive = fields.live !== undefined && fields.live.length > 0
  return {
    openid: isLive ? 'openid' : '', unionid: null, live: [], ended: [], keys: null, loginsEnd: null, ...fields
  }
}
