/** Child processes with asynchronous calls. Each is pinned to a core and ends with the benchmark. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { pinned } from './machine.js'

const running = new Set()

/** Longer than any call takes. */
const CALL_TIMEOUT_MS = 180_000

export function killAll () {
  for (const child of running) child.kill('SIGKILL')
}

process.on('exit', killAll)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => {
    killAll()
    process.kill(process.pid, signal)
  })
}

/** Starts a program, which ends with this process at the latest. */
export function startProgram (role, command, args, options) {
  const child = spawn(...pinned(role, command, args), options)
  running.add(child)
  child.once('exit', () => running.delete(child))
  child.once('error', () => running.delete(child))
  return child
}

export async function stopProgram (child, signal = 'SIGKILL') {
  if (!running.has(child)) return
  child.kill(signal)
  await once(child, 'exit')
}

/** Starts a module that calls `serve` of rpc.js. `call(method, ...args)` resolves to the result of the method. */
export async function startModule (role, path, { args = [], nodeArgs = [] } = {}) {
  const module = fileURLToPath(new URL(`../${path}`, import.meta.url))
  const child = startProgram(role, process.execPath, [...nodeArgs, module, ...args], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // The production mode of Node.js. The memoryStore warning does not apply to a benchmark.
    env: { ...process.env, NODE_ENV: 'production', NODE_OPTIONS: '--disable-warning=FST_WEAPP_MEMORY_STORE' }
  })
  const calls = new Map()
  let lastId = 0

  child.on('message', ({ id, result, error }) => {
    const { resolve, reject } = calls.get(id) ?? {}
    if (error === undefined) resolve?.(result)
    else reject?.(new Error(`${path}: ${error}`))
  })
  for (const event of ['exit', 'error']) {
    child.once(event, () => {
      for (const { reject } of calls.values()) reject(new Error(`${path} exited before it responded`))
    })
  }

  async function call (method, ...args) {
    const id = ++lastId
    let timer
    try {
      return await new Promise((resolve, reject) => {
        calls.set(id, { resolve, reject })
        timer = setTimeout(reject, CALL_TIMEOUT_MS, new Error(`${path} did not respond to ${method} in time`))
        child.send({ id, method, args }, (error) => { if (error) reject(error) })
      })
    } finally {
      clearTimeout(timer)
      calls.delete(id)
    }
  }

  return { call, stop: () => stopProgram(child) }
}
