/**
 * Measures the CPU time from the start of a process to a server that is ready, with Fastify alone and with the plugin.
 * With `--size`, also measures the packages that an installation adds to those of Fastify. This needs the registry.
 *
 *     npm run build && node bench/startup.js [--pairs 30] [--size]
 *
 * Other programs disturb absolute times. Each round therefore runs every side once, and only ratios of a round count.
 */
import { execFileSync } from 'node:child_process'
import { lstatSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { median, shuffled } from './lib/statistics.js'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const REFERENCE = 'fastify alone'
const MAX_RATIO = 1.5
const MAX_ADDED_MB = 10

const OPTIONS = "{ appId: 'wx', appSecret: 'secret', secret: 'a secret of the benchmark, long enough' }"
const START = "const { default: Fastify } = await import('fastify'); const app = Fastify()"

/** The program of each side. */
const SIDES = {
  [REFERENCE]: `${START}; await app.ready()`,
  'and fastify-weapp, imported': `${START}; await import('fastify-weapp'); await app.ready()`,
  'and fastify-weapp, registered': `
    ${START}; await app.register(import('fastify-weapp'), ${OPTIONS}); await app.ready()`
}

const { values: { pairs, size } } = parseArgs({
  options: { pairs: { type: 'string', default: '30' }, size: { type: 'boolean', default: false } }
})

/** Returns the CPU time of a side in milliseconds, without that of Node.js itself. */
function cpuTime (side) {
  const program = `
    const before = process.cpuUsage()
    ${SIDES[side]}
    const { user, system } = process.cpuUsage(before)
    process.stdout.write(String((user + system) / 1000))
    process.exit()`
  return Number(execFileSync(process.execPath, ['--input-type=module', '-e', program], { cwd: ROOT, encoding: 'utf8' }))
}

function measureTimes () {
  const times = Object.fromEntries(Object.keys(SIDES).map((side) => [side, []]))
  // The first processes read the files from the disk.
  for (const side of Object.keys(SIDES)) cpuTime(side)
  for (let round = 0; round < Number(pairs); round++) {
    for (const side of shuffled(Object.keys(SIDES))) times[side].push(cpuTime(side))
  }
  return Object.entries(times).map(([side, ofSide]) => ({
    side,
    'CPU ms': Number(median(ofSide).toFixed(1)),
    ratio: Number(median(ofSide.map((time, round) => time / times[REFERENCE][round])).toFixed(2))
  }))
}

/** Returns the disk usage in megabytes of the packages that npm installs, in whole blocks as `du` counts it. */
function installedSize (...packages) {
  const folder = mkdtempSync(join(tmpdir(), 'fastify-weapp-size-'))
  try {
    writeFileSync(join(folder, 'package.json'), '{ "private": true }')
    execFileSync('npm', ['install', '--silent', '--no-package-lock', ...packages], { cwd: folder })
    const paths = readdirSync(join(folder, 'node_modules'), { recursive: true })
    const blocks = paths.map((path) => lstatSync(join(folder, 'node_modules', path)).blocks)
    return blocks.reduce((sum, ofFile) => sum + ofFile, 0) * 512 / 2 ** 20
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function addedSize () {
  const folder = mkdtempSync(join(tmpdir(), 'fastify-weapp-pack-'))
  try {
    const packed = execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', folder], {
      cwd: ROOT, encoding: 'utf8'
    })
    const alone = installedSize('fastify')
    const both = installedSize('fastify', join(folder, packed.trim()))
    return Number((both - alone).toFixed(1))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const times = measureTimes()
console.table(times)
let isMet = times.at(-1).ratio <= MAX_RATIO
if (size) {
  const added = addedSize()
  console.log(`${added} MB of packages more than those of Fastify`)
  isMet &&= added <= MAX_ADDED_MB
}
process.exitCode = isMet ? 0 : 1
