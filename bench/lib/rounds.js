/** Sides measured in turn, round by round, so that whatever else the machine does hits all of them alike. */
import { medians, shuffled } from './statistics.js'

/** For what the load generator left unanswered, in milliseconds. */
const SETTLE_MS = 50

/**
 * One round of one side.
 *
 * @param side `name`, the `server` that serves it, and `request`: what the load generator is to ask
 */
async function measure (load, { name, server, request }, seconds) {
  const before = await server.call('mark')
  const result = await load.call('run', { ...request, seconds })
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
  const after = await server.call('mark')
  if (result.failures !== 0) {
    throw new Error(`${name}: ${result.failures} requests failed: ${JSON.stringify(result.statusCodes)}`)
  }
  const cpu = (after.cpu - before.cpu) / (after.answers - before.answers)
  return { rps: result.rps, p50: result.p50, p99: result.p99, cpu, busy: (after.cpu - before.cpu) / (result.seconds * 1e6) }
}

/**
 * A warm-up that does not count, then the rounds, each in an order of its own; appended to `results` by name. What is
 * compared shares a process and is measured in one go: a machine that others use as well changes its speed within seconds.
 */
export async function measureInterleaved (load, sides, { rounds, seconds, warmUp }, results) {
  for (const side of sides) {
    await measure(load, side, warmUp)
    // Here and not below, so that tables keep the order of the sides.
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
