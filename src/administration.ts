import { FST_WEAPP_INVALID_OPTION } from './errors.js'
import { section } from './option-checks.js'
import type { OperatorLog } from './operator-log.js'
import type { Sessions } from './sessions.js'
import type { StoredSession } from './stores/store.js'
import { isText } from './text.js'
import { isId, userIdOf } from './token.js'
import type { Apps } from './wechat/apps.js'

/** A user of one Mini Program. */
export interface UserOfApp {
  /** May be left out where there is one. */
  appId?: string | undefined
  openid: string
}

/** A session as a host may see it; times are epoch milliseconds. */
export type SessionSummary = Pick<StoredSession, 'id' | 'createdAt' | 'expiresAt' | 'idleExpiresAt' | 'label'>

/**
 * What the host may do with the sessions of any user. A phone whose session was ended here learns
 * FST_WEAPP_SESSION_KICKED. Everything rejects with FST_WEAPP_STORE_UNAVAILABLE when the outcome is unknown: repeat it; and
 * with FST_WEAPP_APP_UNKNOWN for an app that is not ours, FST_WEAPP_INVALID_OPTION for what can be no openid or session id.
 */
export interface Administration {
  /** The user's live sessions, oldest first. */
  list (user: UserOfApp): Promise<SessionSummary[]>
  /** Ends one session; false when it was not live. */
  revoke (session: UserOfApp & { id: string }): Promise<boolean>
  /**
   * Ends every session of the user but `except`; resolves to how many. A login that is on its way is refused with
   * FST_WEAPP_SESSION_KICKED, unless `pendingLogins` is false: from within `onLogin`, whose own login that would be.
   */
  revokeAll (user: UserOfApp & { except?: string | undefined, pendingLogins?: boolean | undefined }): Promise<number>
}

/** For the log: hosts pass on what phones send, which may be anything, a token too. */
function loggable (id: string | undefined): string | undefined {
  return isId(id) ? id : undefined
}

export function createAdministration (sessions: Sessions, apps: Pick<Apps, 'credentials'>, onKicked: OperatorLog['kicked']): Administration {
  /** What cannot be has no sessions, and "ended none" would look like success. */
  async function userOf ({ appId, openid }: UserOfApp): Promise<{ appId: string, userId: string }> {
    const app = await apps.credentials(appId)
    return { appId: app.appId, userId: userIdOf(app.appId, demandText(openid, 'openid')) }
  }

  return {
    async list (user) {
      const { userId } = await userOf(user)
      const stored = await sessions.list(userId)
      return stored.map(({ id, createdAt, expiresAt, idleExpiresAt, label }) => ({ id, createdAt, expiresAt, idleExpiresAt, label }))
    },
    async revoke ({ id, ...user }) {
      const { appId, userId } = await userOf(user)
      const sessionId = demandText(id, 'id')
      const wasLive = await sessions.revoke(userId, sessionId, 'kicked')
      onKicked({ appId, userId, sessionId: loggable(sessionId), ended: Number(wasLive) })
      return wasLive
    },
    async revokeAll ({ except, pendingLogins = true, ...user }) {
      // A misspelt `except` would end that session too. An identity may be given as it is.
      section(user, 'options', ['appId', 'openid', 'unionid', 'session', 'except', 'pendingLogins'])
      const { appId, userId } = await userOf(user)
      const ended = await sessions.revokeAll(userId, 'kicked', except === undefined ? null : demandText(except, 'except'), pendingLogins)
      onKicked({ appId, userId, except: loggable(except), ended })
      return ended
    }
  }
}

function demandText (value: unknown, name: string): string {
  if (!isText(value)) throw new FST_WEAPP_INVALID_OPTION(name, 'must be a string that is not empty')
  return value
}
