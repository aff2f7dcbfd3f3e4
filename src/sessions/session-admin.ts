/** `app.weapp.sessions`: the host's operations on the sessions of any user. */
import { booleanOption, objectOption, stringOption } from '../utils/validate.js'
import type { OperatorLog } from '../diagnostics/operator-log.js'
import type { SessionSummary } from './request-session.js'
import type { SessionService } from './service.js'
import { isId, userIdOf } from '../crypto/tokens.js'
import type { Apps } from '../wechat/apps.js'

/** A user of one Mini Program. */
export interface AppUser {
  /** Optional if the registration has one app. */
  appId?: string | undefined
  openid: string
}

/**
 * The host's operations on the sessions of any user. A device whose session was ended here receives
 * FST_WEAPP_SESSION_KICKED. After FST_WEAPP_STORE_UNAVAILABLE the outcome is unknown: repeat the operation.
 *
 * @throws FST_WEAPP_STORE_UNAVAILABLE, FST_WEAPP_APP_UNKNOWN if the app is not configured, FST_WEAPP_INVALID_OPTION if
 *   an argument is missing, unknown or not a string
 */
export interface SessionAdmin {
  /** Resolves to the user's live sessions, oldest first. */
  list (user: AppUser): Promise<SessionSummary[]>
  /**
   * Ends one session. Resolves to false if the session was not live. Logins in flight that would replace it are refused
   * with FST_WEAPP_SESSION_KICKED unless `pendingLogins` is false. Within `onLogin` pass false, otherwise that login
   * may be refused too.
   */
  revoke (session: AppUser & { id: string, pendingLogins?: boolean | undefined }): Promise<boolean>
  /**
   * Ends every session of the user except `except`. Resolves to the number of ended sessions. All logins of the user in
   * flight are refused with FST_WEAPP_SESSION_KICKED unless `pendingLogins` is false. Within `onLogin` pass false,
   * otherwise that login is refused too.
   */
  revokeAll (user: AppUser & { except?: string | undefined, pendingLogins?: boolean | undefined }): Promise<number>
}

/** Returns the value if it is an id. Hosts pass on values from devices, and such a value may be a token. */
function loggable (id: string | undefined): string | undefined {
  return isId(id) ? id : undefined
}

export function createSessionAdmin (
  sessions: SessionService, apps: Pick<Apps, 'credentials'>, onSessionsRevoked: OperatorLog['sessionsRevoked']
): SessionAdmin {
  /** Validates the user. Otherwise an impossible openid would end no session and look like success. */
  async function userOf ({ appId, openid }: AppUser): Promise<{ appId: string, userId: string }> {
    const app = await apps.credentials(appId)
    return { appId: app.appId, userId: userIdOf(app.appId, stringOption(openid, 'openid')) }
  }

  return {
    async list (user) {
      const { userId } = await userOf(user)
      return await sessions.list(userId)
    },
    async revoke ({ id, pendingLogins = true, ...user }) {
      const { appId, userId } = await userOf(user)
      const sessionId = stringOption(id, 'id')
      const wasLive = await sessions.revoke({
        userId, sessionId, reason: 'kicked', pendingLogins: booleanOption(pendingLogins, 'pendingLogins')
      })
      onSessionsRevoked({ appId, userId, sessionId: loggable(sessionId), ended: Number(wasLive) })
      return wasLive
    },
    async revokeAll ({ except, pendingLogins = true, ...user }) {
      // Unknown keys throw, because a misspelled `except` would end that session too. A whole identity is accepted.
      objectOption(user, null, ['appId', 'openid', 'unionid', 'session', 'except', 'pendingLogins'])
      const { appId, userId } = await userOf(user)
      const ended = await sessions.revokeAll({
        userId,
        reason: 'kicked',
        except: except === undefined ? null : stringOption(except, 'except'),
        pendingLogins: booleanOption(pendingLogins, 'pendingLogins')
      })
      onSessionsRevoked({ appId, userId, except: loggable(except), ended })
      return ended
    }
  }
}
