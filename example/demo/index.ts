/**
 * The page at `/`: a phone on the left, and on the right every message between it, this server and WeChat. Only beside
 * a simulated WeChat, because it lets anybody be anybody.
 */
import fastifyPlugin from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { SessionStore } from 'fastify-weapp'
import type { WechatSimulator } from 'fastify-weapp/testing'
import { addEventStream } from './event-stream.js'
import { fragileStore } from './fragile-store.js'
import { addPage } from './page.js'
import { recordPhone } from './phone-messages.js'
import { addPhoneNumberRoute } from './phone-number-route.js'
import { Tape } from './tape.js'
import { addTroubleRoutes } from './trouble-routes.js'
import { recordWechat, recordWork } from './wechat-messages.js'
import { addWxRoutes } from './wx-routes.js'

export interface Demo {
  /** For the shop to use, so that it can be down. */
  store: SessionStore
  /** To be registered before fastify-weapp: its hooks take down what the guard refuses, too. */
  plugin (app: FastifyInstance): Promise<void>
}

export function createDemo (simulator: WechatSimulator, store: SessionStore): Demo {
  const fragile = fragileStore(store)

  async function demo (app: FastifyInstance): Promise<void> {
    const tape = new Tape()
    recordPhone(app, tape)
    recordWechat(app, tape, simulator.url)
    recordWork(app, tape)
    await addPage(app)
    addEventStream(app, tape)
    addWxRoutes(app, simulator, tape)
    addTroubleRoutes(app, simulator, fragile)
    addPhoneNumberRoute(app)
  }
  return { store: fragile.store, plugin: fastifyPlugin(demo) }
}
