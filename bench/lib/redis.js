/** A Redis of the benchmark's own: on a free port of the loopback, without persistence. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import { redisProgram } from './machine.js'
import { startProgram, stopProgram } from './processes.js'

async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

export async function startRedis () {
  const port = await freePort()
  const words = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', tmpdir(), '--save', '', '--appendonly', 'no']
  const child = startProgram('redis', redisProgram(), words, { stdio: ['ignore', 'pipe', 'inherit'] })
  await isReady(child.stdout)
  child.stdout.resume()
  const url = `redis://127.0.0.1:${port}`
  return { url, usedBytes: () => usedBytes(url), stop: () => stopProgram(child) }
}

async function isReady (log) {
  for await (const line of createInterface(log)) if (line.includes('Ready to accept connections')) return
  throw new Error('Redis did not start')
}

/** `used_memory`, asked when whoever filled it is gone: the buffers of clients count too. */
async function usedBytes (url) {
  const client = new Redis(url)
  try {
    return Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))[1])
  } finally {
    client.disconnect()
  }
}
