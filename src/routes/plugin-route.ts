/** What our routes have in common, whatever the host has made of its own. */
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import type { FastifyInstance, FastifyReply, FastifyRequest, FastifySchema, RouteOptions } from 'fastify'
import type { WeappRouteOptions } from '../options.js'

interface PluginRoute {
  method: 'GET' | 'POST'
  path: string
  guarded: boolean
  summary: string
  schema: FastifySchema
  handler: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>
}

/** A route of ours: the host's options, then what makes it ours. */
export function pluginRoute ({ path, schema, config, ...host }: WeappRouteOptions, ours: PluginRoute): RouteOptions {
  return {
    ...host,
    method: ours.method,
    url: path ?? ours.path,
    schema: { tags: ['weapp'], summary: ours.summary, ...schema, ...ours.schema } as FastifySchema,
    config: { ...config, weapp: ours.guarded },
    handler: ours.handler
  }
}

/** Fastify's own error handler hands its answer over as an error, of which JSON.stringify would show nothing. */
function serialize (payload: unknown): string {
  if (!(payload instanceof Error)) return JSON.stringify(payload)
  const { statusCode, code, error, message } = payload as Error & Record<string, unknown>
  return JSON.stringify({ statusCode, code, error, message })
}

/** A scope that does not inherit what a host may have made of validation, serialization and JSON. */
export function isolateScope (scope: FastifyInstance): void {
  // Fastify's own validator but for coercion, which turns `{ code: 123 }` and `{ code: ['a'] }` into strings.
  const ajv = addFormats.default(new Ajv({
    coerceTypes: false, useDefaults: true, removeAdditional: true, addUsedSchema: false, strict: false
  }))
  scope.setValidatorCompiler(({ schema }) => ajv.compile(schema))
  scope.setSerializerCompiler(() => serialize)
  scope.addHook('onSend', (_request, reply, _payload, done) => {
    reply.header('cache-control', 'no-store')
    done()
  })

  // wx.request calls even a POST without a body JSON.
  const parse = scope.getDefaultJsonParser('error', 'error')
  scope.removeContentTypeParser('application/json')
  scope.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined)
    else parse(request, body, done)
  })
}
