/** Fills one Redis with sessions. This separate process ends before the memory of Redis is measured. */
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { redisStore } from '../dist/index.js'
import { fill } from './lib/fill.js'
import { serve } from './lib/rpc.js'
import { registerWeapp, signIn } from './lib/weapp.js'

serve({
  /** Resolves to the request headers of the users that signed in. */
  async fill ({ redisUrl, wechatUrl, sessions, sample }) {
    const client = new Redis(redisUrl)
    // Not part of the measurement, so a slow batch must not fail.
    const store = redisStore({ client, timeout: '30s' })
    const app = Fastify()
    await registerWeapp(app, { store, storeTimeout: '40s' }, wechatUrl)
    const headers = await fill(store, { sessions, sample, signIn: () => signIn(app) })
    await app.close()
    await client.quit()
    return headers
  }
})
