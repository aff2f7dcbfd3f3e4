/** What goes wrong, at the push of a button. */
import type { FastifyInstance } from 'fastify'
import { Type, type Static } from '@sinclair/typebox'
import type { WechatSimulator } from 'fastify-weapp/testing'
import type { FragileStore } from './fragile-store.js'
import { HIDDEN } from './hidden.js'
import { userOf, Visitor } from './visitor.js'

const Who = Type.Object({ visitor: Visitor })
const Store = Type.Object({ visitor: Visitor, isDown: Type.Boolean() })
const Busy = Type.Object({ times: Type.Integer({ minimum: 1, maximum: 5 }) })

export function addTroubleRoutes (app: FastifyInstance, wechat: WechatSimulator, { broken, forgotten }: FragileStore): void {
  app.post<{ Body: Static<typeof Who> }>('/demo/trouble/key', { schema: { ...HIDDEN, body: Who } }, async ({ body }, reply) => {
    wechat.rotateKey(userOf(body))
    reply.code(204)
  })

  app.post<{ Body: Static<typeof Busy> }>('/demo/trouble/busy', { schema: { ...HIDDEN, body: Busy } }, async ({ body }, reply) => {
    wechat.fault({ errcode: -1 }, { times: body.times, path: '/sns/jscode2session' })
    reply.code(204)
  })

  app.post<{ Body: Static<typeof Store> }>('/demo/trouble/store', { schema: { ...HIDDEN, body: Store } }, async ({ body }, reply) => {
    if (body.isDown) broken.add(body.visitor)
    else broken.delete(body.visitor)
    reply.code(204)
  })

  // Which session it is, the guard says: these two come with a token.
  const guarded = { config: { weapp: true }, schema: HIDDEN } as const

  app.post('/demo/trouble/kick', guarded, async (request, reply) => {
    const { appId, openid, session } = app.weapp.identity(request)
    await app.weapp.sessions.revoke({ appId, openid, id: session.id })
    reply.code(204)
  })

  app.post('/demo/trouble/expire', guarded, async (request, reply) => {
    forgotten.add(app.weapp.identity(request).session.id)
    reply.code(204)
  })
}
