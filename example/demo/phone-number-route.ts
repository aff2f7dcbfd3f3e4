/** A guarded route that returns the phone number from encrypted data or from a phone code. */
import type { FastifyInstance } from 'fastify'
import { Type, type Static } from '@sinclair/typebox'
import { HIDDEN_SCHEMA } from './hidden-schema.js'

const Body = Type.Union([
  Type.Object({ encryptedData: Type.String(), iv: Type.String() }, { additionalProperties: false }),
  Type.Object({ phoneCode: Type.String() }, { additionalProperties: false })
])

export function addPhoneNumberRoute (app: FastifyInstance): void {
  app.post<{ Body: Static<typeof Body> }>('/demo/phone-number', {
    config: { weapp: true }, schema: { ...HIDDEN_SCHEMA, body: Body }
  }, async (request) => {
    const { body } = request
    const { purePhoneNumber } = 'phoneCode' in body
      ? await app.weapp.wechat.getPhoneNumber(body.phoneCode)
      : await app.weapp.identity(request).session.decrypt(body.encryptedData, body.iv, { maxAge: '10m' })
    return { purePhoneNumber }
  })
}
