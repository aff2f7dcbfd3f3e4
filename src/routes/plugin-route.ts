/** The common part of the plugin's routes, independent of the host's configuration of Fastify. */
import type {
  FastifyError, FastifyInstance, FastifyReply, FastifyRequest, FastifySchema, onSendHookHandler, RouteOptions
} from 'fastify'
import type { WeappRouteOptions } from '../options.js'
import { forbidStoring } from '../response-headers.js'

interface PluginRoute {
  method: 'GET' | 'POST'
  path: string
  guarded: boolean
  summary: string
  schema: FastifySchema
  handler: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>
}

/**
 * The limit of a body, in bytes. It is four times the largest `encryptedData` of WeChat: the step counts of a month
 * take 2 KiB. Deeply nested JSON of this size is harmless to parse.
 */
const BODY_LIMIT = 8 * 1024

/** Merges the route options of the host with the definition of the route, which takes precedence. */
export function pluginRoute (options: WeappRouteOptions, route: PluginRoute): RouteOptions {
  const { path = route.path, bodyLimit = BODY_LIMIT, schema, config, onSend = [], ...hostOptions } = options
  return {
    ...hostOptions,
    bodyLimit,
    method: route.method,
    url: path,
    schema: { tags: ['weapp'], summary: route.summary, ...schema, ...route.schema } as FastifySchema,
    config: { ...config, weapp: route.guarded },
    // Runs last, because a hook of the host may allow caches to store every response.
    onSend: [onSend, noStoreOnSend].flat(),
    handler: route.handler
  }
}

const noStoreOnSend: onSendHookHandler = (_request, reply, _payload, done) => {
  forbidStoring(reply)
  done()
}

/** Fastify's own error handler sends the Error itself, and JSON.stringify would omit its fields. */
function serialize (payload: unknown): string {
  if (!(payload instanceof Error)) return JSON.stringify(payload)
  const { statusCode, code, error, message } = payload as Error & Record<string, unknown>
  return JSON.stringify({ statusCode, code, error, message })
}

/** Isolates a scope from the host's serializers and JSON parsers. Its responses are never cached. */
export function isolateScope (scope: FastifyInstance): void {
  scope.setSerializerCompiler(() => serialize)
  // Also covers a response whose onSend hooks fail.
  scope.addHook('onRequest', (_request, reply, done) => {
    forbidStoring(reply)
    done()
  })

  // wx.request sends `content-type: application/json` even with a POST without a body.
  const parse = scope.getDefaultJsonParser('error', 'error')
  scope.removeContentTypeParser('application/json')
  scope.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined)
    else parse(request, body, done)
  })
  // @fastify/multipart of the host would read files of unauthenticated requests. No route of the plugin takes a file.
  scope.removeContentTypeParser('multipart/form-data')
}

/**
 * Applies the error handler that the host has when an error happens. Fastify would keep that of the registration, and a
 * host may set its error handler after its plugins are loaded.
 */
export function followErrorHandler (scope: FastifyInstance, host: FastifyInstance): void {
  const { errorHandler: inherited } = scope
  scope.setErrorHandler((error, request, reply) => {
    // Fastify continues with the inherited handler. It would send a value that is not an Error as a response.
    if (host.errorHandler === inherited && error instanceof Error) throw error
    return host.errorHandler(error as FastifyError, request, reply)
  })
}
