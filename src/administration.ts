import type { Sessions } from './session-policy.js'
import type { StoredSession } from './stores/store.js'
import { userIdOf } from './token.js'

/** A user of one Mini Program. */
export interface UserOfApp {
  appId: string
  openid: string
}

/** A session as a host may see it; times are epoch milliseconds. */
export type SessionSummary = Pick<StoredSession, 'id' | 'createdAt' | 'expiresAt' | 'idleExpiresAt' | 'label'>

/**
 * What the host may do with the sessions of any user. A phone whose session was ended here learns
 * FST_WEAPP_SESSION_KICKED. Everything rejects with FST_WEAPP_STORE_UNAVAILABLE when the outcome is unknown: repeat it.
 */
export interface Administration {
  /** The user's live sessions, oldest first. */
  list (user: UserOfApp): Promise<SessionSummary[]>
  /** Ends one session; false when it was not live. */
  revoke (session: UserOfApp & { id: string }): Promise<boolean>
  /** Ends every session of the user but `except`; resolves to how many. */
  revokeAll (user: UserOfApp & { except?: string }): Promise<number>
}

export function createAdministration (sessions: Sessions): Administration {
  return {
    async list ({ appId, openid }) {
      const stored = await sessions.list(userIdOf(appId, openid))
      return stored.map(({ id, createdAt, expiresAt, idleExpiresAt, label }) => ({ id, createdAt, expiresAt, idleExpiresAt, label }))
    },
    revoke: ({ appId, openid, id }) => sessions.revoke(userIdOf(appId, openid), id, 'kicked'),
    revokeAll: ({ appId, openid, except = null }) => sessions.revokeAll(userIdOf(appId, openid), 'kicked', except)
  }
}
