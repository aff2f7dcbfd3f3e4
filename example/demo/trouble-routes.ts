/** Routes that cause the demo's troubles. */
import type { FastifyInstance } from 'fastify'
import { Type, type Static } from '@sinclair/typebox'
import type { WechatSimulator } from 'fastify-weapp/testing'
import { HIDDEN_SCHEMA } from './hidden-schema.js'
import type { StoreFaults } from './store-faults.js'
import { userOf, Visitor } from './visitor.js'
import type { VisitorBindings } from './visitor-bindings.js'

const VisitorBody = Type.Object({ visitor: Visitor })
const Store = Type.Object({ visitor: Visitor, isDown: Type.Boolean() })
const Busy = Type.Object({ times: Type.Integer({ minimum: 1, maximum: 5 }) })

export interface TroubleTargets {
  wechat: WechatSimulator
  faults: StoreFaults
  bindings: VisitorBindings
}

export function addTroubleRoutes (app: FastifyInstance, { wechat, faults, bindings }: TroubleTargets): void {
  app.post<{ Body: Static<typeof VisitorBody> }>('/demo/trouble/unbind', {
    schema: { ...HIDDEN_SCHEMA, body: VisitorBody }
  }, async ({ body }, reply) => {
    await bindings.unbind(userOf(body))
    reply.code(204)
  })

  app.post<{ Body: Static<typeof VisitorBody> }>('/demo/trouble/key', {
    schema: { ...HIDDEN_SCHEMA, body: VisitorBody }
  }, async ({ body }, reply) => {
    wechat.rotateKey(userOf(body))
    reply.code(204)
  })

  app.post<{ Body: Static<typeof Busy> }>('/demo/trouble/busy', {
    schema: { ...HIDDEN_SCHEMA, body: Busy }
  }, async ({ body }, reply) => {
    wechat.fault({ errcode: -1 }, { times: body.times, path: '/sns/jscode2session' })
    reply.code(204)
  })

  app.post<{ Body: Static<typeof Store> }>('/demo/trouble/store', {
    schema: { ...HIDDEN_SCHEMA, body: Store }
  }, async ({ body }, reply) => {
    if (body.isDown) faults.failingVisitors.add(body.visitor)
    else faults.failingVisitors.delete(body.visitor)
    reply.code(204)
  })

  // These routes require a token. The guard identifies the session.
  const guarded = { config: { weapp: true }, schema: HIDDEN_SCHEMA } as const

  app.post('/demo/trouble/kick', guarded, async (request, reply) => {
    const { appId, openid, session } = app.weapp.identity(request)
    await app.weapp.sessions.revoke({ appId, openid, id: session.id })
    reply.code(204)
  })

  app.post('/demo/trouble/expire', guarded, async (request, reply) => {
    faults.expiredIds.add(app.weapp.identity(request).session.id)
    reply.code(204)
  })
}
