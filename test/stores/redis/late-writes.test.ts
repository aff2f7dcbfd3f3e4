import type { Redis } from 'ioredis'
import { test, type Test } from 'tap'
import type { RedisClient } from '../../../src/stores/redis/connection.js'
import { CREATE } from '../../../src/stores/redis/scripts.js'
import { redisStore } from '../../../src/stores/redis/store.js'
import { sealedKey, TestUser } from '../../../src/testing/store-suite/test-user.js'
import { HOUR } from '../../helpers/clock.js'
import { connectRedis, startRedis, type RedisServer } from '../../helpers/redis.js'

const TIMEOUT = { code: 'WEAPP_REDIS_TIMEOUT' }

/** Returns a client that keeps commands until it is connected again. */
function connect (t: Test, server: RedisServer): Redis {
  return connectRedis(t, server.url, { maxRetriesPerRequest: null })
}

/** Runs every write once. The server then has every script, and the store has the server's time. */
async function everyWrite (user: TestUser): Promise<void> {
  const { id, idleExpiresAt } = await user.signIn({ key: sealedKey() })
  await user.touch(id, idleExpiresAt + 1)
  await user.update(id, '{}')
  await user.writeKey(sealedKey())
  await user.revoke(id)
  await user.revokeAll()
}

type Recover = (server: RedisServer, client: Redis) => Promise<void>

async function assertNoLateWrites (t: Test, recover: Recover): Promise<void> {
  const server = await startRedis(t)
  const client = connect(t, server)
  const user = new TestUser(redisStore({ client, timeout: 300 }))
  await everyWrite(new TestUser(redisStore({ client })))
  const session = await user.signIn({ key: sealedKey(), data: '{"newer":true}' })
  const before = await client.hgetall(`weapp:${user.userId}`)

  server.pause()
  const writes: Promise<unknown>[] = [
    user.update(session.id, '{"older":true}'),
    user.touch(session.id, session.idleExpiresAt + HOUR),
    user.writeKey(sealedKey()),
    user.signIn({ limit: 1, key: null }),
    user.signIn({ replaces: session.id }),
    user.revokeAll(),
    user.revoke(session.id)
  ]
  await Promise.all(writes.map((write) => t.rejects(write, TIMEOUT)))

  await recover(server, client)
  await client.ping()
  t.strictSame(await client.hgetall(`weapp:${user.userId}`), before)
  t.equal(await user.update(session.id, '{}'), true, 'new writes work')
}

test('late writes: what a hung server had received does not happen', async (t) => {
  await assertNoLateWrites(t, async (server) => server.resume())
})

test('late writes: what ioredis resends over a new connection does not happen', async (t) => {
  await assertNoLateWrites(t, async (server, client) => {
    client.disconnect(true)
    server.resume()
    await new Promise((resolve) => client.once('ready', () => resolve(null)))
  })
})

test('late writes: a server that hung for less than the timeout runs them', async (t) => {
  const server = await startRedis(t)
  const user = new TestUser(redisStore({ client: connect(t, server), timeout: '1h' }))
  await everyWrite(user)
  server.pause()
  const login = user.signIn()
  server.resume()
  t.strictSame(await user.liveIds(), [(await login).id])
})

// ioredis does so after it lost the connection before the reply.
test('late writes: a login that is sent twice adds one session', async (t) => {
  const server = await startRedis(t)
  const client = connect(t, server)
  const store = redisStore({ client: sendingTwice(client) })
  const user = new TestUser(store)
  for (const limit of [1, 2]) {
    const [before] = await user.liveIds()
    const { id } = await user.signIn({ limit, key: sealedKey() })
    const ids = before === undefined || limit === 1 ? [id] : [before, id]
    t.strictSame(await user.liveIds(), ids)
    t.equal((await user.readKeys()).length, ids.length)
  }
  // The second one may arrive after the session has ended.
  const other = new TestUser(redisStore({
    client: sendingTwice(client, async (key) => {
      const [field] = (await client.hkeys(key)).filter((name) => name.startsWith('m'))
      await other.revoke(field!.slice(1))
    })
  }))
  const { id } = await other.signIn()
  t.strictSame(await other.read(id), { status: 'ended', reason: 'revoked' })
})

test("clock: no write fails because the server's clock differs or is set", async (t) => {
  const server = await startRedis(t)
  const clock = shiftedClock(connect(t, server))
  const user = new TestUser(redisStore({ client: clock.client }))
  await everyWrite(user)
  for (const shift of [HOUR, 0, -HOUR, 24 * HOUR]) {
    clock.shift = shift
    const { id } = await user.signIn()
    t.equal(await user.update(id, '{}'), true, `${shift} ms`)
    clock.commands = 0
    await user.revokeAll()
    t.equal(clock.commands, 1, 'a steady clock costs no attempt')
  }
})

test('clock: one that jumps with every command rejects after four attempts', async (t) => {
  const server = await startRedis(t)
  const clock = shiftedClock(connect(t, server))
  const user = new TestUser(redisStore({ client: clock.client }))
  await everyWrite(user)
  clock.jump = HOUR
  clock.commands = 0
  await t.rejects(user.signIn(), TIMEOUT)
  t.equal(clock.commands, 4)
})

interface ShiftedClock {
  client: RedisClient
  /** Milliseconds by which the server's clock is ahead. */
  shift: number
  /** Milliseconds that each write adds to it. */
  jump: number
  commands: number
}

/** Sends every script twice and returns the second reply. `between` runs once. */
function sendingTwice (client: Redis, between?: (key: string) => Promise<void>): RedisClient {
  return new Proxy(client, {
    get (target, name) {
      if (name !== 'evalsha' && name !== 'eval') return Reflect.get(target, name, target)
      return async (script: string, keys: number, key: string, ...rest: string[]) => {
        const [, ...result] = await target[name](script, keys, key, ...rest) as unknown[]
        const run = between
        if (result.length > 0) between = undefined
        if (result.length > 0) await run?.(key)
        return await target[name](script, keys, key, ...rest)
      }
    }
  }) as RedisClient
}

/** The position of the start of a login in the arguments of CREATE, after the fence. */
const STARTED_AT = 4

/** Shifts the server's clock, in the fence and the start of a login, and in the reply of each write. */
function shiftedClock (client: Redis): ShiftedClock {
  const clock = {
    shift: 0,
    jump: 0,
    commands: 0,
    client: new Proxy(client, {
      get (target, name) {
        if (name !== 'evalsha' && name !== 'eval') return Reflect.get(target, name, target)
        return async (script: string, keys: number, key: string, first: string, ...rest: string[]) => {
          clock.commands++
          clock.shift += clock.jump
          const isWrite = rest.length > 0
          const fence = isWrite ? `${Number(first) - clock.shift}` : first
          const isLogin = script === CREATE.sha1 || script === CREATE.source
          if (isLogin) rest[STARTED_AT] = `${Number(rest[STARTED_AT]) - clock.shift}`
          const reply = await target[name](script, keys, key, fence, ...rest)
          if (!isWrite) return reply
          const [time, ...result] = reply as unknown[]
          return [Number(time) + clock.shift, ...result]
        }
      }
    }) as RedisClient
  }
  return clock
}
