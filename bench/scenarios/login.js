/** Serves logins by the plugin and by a manual implementation, with a fast and a slow WeChat. */
import { randomBytes } from 'node:crypto'
import fastifyJwt from '@fastify/jwt'
import { Redis } from 'ioredis'
import { Agent, request as fetchWechat } from 'undici'
import { redisStore } from '../../dist/index.js'
import { APP, registerWeapp, SECRET } from '../lib/weapp.js'

const BODY = { type: 'object', required: ['code'], properties: { code: { type: 'string' } } }

/** Registers a manual implementation: no limits, a plain session_key, and sessions that never expire in Redis. */
const byHand = (redis, wechatUrl) => async (scope) => {
  const dispatcher = new Agent()
  await scope.register(fastifyJwt, { secret: SECRET, sign: { expiresIn: '30d' } })
  scope.post('/login', { schema: { body: BODY } }, async (request, reply) => {
    const query = new URLSearchParams({
      appid: APP.appId, secret: APP.appSecret, js_code: request.body.code, grant_type: 'authorization_code'
    })
    const { body } = await fetchWechat(`${wechatUrl}/sns/jscode2session?${query}`, { dispatcher })
    const { errcode, openid, session_key: sessionKey } = await body.json()
    if (errcode) return reply.code(401).send({ errcode })
    const jti = randomBytes(32).toString('base64url')
    await redis.hset(`hand:${jti}`, { openid, sessionKey, userId: 42, createdAt: Date.now() })
    return { token: scope.jwt.sign({ sub: openid, jti }) }
  })
  return (url) => ({ url: `${url}/login` })
}

const plugin = (store, wechatUrl) => async (scope) => {
  await registerWeapp(scope, { store, prefix: '/' }, wechatUrl)
  return (url) => ({ url: `${url}/login` })
}

export default async function login ({ add }, { redisUrl, wechats }) {
  const redis = new Redis(redisUrl)
  for (const { url, delay, connections } of wechats) {
    const withLoad = (side) => async (scope) => {
      const describe = await side(scope)
      return (origin) => ({ ...describe(origin), body: '{"code":"[<id>]"}', connections })
    }
    await add(`by hand, WeChat ${delay} ms`, withLoad(byHand(redis, url)))
    await add(`fastify-weapp, WeChat ${delay} ms`, withLoad(plugin(redisStore({ client: redis }), url)))
  }
}
