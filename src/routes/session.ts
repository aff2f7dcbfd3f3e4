import type { RouteOptions } from 'fastify'
import type { WeappRouteOptions } from '../options.js'
import { RequestSession, type WeappSession } from '../sessions/request-session.js'
import type { SessionService } from '../sessions/service.js'
import { errorResponses } from './error-responses.js'
import { pluginRoute } from './plugin-route.js'
import { SessionResponseSchema } from './schemas.js'

/** Creates `GET {prefix}/session`, which returns this session and all sessions of its user. */
export function sessionRoute (options: WeappRouteOptions, sessions: SessionService): RouteOptions {
  return pluginRoute(options, {
    method: 'GET',
    path: '/session',
    guarded: true,
    summary: 'Get this session and the devices of its user',
    schema: {
      response: { 200: SessionResponseSchema, ...errorResponses(401, 503) }
    },
    async handler (request) {
      const { session } = request.weapp!
      const { userId, sessionId } = RequestSession.claimsOf(session)
      const devices = await sessions.list(userId)
      return {
        ...infoOf(session),
        sessions: devices.map((device) => ({
          ...infoOf(device), current: device.id === sessionId, label: device.label
        }))
      }
    }
  })
}

type SessionInfo = Pick<WeappSession, 'id' | 'createdAt' | 'expiresAt' | 'idleExpiresAt'>

function infoOf ({ id, createdAt, expiresAt, idleExpiresAt }: SessionInfo): SessionInfo {
  return { id, createdAt, expiresAt, idleExpiresAt }
}
