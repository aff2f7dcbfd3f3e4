import type { RouteOptions } from 'fastify'
import type { Login, LoginBody } from '../login.js'
import type { LoginRouteOptions } from '../options.js'
import { pluginRoute } from './plugin-route.js'
import { errorAnswers, LoginAnswer, loginBody } from './schemas.js'

/** `POST {prefix}/login`: a code for a token. */
export function loginRoute ({ body, ...options }: LoginRouteOptions, login: Login): RouteOptions {
  return pluginRoute(options, {
    method: 'POST',
    path: '/login',
    guarded: false,
    summary: 'Sign in with the code of wx.login',
    schema: {
      body: loginBody(body),
      response: { 200: LoginAnswer, ...errorAnswers(400, 401, 403, 429, 500, 502, 503, 504) }
    },
    handler: (request) => {
      // Whoever lets a wrong body pass (attachValidation) may even bring none; the code is checked again.
      const body = (request.body ?? {}) as LoginBody
      return login(request, { code: body.code, body })
    }
  })
}
