import swagger from '@fastify/swagger'
import {
  jsonSchemaTransform, serializerCompiler, validatorCompiler, type ZodTypeProvider
} from 'fastify-type-provider-zod'
import { test } from 'tap'
import { z } from 'zod'
import { startHost } from '../helpers/host.js'
import { assertRoutes } from '../helpers/assert-routes.js'

test('zod: the compilers of the host do not apply to the plugin', async (t) => {
  const host = await startHost(t, {
    before: (app) => app.setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler),
    after: (app) => {
      app.withTypeProvider<ZodTypeProvider>().post('/host', {
        schema: { body: z.object({ count: z.number().min(1) }), response: { 200: z.object({ count: z.number() }) } }
      }, async ({ body }) => ({ count: body.count + 1, extra: 'dropped by the serializer of the host' }))
    }
  })
  await assertRoutes(t, host)
  t.strictSame((await host.post('/host', { count: 1 })).json(), { count: 2 })
  t.equal((await host.post('/host', { count: 0 })).statusCode, 400)
})

// jsonSchemaTransform supports only zod and throws at a JSON Schema.
test('zod: @fastify/swagger documents host routes and plugin routes', async (t) => {
  const host = await startHost(t, {
    before: async (app) => {
      app.setValidatorCompiler(validatorCompiler).setSerializerCompiler(serializerCompiler)
      await app.register(swagger, {
        openapi: { openapi: '3.0.3', info: { title: 'host', version: '1.0.0' } },
        transform: (route) => route.url.startsWith('/weapp/') ? route : jsonSchemaTransform(route)
      })
    },
    after: (app) => {
      const querystring = z.object({ name: z.string() })
      app.withTypeProvider<ZodTypeProvider>().get('/host', { schema: { querystring } }, async () => ({}))
    }
  })
  await assertRoutes(t, host)
  const { paths = {} } = host.app.swagger()
  t.match(paths['/host']?.get, { parameters: [{ name: 'name', in: 'query', required: true }] })
  t.match(paths['/weapp/login']?.post, {
    requestBody: { content: { 'application/json': { schema: { required: ['code'] } } } }
  })
})
