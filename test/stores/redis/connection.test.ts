import { Redis } from 'ioredis'
import tap, { test, type Test } from 'tap'
import type { RedisClient } from '../../../src/stores/redis/connection.js'
import { redisStore } from '../../../src/stores/redis/store.js'
import { randomId, TestUser } from '../../../src/testing/store-suite/test-user.js'
import { activeTimers, until } from '../../helpers/processes.js'
import { redisUrl, startRedis, uniquePrefix } from '../../helpers/redis.js'

tap.setTimeout(300_000)

const url = await redisUrl(tap)

/** Long enough that a test which would wait for it fails by tap's own time limit. */
const FOREVER = '1h'

const NOT_CONNECTED = 'Redis is not connected'
const TOO_LATE = 'Redis did not answer in time'
const TOO_MANY = 'too many commands wait for Redis'

/** A client that is ready, as it is when requests come. */
async function connect (t: Test, to = url): Promise<Redis> {
  const client = new Redis(to, { retryStrategy: () => 20 })
  client.on('error', () => {})
  t.teardown(() => client.disconnect())
  await until('the client is ready', () => client.status === 'ready')
  return client
}

/** How often each outcome occurs: 'null', 'live', or an error's words. */
async function outcomesOf (reads: Promise<{ status: string } | null>[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const result of await Promise.allSettled(reads)) {
    const name = result.status === 'rejected' ? result.reason.message : result.value?.status ?? 'null'
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

/** How often a client writes to its socket. */
function writesOf (t: Test, client: Redis): () => number {
  const { stream } = client as unknown as { stream: { _write: () => void, _writev: () => void } }
  const calls = [t.capture(stream, '_write', stream._write), t.capture(stream, '_writev', stream._writev)]
  return () => calls.reduce((sum, capture) => sum + capture().length, 0)
}

test('the reads of one turn go out at once, and each has its own answer', async (t) => {
  const client = await connect(t)
  const store = redisStore({ client, prefix: uniquePrefix(), timeout: FOREVER })
  const users = Array.from({ length: 50 }, () => new TestUser(store))
  const sessions = await Promise.all(users.map((user, i) => user.signIn({ label: `phone ${i}` })))
  const written = writesOf(t, client)

  const [user, { id }] = [users[0]!, sessions[0]!]
  t.match(await user.read(id), { status: 'live', openid: user.openid })
  t.equal(written(), 1, 'one alone')
  const records = await Promise.all(users.map((user, i) => user.read(sessions[i]!.id)))
  t.equal(written(), 1, 'many at once')
  records.forEach((record, i) => t.match(record, { status: 'live', openid: users[i]!.openid, session: sessions[i]! }))
})

test('reads of several turns are as right as those of one', async (t) => {
  const client = await connect(t)
  const store = redisStore({ client, prefix: uniquePrefix(), timeout: FOREVER })
  const users = Array.from({ length: 10 }, () => new TestUser(store))
  const sessions = await Promise.all(users.map((user) => user.signIn()))
  const reads: Promise<unknown>[] = []
  for (let turn = 0; turn < 100; turn++) {
    for (let i = 0; i <= turn % 10; i++) {
      reads.push(users[i]!.read(sessions[i]!.id).then((record) => t.match(record, { openid: users[i]!.openid, session: { id: sessions[i]!.id } })))
      reads.push(users[i]!.read(sessions[(i + 1) % 10]!.id).then((record) => t.equal(record, null, "another's session")))
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all(reads)
})

test('a read and a write of one turn: the read may be before it or after, and a later one is after', async (t) => {
  const client = await connect(t)
  const user = new TestUser(redisStore({ client, prefix: uniquePrefix(), timeout: FOREVER }))
  for (let round = 0; round < 100; round++) {
    const { id } = await user.signIn()
    const [, during] = await Promise.all([user.revoke(id), user.read(id)])
    t.match(during!.status, /^(live|ended)$/)
    t.strictSame(await user.read(id), { status: 'ended', reason: 'revoked' })
  }
})

test('one key that is not ours harms its own read alone', async (t) => {
  const client = await connect(t)
  const prefix = uniquePrefix()
  const store = redisStore({ client, prefix, timeout: FOREVER })
  const users = Array.from({ length: 5 }, () => new TestUser(store))
  const sessions = await Promise.all(users.map((user) => user.signIn()))
  const read = () => Promise.all(users.map((user, i) => user.read(sessions[i]!.id)))
  for (const bad of [0, 2, 4]) {
    await client.set(prefix + users[bad]!.userId, 'not a hash')
    const records = await read()
    records.forEach((record, i) => t.equal(record?.status, i % 2 === 0 && i <= bad ? 'unreadable' : 'live'))
  }
  t.strictSame(await users[0]!.read(randomId()), { status: 'unreadable' }, 'alone in its turn')
})

test('another error of the server rejects those that it is about', async (t) => {
  const server = await startRedis(t)
  const admin = await connect(t, server.url)
  await admin.call('ACL', 'SETUSER', 'weapp', 'on', '>password', 'allkeys', '+@all')
  const client = await connect(t, `redis://weapp:password@127.0.0.1:${server.port}`)
  const store = redisStore({ client, timeout: FOREVER })
  const users = [new TestUser(store), new TestUser(store), new TestUser(store)] as const
  const sessions = await Promise.all(users.map((user) => user.signIn()))
  await admin.call('ACL', 'SETUSER', 'weapp', 'resetkeys', `~weapp:${users[0].userId}`, `~weapp:${users[2].userId}`)
  const results = await Promise.allSettled(users.map((user, i) => user.read(sessions[i]!.id)))
  t.strictSame(results.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled'])
  await t.rejects(users[1].read(sessions[1]!.id), { message: /^NOPERM/ }, 'alone in its turn')
})

test('of more than 1,000 reads at once the first 1,000 are answered, and then there is room again', async (t) => {
  const client = await connect(t)
  const user = new TestUser(redisStore({ client, prefix: uniquePrefix(), timeout: FOREVER }))
  const { id } = await user.signIn()
  for (let round = 0; round < 3; round++) {
    t.strictSame(await outcomesOf(Array.from({ length: 1500 }, () => user.read(id))), { live: 1000, [TOO_MANY]: 500 })
  }
})

test('at most 1,000 wait, over several turns and with writes among them', async (t) => {
  const server = await startRedis(t)
  const client = await connect(t, server.url)
  const user = new TestUser(redisStore({ client, timeout: FOREVER }))
  const { id } = await user.signIn()
  const turn = () => new Promise((resolve) => setImmediate(resolve))

  server.pause()
  const reads = []
  for (let i = 0; i < 9; i++) {
    for (let j = 0; j < 100; j++) reads.push(user.read(id))
    await turn()
  }
  const writes = Array.from({ length: 50 }, () => user.update(id, '{}'))
  await turn()
  const last = Array.from({ length: 80 }, () => user.read(id))
  t.strictSame(await outcomesOf(last.slice(50)), { [TOO_MANY]: 30 })
  t.strictSame(await outcomesOf(Array.from({ length: 10 }, () => user.read(id))), { [TOO_MANY]: 10 }, 'none of a turn has room')
  await t.rejects(user.update(id, '{}'), { message: TOO_MANY })
  server.resume()
  t.strictSame(await outcomesOf([...reads, ...last.slice(0, 50)]), { live: 950 })
  t.strictSame(new Set(await Promise.all(writes)), new Set([true]))
})

test('a server that hangs: all of a turn are refused in time, and counted until they are answered', async (t) => {
  const server = await startRedis(t)
  const client = await connect(t, server.url)
  const store = redisStore({ client, timeout: 500 })
  const user = new TestUser(store)
  const { id } = await new TestUser(redisStore({ client, timeout: FOREVER })).signIn()

  server.pause()
  const start = performance.now()
  t.strictSame(await outcomesOf(Array.from({ length: 10 }, () => user.read(id))), { [TOO_LATE]: 10 })
  const ms = performance.now() - start
  t.ok(ms > 490 && ms < 20_000, `after ${ms.toFixed(0)} ms`)
  t.strictSame(await outcomesOf([user.read(id)]), { [TOO_LATE]: 1 }, 'alone in its turn')
  t.strictSame(await outcomesOf(Array.from({ length: 1000 }, () => user.read(id))), { [TOO_LATE]: 989, [TOO_MANY]: 11 })
  t.strictSame(await outcomesOf([user.read(id)]), { [TOO_MANY]: 1 })
  server.resume()
  await client.ping()
  t.strictSame(await outcomesOf(Array.from({ length: 1000 }, () => user.read(id))), { null: 1000 }, 'and there is room again')
})

test('a server that dies rejects all of a turn, and a client that is not ready is not asked', async (t) => {
  const server = await startRedis(t)
  const client = await connect(t, server.url)
  const user = new TestUser(redisStore({ client, timeout: 5000 }))
  server.pause()
  const reads = Array.from({ length: 10 }, () => user.read(randomId()))
  await new Promise((resolve) => setImmediate(resolve))
  const rejected = Promise.all(reads.map((read) => t.rejects(read)))
  const closed = new Promise((resolve) => client.once('close', resolve))
  await server.kill()
  await closed
  t.strictSame(await outcomesOf(Array.from({ length: 10 }, () => user.read(randomId()))), { [NOT_CONNECTED]: 10 })
  t.strictSame(await outcomesOf([user.read(randomId())]), { [NOT_CONNECTED]: 1 })
  await rejected
  await server.restart()
  await until('the client is back', () => client.status === 'ready')
  t.strictSame(await outcomesOf(Array.from({ length: 10 }, () => user.read(randomId()))), { null: 10 })
})

test('what the host asks in the same turn goes out with it, and a turn after that is not held back', async (t) => {
  const client = await connect(t)
  const user = new TestUser(redisStore({ client, prefix: uniquePrefix(), timeout: FOREVER }))
  const { id } = await user.signIn()
  const written = writesOf(t, client)
  const [record, pong] = await Promise.all([user.read(id), client.ping()])
  t.match([record, pong], [{ status: 'live' }, 'PONG'])
  t.equal(written(), 1)
  await Promise.all([client.ping(), client.ping()])
  t.equal(written(), 2, 'nothing is left corked')
})

test('two stores of one client hold it back together', async (t) => {
  const client = await connect(t)
  const users = ['one:', 'two:'].map((prefix) => new TestUser(redisStore({ client, prefix: uniquePrefix() + prefix, timeout: FOREVER })))
  const sessions = await Promise.all(users.map((user) => user.signIn()))
  const written = writesOf(t, client)
  const records = await Promise.all(users.map((user, i) => user.read(sessions[i]!.id)))
  t.equal(written(), 1)
  t.match(records, sessions.map((session) => ({ status: 'live', session })))
})

test('a client that is closed in the turn of a read rejects it, or has answered', async (t) => {
  const client = await connect(t)
  const user = new TestUser(redisStore({ client, prefix: uniquePrefix(), timeout: 5000 }))
  const reads = Array.from({ length: 10 }, () => user.read(randomId()))
  client.disconnect()
  const outcomes = await outcomesOf([...reads, user.read(randomId())])
  t.equal(Object.values(outcomes).reduce((sum, count) => sum + count), 11)
  t.equal(outcomes[NOT_CONNECTED], 1, 'it is not asked any more')
  t.equal(outcomes.live, undefined)
})

test('the keys of a Cluster live on several servers: each is asked by itself', async (t) => {
  const { client, asked } = spyClient({ isCluster: true })
  const user = new TestUser(redisStore({ client, timeout: FOREVER }))
  t.strictSame(await outcomesOf([user.read(randomId()), user.read(randomId())]), { null: 2 })
  t.equal(asked.length, 2)
})

test('no timer is left when all are answered', async (t) => {
  const client = await connect(t)
  const user = new TestUser(redisStore({ client, prefix: uniquePrefix(), timeout: FOREVER }))
  const before = activeTimers()
  const reads = Array.from({ length: 100 }, () => user.read(randomId()))
  t.ok(activeTimers() >= before + 100)
  await Promise.all(reads)
  await until('none is left', () => activeTimers() <= before)
})

/** For the moments that a real client passes through too quickly to be caught. Every read finds nothing. */
function spyClient (given: { status?: string, isCluster?: boolean } = {}) {
  const state = { status: 'ready', ...given }
  const asked: string[] = []
  const refuse = async (): Promise<never> => { throw new Error('ERR of the server') }
  const client: RedisClient = {
    get status () { return state.status },
    ...state.isCluster === true && { isCluster: true },
    connect: async () => {},
    once: () => {},
    async hmget (key, ...fields) {
      asked.push(key)
      return fields.map(() => null)
    },
    duplicate: () => client,
    evalsha: refuse,
    eval: refuse
  }
  return { client, state, asked }
}
