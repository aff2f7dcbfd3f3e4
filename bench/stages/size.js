/** Measures the memory per session, and the cost of the guard by the number of sessions. */
import { startModule } from '../lib/processes.js'
import { startRedis } from '../lib/redis.js'
import { measureInterleaved, summarized } from '../lib/rounds.js'
import { median } from '../lib/statistics.js'

/** The number of users that send requests. */
const SAMPLE = 1000
const CONNECTIONS = 32
const HEAP_MIB = 6144

const nameOf = (store, sessions) => `${store}, ${sessions.toLocaleString('en')} sessions`

/** Returns the targets: at most 5 % more cost than at the smallest size. */
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

/** Measures one Redis per size. One process serves all of them, because the sessions are outside the process. */
async function runRedis ({ load, wechatUrl, processes, pace, sizes }) {
  const servers = []
  for (const sessions of sizes) servers.push(await filledRedis(wechatUrl, sessions))
  const results = {}
  for (let process = 0; process < processes; process++) {
    const server = await startModule('server', 'server.js', { args: ['redis-size'] })
    const params = servers.map(({ name, redis, headers }) => ({ name, redisUrl: redis.url, headers }))
    const { sides } = await server.call('setup', { wechatUrl, servers: params, connections: CONNECTIONS })
    const measured = Object.entries(sides).map(([name, request]) => ({ name, server, request }))
    await measureInterleaved(load, measured, pace, results)
    await server.stop()
  }
  for (const { redis } of servers) await redis.stop()
  const bytes = Object.fromEntries(servers.map((server) => [server.name, server.bytes]))
  return withBytes(results, bytes)
}

async function filledRedis (wechatUrl, sessions) {
  const redis = await startRedis()
  // A few sessions first, because one-time costs such as scripts do not belong to a session.
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

/** Measures one process per size, because a large heap slows down everything in its process. */
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
  const medianBytes = Object.fromEntries(Object.entries(bytes).map(([name, values]) => [name, median(values)]))
  return withBytes(results, medianBytes)
}

function withBytes (results, bytes) {
  const sides = Object.entries(summarized(results))
  return Object.fromEntries(sides.map(([name, side]) => [name, { ...side, bytes: bytes[name] }]))
}
