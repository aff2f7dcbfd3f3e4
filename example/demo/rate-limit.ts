import type { FastifyInstance } from 'fastify'
import { contextOf } from './visitor.js'

/** Exempts visitors of the page from the rate limits of the shop, because they repeat the troubles as they like. */
export function exemptVisitors (app: FastifyInstance): void {
  app.addHook('onRoute', (route) => {
    const { rateLimit } = route.config ?? {}
    if (rateLimit === undefined || rateLimit === false) return
    route.config = { ...route.config, rateLimit: { ...rateLimit, allowList: (request) => contextOf(request) !== null } }
  })
}
