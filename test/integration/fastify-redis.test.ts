import fastifyRedis from '@fastify/redis'
import Fastify from 'fastify'
import { test } from 'tap'
import weapp, { redisStore } from '../../src/index.js'
import { startWechatSimulator } from '../../src/testing/simulator/simulator.js'
import { assertRoutes } from '../helpers/assert-routes.js'
import { redisUrl, uniquePrefix } from '../helpers/redis.js'
import { APP_ID, APP_SECRET, SECRET } from '../helpers/host.js'

test('@fastify/redis: redisStore may use its client', async (t) => {
  const wechat = await startWechatSimulator({ apps: { [APP_ID]: APP_SECRET } })
  t.teardown(() => wechat.close())
  const app = Fastify()
  t.teardown(() => app.close())
  const keyPrefix = uniquePrefix()
  // Neither is awaited. Fastify calls the function after @fastify/redis has loaded.
  app.register(fastifyRedis, { url: await redisUrl(t), keyPrefix })
  app.register(weapp, (parent) => ({
    appId: APP_ID,
    appSecret: APP_SECRET,
    secret: SECRET,
    wechat: { baseUrl: wechat.url },
    store: redisStore({ client: parent.redis })
  }))
  app.get('/me', { config: { weapp: true } }, async (request) => ({ openid: request.weapp?.openid }))
  await app.ready()
  await assertRoutes(t, { app, wechat })

  await app.inject({ method: 'POST', url: '/weapp/login', payload: { code: wechat.login('alice') } })
  const [key, ...others] = await app.redis.keys(`${keyPrefix}*`)
  t.match(key, new RegExp(`^${keyPrefix}weapp:[\\w-]{22}$`), 'the sessions are in this Redis')
  t.strictSame(others, [])

  await app.redis.set('of the host', 'untouched')
  t.equal(await app.redis.get('of the host'), 'untouched')
  await app.redis.del('of the host', key!.slice(keyPrefix.length))
})
