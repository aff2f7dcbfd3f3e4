/** The types that the plugin adds to Fastify. */
import type { WeappInstance } from './plugin.js'
import type { RouteProtection } from './route-protection.js'
import type { WeappIdentity } from './sessions/request-session.js'

declare module 'fastify' {
  interface FastifyInstance {
    weapp: WeappInstance
  }
  interface FastifyRequest {
    /** The signed-in user. Null on an unguarded route, and for an unauthenticated request on an optional route. */
    weapp: WeappIdentity | null
  }
  interface FastifyContextConfig {
    /**
     * true: requires a live session. 'optional': an unauthenticated request passes, and `request.weapp` is null. With
     * a refused token, the response has the header Weapp-Session. false: the route is not guarded.
     */
    weapp?: RouteProtection | undefined
  }
}
