import type { RouteOptions } from 'fastify'
import type { Login, LoginBody } from '../login.js'
import type { LoginRouteOptions } from '../options.js'
import { errorResponses } from './error-responses.js'
import { loginBody } from './login-body.js'
import { pluginRoute } from './plugin-route.js'
import { LoginHeadersSchema, LoginResponseSchema } from './schemas.js'

/** Creates `POST {prefix}/login`, which exchanges a code for a token. */
export function loginRoute ({ body, ...options }: LoginRouteOptions, login: Login): RouteOptions {
  return pluginRoute(options, {
    method: 'POST',
    path: '/login',
    guarded: false,
    summary: 'Sign in with the code of wx.login',
    schema: {
      headers: LoginHeadersSchema,
      body: loginBody(body),
      response: { 200: LoginResponseSchema, ...errorResponses(400, 401, 403, 409, 429, 500, 502, 503, 504) }
    },
    handler: (request) => {
      // With `attachValidation`, an invalid or missing body gets here. The login validates the code again.
      const body = (request.body ?? {}) as LoginBody
      return login(request, { code: body.code, body })
    }
  })
}
