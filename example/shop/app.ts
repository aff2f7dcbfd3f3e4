/**
 * A shop with login from a WeChat Mini Program. The first login sends the username and password of the user's account.
 * Later logins need only WeChat's openid.
 */
import rateLimit from '@fastify/rate-limit'
import redis from '@fastify/redis'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import { Type } from '@sinclair/typebox'
import Fastify, { type FastifyInstance } from 'fastify'
import weapp, { memoryStore, redisStore, type LoginBody } from 'fastify-weapp'
import { Redis } from 'ioredis'
import { accountOf, memoryBindings, redisBindings, type Credentials, type Proof } from './accounts.js'
import { createDemo } from '../demo/index.js'
import { metrics } from './metrics.js'
import type { Settings } from './settings.js'

declare module 'fastify-weapp' {
  interface SessionData {
    username: string
    name: string
  }
  interface LoginBody {
    account?: Credentials
    phoneCode?: string
  }
}

/** The fields of a login besides the code. */
const LoginFields = Type.Object({
  account: Type.Optional(Type.Object({
    username: Type.String({ minLength: 1, maxLength: 64 }),
    password: Type.String({ minLength: 1, maxLength: 256 })
  }, { description: 'Binds the WeChat user to an account. Required once.', additionalProperties: false })),
  phoneCode: Type.Optional(Type.String({
    maxLength: 128,
    description: 'The code of the phone number button (getPhoneNumber), instead of the account. No code of wx.login.'
  }))
})

const BEARER = [{ bearer: [] }]

export async function buildApp (settings: Settings): Promise<FastifyInstance> {
  const { appId, appSecret, secret, redisUrl, sessionCache, simulator } = settings
  const app = Fastify({ logger: true })

  // Swagger and the rate limit come before the routes, because both use the onRoute hook.
  await app.register(swagger, {
    openapi: {
      info: { title: 'A shop with WeChat login', version: '1.0.0' },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } }
    }
  })
  await app.register(swaggerUi, { routePrefix: '/docs' })
  if (redisUrl !== undefined) {
    const client = new Redis(redisUrl, {
      // Fails commands at once while Redis is unavailable. Otherwise ioredis queues them until it reconnects.
      enableOfflineQueue: false,
      // Fails commands while Redis hangs. In milliseconds.
      commandTimeout: 1000,
      // Closes dead connections. TCP alone detects them only after many minutes.
      socketTimeout: 5000,
      // Connects to the new master after a failover. The old master, a replica now, refuses writes with READONLY.
      reconnectOnError: (error) => error.message.startsWith('READONLY')
    })
    // Disconnects without QUIT. @fastify/redis sends QUIT to its own clients, which fails if Redis is unavailable.
    app.addHook('onClose', async () => client.disconnect())
    await app.register(redis, { client })
  }

  const bindings = redisUrl === undefined ? memoryBindings() : redisBindings(app.redis)
  const store = redisUrl === undefined ? memoryStore() : redisStore({ client: app.redis })
  // With a simulated WeChat, the page at / demonstrates the login.
  const demo = simulator === null ? null : createDemo(simulator, store, bindings)
  if (demo !== null) await app.register(demo.plugin)
  await app.register(rateLimit, { global: false })

  await app.register(weapp, {
    appId,
    appSecret,
    secret,
    store: demo?.store ?? store,
    // Useful if Redis is the bottleneck of many guarded requests. A sign-out then reaches other servers within
    // milliseconds instead of at once.
    cache: sessionCache && {},
    ...simulator !== null && { wechat: { baseUrl: simulator.url } },
    routes: {
      login: { body: LoginFields, config: { rateLimit: { max: 20, timeWindow: '1 minute' } } },
      logout: { schema: { security: BEARER } },
      session: { schema: { security: BEARER } }
    },
    onLogin: async ({ openid, body }) => {
      const { username, name } = await accountOf(openid, await proofIn(openid, body), bindings)
      return { data: { username, name }, reply: { user: { username, name } } }
    }
  })

  /** Returns the proof of a login. A phone code replaces a password: WeChat confirms the number and the user's tap. */
  async function proofIn (openid: string, { account, phoneCode }: LoginBody): Promise<Proof | null> {
    if (phoneCode === undefined) return account === undefined ? null : { credentials: account }
    const { countryCode, purePhoneNumber } = await app.weapp.wechat.getPhoneNumber(phoneCode, { openid })
    // Includes the country code, because the same digits belong to another user in another country.
    return { phoneNumber: `+${countryCode} ${purePhoneNumber}` }
  }

  await app.register(metrics)

  app.get('/products', { schema: { tags: ['shop'], summary: 'Public' } },
    async () => [{ id: 1, name: 'Tea' }, { id: 2, name: 'Teapot' }])

  app.get('/welcome', {
    config: { weapp: 'optional' },
    schema: { tags: ['shop'], summary: 'Public, with the name of a signed-in user', security: [{}, ...BEARER] }
  }, async (request) => ({ message: `Welcome, ${request.weapp?.session.data.name ?? 'guest'}!` }))

  app.get('/me', {
    config: { weapp: true },
    schema: { tags: ['shop'], summary: 'The signed-in user', security: BEARER }
  }, async (request) => {
    const { openid, session } = app.weapp.identity(request)
    return { ...session.data, openid, signedInAt: session.createdAt }
  })

  app.get('/orders', {
    config: { weapp: true },
    schema: { tags: ['shop'], summary: 'The orders of the signed-in user', security: BEARER }
  }, async (request) => {
    const { username } = app.weapp.identity(request).session.data
    return ORDERS.filter((order) => order.username === username)
  })

  return app
}

const ORDERS = [
  { id: 1001, username: 'alice', productId: 1 },
  { id: 1002, username: 'bob', productId: 2 }
]
