/** Measures sides in turn, round by round. Other load on the machine then affects all sides equally. */
import { medians, shuffled } from './statistics.js'

/** The wait for requests that the load generator left without a response. */
const SETTLE_MS = 50

/**
 * Measures one round of one side.
 *
 * @param side the `name`, the `server` of the side and the `request` of the load generator
 */
async function measure (load, { name, server, request }, seconds) {
  const before = await server.call('mark')
  const result = await load.call('run', { ...request, seconds })
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
  const after = await server.call('mark')
  if (result.failures !== 0) {
    throw new Error(`${name}: ${result.failures} requests failed: ${JSON.stringify(result.statusCodes)}`)
  }
  const used = after.cpu - before.cpu
  const cpu = used / (after.responses - before.responses)
  return { rps: result.rps, p50: result.p50, p99: result.p99, cpu, busy: used / (result.seconds * 1e6) }
}

/**
 * Warms up, then measures the rounds in random order and appends them to `results` by name. Sides that are compared
 * share a process and are measured together, because a shared machine changes its speed within seconds.
 */
export async function measureInterleaved (load, sides, { rounds, seconds, warmUp }, results) {
  for (const side of sides) {
    await measure(load, side, warmUp)
    // Created in the order of the sides, because the tables use this order.
    results[side.name] ??= []
  }
  const servers = [...new Set(sides.map(({ server }) => server))]
  for (let round = 0; round < rounds; round++) {
    for (const server of shuffled(servers)) {
      for (const side of shuffled(sides.filter((side) => side.server === server))) {
        results[side.name].push(await measure(load, side, seconds))
      }
    }
    process.stderr.write('.')
  }
}

export function summarized (results) {
  return Object.fromEntries(Object.entries(results).map(([name, rounds]) => [name, { ...medians(rounds), rounds }]))
}
