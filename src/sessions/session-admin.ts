import { objectOption, stringOption } from '../utils/validate.js'
import type { OperatorLog } from '../diagnostics/operator-log.js'
import type { SessionSummary } from './request-session.js'
import type { SessionService } from './service.js'
import { isId, userIdOf } from '../crypto/tokens.js'
import type { Apps } from '../wechat/apps.js'

/** A user of one Mini Program. */
export interface AppUser {
  /** May be left out where there is one. */
  appId?: string | undefined
  openid: string
}

/**
 * What the host may do with the sessions of any user. A phone whose session was ended here learns
 * FST_WEAPP_SESSION_KICKED. Everything rejects with FST_WEAPP_STORE_UNAVAILABLE when the outcome is unknown: repeat it; and
 * with FST_WEAPP_APP_UNKNOWN for an app that is not ours, FST_WEAPP_INVALID_OPTION for what can be no openid or session id.
 */
export interface SessionAdmin {
  /** The user's live sessions, oldest first. */
  list (user: AppUser): Promise<SessionSummary[]>
  /** Ends one session; false when it was not live. */
  revoke (session: AppUser & { id: string }): Promise<boolean>
  /**
   * Ends every session of the user but `except`; resolves to how many. A login that is on its way is refused with
   * FST_WEAPP_SESSION_KICKED, unless `pendingLogins` is false: from within `onLogin`, whose own login that would be.
   */
  revokeAll (user: AppUser & { except?: string | undefined, pendingLogins?: boolean | undefined }): Promise<number>
}

/** For the log: hosts pass on what phones send, which may be anything, a token too. */
function loggable (id: string | undefined): string | undefined {
  return isId(id) ? id : undefined
}

export function createSessionAdmin (sessions: SessionService, apps: Pick<Apps, 'credentials'>, onSessionsRevoked: OperatorLog['sessionsRevoked']): SessionAdmin {
  /** What cannot be has no sessions, and "ended none" would look like success. */
  async function userOf ({ appId, openid }: AppUser): Promise<{ appId: string, userId: string }> {
    const app = await apps.credentials(appId)
    return { appId: app.appId, userId: userIdOf(app.appId, stringOption(openid, 'openid')) }
  }

  return {
    async list (user) {
      const { userId } = await userOf(user)
      return await sessions.list(userId)
    },
    async revoke ({ id, ...user }) {
      const { appId, userId } = await userOf(user)
      const sessionId = stringOption(id, 'id')
      const wasLive = await sessions.revoke(userId, sessionId, 'kicked')
      onSessionsRevoked({ appId, userId, sessionId: loggable(sessionId), ended: Number(wasLive) })
      return wasLive
    },
    async revokeAll ({ except, pendingLogins = true, ...user }) {
      // A misspelt `except` would end that session too. An identity may be given as it is.
      objectOption(user, null, ['appId', 'openid', 'unionid', 'session', 'except', 'pendingLogins'])
      const { appId, userId } = await userOf(user)
      const ended = await sessions.revokeAll({
        userId, reason: 'kicked', except: except === undefined ? null : stringOption(except, 'except'), pendingLogins
      })
      onSessionsRevoked({ appId, userId, except: loggable(except), ended })
      return ended
    }
  }
}
