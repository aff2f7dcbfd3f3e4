/**
 * The schemas of the plugin's routes. A response schema documents the response and never filters it, because each
 * handler picks the fields that it sends.
 *
 * The build replaces TypeBox in this file by the JSON that it creates. Therefore every export is a plain schema.
 */
import { Type } from '@sinclair/typebox'
import { MAX_CODE_LENGTH } from '../wechat/code2session.js'

const EpochMilliseconds = (description: string) => Type.Integer({ description: `${description} (epoch milliseconds)` })

export const CodeSchema: object = Type.String({
  minLength: 1, maxLength: MAX_CODE_LENGTH, description: 'The code of wx.login'
})

/** Documents the header. The login validates it, also in a route of the host. */
export const LoginHeadersSchema: object = Type.Object({
  'weapp-device': Type.Optional(Type.String({
    description: 'A random id of the device: 1 to 64 characters of A-Z, a-z, 0-9, "-" and "_". ' +
      'The login replaces the session of the same user on the same device.'
  }))
})

export const LoginResponseSchema: object = Type.Object({
  token: Type.String({ description: 'The token for the header Authorization: Bearer <token>' }),
  tokenType: Type.Literal('Bearer'),
  expiresIn: Type.Integer({ description: 'Seconds until the absolute expiry of the session' }),
  expiresAt: EpochMilliseconds('The absolute expiry of the session')
}, { additionalProperties: true, description: 'Signed in. The host may add fields.' })

const sessionInfo = {
  id: Type.String({ description: 'The id of the session. It grants no access.' }),
  createdAt: EpochMilliseconds('The time of the login'),
  expiresAt: EpochMilliseconds('The absolute expiry'),
  idleExpiresAt: EpochMilliseconds('The expiry if the session is not used before')
}

export const SessionResponseSchema: object = Type.Object({
  ...sessionInfo,
  sessions: Type.Array(Type.Object({
    ...sessionInfo,
    current: Type.Boolean({ description: 'Whether this is the session of the request' }),
    label: Type.Union([Type.String(), Type.Null()], { description: 'The name of the device' })
  }), { description: 'All live sessions of the user, oldest first' })
}, { description: 'This session and all sessions of its user' })

export const LogoutQuerySchema: object = Type.Object({
  all: Type.Optional(Type.Union([Type.Literal('true'), Type.Literal('false')], {
    description: 'Whether to end every session of the user'
  }))
})

export const NoContentSchema: object = Type.Null({ description: 'Signed out' })

export const ErrorSchema: object = Type.Object({
  statusCode: Type.Integer(),
  code: Type.String(),
  error: Type.String(),
  message: Type.String()
})
