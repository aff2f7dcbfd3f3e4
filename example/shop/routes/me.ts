/** The routes about the signed-in user. */
import type { FastifyInstance } from 'fastify'
import type { Static } from '@sinclair/typebox'
import { BEARER, Me, PhoneNumber, PhoneNumberTap } from '../schemas/shop.js'

export default async function me (app: FastifyInstance): Promise<void> {
  app.get('/me', {
    config: { weapp: true },
    schema: { tags: ['shop'], summary: 'The signed-in user', security: BEARER, response: { 200: Me } }
  }, async (request) => {
    const { openid, session } = app.weapp.identity(request)
    return { ...session.data, openid, signedInAt: session.createdAt }
  })

  app.post<{ Body: Static<typeof PhoneNumberTap> }>('/phone-number', {
    config: { weapp: true },
    schema: {
      tags: ['shop'],
      summary: 'The phone number that the user shares with a tap',
      security: BEARER,
      body: PhoneNumberTap,
      response: { 200: PhoneNumber }
    }
  }, async (request) => {
    const { body } = request
    if ('phoneCode' in body) return await app.weapp.wechat.getPhoneNumber(body.phoneCode)
    const { session } = app.weapp.identity(request)
    return await session.decrypt(body.encryptedData, body.iv, { maxAge: '10m' })
  })
}
