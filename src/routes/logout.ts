import type { RouteOptions } from 'fastify'
import { logLogout } from '../diagnostics/operator-log.js'
import type { WeappRouteOptions } from '../options.js'
import { RequestSession } from '../sessions/request-session.js'
import type { SessionService } from '../sessions/service.js'
import { errorResponses } from './error-responses.js'
import { pluginRoute } from './plugin-route.js'
import { LogoutQuerySchema, NoContentSchema } from './schemas.js'

/** Creates `POST {prefix}/logout`, which ends this session, or with `?all=true` every session of its user. */
export function logoutRoute (options: WeappRouteOptions, sessions: SessionService): RouteOptions {
  return pluginRoute(options, {
    method: 'POST',
    path: '/logout',
    guarded: true,
    summary: 'Sign out',
    schema: {
      querystring: LogoutQuerySchema,
      response: { 204: NoContentSchema, ...errorResponses(400, 401, 503) }
    },
    async handler (request, reply) {
      const { userId, sessionId } = RequestSession.claimsOf(request.weapp!.session)
      const all = (request.query as { all?: string }).all === 'true'
      const ending = { userId, reason: 'revoked', pendingLogins: true } as const
      if (all) await sessions.revokeAll({ ...ending, except: null })
      else await sessions.revoke({ ...ending, sessionId })
      logLogout(request.log, { sessionId, all })
      return reply.code(204).send()
    }
  })
}
