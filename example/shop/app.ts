/** A shop with login from a WeChat Mini Program. */
import rateLimit from '@fastify/rate-limit'
import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import docs from './plugins/docs.js'
import metrics from './plugins/metrics.js'
import store, { type StoreOptions } from './plugins/store.js'
import weapp from './plugins/weapp.js'
import me from './routes/me.js'
import orders from './routes/orders.js'
import products from './routes/products.js'
import type { Settings } from './settings.js'

/** Adds the shop to an app. */
export const shop = fp(async (app: FastifyInstance, settings: Settings & StoreOptions) => {
  // Swagger and the rate limit come before the routes, because both use the onRoute hook.
  await app.register(docs)
  await app.register(rateLimit, { global: false })
  await app.register(store, settings)
  await app.register(weapp, settings)
  await app.register(metrics)
  await app.register(products)
  await app.register(me)
  await app.register(orders)
}, { name: 'shop' })

export async function buildApp (settings: Settings): Promise<FastifyInstance> {
  const app = Fastify({ logger: true })
  await app.register(shop, settings)
  return app
}
