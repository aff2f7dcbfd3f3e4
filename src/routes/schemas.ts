/** The shapes of our routes. Those of answers document and never filter: each handler picks the fields it sends. */
import { Type } from '@sinclair/typebox'
import type { ObjectSchema } from '../options.js'
import { MAX_CODE_LENGTH } from '../wechat/code2session.js'

const Milliseconds = (description: string) => Type.Integer({ description: `${description} (epoch milliseconds)` })

/** The login's body: the code and what the host adds. What neither names is dropped. */
export function loginBody ({ properties, required = [], ...rest }: ObjectSchema = { type: 'object', properties: {} }): object {
  return {
    ...rest,
    properties: { code: Type.String({ minLength: 1, maxLength: MAX_CODE_LENGTH, description: 'What wx.login gave' }), ...properties },
    required: ['code', ...required],
    additionalProperties: false
  }
}

export const LoginAnswer = Type.Object({
  token: Type.String({ description: 'To be sent as Authorization: Bearer <token>' }),
  tokenType: Type.Literal('Bearer'),
  expiresIn: Type.Integer({ description: "Seconds until the session's absolute end" }),
  expiresAt: Milliseconds("The session's absolute end")
}, { additionalProperties: true, description: 'Signed in; further fields are the host\'s' })

const SessionInfo = {
  id: Type.String({ description: 'Names a session and opens nothing' }),
  createdAt: Milliseconds('When it was made'),
  expiresAt: Milliseconds('Its absolute end'),
  idleExpiresAt: Milliseconds('Its end unless it is used before')
}

export const SessionAnswer = Type.Object({
  ...SessionInfo,
  sessions: Type.Array(Type.Object({
    ...SessionInfo,
    current: Type.Boolean({ description: 'Whether it is the one that asks' }),
    label: Type.Union([Type.String(), Type.Null()], { description: 'What the host calls the device' })
  }), { description: 'All live sessions of the user, oldest first' })
}, { description: "This session and the user's others" })

export const LogoutQuery = Type.Object({
  all: Type.Optional(Type.Union([Type.Literal('true'), Type.Literal('false')], { description: 'Whether to end every session of the user' }))
})

export const NoContent = Type.Null({ description: 'Signed out' })

const ErrorAnswer = Type.Object({
  statusCode: Type.Integer(),
  code: Type.String(),
  error: Type.String(),
  message: Type.String()
})

const ERRORS: Record<number, string> = {
  400: 'The request is malformed',
  401: 'The code, the token or the session is not good: sign in (again)',
  403: 'WeChat blocks this user',
  429: 'Too often: wait as Retry-After says',
  500: 'The server is not set up right',
  502: 'WeChat gave an answer that is not understood',
  503: 'WeChat or the session store is unavailable: wait as Retry-After says',
  504: 'WeChat did not answer in time'
}

/** The error answers of the given statuses. */
export function errorAnswers (...statuses: number[]): Record<number, object> {
  return Object.fromEntries(statuses.map((status) => [status, { ...ErrorAnswer, description: ERRORS[status] }]))
}
