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

export interface Guard {
  /** Demands a live session. */
  authenticate (request: FastifyRequest, reply: FastifyReply): Promise<void>
  /** Does what the route's `config.weapp` asks for, and fails closed. */
  hook (request: FastifyRequest, reply: FastifyReply, done: (error?: Error) => void): void
}

/** Where a request keeps the outcome of its authentication, so that it happens once however often it is asked for. */
export const kAuthentication = Symbol('fastify-weapp.authentication')

type GuardedRequest = FastifyRequest & { [kAuthentication]: Promise<void> | null }

export interface GuardParts {
  tokens: Tokens
  apps: Pick<Apps, 'has'>
  sessions: Sessions
  keys: Pick<SessionKeys, 'demandAlive'>
  protect: 'marked' | 'all'
}

export function createGuard ({ tokens, apps, sessions, keys, protect }: GuardParts): Guard {
  /** Who is behind the request: at once where nothing has to be asked for that. */
  function findIdentity (request: FastifyRequest): WeappIdentity | Promise<WeappIdentity> {
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
    if (request.weapp !== null) return null
    if (request[kAuthentication] !== null) return request[kAuthentication]
    let found: WeappIdentity | Promise<WeappIdentity>
    try {
      found = traced('fastify-weapp.authenticate', () => ({}), () => findIdentity(request))
    } catch (error) {
      found = Promise.reject(error)
    }
    if (!(found instanceof Promise)) {
      request.weapp = found
      return null
    }
    request[kAuthentication] = found.then((identity) => { request.weapp = identity }, (error) => {
      logRefusal(request, error)
      throw error
    })
    return request[kAuthentication]
  }

  async function demandFreshKey (request: FastifyRequest, pending: Promise<void> | null): Promise<void> {
    await pending
    const { appId, openid } = request.weapp!
    await keys.demandAlive({ appId, openid, userId: userIdOf(appId, openid) })
  }

  return {
    async authenticate (request) {
      await identify(request as GuardedRequest)
    },

    hook (request, _reply, done) {
      const { weapp: protection = protect === 'all' } = request.routeOptions.config ?? {}
      if (protection === false) return done()
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

function logRefusal (request: FastifyRequest, error: unknown): void {
  const { code } = error as WeappError
  // Who brings no token is a stranger, not an event.
  request.log[code === 'FST_WEAPP_TOKEN_MISSING' ? 'debug' : 'info']({ weapp: { event: 'refused', code } }, 'weapp: not signed in')
}
