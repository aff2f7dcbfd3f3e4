/** Describes the machine and assigns each process to a core. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism, cpus, release, totalmem, type } from 'node:os'

/** Returns the cores that this process may use. In a container they are not always the first cores. */
function allowedCores () {
  const status = existsSync('/proc/self/status') ? readFileSync('/proc/self/status', 'utf8') : ''
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1]
  if (list === undefined) return Array.from({ length: availableParallelism() }, (_, core) => core)
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, index) => first + index)
  })
}

function runs (program) {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0
}

const cores = allowedCores()
const isPinned = cores.length > 1 && runs('taskset')
/** The server has a separate core. With few cores the other processes share the remaining cores. */
const CORE_OF = {
  server: cores[0], load: cores[1], redis: cores[2] ?? cores[1], wechat: cores[3] ?? cores[2] ?? cores[1]
}

/** Returns the command line, pinned to the core of its role if possible. */
export function pinned (role, command, args) {
  return isPinned ? ['taskset', ['-c', `${CORE_OF[role]}`, command, ...args]] : [command, args]
}

/** Returns the program name of Redis or Valkey. */
export function redisProgram () {
  const program = ['redis-server', 'valkey-server'].find(runs)
  if (program === undefined) throw new Error('Redis was not found. Add redis-server or valkey-server to the PATH.')
  return program
}

export function describeMachine () {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cores.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.version,
    redis: spawnSync(redisProgram(), ['--version'], { encoding: 'utf8' }).stdout.trim().split(' sha=')[0],
    pinning: isPinned
      ? Object.entries(CORE_OF).map(([role, core]) => `${role} on core ${core}`).join(', ')
      : `none, ${cores.length > 1 ? 'without taskset' : 'on a single core'}. Server and load compete for CPU time`
  }
}
