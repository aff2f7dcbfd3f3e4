/** Measures the cost of a guarded request for the plugin and its peers. */
import assert from 'node:assert/strict'
import { startModule } from '../lib/processes.js'
import { startRedis } from '../lib/redis.js'
import { measureInterleaved, summarized } from '../lib/rounds.js'

const USERS = 100

const BARE = 'bare route'
const HAND = 'redis.get by hand'
const PIPELINED = 'redis.get by hand, autopipelined'
const REDIS_STORE = 'fastify-weapp, redisStore'
const CACHE = 'fastify-weapp, redisStore, cache'
const MEMORY_STORE = 'fastify-weapp, memoryStore'
const SESSION = '@fastify/session'
const EXPRESS = 'express-session'

/**
 * The sides that share a process: one registration of the plugin, as on a real server, and its references. In a single
 * process every side would slow down from the object shapes of the others.
 */
const GROUPS = [
  { name: 'by hand', sides: [BARE, HAND, PIPELINED, REDIS_STORE] },
  { name: 'cache', sides: [BARE, 'bare route, sent a token', CACHE] },
  { name: 'memory', sides: [BARE, MEMORY_STORE] },
  { name: 'peers', sides: [BARE, REDIS_STORE, '@fastify/jwt', SESSION, EXPRESS] }
]

const nameIn = (group, side) => `${side} (${group})`

export const referenceOf = (name) => nameIn(/\((.*)\)$/.exec(name)[1], BARE)

const targetIn = (group, side, reference, atLeast) => (
  { side: nameIn(group, side), reference: nameIn(group, reference), atLeast }
)

export const targets = [
  targetIn('by hand', REDIS_STORE, HAND, 1),
  targetIn('by hand', REDIS_STORE, PIPELINED, 0.9),
  targetIn('cache', CACHE, BARE, 0.93),
  targetIn('memory', MEMORY_STORE, BARE, 0.9),
  targetIn('peers', REDIS_STORE, SESSION, 1.5),
  targetIn('peers', REDIS_STORE, EXPRESS, 5)
]

export async function run ({ load, wechat, processes, pace }) {
  const redis = await startRedis()
  const wechatUrl = await wechat(0)
  const results = {}
  for (let process = 0; process < processes; process++) {
    const sides = []
    const servers = []
    for (const group of GROUPS) {
      const server = await startModule('server', 'server.js', { args: ['guard'] })
      servers.push(server)
      const offered = await server.call('setup', { redisUrl: redis.url, wechatUrl, users: USERS, sides: group.sides })
      for (const side of group.sides) {
        const request = offered.sides[side]
        await check(side, request)
        sides.push({ name: nameIn(group.name, side), server, request })
      }
    }
    await measureInterleaved(load, sides, pace, results)
    for (const server of servers) await server.stop()
  }
  await redis.stop()
  return { sides: summarized(results) }
}

/** Verifies that a side authenticates requests and returns the expected JSON. Otherwise its measurement is useless. */
async function check (side, { url, headers }) {
  const response = await fetch(url, { headers: headers[0] })
  assert.equal(response.status, 200, side)
  assert.match(await response.text(), /^\{"openid":"[\w-]{28}"\}$/, side)
  if (!side.startsWith(BARE)) assert.equal((await fetch(url)).status, 401, side)
}
