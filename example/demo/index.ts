/**
 * The page at `/`. It shows a phone, and all messages between the phone, this server and WeChat. It requires a
 * simulated WeChat, because every visitor may sign in as any user.
 */
import fastifyPlugin from 'fastify-plugin'
import type { FastifyInstance } from 'fastify'
import type { SessionStore } from 'fastify-weapp'
import type { WechatSimulator } from 'fastify-weapp/testing'
import type { Bindings } from '../shop/accounts.js'
import { addEventStream } from './event-stream.js'
import { faultyStore } from './faulty-store.js'
import { addPage } from './page.js'
import { recordPhone } from './phone-messages.js'
import { addPhoneNumberRoute } from './phone-number-route.js'
import { exemptVisitors } from './rate-limit.js'
import { Recorder } from './recorder.js'
import { addTroubleRoutes } from './trouble-routes.js'
import { VisitorBindings } from './visitor-bindings.js'
import { recordWechat, recordOperations } from './wechat-messages.js'
import { addWxRoutes } from './wx-routes.js'

export interface Demo {
  /** The shop's store with simulated failures. */
  store: SessionStore
  /** Must be registered before fastify-weapp. Its hooks then record requests that the guard refuses. */
  plugin (app: FastifyInstance): Promise<void>
}

export function createDemo (simulator: WechatSimulator, store: SessionStore, bindings: Bindings): Demo {
  const faulty = faultyStore(store)
  const visitorBindings = new VisitorBindings(simulator, bindings)

  async function demo (app: FastifyInstance): Promise<void> {
    const recorder = new Recorder()
    exemptVisitors(app)
    recordPhone(app, recorder)
    recordWechat(app, recorder, simulator.url)
    recordOperations(app, recorder)
    await addPage(app)
    addEventStream(app, recorder)
    addWxRoutes(app, simulator, recorder, visitorBindings)
    addTroubleRoutes(app, { wechat: simulator, faults: faulty, bindings: visitorBindings })
    addPhoneNumberRoute(app)
  }
  return { store: faulty.store, plugin: fastifyPlugin(demo) }
}
