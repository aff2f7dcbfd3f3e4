import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import type { Redis } from 'ioredis'
import { test, type Test } from 'tap'
import type { RedisClient } from '../../../src/stores/redis/connection.js'
import { redisStore } from '../../../src/stores/redis/store.js'
import { randomId, TestUser } from '../../../src/testing/store-suite/test-user.js'
import { connectRedis, startRedis, type RedisServer } from '../../helpers/redis.js'

const NOT_CONNECTED = { code: 'WEAPP_REDIS_NOT_CONNECTED' }
const TIMEOUT = { code: 'WEAPP_REDIS_TIMEOUT' }
const TOO_MANY_WAITING = { code: 'WEAPP_REDIS_TOO_MANY_WAITING' }

/** Longer than tap's own time limit. */
const NO_TIMEOUT = '1h'

async function readyClient (t: Test, server: RedisServer): Promise<Redis> {
  const client = connectRedis(t, server.url)
  await event(client, 'ready')
  return client
}

/** Awaits an event. `once` of node:events would reject if a client that is reconnecting emits an error. */
function event (client: Redis, name: 'ready' | 'close' | 'end'): Promise<unknown> {
  return new Promise((resolve) => client.once(name, () => resolve(null)))
}

test('first connection: an operation waits for it', async (t) => {
  const server = await startRedis(t)
  const client = connectRedis(t, server.url)
  const user = new TestUser(redisStore({ client, timeout: NO_TIMEOUT }))
  t.not(client.status, 'ready')
  const { id } = await user.signIn()
  t.equal(await user.isLive(id), true)
  t.equal(client.listenerCount('ready'), 0)
})

test('first connection: operations run in order when the server starts later', async (t) => {
  const server = await startRedis(t)
  await server.kill()
  const client = connectRedis(t, server.url)
  const user = new TestUser(redisStore({ client, timeout: NO_TIMEOUT }))
  const listeners = client.listenerCount('ready')
  const logins = Array.from({ length: 5 }, () => user.signIn())
  t.equal(client.listenerCount('ready'), listeners, 'one listener for all operations')
  await server.restart()
  const sessions = await Promise.all(logins)
  t.strictSame(await user.liveIds(), sessions.map(({ id }) => id))
})

test('first connection: an operation that timed out never happens', async (t) => {
  const server = await startRedis(t)
  await server.kill()
  const client = connectRedis(t, server.url)
  const user = new TestUser(redisStore({ client, timeout: 50 }))
  await t.rejects(user.signIn(), TIMEOUT)
  await server.restart()
  if (client.status !== 'ready') await event(client, 'ready')
  await client.ping()
  t.equal(await client.dbsize(), 0)
})

test('first connection: at most 1,000 operations wait for it', async (t) => {
  const server = await startRedis(t)
  await server.kill()
  const client = connectRedis(t, server.url)
  const user = new TestUser(redisStore({ client, timeout: NO_TIMEOUT }))
  const reads = Array.from({ length: 1500 }, () => user.read(randomId()))
  const results = await Promise.allSettled(reads.slice(1000))
  t.ok(results.every((result) => result.status === 'rejected' && result.reason.code === TOO_MANY_WAITING.code))
  await server.restart()
  t.strictSame(new Set(await Promise.all(reads.slice(0, 1000))), new Set([null]))
})

test('first connection: an operation that timed out no longer counts', async (t) => {
  const server = await startRedis(t)
  await server.kill()
  const user = new TestUser(redisStore({ client: connectRedis(t, server.url), timeout: 50 }))
  const results = await Promise.allSettled(Array.from({ length: 1000 }, () => user.read(randomId())))
  t.ok(results.every((result) => result.status === 'rejected' && result.reason.code === TIMEOUT.code))
  await t.rejects(user.read(randomId()), TIMEOUT)
})

test('first connection: a lazy client connects with the first operation', async (t) => {
  const client = connectRedis(t, (await startRedis(t)).url, { lazyConnect: true })
  const user = new TestUser(redisStore({ client, timeout: NO_TIMEOUT }))
  t.equal(client.status, 'wait')
  const [session] = await Promise.all([user.signIn(), user.read(randomId())])
  t.strictSame(await user.liveIds(), [session.id])
})

test('first connection: a lazy client without a server rejects in time', async (t) => {
  const server = await startRedis(t)
  await server.kill()
  const client = connectRedis(t, server.url, { lazyConnect: true })
  const user = new TestUser(redisStore({ client, timeout: 50 }))
  await t.rejects(user.read(randomId()), TIMEOUT)
})

test('first connection: a client without an offline queue works at once', async (t) => {
  const client = connectRedis(t, (await startRedis(t)).url, { enableOfflineQueue: false })
  const user = new TestUser(redisStore({ client, timeout: NO_TIMEOUT }))
  const { id } = await user.signIn()
  t.equal(await user.isLive(id), true)
})

test('first connection: a client that was closed before rejects at once', async (t) => {
  const server = await startRedis(t)
  const client = connectRedis(t, server.url, { lazyConnect: true })
  const user = new TestUser(redisStore({ client, timeout: NO_TIMEOUT }))
  client.disconnect()
  if (client.status !== 'end') await event(client, 'end')
  await t.rejects(user.read(randomId()), NOT_CONNECTED)
})

test('first connection: a client that is closed meanwhile rejects in time', async (t) => {
  const server = await startRedis(t)
  await server.kill()
  const client = connectRedis(t, server.url)
  const user = new TestUser(redisStore({ client, timeout: 100 }))
  const read = user.read(randomId())
  client.disconnect()
  await t.rejects(read, TIMEOUT)
})

test('outage: a dead server rejects at once, without late writes', async (t) => {
  const server = await startRedis(t)
  const client = await readyClient(t, server)
  const user = new TestUser(redisStore({ client, timeout: NO_TIMEOUT }))
  await user.signIn()

  const closed = event(client, 'close')
  await server.kill()
  await closed
  await t.rejects(user.read(randomId()), NOT_CONNECTED)
  await Promise.all(Array.from({ length: 20 }, () => t.rejects(user.signIn(), NOT_CONNECTED)))

  const ready = event(client, 'ready')
  await server.restart()
  await ready
  t.equal(await client.dbsize(), 0, 'a rejected write did not happen')
  const { id } = await user.signIn()
  t.strictSame(await user.liveIds(), [id])
})

test('outage: a hung server rejects in time, without late writes', async (t) => {
  const server = await startRedis(t)
  const client = await readyClient(t, server)
  const user = new TestUser(redisStore({ client, timeout: 500 }))
  await user.read(randomId())

  server.pause()
  const burst = await Promise.allSettled(Array.from({ length: 1500 }, () => user.read(randomId())))
  const rejectedWith = ({ code }: { code: string }) => {
    return burst.filter((result) => result.status === 'rejected' && result.reason.code === code).length
  }
  t.equal(rejectedWith(TIMEOUT), 1000)
  t.equal(rejectedWith(TOO_MANY_WAITING), 500)
  // Commands that timed out still count, because ioredis has not answered them.
  await t.rejects(user.signIn(), TOO_MANY_WAITING)

  server.resume()
  await client.ping()
  t.equal(await client.dbsize(), 0)
  const { id } = await user.signIn()
  t.strictSame(await user.liveIds(), [id], 'new commands are accepted')
})

test('outage: a NOSCRIPT reply after the timeout does not send the source', async (t) => {
  const server = await startRedis(t)
  const client = await readyClient(t, server)
  const user = new TestUser(redisStore({ client, timeout: 50 }))
  server.pause()
  await t.rejects(user.signIn(), TIMEOUT)
  server.resume()
  await client.ping()
  t.equal(await client.dbsize(), 0)
})

test('connection: nothing is written while it closes', async (t) => {
  const client = fakeClient({ stream: { writable: false } })
  const user = new TestUser(redisStore({ client }))
  await t.rejects(user.read(randomId()), NOT_CONNECTED)
  t.equal(client.commands, 0)
})

test('connection: nothing is written if the client is not ready after its event', async (t) => {
  const client = fakeClient({ status: 'connecting' })
  const user = new TestUser(redisStore({ client, timeout: NO_TIMEOUT }))
  const read = user.read(randomId())
  client.emitReady()
  await t.rejects(read, NOT_CONNECTED)
  t.equal(client.commands, 0)
})

test('errors: those of the client pass, and the own contain no user', async (t) => {
  const client = fakeClient({})
  const user = new TestUser(redisStore({ client }))
  await t.rejects(user.read(randomId()), { message: 'ERR of the server' })
  await t.rejects(user.signIn(), { message: 'ERR of the server' })
  const closed = new TestUser(redisStore({ client: fakeClient({ stream: { writable: false } }) }))
  const error = await closed.read(randomId()).catch(String)
  t.equal(error, 'Error: Redis is not connected. Check its address and whether it runs.')
})

test('outage: a port that accepts and never responds rejects in time', async (t) => {
  const silent = createServer().listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => silent.close())
  const client = connectRedis(t, `redis://127.0.0.1:${(silent.address() as AddressInfo).port}`)
  const user = new TestUser(redisStore({ client, timeout: 50 }))
  await t.rejects(user.read(randomId()), TIMEOUT)
})

interface FakeClient extends RedisClient {
  commands: number
  emitReady (): void
}

/** Returns a client in a state that a real client leaves too quickly to be tested. */
function fakeClient (state: { status?: string, stream?: { writable: boolean } }): FakeClient {
  const listeners: (() => void)[] = []
  const fail = async (): Promise<never> => {
    client.commands++
    throw new Error('ERR of the server')
  }
  const client: FakeClient = {
    status: 'ready',
    commands: 0,
    connect: async () => {},
    once: (_event: 'ready', listener: () => void) => listeners.push(listener),
    hmget: fail,
    duplicate: () => client,
    on: () => {},
    off: () => {},
    info: fail,
    evalsha: fail,
    eval: fail,
    emitReady: () => { for (const listener of listeners) listener() },
    ...state
  }
  return client
}
