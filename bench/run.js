/**
 * Measures the cost of fastify-weapp and of its peers:
 * `npm run bench [-- --quick] [-- --only guard|login|size|databases]`.
 *
 * A missed target is no failure. The benchmark fails only if a measurement fails.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { describeMachine } from './lib/machine.js'
import { killAll, startModule } from './lib/processes.js'
import { burstTable, checkTargets, sidesTable, targetsTable } from './lib/report.js'
import * as databases from './stages/databases.js'
import * as guard from './stages/guard.js'
import * as login from './stages/login.js'
import * as size from './stages/size.js'

const STAGES = { guard, login, size, databases }
const FULL = { processes: 3, pace: { rounds: 24, seconds: 0.2, warmUp: 1.5 }, sizes: [1000, 100_000, 1_000_000] }
const QUICK = { processes: 1, pace: { rounds: 2, seconds: 0.4, warmUp: 0.4 }, sizes: [1000, 10_000, 50_000] }
const DEADLINE_MS = 25 * 60_000

const { values: { quick, only } } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } }
})
if (only !== undefined && !Object.hasOwn(STAGES, only)) {
  throw new Error(`--only ${only} is unknown. Use ${Object.keys(STAGES).join(', ')}.`)
}
// All plugins must share one copy of Fastify, because a second copy may have another version.
if (existsSync(new URL('./node_modules/fastify', import.meta.url))) {
  throw new Error('bench/node_modules contains a second copy of fastify. Remove it.')
}

setTimeout(() => {
  console.error(`\nThe benchmark timed out after ${DEADLINE_MS / 60_000} minutes.`)
  process.exit(1)
}, DEADLINE_MS).unref()

try {
  await main()
} finally {
  killAll()
}

async function main () {
  const machine = describeMachine()
  for (const [name, value] of Object.entries(machine)) console.log(`${name}: ${value}`)
  const simulated = await startModule('wechat', 'wechat.js')
  const load = await startModule('load', 'load.js')
  const urls = new Map()
  const wechat = async (delay) => {
    if (!urls.has(delay)) urls.set(delay, await simulated.call('start', delay))
    return urls.get(delay)
  }

  const settings = quick ? QUICK : FULL
  const stages = {}
  for (const [name, stage] of Object.entries(STAGES)) {
    if (only !== undefined && only !== name) continue
    process.stderr.write(`\n${name} `)
    const result = await stage.run({ load, wechat, ...settings })
    const targets = checkTargets(stage.targets ?? stage.targetsFor(settings.sizes), result.sides)
    stages[name] = { ...result, targets }
    print(name, stages[name], stage.referenceOf)
  }
  save({ at: new Date().toISOString(), machine, settings, stages })
}

function print (name, { sides, burst, targets }, referenceOf) {
  const note = referenceOf === undefined ? '' : ' (cost ratio: the bare route of the same process = 1)'
  console.log(`\n\n# ${name}${note}\n`)
  console.log(sidesTable(sides, referenceOf))
  if (burst !== undefined) console.log(`\n${burst.count} logins at once:\n\n${burstTable(burst)}`)
  console.log(`\n${targetsTable(targets)}`)
}

function save (results) {
  const file = new URL('./results/latest.json', import.meta.url)
  mkdirSync(new URL('.', file), { recursive: true })
  writeFileSync(file, `${JSON.stringify(results, null, 2)}\n`)
  console.log('\nbench/results/latest.json contains every round.')
}
