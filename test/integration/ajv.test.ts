import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import { test } from 'tap'
import weapp from '../../src/index.js'
import { APP_ID, APP_SECRET, SECRET, startHost } from '../helpers/host.js'
import { assertRoutes } from '../helpers/assert-routes.js'

test('Ajv: a strict Ajv of the host does not apply to the plugin', async (t) => {
  const host = await startHost(t, {
    server: {
      ajv: {
        customOptions: {
          strict: true, coerceTypes: false, removeAdditional: false, useDefaults: false, allErrors: true
        }
      }
    },
    options: {
      routes: { login: { body: Type.Object({ channel: Type.String({ default: 'app' }) }) } },
      onLogin: ({ body }) => ({ reply: { body } })
    },
    after: (app) => {
      const properties = { count: { type: 'number', default: 1 } }
      const body = { type: 'object', properties, additionalProperties: false }
      app.post('/host', { schema: { body } }, async (request) => request.body)
    }
  })
  await assertRoutes(t, host)
  t.strictSame((await host.post('/host', {})).json(), {}, 'no defaults')
  t.equal((await host.post('/host', { extra: 1 })).statusCode, 400, 'no extra fields')
  const code = host.wechat.login('alice')
  t.strictSame((await host.post('/weapp/login', { code, extra: 1 })).json().body, { code, channel: 'app' })
})

test('Ajv: the host may coerce and format validation errors', async (t) => {
  const host = await startHost(t, {
    server: { schemaErrorFormatter: (_errors, part) => new Error(`the ${part} is not good`) },
    after: (app) => {
      const body = { type: 'object', properties: { count: { type: 'number' } } }
      app.post('/host', { schema: { body } }, async (request) => request.body)
    }
  })
  await assertRoutes(t, host)
  t.strictSame((await host.post('/host', { count: '2' })).json(), { count: 2 })
  t.match((await host.post('/weapp/login', {})).json(), { statusCode: 400, message: 'the body is not good' })
})

test('Ajv: an invalid schema of the host fails the boot', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  const body = { type: 'object' as const, properties: { channel: { type: 'text' } } }
  app.register(weapp, { appId: APP_ID, appSecret: APP_SECRET, secret: SECRET, routes: { login: { body } } })
  await t.rejects(async () => { await app.ready() }, {
    code: 'FST_ERR_SCH_VALIDATION_BUILD', message: /schema is invalid: data\/properties\/channel\/type/
  })
})

test('Ajv: fields of the host have formats', async (t) => {
  const body = { type: 'object' as const, properties: { email: { type: 'string', format: 'email' } } }
  const { wechat, post } = await startHost(t, { options: { routes: { login: { body } } } })
  const refused = await post('/weapp/login', { code: wechat.login('alice'), email: 'alice' })
  t.match(refused.json(), { statusCode: 400, message: 'body/email must match format "email"' })
  t.equal((await post('/weapp/login', { code: wechat.login('alice'), email: 'a@example.com' })).statusCode, 200)
})
