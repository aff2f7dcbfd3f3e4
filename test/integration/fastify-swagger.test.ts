import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import { test } from 'tap'
import { startHost } from '../helpers/host.js'
import { assertRoutes } from '../helpers/assert-routes.js'

async function registerSwagger (app: FastifyInstance): Promise<void> {
  await app.register(swagger, { openapi: { openapi: '3.0.3', info: { title: 'host', version: '1.0.0' } } })
  await app.register(swaggerUi, { routePrefix: '/docs' })
}

test('@fastify/swagger: documents every status of every plugin route', async (t) => {
  const host = await startHost(t, {
    before: registerSwagger,
    options: { routes: { login: { body: Type.Object({ inviteCode: Type.Optional(Type.String()) }) } } },
    after: (app) => {
      const ok = { type: 'object', properties: { ok: { type: 'boolean' } } }
      app.get('/host', { schema: { response: { 200: ok } } }, async () => ({ ok: true }))
    }
  })
  await assertRoutes(t, host)
  t.strictSame((await host.get('/host')).json(), { ok: true })

  const served = await host.get('/docs/json')
  t.equal(served.statusCode, 200)
  t.match((await host.get('/docs/')).body, /swagger-ui/)
  const document = served.json()
  t.strictSame(document, JSON.parse(JSON.stringify(host.app.swagger())))

  const routes = [
    [document.paths['/weapp/login']?.post, [200, 400, 401, 403, 409, 429, 500, 502, 503, 504]],
    [document.paths['/weapp/logout']?.post, [204, 400, 401, 503]],
    [document.paths['/weapp/session']?.get, [200, 401, 503]]
  ] as const
  for (const [operation, statuses] of routes) {
    t.match(operation, { tags: ['weapp'], summary: /\w/ })
    t.strictSame(Object.keys(operation.responses), statuses.map(String))
    for (const response of Object.values(operation.responses)) t.match(response, { description: /\w/ })
  }
  const body = JSON.stringify(document.paths['/weapp/login']?.post?.requestBody)
  t.match(body, /"code".*"inviteCode"/)
  t.notMatch(served.body, /session_?key/i)
})

test('@fastify/swagger: the host may document or hide the plugin routes', async (t) => {
  const { app } = await startHost(t, {
    before: registerSwagger,
    options: {
      routes: {
        login: { schema: { tags: ['account'], summary: 'Log in', operationId: 'login' } },
        session: { schema: { hide: true } }
      }
    }
  })
  const { paths = {} } = app.swagger()
  t.match(paths['/weapp/login']?.post, { tags: ['account'], summary: 'Log in', operationId: 'login' })
  t.equal(paths['/weapp/session'], undefined)
  t.ok(paths['/weapp/logout'])
})

test("@fastify/swagger: its pages are guarded under protect 'all' unless excluded", async (t) => {
  const guarded = await startHost(t, { before: registerSwagger, options: { protect: 'all' } })
  t.equal((await guarded.get('/docs/json')).statusCode, 401)
  const open = await startHost(t, {
    before: async (app) => {
      app.addHook('onRoute', (route) => {
        if (route.url.startsWith('/docs')) route.config = { ...route.config, weapp: false }
      })
      await registerSwagger(app)
    },
    options: { protect: 'all' },
    after: (app) => { app.get('/host', async () => 'served') }
  })
  for (const url of ['/docs/json', '/docs/']) t.equal((await open.get(url)).statusCode, 200, url)
  t.equal((await open.get('/host')).statusCode, 401)
})
