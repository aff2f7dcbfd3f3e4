import type { Redis } from 'ioredis'
import tap, { test, type Test } from 'tap'
import type { RedisClient } from '../../../src/stores/redis/connection.js'
import { redisStore } from '../../../src/stores/redis/store.js'
import { randomId, TestUser } from '../../../src/testing/store-suite/test-user.js'
import { activeTimers, until } from '../../helpers/processes.js'
import { connectRedis, redisUrl, startRedis, uniquePrefix } from '../../helpers/redis.js'

const url = await redisUrl(tap)

/** Longer than tap's own time limit. */
const NO_TIMEOUT = '1h'

const NOT_CONNECTED = 'WEAPP_REDIS_NOT_CONNECTED'
const TIMEOUT = 'WEAPP_REDIS_TIMEOUT'
const TOO_MANY_WAITING = 'WEAPP_REDIS_TOO_MANY_WAITING'

/** Returns a client that is ready. */
async function readyClient (t: Test, to = url): Promise<Redis> {
  const client = connectRedis(t, to)
  await until('the client is ready', () => client.status === 'ready')
  return client
}

/** Counts the outcomes: 'null', 'live', or an error message. */
async function outcomesOf (reads: Promise<{ status: string } | null>[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const result of await Promise.allSettled(reads)) {
    const name = result.status === 'rejected' ? result.reason.code : result.value?.status ?? 'null'
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

/** Returns a function that counts the client's writes to its socket since its last call. */
function writesOf (t: Test, client: Redis): () => number {
  const { stream } = client as unknown as { stream: { _write: () => void, _writev: () => void } }
  const calls = [t.capture(stream, '_write', stream._write), t.capture(stream, '_writev', stream._writev)]
  return () => calls.reduce((sum, capture) => sum + capture().length, 0)
}

test('cork: the reads of one turn are one write, each with its own reply', async (t) => {
  const client = await readyClient(t)
  const store = redisStore({ client, prefix: uniquePrefix(), timeout: NO_TIMEOUT })
  const users = Array.from({ length: 50 }, () => new TestUser(store))
  const sessions = await Promise.all(users.map((user, i) => user.signIn({ label: `phone ${i}` })))
  const written = writesOf(t, client)

  const [user, { id }] = [users[0]!, sessions[0]!]
  t.match(await user.read(id), { status: 'live', openid: user.openid })
  t.equal(written(), 1, 'a single read')
  const records = await Promise.all(users.map((user, i) => user.read(sessions[i]!.id)))
  t.equal(written(), 1, 'many reads')
  records.forEach((record, i) => t.match(record, { status: 'live', openid: users[i]!.openid, session: sessions[i]! }))
})

test('cork: reads of several turns have their own replies', async (t) => {
  const client = await readyClient(t)
  const store = redisStore({ client, prefix: uniquePrefix(), timeout: NO_TIMEOUT })
  const users = Array.from({ length: 10 }, () => new TestUser(store))
  const sessions = await Promise.all(users.map((user) => user.signIn()))
  const reads: Promise<unknown>[] = []
  for (let turn = 0; turn < 100; turn++) {
    for (let i = 0; i <= turn % 10; i++) {
      const [user, { id }, another] = [users[i]!, sessions[i]!, sessions[(i + 1) % 10]!]
      const { openid } = user
      reads.push(user.read(id).then((record) => t.match(record, { openid, session: { id } })))
      reads.push(user.read(another.id).then((record) => t.equal(record, null, "another user's session")))
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  await Promise.all(reads)
})

test('cork: a read after a write has been acknowledged returns the new value', async (t) => {
  const client = await readyClient(t)
  const user = new TestUser(redisStore({ client, prefix: uniquePrefix(), timeout: NO_TIMEOUT }))
  for (let round = 0; round < 100; round++) {
    const { id } = await user.signIn()
    const [, during] = await Promise.all([user.revoke(id), user.read(id)])
    t.match(during!.status, /^(live|ended)$/)
    t.strictSame(await user.read(id), { status: 'ended', reason: 'revoked' })
  }
})

test('errors: a key of another type affects its own read only', async (t) => {
  const client = await readyClient(t)
  const prefix = uniquePrefix()
  const store = redisStore({ client, prefix, timeout: NO_TIMEOUT })
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

test('errors: an error of the server rejects its own read only', async (t) => {
  const server = await startRedis(t)
  const admin = await readyClient(t, server.url)
  await admin.call('ACL', 'SETUSER', 'weapp', 'on', '>password', 'allkeys', '+@all')
  const client = await readyClient(t, `redis://weapp:password@127.0.0.1:${server.port}`)
  const store = redisStore({ client, timeout: NO_TIMEOUT })
  const users = [new TestUser(store), new TestUser(store), new TestUser(store)] as const
  const sessions = await Promise.all(users.map((user) => user.signIn()))
  await admin.call('ACL', 'SETUSER', 'weapp', 'resetkeys', `~weapp:${users[0].userId}`, `~weapp:${users[2].userId}`)
  const results = await Promise.allSettled(users.map((user, i) => user.read(sessions[i]!.id)))
  t.strictSame(results.map(({ status }) => status), ['fulfilled', 'rejected', 'fulfilled'])
  await t.rejects(users[1].read(sessions[1]!.id), { message: /^NOPERM/ }, 'alone in its turn')
})

test('limit: the first 1,000 of many reads are sent, and later ones again', async (t) => {
  const client = await readyClient(t)
  const user = new TestUser(redisStore({ client, prefix: uniquePrefix(), timeout: NO_TIMEOUT }))
  const { id } = await user.signIn()
  for (let round = 0; round < 3; round++) {
    t.strictSame(await outcomesOf(Array.from({ length: 1500 }, () => user.read(id))), { live: 1000, [TOO_MANY_WAITING]: 500 })
  }
})

test('limit: 1,000 unanswered commands, over turns and with writes', async (t) => {
  const server = await startRedis(t)
  const client = await readyClient(t, server.url)
  const user = new TestUser(redisStore({ client, timeout: NO_TIMEOUT }))
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
  t.strictSame(await outcomesOf(last.slice(50)), { [TOO_MANY_WAITING]: 30 })
  const more = Array.from({ length: 10 }, () => user.read(id))
  t.strictSame(await outcomesOf(more), { [TOO_MANY_WAITING]: 10 }, 'no read of a turn is accepted')
  await t.rejects(user.update(id, '{}'), { code: TOO_MANY_WAITING })
  server.resume()
  t.strictSame(await outcomesOf([...reads, ...last.slice(0, 50)]), { live: 950 })
  t.strictSame(new Set(await Promise.all(writes)), new Set([true]))
})

test('limit: commands that timed out count until they are answered', async (t) => {
  const server = await startRedis(t)
  const client = await readyClient(t, server.url)
  const store = redisStore({ client, timeout: 500 })
  const user = new TestUser(store)
  const { id } = await new TestUser(redisStore({ client, timeout: NO_TIMEOUT })).signIn()

  server.pause()
  const start = performance.now()
  t.strictSame(await outcomesOf(Array.from({ length: 10 }, () => user.read(id))), { [TIMEOUT]: 10 })
  const ms = performance.now() - start
  t.ok(ms > 490 && ms < 20_000, `after ${ms.toFixed(0)} ms`)
  t.strictSame(await outcomesOf([user.read(id)]), { [TIMEOUT]: 1 }, 'alone in its turn')
  const thousandReads = () => Array.from({ length: 1000 }, () => user.read(id))
  t.strictSame(await outcomesOf(thousandReads()), { [TIMEOUT]: 989, [TOO_MANY_WAITING]: 11 })
  t.strictSame(await outcomesOf([user.read(id)]), { [TOO_MANY_WAITING]: 1 })
  server.resume()
  await client.ping()
  t.strictSame(await outcomesOf(thousandReads()), { null: 1000 }, 'new commands are accepted')
})

test('outage: a dead server rejects a turn, and the next ones at once', async (t) => {
  const server = await startRedis(t)
  const client = await readyClient(t, server.url)
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

test('cork: commands of the host go out with a read, later ones at once', async (t) => {
  const client = await readyClient(t)
  const user = new TestUser(redisStore({ client, prefix: uniquePrefix(), timeout: NO_TIMEOUT }))
  const { id } = await user.signIn()
  const written = writesOf(t, client)
  const [record, pong] = await Promise.all([user.read(id), client.ping()])
  t.match([record, pong], [{ status: 'live' }, 'PONG'])
  t.equal(written(), 1)
  await Promise.all([client.ping(), client.ping()])
  t.equal(written(), 2, 'the stream is uncorked')
})

test('cork: two stores of one client write once', async (t) => {
  const client = await readyClient(t)
  const users = ['one:', 'two:'].map((prefix) => {
    return new TestUser(redisStore({ client, prefix: uniquePrefix() + prefix, timeout: NO_TIMEOUT }))
  })
  const sessions = await Promise.all(users.map((user) => user.signIn()))
  const written = writesOf(t, client)
  const records = await Promise.all(users.map((user, i) => user.read(sessions[i]!.id)))
  t.equal(written(), 1)
  t.match(records, sessions.map((session) => ({ status: 'live', session })))
})

test('outage: a client that is closed in the turn of a read settles it', async (t) => {
  const client = await readyClient(t)
  const user = new TestUser(redisStore({ client, prefix: uniquePrefix(), timeout: 5000 }))
  const reads = Array.from({ length: 10 }, () => user.read(randomId()))
  client.disconnect()
  const outcomes = await outcomesOf([...reads, user.read(randomId())])
  t.equal(Object.values(outcomes).reduce((sum, count) => sum + count), 11)
  t.equal(outcomes[NOT_CONNECTED], 1, 'a later read is rejected at once')
  t.equal(outcomes.live, undefined)
})

test('Cluster: each read is a command of its own', async (t) => {
  const { client, keys } = spyClient({ isCluster: true })
  const user = new TestUser(redisStore({ client, timeout: NO_TIMEOUT }))
  t.strictSame(await outcomesOf([user.read(randomId()), user.read(randomId())]), { null: 2 })
  t.equal(keys.length, 2)
})

test('timers: none is left when all commands are answered', async (t) => {
  const client = await readyClient(t)
  const user = new TestUser(redisStore({ client, prefix: uniquePrefix(), timeout: NO_TIMEOUT }))
  const before = activeTimers()
  const reads = Array.from({ length: 100 }, () => user.read(randomId()))
  t.ok(activeTimers() >= before + 100)
  await Promise.all(reads)
  await until('none is left', () => activeTimers() <= before)
})

/** Returns a client that records keys. Every read returns nulls. */
function spyClient ({ isCluster }: { isCluster: boolean }) {
  const keys: string[] = []
  const fail = async (): Promise<never> => { throw new Error('ERR of the server') }
  const client: RedisClient = {
    status: 'ready',
    isCluster,
    connect: async () => {},
    once: () => {},
    async hmget (key, ...fields) {
      keys.push(key)
      return fields.map(() => null)
    },
    duplicate: () => client,
    on: () => {},
    off: () => {},
    info: fail,
    evalsha: fail,
    eval: fail
  }
  return { client, keys }
}
