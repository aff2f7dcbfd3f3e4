/** Starts a separate Redis on a free loopback port, without persistence. */
import { once } from 'node:events'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { createInterface } from 'node:readline'
import { Redis } from 'ioredis'
import { redisProgram } from './machine.js'
import { startProgram, stopProgram } from './processes.js'

export async function freePort () {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}

export async function startRedis () {
  const port = await freePort()
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', tmpdir(), '--save', '', '--appendonly', 'no']
  const child = startProgram('redis', redisProgram(), args, { stdio: ['ignore', 'pipe', 'inherit'] })
  await untilReady(child.stdout)
  child.stdout.resume()
  const url = `redis://127.0.0.1:${port}`
  return { url, usedBytes: () => usedBytes(url), stop: () => stopProgram(child) }
}

async function untilReady (log) {
  for await (const line of createInterface(log)) if (line.includes('Ready to accept connections')) return
  throw new Error('Redis did not start. Check its output above.')
}

/** Returns `used_memory`. Call it when other clients have disconnected, because their buffers count as well. */
async function usedBytes (url) {
  const client = new Redis(url)
  try {
    return Number(/^used_memory:(\d+)/m.exec(await client.info('memory'))[1])
  } finally {
    client.disconnect()
  }
}
