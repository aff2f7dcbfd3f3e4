/**
 * The guard: token -> session -> request.weapp. It throws and never replies, so that it composes with other guards
 * and the host's error handler has the last word.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { FST_WEAPP_TOKEN_INVALID, FST_WEAPP_TOKEN_MISSING, isWeappError, type WeappError } from './errors.js'
import { traced } from './events.js'
import type { SessionKeys } from './session-key.js'
import type { Sessions } from './session-policy.js'
import type { WeappIdentity } from './session.js'
import { bearerToken, userIdOf, type TokenClaims, type Tokens } from './token.js'
import type { Apps } from './wechat/apps.js'

/**
 * What a route says of itself in `config.weapp`. `freshKey: true` demands a session whose session_key WeChat still
 * knows, as it was within the last minute: for handlers that decrypt.
 */
export type RouteProtection = boolean | 'optional' | { freshKey?: boolean }

/** What is used of a request; one of any of Fastify's servers has it. */
export type AnyRequest = Pick<FastifyRequest, 'headers' | 'log'>

export interface Guard {
  /** Where this guard keeps what it found, for a request to have room for it from the start. */
  readonly slot: symbol
  /** Demands a live session. */
  authenticate (request: AnyRequest): Promise<void>
  /**
   * Whom this guard has found.
   *
   * @throws FST_WEAPP_TOKEN_MISSING when it has found nobody, or was not asked
   */
  identity (request: AnyRequest): WeappIdentity
  /** Does what the route's `config.weapp` asks for, and fails closed. */
  hook (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void
}

export interface GuardParts {
  tokens: Tokens
  apps: Pick<Apps, 'has'>
  sessions: Sessions
  keys: Pick<SessionKeys, 'demandAlive'>
  protect: 'marked' | 'all'
}

export function createGuard ({ tokens, apps, sessions, keys, protect }: GuardParts): Guard {
  /**
   * Each guard believes what it found itself, and nothing else: not `request.weapp`, which another registration may have
   * set, and which a request made outside our scope does not even have.
   */
  const slot = Symbol('fastify-weapp.guard')

  interface GuardedRequest extends AnyRequest {
    weapp: WeappIdentity | null
    /** Once asked: whom it found, or what to wait for, which also is where it failed. */
    [slot]?: WeappIdentity | Promise<void> | null
  }

  /** Who is behind the request: at once where nothing has to be asked for that. */
  function findIdentity (request: AnyRequest): WeappIdentity | Promise<WeappIdentity> {
    const token = bearerToken(request.headers.authorization)
    if (token === null) throw new FST_WEAPP_TOKEN_MISSING()
    const claims = tokens.verify(token)
    const isOurs = apps.has(claims.appId)
    return isOurs === true ? sessions.resume(claims) : resumeIf(isOurs, claims)
  }

  async function resumeIf (isOurs: boolean | Promise<boolean>, claims: TokenClaims): Promise<WeappIdentity> {
    if (!await isOurs) throw new FST_WEAPP_TOKEN_INVALID()
    return await sessions.resume(claims)
  }

  /** Sets request.weapp, or begins to: null when that is done, else what to wait for. */
  function identify (request: GuardedRequest): Promise<void> | null {
    const outcome = request[slot] ?? null
    if (outcome instanceof Promise) return outcome
    if (outcome !== null) return null
    let found: WeappIdentity | Promise<WeappIdentity>
    try {
      found = traced('fastify-weapp.authenticate', () => ({}), () => findIdentity(request))
    } catch (error) {
      found = Promise.reject(error)
    }
    if (!(found instanceof Promise)) {
      request.weapp = request[slot] = found
      return null
    }
    const pending = found.then((identity) => {
      request.weapp = request[slot] = identity
    }, (error) => {
      logRefusal(request, error)
      throw error
    })
    request[slot] = pending
    return pending
  }

  function identityOf (request: GuardedRequest): WeappIdentity {
    const outcome = request[slot] ?? null
    if (outcome === null || outcome instanceof Promise) throw new FST_WEAPP_TOKEN_MISSING()
    return outcome
  }

  async function demandFreshKey (request: GuardedRequest, pending: Promise<void> | null): Promise<void> {
    await pending
    const { appId, openid } = identityOf(request)
    await keys.demandAlive({ appId, openid, userId: userIdOf(appId, openid) })
  }

  return {
    slot,

    async authenticate (request) {
      await identify(request as GuardedRequest)
    },

    identity: (request) => identityOf(request as GuardedRequest),

    hook (request, _reply, done) {
      const { weapp: protection = protect === 'all' } = request.routeOptions.config
      if (protection === false) return done()
      // In a scope that was made before the plugin was registered, requests are made without it.
      request.weapp ??= null
      const wantsFreshKey = typeof protection === 'object' && protection?.freshKey === true
      const identified = identify(request as GuardedRequest)
      const pending = wantsFreshKey ? demandFreshKey(request, identified) : identified
      if (pending === null) return done()
      pending.then(() => done(), (error) => {
        const isStranger = isWeappError(error) && error.statusCode === 401
        // Anything but false and 'optional' was meant to protect something, whether we know it or not.
        done(protection === 'optional' && isStranger ? undefined : error)
      })
    }
  }
}

function logRefusal (request: AnyRequest, error: unknown): void {
  const { code } = error as WeappError
  // Who brings no token is a stranger, not an event.
  request.log[code === 'FST_WEAPP_TOKEN_MISSING' ? 'debug' : 'info']({ weapp: { event: 'refused', code } }, 'weapp: not signed in')
}
