/** What the plugin adds to Fastify's types. */
import type { WeappInstance } from './plugin.js'
import type { RouteProtection } from './route-protection.js'
import type { WeappIdentity } from './sessions/request-session.js'

declare module 'fastify' {
  interface FastifyInstance {
    weapp: WeappInstance
  }
  interface FastifyRequest {
    /** Who is signed in; null on a route that is not guarded, and for a stranger on an optional one. */
    weapp: WeappIdentity | null
  }
  interface FastifyContextConfig {
    /** true: only with a live session. 'optional': a stranger passes, with `request.weapp` null. false: not guarded. */
    weapp?: RouteProtection | undefined
  }
}
