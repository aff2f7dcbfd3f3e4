/**
 * The guard: token -> session -> request.weapp. It throws and never replies. It therefore composes with other guards,
 * and the host's error handler formats the response.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import {
  FST_WEAPP_NOT_GUARDED, FST_WEAPP_TOKEN_INVALID, FST_WEAPP_TOKEN_MISSING, isWeappError, type WeappError,
  type WeappErrorCode
} from './errors.js'
import { isTraced, traced } from './diagnostics/tracing.js'
import { logRefused } from './diagnostics/operator-log.js'
import { recordThrown, setGuestHeaders } from './response-headers.js'
import type { SessionKeys } from './sessions/session-keys.js'
import type { SessionToken, SessionTokens } from './sessions/session-memo.js'
import type { SessionService } from './sessions/service.js'
import { RequestSession, type WeappIdentity } from './sessions/request-session.js'
import { userIdOf } from './crypto/tokens.js'
import type { Apps } from './wechat/apps.js'

/** The parts of a request that the guard reads. The requests of all of Fastify's servers have them. */
export type RequestLike = Pick<FastifyRequest, 'headers' | 'log'>

export interface Guard {
  /** Requires a live session. */
  authenticate (request: RequestLike): Promise<void>
  /**
   * Returns the identity that this guard has found.
   *
   * @throws FST_WEAPP_NOT_GUARDED if the guard has not run for the request, or the error with which it has rejected the
   *   request
   */
  identity (request: RequestLike): WeappIdentity
  /** Enforces the route's `config.weapp`. Treats unknown values as protected. */
  hook (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void
}

export interface GuardDependencies {
  tokens: Pick<SessionTokens, 'bearer'>
  apps: Pick<Apps, 'has'>
  sessions: Pick<SessionService, 'resume'>
  keys: Pick<SessionKeys, 'assertAlive'>
  protect: 'marked' | 'all'
}

/** An authentication that failed. */
class Rejected {
  readonly error: unknown

  constructor (error: unknown) {
    this.error = error
  }
}

export function createGuard ({ tokens, apps, sessions, keys, protect }: GuardDependencies): Guard {
  /**
   * Each guard trusts only outcomes of its own. `request.weapp` may be set by another registration, and is missing on
   * requests of a scope outside of this one. The symbol is not declared to Fastify, which would set it on every
   * request.
   */
  const kOutcome = Symbol('fastify-weapp.guard')

  interface GuardedRequest extends RequestLike {
    weapp: WeappIdentity | null
    /** Undefined until the guard runs; a promise until the store or the app lookup answers. */
    [kOutcome]?: WeappIdentity | Promise<WeappIdentity> | Rejected
  }

  /**
   * Resolves the identity once per request, and records the outcome on the request. Synchronous if nothing has to be
   * awaited.
   */
  function authenticate (request: GuardedRequest): WeappIdentity | Promise<WeappIdentity> {
    const outcome = request[kOutcome]
    if (outcome instanceof Rejected) throw outcome.error
    if (outcome !== undefined) return outcome
    let found
    try {
      found = isTraced('fastify-weapp.authenticate')
        ? traced('fastify-weapp.authenticate', {}, () => resolveIdentity(request))
        : resolveIdentity(request)
      if (!(found instanceof Promise)) return accept(request, found)
    } catch (error) {
      throw reject(request, error)
    }
    const recorded = recordOutcome(request, found)
    request[kOutcome] = recorded
    return recorded
  }

  async function recordOutcome (request: GuardedRequest, found: Promise<WeappIdentity>): Promise<WeappIdentity> {
    try {
      return accept(request, await found)
    } catch (error) {
      throw reject(request, error)
    }
  }

  function resolveIdentity (request: RequestLike): WeappIdentity | Promise<WeappIdentity> {
    const now = Date.now()
    const token = tokens.bearer(request.headers.authorization, now)
    if (token === null) throw new FST_WEAPP_TOKEN_MISSING()
    const isKnownApp = apps.has(token.appId)
    return isKnownApp === true ? sessions.resume(token, now) : resumeIfKnown(isKnownApp, token)
  }

  async function resumeIfKnown (isKnownApp: boolean | Promise<boolean>, token: SessionToken): Promise<WeappIdentity> {
    if (!await isKnownApp) throw new FST_WEAPP_TOKEN_INVALID()
    return await sessions.resume(token, Date.now())
  }

  function accept (request: GuardedRequest, identity: WeappIdentity): WeappIdentity {
    RequestSession.recordErrors(identity.session, request)
    request.weapp = request[kOutcome] = identity
    return identity
  }

  /** Records and logs the error, and returns it. */
  function reject (request: GuardedRequest, error: unknown): unknown {
    request[kOutcome] = new Rejected(error)
    const { code } = error as Partial<WeappError>
    logRefused(request.log, { code, sessionId: sessionIdOf(request, code) })
    return error
  }

  /** Returns the session id for the log if the token is valid. An invalid token is not verified again. */
  function sessionIdOf (request: GuardedRequest, code: WeappErrorCode | undefined): string | undefined {
    if (String(code).startsWith('FST_WEAPP_TOKEN_')) return undefined
    try {
      return tokens.bearer(request.headers.authorization, Date.now())?.sessionId
    } catch {
      // The token has expired during the request.
      return undefined
    }
  }

  async function assertFreshKey (request: GuardedRequest): Promise<void> {
    const { appId, openid } = await authenticate(request)
    await keys.assertAlive({ appId, openid, userId: userIdOf(appId, openid) })
  }

  return {
    async authenticate (request) {
      try {
        await authenticate(request as GuardedRequest)
      } catch (error) {
        recordThrown(request, error)
        throw error
      }
    },

    identity (request) {
      const outcome = (request as GuardedRequest)[kOutcome]
      if (outcome !== undefined && !(outcome instanceof Promise || outcome instanceof Rejected)) return outcome
      const error = outcome instanceof Rejected ? outcome.error : new FST_WEAPP_NOT_GUARDED()
      recordThrown(request, error)
      throw error
    },

    hook (request, reply, done) {
      const { weapp: protection = protect === 'all' } = request.routeOptions.config
      if (protection === false) return done()
      // Undefined in a scope that was created before the plugin was registered.
      if (request.weapp === undefined) request.weapp = null
      const guarded: GuardedRequest = request
      if (typeof protection === 'object' && protection?.freshKey === true) {
        assertFreshKey(guarded).then(() => done(), done)
        return
      }
      const fail = (error: unknown) => {
        if (protection === 'optional' && isUnauthenticated(error)) {
          if (error.code !== 'FST_WEAPP_TOKEN_MISSING') setGuestHeaders(reply, error.code)
          return done()
        }
        // Any value but false and 'optional' protects the route, even an unknown one.
        done(error as Error)
      }
      try {
        const found = authenticate(guarded)
        if (found instanceof Promise) {
          found.then(() => done(), fail)
          return
        }
      } catch (error) {
        return fail(error)
      }
      done()
    }
  }
}

function isUnauthenticated (error: unknown): error is WeappError {
  return isWeappError(error) && error.statusCode === 401
}
