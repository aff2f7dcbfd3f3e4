/**
 * The schemas of the plugin's routes. A response schema documents the response and never filters it, because each
 * handler picks the fields that it sends.
 */
import { Type } from '@sinclair/typebox'
import type { ObjectSchema } from '../options.js'
import { MAX_CODE_LENGTH } from '../wechat/code2session.js'

const EpochMilliseconds = (description: string) => Type.Integer({ description: `${description} (epoch milliseconds)` })

/** Returns the schema of a login's body: the code and the fields of the host. Undeclared fields are dropped. */
export function loginBody (
  { properties, required = [], ...rest }: ObjectSchema = { type: 'object', properties: {} }
): object {
  const code = Type.String({ minLength: 1, maxLength: MAX_CODE_LENGTH, description: 'The code of wx.login' })
  return { ...rest, properties: { code, ...properties }, required: ['code', ...required], additionalProperties: false }
}

/** Documents the header. The login validates it, also in a route of the host. */
export const LoginHeadersSchema = Type.Object({
  'weapp-device': Type.Optional(Type.String({
    description: 'A random id of the device: 1 to 64 characters of A-Z, a-z, 0-9, "-" and "_". ' +
      'The login replaces the session of the same user on the same device.'
  }))
})

export const LoginResponseSchema = Type.Object({
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

export const SessionResponseSchema = Type.Object({
  ...sessionInfo,
  sessions: Type.Array(Type.Object({
    ...sessionInfo,
    current: Type.Boolean({ description: 'Whether this is the session of the request' }),
    label: Type.Union([Type.String(), Type.Null()], { description: 'The name of the device' })
  }), { description: 'All live sessions of the user, oldest first' })
}, { description: 'This session and all sessions of its user' })

export const LogoutQuerySchema = Type.Object({
  all: Type.Optional(Type.Union([Type.Literal('true'), Type.Literal('false')], {
    description: 'Whether to end every session of the user'
  }))
})

export const NoContentSchema = Type.Null({ description: 'Signed out' })

const ErrorSchema = Type.Object({
  statusCode: Type.Integer(),
  code: Type.String(),
  error: Type.String(),
  message: Type.String()
})

const ERROR_DESCRIPTIONS: Record<number, string> = {
  400: 'The request is malformed, or the app is not configured',
  401: 'The code, token or session is invalid. Sign in again.',
  403: 'WeChat blocked the login of this user',
  409: 'The encrypted data does not match the login. Request new data from the user.',
  429: 'The rate limit was exceeded. Wait as long as Retry-After requires.',
  500: 'The server is not configured correctly',
  502: 'The response of WeChat was unexpected',
  503: 'WeChat or the session store is unavailable. Wait as long as Retry-After requires.',
  504: 'WeChat did not respond in time'
}

/** Returns the schemas of the error responses with the given statuses. */
export function errorResponses (...statuses: number[]): Record<number, object> {
  return Object.fromEntries(statuses.map((status) => {
    return [status, { ...ErrorSchema, description: ERROR_DESCRIPTIONS[status] }]
  }))
}
