/**
 * A shop whose users sign in from a WeChat Mini Program. The first login brings the username and password of the
 * account that they have here; from then on WeChat's openid alone signs them in.
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
import { createDemo } from './demo/index.js'
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

/** What a login may bring besides the code. */
const LoginFields = Type.Object({
  account: Type.Optional(Type.Object({
    username: Type.String({ minLength: 1, maxLength: 64 }),
    password: Type.String({ minLength: 1, maxLength: 256 })
  }, { description: 'Needed once, to bind the WeChat user to an account', additionalProperties: false })),
  phoneCode: Type.Optional(Type.String({
    maxLength: 128, description: 'Instead of the account: what the phone number button gave (getPhoneNumber), which is not the code of wx.login'
  }))
})

const BEARER = [{ bearer: [] }]

export async function buildApp (settings: Settings): Promise<FastifyInstance> {
  const { appId, appSecret, secret, redisUrl, sessionCache, simulator } = settings
  const app = Fastify({ logger: true })

  // Documentation and limits come first: both learn of routes as they are added.
  await app.register(swagger, {
    openapi: {
      info: { title: 'A shop with WeChat login', version: '1.0.0' },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } }
    }
  })
  await app.register(swaggerUi, { routePrefix: '/docs' })
  await app.register(rateLimit, { global: false })
  if (redisUrl !== undefined) {
    const client = new Redis(redisUrl, {
      // While Redis is away, a command fails at once: ioredis would keep it until Redis is back.
      enableOfflineQueue: false,
      // While Redis hangs, a command fails after this time.
      commandTimeout: 1000,
      // A connection that died without a word is given up, where TCP alone would wait for many minutes.
      socketTimeout: 5000
    })
    // A client that @fastify/redis makes is closed by asking Redis, which fails while Redis is away.
    app.addHook('onClose', async () => client.disconnect())
    await app.register(redis, { client })
  }

  const bindings = redisUrl === undefined ? memoryBindings() : redisBindings(app.redis)
  const store = redisUrl === undefined ? memoryStore() : redisStore({ client: app.redis })
  // Beside a simulated WeChat there is a page at / that shows all of this at work.
  const demo = simulator === null ? null : createDemo(simulator, store)
  if (demo !== null) await app.register(demo.plugin)

  await app.register(weapp, {
    appId,
    appSecret,
    secret,
    store: demo?.store ?? store,
    // Worth it where guarded requests are many and Redis is the bottleneck: a sign-out on another server is then heard within
    // milliseconds, and no longer in the same instant.
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

  /** One tap on the phone number button is as good as a password: WeChat vouches for the number, and that this user tapped. */
  async function proofIn (openid: string, { account, phoneCode }: LoginBody): Promise<Proof | null> {
    if (phoneCode === undefined) return account === undefined ? null : { credentials: account }
    const { countryCode, purePhoneNumber } = await app.weapp.wechat.getPhoneNumber(phoneCode, { openid })
    // With its country: the same digits are somebody else's number in another one.
    return { phoneNumber: `+${countryCode} ${purePhoneNumber}` }
  }

  await app.register(metrics)

  app.get('/products', { schema: { tags: ['shop'], summary: 'For everybody' } },
    async () => [{ id: 1, name: 'Tea' }, { id: 2, name: 'Teapot' }])

  app.get('/welcome', {
    config: { weapp: 'optional' },
    schema: { tags: ['shop'], summary: 'For everybody, by name for who is signed in', security: [{}, ...BEARER] }
  }, async (request) => ({ message: `Welcome, ${request.weapp?.session.data.name ?? 'stranger'}!` }))

  app.get('/me', {
    config: { weapp: true },
    schema: { tags: ['shop'], summary: 'Who is signed in', security: BEARER }
  }, async (request) => {
    const { openid, session } = app.weapp.identity(request)
    return { ...session.data, openid, signedInAt: session.createdAt }
  })

  app.get('/orders', {
    config: { weapp: true },
    schema: { tags: ['shop'], summary: 'The orders of who is signed in', security: BEARER }
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
