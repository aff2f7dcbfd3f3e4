/** What a guarded request costs, beside the peers. */
import assert from 'node:assert/strict'
import { startModule } from '../lib/processes.js'
import { startRedis } from '../lib/redis.js'
import { measureInterleaved, summarized } from '../lib/rounds.js'

const USERS = 100

const BARE = 'bare route'
const REDIS_STORE = 'fastify-weapp, redisStore'

export const reference = BARE
export const targets = [
  { side: REDIS_STORE, reference: 'redis.get by hand', atLeast: 1 },
  { side: REDIS_STORE, reference: 'redis.get by hand, autopipelined', atLeast: 0.9 },
  { side: 'fastify-weapp, redisStore, cache', reference: BARE, atLeast: 0.93 },
  { side: 'fastify-weapp, memoryStore', reference: BARE, atLeast: 0.9 },
  { side: REDIS_STORE, reference: '@fastify/session', atLeast: 1.5 },
  { side: REDIS_STORE, reference: 'express-session', atLeast: 5 }
]

export async function run ({ load, wechat, processes, pace }) {
  const redis = await startRedis()
  const results = {}
  let skipped
  for (let process = 0; process < processes; process++) {
    const server = await startModule('server', 'server.js', { args: ['guard'] })
    const params = { redisUrl: redis.url, wechatUrl: await wechat(0), users: USERS }
    const offered = await server.call('setup', params)
    skipped = offered.skipped
    const sides = Object.entries(offered.sides).map(([name, request]) => ({ name, server, request }))
    for (const side of sides) await check(side)
    await measureInterleaved(load, sides, pace, results)
    await server.stop()
  }
  await redis.stop()
  return { sides: summarized(results), skipped }
}

/** A side that lets anybody in, or answers something else, would be measured for nothing. */
async function check ({ name, request: { url, headers } }) {
  const response = await fetch(url, { headers: headers[0] })
  assert.equal(response.status, 200, name)
  assert.match(await response.text(), /^\{"openid":"[\w-]{28}"\}$/, name)
  if (name !== BARE) assert.equal((await fetch(url)).status, 401, name)
}
