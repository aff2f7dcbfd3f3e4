import { Type } from '@sinclair/typebox'

/** The OpenAPI security of a guarded route. */
export const BEARER: Array<Record<string, string[]>> = [{ bearer: [] }]

export const Product = Type.Object({ id: Type.Integer(), name: Type.String() })

export const Order = Type.Object({ id: Type.Integer(), username: Type.String(), productId: Type.Integer() })

export const Me = Type.Object({
  username: Type.String(),
  name: Type.String(),
  openid: Type.String(),
  signedInAt: Type.Integer({ description: 'Epoch milliseconds.' })
})

/** What a tap on the phone number button brings: a code, or encrypted data of older versions of WeChat. */
export const PhoneNumberTap = Type.Union([
  Type.Object({ phoneCode: Type.String({ maxLength: 128 }) }, { additionalProperties: false }),
  Type.Object({ encryptedData: Type.String(), iv: Type.String() }, { additionalProperties: false })
])

export const PhoneNumber = Type.Object({ purePhoneNumber: Type.String() })
