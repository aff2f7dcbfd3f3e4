/** What whoever runs the server must know, in the log and without anything secret. */
import type { FastifyBaseLogger } from 'fastify'
import { isWeappError, type WeappErrorCode } from '../errors.js'
import { logSafely } from './log-safely.js'

export interface OperatorLog {
  /** WeChat refuses this server: at most once a minute for each errcode of an app, for it will be every login. */
  configError (errcode: number, hint: string, appId: string): void
  /** An operation of the store failed; `error` is undefined when it did not answer in time. At most once a minute for each operation. */
  storeFailure (operation: string, error: unknown): void
  /** The cache is off, because the store does not tell of changes: every request asks the store. */
  cacheUnavailable (): void
  /** An option is a short duration in milliseconds. If seconds were meant, logins repeat or a busy server refuses them. */
  suspiciousDuration (option: string, milliseconds: number): void
  /** The host ended sessions of a user: the one, or all but `except`. `ended` is how many those were. */
  sessionsRevoked (what: SessionsRevoked): void
  /** A record in the store is not one of ours: something else writes there, or somebody tries. */
  unreadableRecord (sessionId: string): void
}

export interface SessionsRevoked {
  appId: string
  userId: string
  sessionId?: string | undefined
  except?: string | undefined
  ended: number
}

const MINUTE = 60_000

/** @param storeErrorCode returns a code that is safe to log, for an error of the store without a `code` */
export function createOperatorLog (log: FastifyBaseLogger, storeErrorCode: (error: unknown) => string | undefined): OperatorLog {
  const lastLogged = new Map<string, number>()

  /** Both what is logged about and how often are bounded. */
  function oncePerMinute (subject: string, write: () => void): void {
    const now = Date.now()
    if (now - (lastLogged.get(subject) ?? -Infinity) < MINUTE) return
    lastLogged.set(subject, now)
    logSafely(write)
  }

  return {
    configError (errcode, hint, appId) {
      oncePerMinute(`errcode ${errcode} ${appId}`, () => {
        log.error({ weapp: { event: 'wechat-config', appId, errcode } }, `weapp: WeChat refuses this server: ${hint}`)
      })
    },

    storeFailure (operation, error) {
      // Not the error itself: clients put commands and their arguments into theirs.
      const { name, code = storeErrorCode(error) } = (error ?? { name: 'timeout' }) as { name?: unknown, code?: unknown }
      oncePerMinute(`store ${operation}`, () => {
        log.error({ weapp: { event: 'store-failed', operation, name, code } }, `weapp: ${operation === 'apps' ? 'the function apps' : 'the session store'} fails`)
      })
    },

    cacheUnavailable () {
      logSafely(() => log.warn({ weapp: { event: 'cache-unavailable' } }, 'weapp: the cache is off: the store cannot be watched'))
    },

    suspiciousDuration (option, milliseconds) {
      const advice = "Numbers are milliseconds. Write '2s' or '30d' for a longer time."
      logSafely(() => log.warn({
        weapp: { event: 'suspicious-duration', option, milliseconds }
      }, `weapp: ${option} is ${milliseconds} ms. ${advice}`))
    },

    sessionsRevoked (what) {
      logSafely(() => log.info({ weapp: { event: 'sessions-revoked', ...what } }, 'weapp: the host ended sessions'))
    },

    unreadableRecord (sessionId) {
      logSafely(() => log.warn({ weapp: { event: 'unreadable-record', sessionId } }, 'weapp: a session record is not readable'))
    }
  }
}

/** Logs a login. */
export function logLogin (log: FastifyBaseLogger, login: { appId: string, userId: string, sessionId: string }): void {
  logSafely(() => log.info({ weapp: { event: 'login', ...login } }, 'weapp: signed in'))
}

/** Logs the failure of a login. `appId` is undefined if the login has no configured app. */
export function logLoginFailure (log: FastifyBaseLogger, appId: string | undefined, error: unknown): void {
  const { errcode, failure } = isWeappError(error) ? error : {}
  const weapp = { event: 'login-failed', appId, code: loginFailureCode(error), errcode, failure }
  logSafely(() => log.warn({ weapp }, 'weapp: login failed'))
}

/** Returns the code of a failed login. An error of the host may have any code of its own, so its code is not logged. */
function loginFailureCode (error: unknown): string {
  if (isWeappError(error)) return error.code
  const statusCode = (error as { statusCode?: number } | null | undefined)?.statusCode ?? 500
  return statusCode < 500 ? 'REFUSED_BY_HOST' : 'FAILED_IN_HOST'
}

/** Logs the logout of one session, or with `all` of every session of its user. */
export function logLogout (log: FastifyBaseLogger, logout: { sessionId: string, all: boolean }): void {
  logSafely(() => log.info({ weapp: { event: 'logout', ...logout } }, 'weapp: signed out'))
}

/** Logs that the guard refused a request. A missing token is routine, so it is logged at debug level. */
export function logRefused (
  log: FastifyBaseLogger, refused: { code: WeappErrorCode | undefined, sessionId: string | undefined }
): void {
  const level = refused.code === 'FST_WEAPP_TOKEN_MISSING' ? 'debug' : 'info'
  logSafely(() => log[level]({ weapp: { event: 'refused', ...refused } }, 'weapp: refused'))
}
