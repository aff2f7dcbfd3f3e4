import { Redis } from 'ioredis'
import { test, type Test } from 'tap'
import type { RedisClient } from '../../../src/stores/redis/connection.js'
import { redisStore } from '../../../src/stores/redis/store.js'
import { sealedKey, TestUser } from '../../../src/testing/store-suite/test-user.js'
import { HOUR } from '../../helpers/clock.js'
import { startRedis } from '../../helpers/redis.js'

const TOO_LATE = { message: 'Redis did not answer in time' }

function connect (t: Test, port: number): Redis {
  const client = new Redis({ port, retryStrategy: () => 20, maxRetriesPerRequest: null })
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  return client
}

/** So that the server knows every script and the store the server's time, and a single command is a whole operation. */
async function everyWrite (user: TestUser): Promise<void> {
  const { id, idleExpiresAt } = await user.signIn({ key: sealedKey() })
  await user.touch(id, idleExpiresAt + 1)
  await user.update(id, '{}')
  await user.writeKey(sealedKey())
  await user.revoke(id)
  await user.revokeAll()
}

async function refusesLateWrites (t: Test, recover: (server: Awaited<ReturnType<typeof startRedis>>, client: Redis) => Promise<void>): Promise<void> {
  const server = await startRedis(t)
  const client = connect(t, server.port)
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
  await Promise.all(writes.map((write) => t.rejects(write, TOO_LATE)))

  await recover(server, client)
  await client.ping()
  t.strictSame(await client.hgetall(`weapp:${user.userId}`), before)
  t.equal(await user.update(session.id, '{}'), true, 'and it goes on')
}

test('what a server that hung had received does not happen when it is back', (t) => refusesLateWrites(t, async (server) => {
  server.resume()
}))

test('what ioredis sends again over a new connection does not happen either', (t) => refusesLateWrites(t, async (server, client) => {
  client.disconnect(true)
  server.resume()
  await new Promise((resolve) => client.once('ready', () => resolve(null)))
}))

test('a server that hung for less than the timeout does it all', async (t) => {
  const server = await startRedis(t)
  const user = new TestUser(redisStore({ client: connect(t, server.port), timeout: '1h' }))
  await everyWrite(user)
  server.pause()
  const login = user.signIn()
  server.resume()
  t.strictSame(await user.liveIds(), [(await login).id])
})

test('the clock of the server may differ, and be set: no write is refused for it', async (t) => {
  const server = await startRedis(t)
  const clock = shiftedClock(connect(t, server.port))
  const user = new TestUser(redisStore({ client: clock.client }))
  await everyWrite(user)
  for (const shift of [HOUR, 0, -HOUR, 24 * HOUR]) {
    clock.shift = shift
    const { id } = await user.signIn()
    t.equal(await user.update(id, '{}'), true, `${shift} ms`)
    clock.commands = 0
    await user.revokeAll()
    t.equal(clock.commands, 1, 'a clock that goes on costs nothing')
  }
})

test('a clock that jumps with every command: rejected, not tried for ever', async (t) => {
  const server = await startRedis(t)
  const clock = shiftedClock(connect(t, server.port))
  const user = new TestUser(redisStore({ client: clock.client }))
  await everyWrite(user)
  clock.jump = HOUR
  clock.commands = 0
  await t.rejects(user.signIn(), TOO_LATE)
  t.equal(clock.commands, 4)
})

/** A server whose clock is ahead by `shift`, and by `jump` more with each write: both the deadline and the answer say so. */
function shiftedClock (client: Redis): { client: RedisClient, shift: number, jump: number, commands: number } {
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
          const deadline = isWrite ? `${Number(first) - clock.shift}` : first
          const answer = await target[name](script, keys, key, deadline, ...rest)
          if (!isWrite) return answer
          const [time, ...result] = answer as number[]
          return [time! + clock.shift, ...result]
        }
      }
    }) as RedisClient
  }
  return clock
}
