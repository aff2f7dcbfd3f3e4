/** Serves the same guarded route with different kinds of authentication. All sides return the same JSON. */
import { randomBytes } from 'node:crypto'
import fastifyCookie from '@fastify/cookie'
import fastifyJwt from '@fastify/jwt'
import fastifySession from '@fastify/session'
import { RedisStore } from 'connect-redis'
import { Redis } from 'ioredis'
import { createClient } from 'redis'
import { memoryStore, redisStore } from '../../dist/index.js'
import { startExpress } from '../lib/express.js'
import { registerWeapp, SECRET, signIn } from '../lib/weapp.js'

const SESSION = { openid: 'oGZUI0egBJY1zhBYw2KhdUfwVJJE', userId: 42 }
const CONNECTIONS = 32

/** @param params.sides the names of the sides that this process serves */
export default async function guard (server, { redisUrl, wechatUrl, users, sides }) {
  const isWanted = (name) => sides.includes(name)
  const add = async (name, plugin) => { if (isWanted(name)) await server.add(name, plugin) }
  const redis = new Redis(redisUrl)
  const pipelining = new Redis(redisUrl, { enableAutoPipelining: true })
  const nodeRedis = await createClient({ url: redisUrl }).connect()
  const forUsers = async (makeHeaders) => {
    const headers = []
    while (headers.length < users) headers.push(await makeHeaders())
    return headers
  }
  const target = (headers) => (url) => ({ url: `${url}/me`, headers, connections: CONNECTIONS })
  /** Signs in through the server's route, for sides with cookies. */
  const cookieTarget = async (url) => target(await forUsers(async () => {
    const response = await fetch(`${url}/sign-in`)
    return { cookie: response.headers.get('set-cookie').split(';')[0] }
  }))(url)

  /** Registers a manual implementation: a random token, JSON in Redis and a preHandler. */
  const byHand = (client) => async (scope) => {
    scope.decorateRequest('user', null)
    scope.addHook('preHandler', async (request, reply) => {
      const text = await client.get(`hand:${request.headers.authorization?.slice(7)}`)
      if (text === null) return reply.code(401).send()
      request.user = JSON.parse(text)
    })
    scope.get('/me', async (request) => ({ openid: request.user.openid }))
    return target(await forUsers(async () => {
      const token = randomBytes(32).toString('base64url')
      await client.set(`hand:${token}`, JSON.stringify(SESSION))
      return { authorization: `Bearer ${token}` }
    }))
  }

  const plugin = (options) => async (scope) => {
    await registerWeapp(scope, options, wechatUrl)
    scope.get('/me', { config: { weapp: true } }, async (request) => ({ openid: request.weapp.openid }))
    return target(await forUsers(() => signIn(scope)))
  }

  await add('bare route', async (scope) => {
    scope.get('/me', async () => ({ openid: SESSION.openid }))
    return target([{}])
  })
  await add('bare route, sent a token', async (scope) => {
    scope.get('/me', async () => ({ openid: SESSION.openid }))
    // As long as a token of the plugin.
    const newToken = () => randomBytes(210).toString('base64url')
    return target(await forUsers(() => ({ authorization: `Bearer ${newToken()}` })))
  })
  await add('redis.get by hand', byHand(redis))
  await add('redis.get by hand, autopipelined', byHand(pipelining))
  await add('@fastify/jwt', async (scope) => {
    await scope.register(fastifyJwt, { secret: SECRET })
    scope.addHook('preHandler', (request) => request.jwtVerify())
    scope.get('/me', async (request) => ({ openid: request.user.openid }))
    const newToken = () => scope.jwt.sign({ ...SESSION, jti: randomBytes(16).toString('hex') })
    return target(await forUsers(() => ({ authorization: `Bearer ${newToken()}` })))
  })
  await add('fastify-weapp, memoryStore', plugin({ store: memoryStore() }))
  await add('fastify-weapp, redisStore', plugin({ store: redisStore({ client: redis, prefix: 'plain:' }) }))

  const cached = { store: redisStore({ client: redis, prefix: 'cached:' }), cache: {} }
  await add('fastify-weapp, redisStore, cache', plugin(cached))

  await add('@fastify/session', async (scope) => {
    await scope.register(fastifyCookie)
    const store = new RedisStore({ client: nodeRedis, prefix: 'fastify:' })
    await scope.register(fastifySession, { secret: SECRET, store, cookie: { secure: false }, saveUninitialized: false })
    scope.get('/sign-in', async (request) => {
      request.session.user = SESSION
      return {}
    })
    scope.get('/me', async (request, reply) => {
      const { user } = request.session
      return user === undefined ? reply.code(401).send() : { openid: user.openid }
    })
    return cookieTarget
  })
  if (!isWanted('express-session')) return {}
  const store = new RedisStore({ client: nodeRedis, prefix: 'express:' })
  const express = await startExpress({ store, secret: SECRET, session: SESSION })
  server.count(express.server)
  return { 'express-session': await cookieTarget(express.url) }
}
