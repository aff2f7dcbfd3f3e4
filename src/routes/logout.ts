import type { RouteOptions } from 'fastify'
import { logLogout } from '../diagnostics/operator-log.js'
import type { WeappRouteOptions } from '../options.js'
import type { SessionService } from '../sessions/service.js'
import { RequestSession } from '../sessions/request-session.js'
import { pluginRoute } from './plugin-route.js'
import { errorAnswers, LogoutQuery, NoContent } from './schemas.js'

/** `POST {prefix}/logout`: ends this session, or with `?all=true` every session of its user. */
export function logoutRoute (options: WeappRouteOptions, sessions: SessionService): RouteOptions {
  return pluginRoute(options, {
    method: 'POST',
    path: '/logout',
    guarded: true,
    summary: 'Sign out',
    schema: {
      querystring: LogoutQuery,
      response: { 204: NoContent, ...errorAnswers(400, 401, 503) }
    },
    async handler (request, reply) {
      const { userId, sessionId } = RequestSession.claimsOf(request.weapp!.session)
      const all = (request.query as { all?: string }).all === 'true'
      if (all) await sessions.revokeAll({ userId, reason: 'revoked', except: null, pendingLogins: false })
      else await sessions.revoke(userId, sessionId, 'revoked')
      logLogout(request.log, { sessionId, all })
      return reply.code(204).send()
    }
  })
}
