/**
 * The page at `/`. It shows a phone, and all messages between the phone, this server and WeChat. It requires a
 * simulated WeChat, because every visitor may sign in as any user.
 */
import Fastify, { type FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { WechatSimulator } from 'fastify-weapp/testing'
import { shop } from '../shop/app.js'
import type { Settings } from '../shop/settings.js'
import { addEventStream } from './event-stream.js'
import { StoreFaults } from './store-faults.js'
import { addPage } from './page.js'
import { recordPhone } from './phone-messages.js'
import { exemptVisitors } from './rate-limit.js'
import { Recorder } from './recorder.js'
import { addTroubleRoutes } from './trouble-routes.js'
import { VisitorBindings } from './visitor-bindings.js'
import { recordWechat, recordOperations } from './wechat-messages.js'
import { addWxRoutes } from './wx-routes.js'

/** Builds the shop with a simulated WeChat and the page. */
export async function buildDemo (settings: Settings, wechat: WechatSimulator): Promise<FastifyInstance> {
  const app = Fastify({ logger: true })
  const recorder = new Recorder()
  const faults = new StoreFaults(recorder)
  // Comes before the shop. Its hooks then record requests that the guard refuses.
  await app.register(fp(async (app) => {
    const bindings = new VisitorBindings(app, wechat)
    exemptVisitors(app)
    recordPhone(app, recorder)
    recordWechat(app, recorder, wechat.url)
    recordOperations(app, recorder)
    await addPage(app)
    addEventStream(app, recorder)
    addWxRoutes(app, wechat, recorder, bindings)
    addTroubleRoutes(app, { wechat, faults, bindings })
  }))
  await app.register(shop, { ...settings, wechatUrl: wechat.url, wrapStore: (store) => faults.wrap(store) })
  return app
}
