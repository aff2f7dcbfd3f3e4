/**
 * The guard: token -> session -> request.weapp. It throws and never replies, so that it composes with other guards
 * and the host's error handler has the last word.
 */
import type { FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { FST_WEAPP_INVALID_OPTION, FST_WEAPP_NOT_GUARDED, FST_WEAPP_TOKEN_INVALID, FST_WEAPP_TOKEN_MISSING, isWeappError, type WeappError, type WeappErrorCode } from './errors.js'
import { isTraced, traced } from './diagnostics/tracing.js'
import { logSafely } from './diagnostics/log-safely.js'
import type { SessionKeys } from './sessions/session-keys.js'
import type { SessionService } from './sessions/service.js'
import type { WeappIdentity } from './sessions/request-session.js'
import type { SessionToken, SessionTokens } from './sessions/session-memo.js'
import { userIdOf } from './crypto/tokens.js'
import type { Apps } from './wechat/apps.js'

/**
 * What a route says of itself in `config.weapp`. `freshKey: true` demands a session whose session_key WeChat still
 * knows, as it was within the last minute: for handlers that decrypt.
 */
export type RouteProtection = boolean | 'optional' | { freshKey: boolean }

/** What is used of a request; one of any of Fastify's servers has it. */
export type RequestLike = Pick<FastifyRequest, 'headers' | 'log'>

export interface Guard {
  /** Demands a live session. */
  authenticate (request: RequestLike): Promise<void>
  /**
   * Whom this guard has found.
   *
   * @throws FST_WEAPP_NOT_GUARDED when it was not asked, and what it refused with when it has found nobody
   */
  identity (request: RequestLike): WeappIdentity
  /** Does what the route's `config.weapp` asks for, and fails closed. */
  hook (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void
}

export interface GuardDependencies {
  tokens: SessionTokens
  apps: Pick<Apps, 'has' | 'areFixed'>
  sessions: SessionService
  keys: Pick<SessionKeys, 'assertAlive'>
  protect: 'marked' | 'all'
}

export function createGuard ({ tokens, apps, sessions, keys, protect }: GuardDependencies): Guard {
  /**
   * Each guard believes what it found itself, and nothing else: not `request.weapp`, which another registration may have
   * set, and which a request made outside our scope does not even have. It is not declared to Fastify, which would set it
   * on every request, guarded or not.
   */
  const slot = Symbol('fastify-weapp.guard')

  interface GuardedRequest extends RequestLike {
    weapp: WeappIdentity | null
    /** Once asked: whom it found, what it waits for, or why it found nobody. */
    [slot]?: WeappIdentity | Promise<WeappIdentity> | Refusal | null
  }

  /** Who is behind the request: at once where nothing has to be asked for that. */
  function findIdentity (request: RequestLike): WeappIdentity | Promise<WeappIdentity> {
    const now = Date.now()
    const claims = tokens.bearer(request.headers.authorization, now)
    if (claims === null) throw new FST_WEAPP_TOKEN_MISSING()
    // A session that is kept was one of our app's, and is still where apps do not come and go.
    const isOurs = (claims.memo.cached !== null && apps.areFixed) || apps.has(claims.appId)
    return isOurs === true ? sessions.resume(claims, now) : resumeIf(isOurs, claims)
  }

  async function resumeIf (isOurs: boolean | Promise<boolean>, claims: SessionToken): Promise<WeappIdentity> {
    if (!await isOurs) throw new FST_WEAPP_TOKEN_INVALID()
    return await sessions.resume(claims, Date.now())
  }

  /** Asks once per request. Whoever gets a promise says what became of it: `accept` or `refuse`. */
  function identify (request: GuardedRequest): WeappIdentity | Promise<WeappIdentity> {
    const outcome = request[slot] ?? null
    if (outcome instanceof Refusal) throw outcome.error
    if (outcome !== null) return outcome
    try {
      const found = isTraced('fastify-weapp.authenticate')
        ? traced('fastify-weapp.authenticate', {}, () => findIdentity(request))
        : findIdentity(request)
      if (found instanceof Promise) request[slot] = found
      else accept(request, found)
      return found
    } catch (error) {
      refuse(request, error)
      throw error
    }
  }

  function accept (request: GuardedRequest, identity: WeappIdentity): void {
    request.weapp = request[slot] = identity
  }

  function refuse (request: GuardedRequest, error: unknown): void {
    if (request[slot] instanceof Refusal) return
    request[slot] = new Refusal(error)
    const { code } = error as Partial<WeappError>
    // Who brings no token is a stranger, not an event.
    const level = code === 'FST_WEAPP_TOKEN_MISSING' ? 'debug' : 'info'
    logSafely(() => request.log[level]({ weapp: { event: 'refused', code, sessionId: sessionIdOf(request, code) } }, 'weapp: refused'))
  }

  /** For the log, where the token was good: any other would be verified, and refused, once more. */
  function sessionIdOf (request: GuardedRequest, code: WeappErrorCode | undefined): string | undefined {
    if (String(code).startsWith('FST_WEAPP_TOKEN_')) return undefined
    try {
      return tokens.bearer(request.headers.authorization, Date.now())?.sessionId
    } catch {
      // Its end has come meanwhile.
      return undefined
    }
  }

  async function authenticate (request: GuardedRequest): Promise<WeappIdentity> {
    const found = identify(request)
    return found instanceof Promise ? await settled(request, found) : found
  }

  async function settled (request: GuardedRequest, found: Promise<WeappIdentity>): Promise<WeappIdentity> {
    try {
      const identity = await found
      accept(request, identity)
      return identity
    } catch (error) {
      refuse(request, error)
      throw error
    }
  }

  async function demandFreshKey (request: GuardedRequest): Promise<void> {
    const { appId, openid } = await authenticate(request)
    await keys.assertAlive({ appId, openid, userId: userIdOf(appId, openid) })
  }

  return {
    async authenticate (request) {
      await authenticate(request as GuardedRequest)
    },

    identity (request) {
      const outcome = (request as GuardedRequest)[slot] ?? null
      if (outcome === null || outcome instanceof Promise) throw new FST_WEAPP_NOT_GUARDED()
      if (outcome instanceof Refusal) throw outcome.error
      return outcome
    },

    hook (request, _reply, done) {
      const { weapp: protection = protect === 'all' } = request.routeOptions.config
      if (protection === false) return done()
      // In a scope that was made before the plugin was registered, requests are made without it.
      if (request.weapp === undefined) request.weapp = null
      const guarded: GuardedRequest = request
      if (typeof protection === 'object' && protection?.freshKey === true) {
        demandFreshKey(guarded).then(() => done(), done)
        return
      }
      let found
      try {
        found = identify(guarded)
      } catch (error) {
        return done(unlessAllowed(protection, error))
      }
      if (!(found instanceof Promise)) return done()
      settled(guarded, found).then(() => done(), (error) => done(unlessAllowed(protection, error)))
    }
  }
}

/**
 * Tells a host of a slip when the route is declared. The guard itself takes whatever it does not know for protection, but a
 * page that was meant for everybody would then be closed without a word; and where no session_key is kept, one that
 * demands it would never open.
 *
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function checkProtection (route: Pick<RouteOptions, 'config' | 'method' | 'url'>, keepSessionKey: boolean): void {
  const { config, method, url } = route
  const protection: unknown = config?.weapp
  const invalid = (reason: string, place = 'config.weapp') => new FST_WEAPP_INVALID_OPTION(`${place} of ${String(method)} ${url}`, reason)
  // Fastify takes any option, and the route would be open.
  if ('weapp' in route) throw invalid('belongs in config: { weapp }', 'weapp')
  if (protection === undefined || protection === 'optional' || typeof protection === 'boolean') return
  if (!isKeyDemand(protection)) throw invalid("must be true, false, 'optional' or { freshKey: true }")
  if (protection.freshKey && !keepSessionKey) throw invalid('must not demand a session_key where keepSessionKey is false')
}

function isKeyDemand (protection: unknown): protection is { freshKey: boolean } {
  if (typeof protection !== 'object' || protection === null || Array.isArray(protection)) return false
  const { freshKey, ...unknown } = protection as { freshKey?: unknown }
  return typeof freshKey === 'boolean' && Object.keys(unknown).length === 0
}

/** Why the guard found nobody. */
class Refusal {
  readonly error: unknown

  constructor (error: unknown) {
    this.error = error
  }
}

/** What the route answers with, or undefined where it lets strangers pass. */
function unlessAllowed (protection: RouteProtection, error: unknown): Error | undefined {
  const isStranger = isWeappError(error) && error.statusCode === 401
  // Anything but false and 'optional' was meant to protect something, whether we know it or not.
  return protection === 'optional' && isStranger ? undefined : error as Error
}
