import { Type } from '@sinclair/typebox'

/** The fields of a login besides the code. */
export const LoginFields = Type.Object({
  account: Type.Optional(Type.Object({
    username: Type.String({ minLength: 1, maxLength: 64 }),
    password: Type.String({ minLength: 1, maxLength: 256 })
  }, { description: 'Binds the WeChat user to an account. Required once.', additionalProperties: false })),
  phoneCode: Type.Optional(Type.String({
    maxLength: 128,
    description: 'The code of the phone number button (getPhoneNumber), instead of the account. No code of wx.login.'
  }))
})
