/**
 * The log events of the plugin, for operators. `weapp.event` names the event, and docs/observability.md lists all
 * events. No event contains a secret.
 */
import type { FastifyBaseLogger } from 'fastify'
import { isWeappError, type ErrorDetails, type WeappErrorCode } from '../errors.js'
import { logSafely } from './log-safely.js'
import { warnConfigError, warnStoreFailure } from './process-warnings.js'
import type { DecryptFailure } from './tracing.js'

/** The events that belong to the server. */
export interface OperatorLog {
  /** WeChat refused this server. Logged once a minute per app and errcode, because every login fails alike. */
  configError (errcode: number, hint: string, appId: string, details: ErrorDetails): void
  /**
   * An operation of the store failed, or a lookup of the host did. Logged once a minute per operation.
   *
   * @param error undefined if the operation timed out
   */
  storeFailure (operation: string, error: unknown): void
  /** The cache is off, because the store sends no invalidations. Every request reads the store. */
  cacheUnavailable (): void
  /** An option is a short number of milliseconds. If seconds were meant, sessions end or operations fail too early. */
  suspiciousDuration (option: string, milliseconds: number): void
  /** The host ended sessions of a user. */
  sessionsRevoked (revoked: RevokedSessions): void
  /** The plugin did not write a record of the store, or something changed it. */
  unreadableRecord (sessionId: string): void
  /** The reply of an API contained an integer beyond 2^53, which was rounded. */
  integerRounded (path: string): void
  /** User data or a signature failed. The phone receives the same error for every reason. */
  decryptFailed (user: { appId: string, userId: string }, reason: DecryptFailure): void
}

export interface RevokedSessions {
  appId: string
  userId: string
  /** The session to end, if it was a single session. */
  sessionId?: string | undefined
  /** The session to spare, if it was every other session. */
  except?: string | undefined
  /** How many sessions ended. */
  ended: number
}

const MINUTE = 60_000

/** The options that may be functions of the host. */
const LOOKUPS = ['apps', 'virtualPayment']

export const ROUNDING_ADVICE = "Add largeIntegers: 'string' to the call."

/** @param storeErrorCode returns a code that is safe to log, for an error of the store without a `code` */
export function createOperatorLog (
  log: FastifyBaseLogger, storeErrorCode: (error: unknown) => string | undefined
): OperatorLog {
  const loggedAt = new Map<string, number>()

  /** The number of subjects is limited, so the map needs no limit. */
  function oncePerMinute (subject: string, write: () => void): void {
    const now = Date.now()
    if (now - (loggedAt.get(subject) ?? -Infinity) < MINUTE) return
    loggedAt.set(subject, now)
    logSafely(write)
  }

  return {
    configError (errcode, hint, appId, { rid, ip }) {
      oncePerMinute(`errcode ${errcode} ${appId}`, () => {
        const weapp = { event: 'wechat-config', appId, errcode, rid, ip }
        log.error({ weapp }, `weapp: WeChat refused this server: ${hint}`)
        if (isOff(log)) warnConfigError(appId, errcode, hint)
      })
    },

    storeFailure (operation, error) {
      // Not the error itself: clients add commands and their arguments to errors.
      const failure = (error ?? { name: 'timeout' }) as { name?: unknown, code?: unknown }
      const name = loggable(failure.name)
      const code = loggable(failure.code) ?? loggable(storeErrorCode(error))
      const subject = LOOKUPS.includes(operation) ? `${operation}() lookup` : 'session store'
      oncePerMinute(`store ${operation}`, () => {
        log.error({ weapp: { event: 'store-failed', operation, name, code } }, `weapp: the ${subject} failed`)
        if (isOff(log)) warnStoreFailure(subject, operation, [name, code].join(' ').trim())
      })
    },

    cacheUnavailable () {
      const message = 'weapp: the cache is off, because the store sends no invalidations'
      logSafely(() => log.warn({ weapp: { event: 'cache-unavailable' } }, message))
    },

    suspiciousDuration (option, milliseconds) {
      const advice = "Numbers are milliseconds. Write '2s' or '30d' for a longer time."
      const message = `weapp: ${option} is ${milliseconds} ms. ${advice}`
      logSafely(() => log.warn({ weapp: { event: 'suspicious-duration', option, milliseconds } }, message))
    },

    sessionsRevoked (revoked) {
      logSafely(() => log.info({ weapp: { event: 'sessions-revoked', ...revoked } }, 'weapp: the host ended sessions'))
    },

    unreadableRecord (sessionId) {
      logSafely(() => {
        log.warn({ weapp: { event: 'unreadable-record', sessionId } }, 'weapp: a session record is unreadable')
      })
    },

    integerRounded (path) {
      const message = `weapp: ${path} returned an integer beyond 2^53, which was rounded. ${ROUNDING_ADVICE}`
      logSafely(() => log.warn({ weapp: { event: 'integer-rounded', path } }, message))
    },

    decryptFailed ({ appId, userId }, reason) {
      const weapp = { event: 'decrypt-failed', appId, userId, reason }
      logSafely(() => log.debug({ weapp }, 'weapp: user data or a signature failed'))
    }
  }
}

/** Returns the name or code of a foreign error. A longer value, or one with other characters, is no name or code. */
function loggable (value: unknown): string | number | undefined {
  if (typeof value === 'number') return value
  return typeof value === 'string' && /^[\x20-\x7e]{1,64}$/.test(value) ? value : undefined
}

/** Returns whether a logger discards errors. Pino and Fastify without a logger then have one method for all levels. */
function isOff ({ error, trace }: FastifyBaseLogger): boolean {
  return error === trace
}

/** Logs a login. */
export function logLogin (log: FastifyBaseLogger, login: { appId: string, userId: string, sessionId: string }): void {
  logSafely(() => log.info({ weapp: { event: 'login', ...login } }, 'weapp: signed in'))
}

/** Logs the failure of a login. `appId` is undefined if the login has no configured app. */
export function logLoginFailure (log: FastifyBaseLogger, appId: string | undefined, error: unknown): void {
  const { errcode, rid, ip, failure } = isWeappError(error) ? error : {}
  const weapp = { event: 'login-failed', appId, code: loginFailureCode(error), errcode, rid, ip, failure }
  logSafely(() => log.warn({ weapp }, 'weapp: login failed'))
}

/** Returns the code of a failed login. The own code of a host error may be any value, so it is not logged. */
function loginFailureCode (error: unknown): string {
  if (isWeappError(error)) return error.code
  const { statusCode, status } = (error ?? {}) as { statusCode?: number, status?: number }
  // Fastify reads both, and responds with 500 to any status that is not an error.
  const isRefusal = [statusCode, status].some((code) => code !== undefined && code >= 400 && code < 500)
  return isRefusal ? 'REFUSED_BY_HOST' : 'FAILED_IN_HOST'
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
