import { ErrorSchema } from './schemas.js'

const ERROR_DESCRIPTIONS: Record<number, string> = {
  400: 'The request is malformed, or the app is not configured. Correct the request or the app id.',
  401: 'The code, token or session is invalid. Sign in again.',
  403: 'WeChat blocked the login of this user. Tell the user, and do not try again.',
  409: 'The encrypted data does not match the login. Request new data from the user.',
  429: 'The rate limit was exceeded. Wait as long as Retry-After requires.',
  500: 'The server is not configured correctly. Its log says what to do.',
  502: 'The response of WeChat was unexpected. Try again later with a new code.',
  503: 'WeChat or the session store is unavailable. Wait as long as Retry-After requires.',
  504: 'WeChat did not respond in time. Try again with a new code.'
}

/** Returns the schemas of the error responses with the given statuses. */
export function errorResponses (...statuses: number[]): Record<number, object> {
  return Object.fromEntries(statuses.map((status) => {
    return [status, { ...ErrorSchema, description: ERROR_DESCRIPTIONS[status] }]
  }))
}
