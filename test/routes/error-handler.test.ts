/** The routes of the plugin answer through the error handler that the host has when the error happens. */
import Fastify, { type FastifyInstance } from 'fastify'
import { test, type Test } from 'tap'
import weapp, { type WeappOptions } from '../../src/index.js'
import { startWechatSimulator } from '../../src/testing/simulator/simulator.js'
import { APP_ID, APP_SECRET, SECRET } from '../helpers/host.js'
import { captureLog } from '../helpers/log.js'

type Mask = (name: string) => (app: FastifyInstance) => void

/** Registers the plugin with an `onLogin` that fails as a database does. */
type Register = (app: FastifyInstance) => Promise<void>

/** Sets an error handler that masks the error under its own name. */
const mask: Mask = (name) => (app) => {
  app.setErrorHandler((_error, _request, reply) => reply.code(500).send({ handler: name }))
}

async function failedLogin (
  t: Test, layout: (app: FastifyInstance, register: Register) => unknown, options: Partial<WeappOptions> = {},
  app: FastifyInstance = Fastify()
): Promise<unknown> {
  const wechat = await startWechatSimulator({ apps: { [APP_ID]: APP_SECRET } })
  t.teardown(async () => {
    await app.close()
    await wechat.close()
  })
  await layout(app, async (scope) => {
    await scope.register(weapp, {
      appId: APP_ID,
      appSecret: APP_SECRET,
      secret: SECRET,
      onLogin: async () => { throw new Error('select secret from users') },
      ...options,
      wechat: { baseUrl: wechat.url }
    } as WeappOptions)
  })
  const { body } = await app.inject({ method: 'POST', url: '/weapp/login', payload: { code: wechat.login('alice') } })
  return JSON.parse(body)
}

test('error handler: set before the plugin, after it, or both', async (t) => {
  t.strictSame(await failedLogin(t, async (app, register) => {
    mask('before')(app)
    await register(app)
  }), { handler: 'before' })
  t.strictSame(await failedLogin(t, async (app, register) => {
    await register(app)
    mask('after')(app)
  }), { handler: 'after' })
  t.strictSame(await failedLogin(t, async (app, register) => {
    mask('before')(app)
    await app.register(async (scope) => {
      await register(scope)
      mask('after')(scope)
    })
  }), { handler: 'after' })
})

test('error handler: set after plugins are loaded, as in fastify/demo', async (t) => {
  t.strictSame(await failedLogin(t, async (app, register) => {
    await app.register(async (service) => {
      // What @fastify/autoload does with the folder of plugins.
      await service.register(async (plugins) => { await register(plugins) })
      service.register(async (routes) => { routes.get('/', async () => 'home') })
      mask('service')(service)
    })
  }), { handler: 'service' })
})

test('error handler: that of the parent applies, and one of the own scope goes first', async (t) => {
  t.strictSame(await failedLogin(t, async (app, register) => {
    await app.register(async (scope) => { await register(scope) })
    mask('parent')(app)
  }), { handler: 'parent' })
  t.strictSame(await failedLogin(t, async (app, register) => {
    await app.register(async (scope) => {
      await register(scope)
      mask('scope')(scope)
    })
    mask('parent')(app)
  }), { handler: 'scope' })
  t.match(await failedLogin(t, async (app, register) => {
    await register(app)
    await app.register(async (sibling) => { mask('sibling')(sibling) })
  }), { statusCode: 500, message: 'select secret from users' }, 'not that of a scope beside the plugin')
})

test('error handler: one that throws hands over to the handler above it', async (t) => {
  t.strictSame(await failedLogin(t, async (app, register) => {
    mask('before')(app)
    await app.register(async (scope) => {
      await register(scope)
      scope.setErrorHandler((error) => { throw error })
    })
  }), { handler: 'before' })
  t.strictSame(await failedLogin(t, async (app, register) => {
    await register(app)
    mask('after')(app)
  }, { routes: { login: { errorHandler: (error) => { throw error } } } }), { handler: 'after' }, 'a handler of the route')
  t.strictSame(await failedLogin(t, async (app, register) => {
    await register(app)
    mask('after')(app)
  }, {
    routes: { login: { errorHandler: (_error, _request, reply) => reply.send({ handler: 'route' }) } }
  }), { handler: 'route' })
})

test('error handler: a value that is not an Error is an error', async (t) => {
  const onLogin = async () => { throw 'select secret from users' } // eslint-disable-line no-throw-literal
  t.strictSame(await failedLogin(t, async (app, register) => {
    mask('before')(app)
    await register(app)
  }, { onLogin }), { handler: 'before' })
  t.strictSame(await failedLogin(t, async (app, register) => {
    await register(app)
    mask('after')(app)
  }, { onLogin }), { handler: 'after' })
})

test('error handler: without one, Fastify logs an error once', async (t) => {
  const log = captureLog()
  const answer = await failedLogin(t, (app, register) => register(app), {}, Fastify(log.server))
  t.match(answer, { statusCode: 500, error: 'Internal Server Error', message: 'select secret from users' })
  t.equal(log.lines().filter(({ level }) => level >= 50).length, 1)
})
