/** What a session takes, and whether the guard's cost grows with their number. */
import { startModule } from '../lib/processes.js'
import { startRedis } from '../lib/redis.js'
import { measureInterleaved, summarized } from '../lib/rounds.js'
import { median } from '../lib/statistics.js'

/** How many users ask, in turn, out of all that there are. */
const SAMPLE = 1000
const CONNECTIONS = 32
const HEAP_MIB = 6144

const nameOf = (store, sessions) => `${store}, ${sessions.toLocaleString('en')} sessions`

/** Within 5 % of the cost at the smallest size. */
export function targetsFor (sizes) {
  const [smallest, largest] = [sizes[0], sizes.at(-1)]
  return ['redisStore', 'memoryStore'].map((store) => (
    { side: nameOf(store, largest), reference: nameOf(store, smallest), atLeast: 0.95 }
  ))
}

export async function run ({ load, wechat, processes, pace, sizes }) {
  const wechatUrl = await wechat(0)
  const redis = await runRedis({ load, wechatUrl, processes, pace, sizes })
  const memory = await runMemory({ load, wechatUrl, processes, pace, sizes })
  return { sides: { ...redis, ...memory } }
}

/** A Redis for each size, all served by one process: what Redis holds is no part of it. */
async function runRedis ({ load, wechatUrl, processes, pace, sizes }) {
  const servers = []
  for (const sessions of sizes) servers.push(await filledRedis(wechatUrl, sessions))
  const results = {}
  for (let process = 0; process < processes; process++) {
    const server = await startModule('server', 'server.js', { args: ['redis-size'] })
    const params = servers.map(({ name, redis, headers }) => ({ name, redisUrl: redis.url, headers }))
    const { sides } = await server.call('setup', { wechatUrl, servers: params, connections: CONNECTIONS })
    await measureInterleaved(load, Object.entries(sides).map(([name, request]) => ({ name, server, request })), pace, results)
    await server.stop()
  }
  for (const { redis } of servers) await redis.stop()
  const bytes = Object.fromEntries(servers.map((server) => [server.name, server.bytes]))
  return withBytes(results, bytes)
}

async function filledRedis (wechatUrl, sessions) {
  const redis = await startRedis()
  // What the first sessions bring into Redis once, scripts above all, is no session's: it is there before.
  await fillRedis({ redisUrl: redis.url, wechatUrl, sessions: 20, sample: 10 })
  const before = await redis.usedBytes()
  const headers = await fillRedis({ redisUrl: redis.url, wechatUrl, sessions, sample: Math.min(SAMPLE, sessions) })
  const bytes = (await redis.usedBytes() - before) / sessions
  process.stderr.write('+')
  return { name: nameOf('redisStore', sessions), redis, headers, bytes }
}

async function fillRedis (params) {
  const filler = await startModule('server', 'filler.js')
  try {
    return await filler.call('fill', params)
  } finally {
    await filler.stop()
  }
}

/** A process for each size, because a large heap is paid for by all that is in its process. */
async function runMemory ({ load, wechatUrl, processes, pace, sizes }) {
  const results = {}
  const bytes = {}
  for (let process = 0; process < processes; process++) {
    const sides = []
    for (const sessions of sizes) {
      const server = await startModule('server', 'server.js', {
        args: ['memory-size'], nodeArgs: ['--expose-gc', `--max-old-space-size=${HEAP_MIB}`]
      })
      const name = nameOf('memoryStore', sessions)
      const params = { wechatUrl, sessions, sample: Math.min(SAMPLE, sessions), connections: CONNECTIONS, name }
      const { sides: { [name]: request } } = await server.call('setup', params)
      bytes[name] ??= []
      bytes[name].push(request.bytes)
      sides.push({ name, server, request })
    }
    await measureInterleaved(load, sides, pace, results)
    for (const { server } of sides) await server.stop()
  }
  return withBytes(results, Object.fromEntries(Object.entries(bytes).map(([name, values]) => [name, median(values)])))
}

function withBytes (results, bytes) {
  return Object.fromEntries(Object.entries(summarized(results)).map(([name, side]) => [name, { ...side, bytes: bytes[name] }]))
}
