/** Validates the options of the routes. */
import type { LoginRouteOptions, WeappRouteOptions } from './options.js'
import { isObject } from './utils/type-checks.js'
import { invalidOption, objectOption, pathOption } from './utils/validate.js'

export interface ResolvedRoutes {
  login: false | LoginRouteOptions
  logout: false | WeappRouteOptions
  session: false | WeappRouteOptions
}

export const ROUTE_NAMES = ['login', 'logout', 'session']

/** Fastify ignores an unknown route option, so the names are checked. Options that define the route are excluded. */
const ROUTE_OPTION_NAMES = [
  'path', 'schema', 'attachValidation', 'bodyLimit', 'childLoggerFactory', 'config', 'constraints', 'errorHandler',
  'exposeHeadRoute', 'handlerTimeout', 'logLevel', 'logSerializers', 'onError', 'onRequest', 'onRequestAbort',
  'onResponse', 'onSend', 'onTimeout', 'preHandler', 'preParsing', 'preSerialization', 'preValidation',
  'prefixTrailingSlash', 'schemaErrorFormatter'
]

const RESERVED_SCHEMAS = ['body', 'querystring', 'query', 'params', 'headers', 'response']

/** @throws FST_WEAPP_INVALID_OPTION */
export function resolveRoutes (given: unknown): ResolvedRoutes {
  const { login, logout, session } = objectOption(given, 'routes', ROUTE_NAMES)
  return {
    login: loginRouteOptions(login),
    logout: routeOptions(logout, 'routes.logout', ROUTE_OPTION_NAMES),
    session: routeOptions(session, 'routes.session', ROUTE_OPTION_NAMES)
  }
}

function routeOptions (value: unknown, section: string, names: readonly string[]): false | WeappRouteOptions {
  if (value === false) return false
  const options = objectOption(value, section, names)
  if (options.path !== undefined) pathOption(options.path, `${section}.path`)
  const { schema = {} } = options
  if (!isObject(schema)) throw invalidOption(`${section}.schema`, 'must be an object')
  const reserved = RESERVED_SCHEMAS.find((part) => part in schema)
  if (reserved !== undefined) {
    const isLoginBody = section === 'routes.login' && reserved === 'body'
    const advice = isLoginBody ? 'Declare extra login fields in routes.login.body.' : 'The plugin defines it.'
    throw invalidOption(`${section}.schema.${reserved}`, `is reserved. ${advice}`)
  }
  return options as WeappRouteOptions
}

function loginRouteOptions (value: unknown): false | LoginRouteOptions {
  const login: false | LoginRouteOptions = routeOptions(value, 'routes.login', [...ROUTE_OPTION_NAMES, 'body'])
  if (login === false || login.body === undefined) return login
  const { type, properties, required = [] } = isObject(login.body) ? login.body : {}
  if (type !== 'object' || !isObject(properties) || !Array.isArray(required)) {
    throw invalidOption('routes.login.body', 'must be the schema of an object, such as Type.Object({ … })')
  }
  if ('code' in properties) throw invalidOption('routes.login.body', 'must not declare the field code')
  return login
}
