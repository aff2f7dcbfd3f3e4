/** Serves guarded routes over several Redis servers, which filler.js has filled. */
import { Redis } from 'ioredis'
import { redisStore } from '../../dist/index.js'
import { registerWeapp } from '../lib/weapp.js'

export default async function redisSize ({ add }, { wechatUrl, servers, connections }) {
  for (const { name, redisUrl, headers } of servers) {
    await add(name, async (scope) => {
      await registerWeapp(scope, { store: redisStore({ client: new Redis(redisUrl) }) }, wechatUrl)
      scope.get('/me', { config: { weapp: true } }, async (request) => ({ openid: request.weapp.openid }))
      return (url) => ({ url: `${url}/me`, headers, connections })
    })
  }
}
