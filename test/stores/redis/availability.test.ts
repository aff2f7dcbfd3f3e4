import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { Redis } from 'ioredis'
import { test, type Test } from 'tap'
import type { RedisClient } from '../../../src/stores/redis/connection.js'
import { redisStore } from '../../../src/stores/redis/store.js'
import { randomId, TestUser } from '../../../src/testing/store-suite/test-user.js'
import { startRedis, type RedisServer } from '../../helpers/redis.js'

const NOT_CONNECTED = { message: 'Redis is not connected' }
const TOO_LATE = { message: 'Redis did not answer in time' }
const TOO_MANY = { message: 'too many commands wait for Redis' }

/** Long enough that a test which would wait for it fails by tap's own time limit. */
const FOREVER = '1h'

interface ClientOptions {
  lazyConnect?: boolean
  enableOfflineQueue?: boolean
}

function connect (t: Test, { port }: { port: number }, options: ClientOptions = {}): Redis {
  const client = new Redis({ port, retryStrategy: () => 20, ...options })
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  return client
}

async function readyClient (t: Test, server: RedisServer): Promise<Redis> {
  const client = connect(t, server)
  await event(client, 'ready')
  return client
}

/** Not `once` of node:events, which rejects when a client that is still reconnecting reports an error. */
function event (client: Redis, name: 'ready' | 'close' | 'end'): Promise<unknown> {
  return new Promise((resolve) => client.once(name, () => resolve(null)))
}

test('before the first connection an operation waits for it', async (t) => {
  const server = await startRedis(t)
  const client = connect(t, server)
  const user = new TestUser(redisStore({ client, timeout: FOREVER }))
  t.not(client.status, 'ready')
  const { id } = await user.signIn()
  t.equal(await user.isLive(id), true)
  t.equal(client.listenerCount('ready'), 0)
})

test('a server that comes up later is waited for, in order', async (t) => {
  const server = await startRedis(t)
  await server.kill()
  const client = connect(t, server)
  const user = new TestUser(redisStore({ client, timeout: FOREVER }))
  const listeners = client.listenerCount('ready')
  const logins = Array.from({ length: 5 }, () => user.signIn())
  t.equal(client.listenerCount('ready'), listeners, 'no listener for each')
  await server.restart()
  const sessions = await Promise.all(logins)
  t.strictSame(await user.liveIds(), sessions.map(({ id }) => id))
})

test('what waited for the first connection too long never happens', async (t) => {
  const server = await startRedis(t)
  await server.kill()
  const client = connect(t, server)
  const user = new TestUser(redisStore({ client, timeout: 50 }))
  await t.rejects(user.signIn(), TOO_LATE)
  await server.restart()
  if (client.status !== 'ready') await event(client, 'ready')
  await client.ping()
  t.equal(await client.dbsize(), 0)
})

test('at most 1,000 wait for the first connection', async (t) => {
  const server = await startRedis(t)
  await server.kill()
  const client = connect(t, server)
  const user = new TestUser(redisStore({ client, timeout: FOREVER }))
  const reads = Array.from({ length: 1500 }, () => user.read(randomId()))
  const refused = await Promise.allSettled(reads.slice(1000))
  t.ok(refused.every((result) => result.status === 'rejected' && result.reason.message === TOO_MANY.message))
  await server.restart()
  t.strictSame(new Set(await Promise.all(reads.slice(0, 1000))), new Set([null]))
})

test('what waited for the first connection too long makes room for others', async (t) => {
  const server = await startRedis(t)
  await server.kill()
  const user = new TestUser(redisStore({ client: connect(t, server), timeout: 50 }))
  const refused = await Promise.allSettled(Array.from({ length: 1000 }, () => user.read(randomId())))
  t.ok(refused.every((result) => result.status === 'rejected' && result.reason.message === TOO_LATE.message))
  await t.rejects(user.read(randomId()), TOO_LATE)
})

test('a lazy client connects when it is first asked', async (t) => {
  const client = connect(t, await startRedis(t), { lazyConnect: true })
  const user = new TestUser(redisStore({ client, timeout: FOREVER }))
  t.equal(client.status, 'wait')
  const [session] = await Promise.all([user.signIn(), user.read(randomId())])
  t.strictSame(await user.liveIds(), [session.id])
})

test('a lazy client without a server rejects in time, and nothing is left unhandled', async (t) => {
  const server = await startRedis(t)
  await server.kill()
  const client = connect(t, server, { lazyConnect: true })
  const user = new TestUser(redisStore({ client, timeout: 50 }))
  await t.rejects(user.read(randomId()), TOO_LATE)
})

test('a client without an offline queue works from the first command on', async (t) => {
  const client = connect(t, await startRedis(t), { enableOfflineQueue: false })
  const user = new TestUser(redisStore({ client, timeout: FOREVER }))
  const { id } = await user.signIn()
  t.equal(await user.isLive(id), true)
})

test('a client that was closed before it connected rejects at once', async (t) => {
  const server = await startRedis(t)
  const client = connect(t, server, { lazyConnect: true })
  const user = new TestUser(redisStore({ client, timeout: FOREVER }))
  client.disconnect()
  if (client.status !== 'end') await event(client, 'end')
  await t.rejects(user.read(randomId()), NOT_CONNECTED)
})

test('a client that is closed while commands wait for it rejects them in time', async (t) => {
  const server = await startRedis(t)
  await server.kill()
  const client = connect(t, server)
  const user = new TestUser(redisStore({ client, timeout: 100 }))
  const read = user.read(randomId())
  client.disconnect()
  await t.rejects(read, TOO_LATE)
})

test('a server that dies: rejected at once, nothing happens later, and it recovers', async (t) => {
  const server = await startRedis(t)
  const client = await readyClient(t, server)
  const user = new TestUser(redisStore({ client, timeout: FOREVER }))
  await user.signIn()

  const closed = event(client, 'close')
  await server.kill()
  await closed
  await t.rejects(user.read(randomId()), NOT_CONNECTED)
  await Promise.all(Array.from({ length: 20 }, () => t.rejects(user.signIn(), NOT_CONNECTED)))

  const ready = event(client, 'ready')
  await server.restart()
  await ready
  t.equal(await client.dbsize(), 0, 'what was refused did not happen')
  const { id } = await user.signIn()
  t.strictSame(await user.liveIds(), [id])
})

test('a server that hangs: rejected in time, bounded, and what was refused does not happen later', async (t) => {
  const server = await startRedis(t)
  const client = await readyClient(t, server)
  const user = new TestUser(redisStore({ client, timeout: 500 }))
  await user.read(randomId())

  server.pause()
  const burst = await Promise.allSettled(Array.from({ length: 1500 }, () => user.read(randomId())))
  t.equal(burst.filter((result) => result.status === 'rejected' && result.reason.message === TOO_LATE.message).length, 1000)
  t.equal(burst.filter((result) => result.status === 'rejected' && result.reason.message === TOO_MANY.message).length, 500)
  // Those that timed out are still with ioredis, and still count.
  await t.rejects(user.signIn(), TOO_MANY)

  server.resume()
  await client.ping()
  t.equal(await client.dbsize(), 0)
  const { id } = await user.signIn()
  t.strictSame(await user.liveIds(), [id], 'and there is room again')
})

test('a script that the server turns out not to know too late is not sent again', async (t) => {
  const server = await startRedis(t)
  const client = await readyClient(t, server)
  const user = new TestUser(redisStore({ client, timeout: 50 }))
  server.pause()
  await t.rejects(user.signIn(), TOO_LATE)
  server.resume()
  await client.ping()
  t.equal(await client.dbsize(), 0)
})

test('a connection that is closing is not written to', async (t) => {
  const client = fakeClient({ stream: { writable: false } })
  const user = new TestUser(redisStore({ client }))
  await t.rejects(user.read(randomId()), NOT_CONNECTED)
  t.equal(client.asked, 0)
})

test('a client that is no longer ready when its first connection is announced is not written to', async (t) => {
  const client = fakeClient({ status: 'connecting' })
  const user = new TestUser(redisStore({ client, timeout: FOREVER }))
  const read = user.read(randomId())
  client.announceReady()
  await t.rejects(read, NOT_CONNECTED)
  t.equal(client.asked, 0)
})

test('an error of the client passes, without keys or values in ours', async (t) => {
  const client = fakeClient({})
  const user = new TestUser(redisStore({ client }))
  await t.rejects(user.read(randomId()), { message: 'ERR of the server' })
  await t.rejects(user.signIn(), { message: 'ERR of the server' })
  for (const { message } of [NOT_CONNECTED, TOO_LATE, TOO_MANY]) t.notMatch(message, user.userId)
})

test('a port that accepts and never answers: rejected in time', async (t) => {
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => silent.close())
  const client = connect(t, { port: (silent.address() as AddressInfo).port })
  const user = new TestUser(redisStore({ client, timeout: 50 }))
  await t.rejects(user.read(randomId()), TOO_LATE)
})

interface FakeClient extends RedisClient {
  asked: number
  announceReady (): void
}

/** For the moments that a real client passes through too quickly to be caught. */
function fakeClient (state: { status?: string, stream?: { writable: boolean } }): FakeClient {
  const listeners: (() => void)[] = []
  const refuse = async (): Promise<never> => {
    client.asked++
    throw new Error('ERR of the server')
  }
  const client: FakeClient = {
    status: 'ready',
    asked: 0,
    connect: async () => {},
    once: (_event: 'ready', listener: () => void) => listeners.push(listener),
    hmget: refuse,
    duplicate: () => client,
    evalsha: refuse,
    eval: refuse,
    announceReady: () => { for (const listener of listeners) listener() },
    ...state
  }
  return client
}
