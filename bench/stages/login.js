/** Measures the cost of a login, and bursts of logins. */
import { startModule } from '../lib/processes.js'
import { startRedis } from '../lib/redis.js'
import { measureInterleaved, summarized } from '../lib/rounds.js'
import { medians, shuffled } from '../lib/statistics.js'

const BURST = 2000

/** WeChat's delay in milliseconds, and the number of connections that keep the server busy meanwhile. */
const WECHATS = [{ delay: 0, connections: 32 }, { delay: 50, connections: 100 }]

export const targets = WECHATS.map(({ delay }) => (
  { side: `fastify-weapp, WeChat ${delay} ms`, reference: `by hand, WeChat ${delay} ms`, atLeast: 0.9 }
))

export async function run ({ load, wechat, processes, pace }) {
  const redis = await startRedis()
  const wechats = await Promise.all(WECHATS.map(async (slow) => ({ ...slow, url: await wechat(slow.delay) })))
  const results = {}
  const bursts = {}
  for (let process = 0; process < processes; process++) {
    const server = await startModule('server', 'server.js', { args: ['login'] })
    const offered = await server.call('setup', { redisUrl: redis.url, wechats })
    const sides = Object.entries(offered.sides).map(([name, request]) => ({ name, server, request }))
    await measureInterleaved(load, sides, pace, results)
    for (const { name, request: { url } } of shuffled(sides)) {
      bursts[name] ??= []
      bursts[name].push(await load.call('burst', { url, count: BURST }))
    }
    await server.stop()
  }
  await redis.stop()
  return { sides: summarized(results), burst: { count: BURST, sides: summarizedBursts(sortedLike(results, bursts)) } }
}

/** Returns the members of `object` in the sorted order of the names in `model`. */
function sortedLike (model, object) {
  return Object.fromEntries(Object.keys(model).sort().map((name) => [name, object[name]]))
}

function summarizedBursts (bursts) {
  return Object.fromEntries(Object.entries(bursts).map(([name, rounds]) => {
    const statuses = [...new Set(rounds.flatMap((round) => Object.keys(round.statuses)))]
    const counts = medians(rounds.map((round) => (
      Object.fromEntries(statuses.map((status) => [status, round.statuses[status] ?? 0]))
    )))
    const { p50, p99, last } = medians(rounds.map(({ p50, p99, last }) => ({ p50, p99, last })))
    return [name, { statuses: counts, p50, p99, last, rounds }]
  }))
}
