import type { RouteOptions } from 'fastify'
import type { WeappRouteOptions } from '../options.js'
import type { SessionService } from '../sessions/service.js'
import { RequestSession, type WeappSession } from '../sessions/request-session.js'
import { pluginRoute } from './plugin-route.js'
import { errorAnswers, SessionAnswer } from './schemas.js'

/** `GET {prefix}/session`: this session and the user's others, for a page "my devices". */
export function sessionRoute (options: WeappRouteOptions, sessions: SessionService): RouteOptions {
  return pluginRoute(options, {
    method: 'GET',
    path: '/session',
    guarded: true,
    summary: 'This session and the devices of its user',
    schema: {
      response: { 200: SessionAnswer, ...errorAnswers(401, 503) }
    },
    async handler (request) {
      const { session } = request.weapp!
      const { userId, sessionId } = RequestSession.claimsOf(session)
      const devices = await sessions.list(userId)
      return {
        ...times(session),
        sessions: devices.map((device) => ({ ...times(device), current: device.id === sessionId, label: device.label }))
      }
    }
  })
}

type Times = Pick<WeappSession, 'id' | 'createdAt' | 'expiresAt' | 'idleExpiresAt'>

function times ({ id, createdAt, expiresAt, idleExpiresAt }: Times): Times {
  return { id, createdAt, expiresAt, idleExpiresAt }
}
