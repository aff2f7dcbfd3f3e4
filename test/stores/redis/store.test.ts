import fastifyRedis from '@fastify/redis'
import Fastify from 'fastify'
import { Redis, type Cluster } from 'ioredis'
import tap, { test, type Test } from 'tap'
import type { RedisClient } from '../../../src/stores/redis/connection.js'
import * as scripts from '../../../src/stores/redis/scripts.js'
import { redisStore, type RedisStoreOptions } from '../../../src/stores/redis/store.js'
import type { SessionStore } from '../../../src/stores/store.js'
import { storeSuite } from '../../../src/testing/store-suite/store-suite.js'
import { randomId, sealedKey, TestUser } from '../../../src/testing/store-suite/test-user.js'
import { redisUrl, uniquePrefix } from '../../helpers/redis.js'

/** The clients of both packages are taken as they are, without a cast. */
export type TakenAsTheyAre = [
  Redis extends RedisClient ? true : never,
  Cluster extends RedisClient ? true : never,
  fastifyRedis.FastifyRedis extends RedisClient ? true : never
]
export const takenAsTheyAre: TakenAsTheyAre = [true, true, true]

const url = await redisUrl(tap)

function connect (t: Test, options: { keyPrefix?: string, enableAutoPipelining?: boolean } = {}): Redis {
  const client = new Redis(url, options)
  t.teardown(() => client.disconnect())
  return client
}

test('the conformance suite passes over ioredis', async (t) => {
  const store = redisStore({ client: connect(t), prefix: uniquePrefix() })
  await storeSuite((name, check) => t.test(name, check), () => store)
})

test('the conformance suite passes with a keyPrefix of the client and automatic pipelines', async (t) => {
  const client = connect(t, { keyPrefix: uniquePrefix(), enableAutoPipelining: true })
  const store = redisStore({ client })
  await storeSuite((name, check) => t.test(name, check), () => store)
})

test('the conformance suite passes over @fastify/redis in a Fastify app', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyRedis, { url })
  const store = redisStore({ client: app.redis, prefix: uniquePrefix() })
  await storeSuite((name, check) => t.test(name, check), () => store)
})

test('scripts name the key where a proxy looks for it: Alibaba Cloud refuses a script whose key stands in a variable', async (t) => {
  for (const [name, script] of Object.entries(scripts)) {
    if (typeof script === 'function') continue
    const { source } = script
    const commands = [...source.matchAll(/redis\.\w+\((?=(.*))/g)].map(([, args]) => args!)
    t.ok(commands.length > 0, name)
    for (const args of commands) t.match(args, /^'TIME'\)|^'[A-Z]+', KEYS\[1\][,)]/, name)
    t.notMatch(source, /unpack|pcall/, name)
  }
})

test('the key is keyPrefix, prefix and user id', async (t) => {
  const keyPrefix = uniquePrefix()
  const client = connect(t, { keyPrefix })
  const plain = connect(t)
  const user = new TestUser(redisStore({ client }))
  await user.signIn()
  const other = new TestUser(redisStore({ client, prefix: '' }))
  await other.signIn()
  t.equal(await plain.type(`${keyPrefix}weapp:${user.userId}`), 'hash')
  t.equal(await plain.type(`${keyPrefix}${other.userId}`), 'hash')
})

test('a read is one HMGET, any other operation one script, and no operation searches for keys', async (t) => {
  const client = connect(t)
  const prefix = uniquePrefix()
  const user = new TestUser(redisStore({ client, prefix }))
  const { id, idleExpiresAt } = await user.signIn({ key: sealedKey() })
  const warm = new TestUser(redisStore({ client, prefix }))
  await everyVerb(warm)

  const monitor = await client.monitor()
  t.teardown(() => monitor.disconnect())
  const commands: string[][] = []
  monitor.on('monitor', (_time: string, args: string[], source: string) => {
    if (source !== 'lua') commands.push(args)
  })
  async function sent (operation: () => Promise<unknown>): Promise<string[]> {
    commands.length = 0
    await operation()
    const marker = randomId()
    await client.ping(marker)
    while (!commands.some(([, argument]) => argument === marker)) await new Promise((resolve) => monitor.once('monitor', resolve))
    const ours = commands.filter((args) => args.some((arg) => arg === `${prefix}${user.userId}`))
    t.equal(commands.length, ours.length + 1, 'every command names the key of the user')
    return ours.map(([name]) => name!.toLowerCase())
  }

  t.strictSame(await sent(() => user.read(id)), ['hmget'])
  t.strictSame(await sent(() => user.signIn()), ['evalsha'])
  t.strictSame(await sent(() => user.touch(id, idleExpiresAt + 1)), ['evalsha'])
  t.strictSame(await sent(() => user.update(id, '{}')), ['evalsha'])
  t.strictSame(await sent(() => user.list()), ['evalsha'])
  t.strictSame(await sent(() => user.readKeys()), ['evalsha'])
  t.strictSame(await sent(() => user.writeKey(sealedKey())), ['evalsha'])
  t.strictSame(await sent(() => user.revoke(id)), ['evalsha'])
  t.strictSame(await sent(() => user.revokeAll()), ['evalsha'])
})

test('every operation works after SCRIPT FLUSH', async (t) => {
  const client = connect(t)
  const user = new TestUser(redisStore({ client, prefix: uniquePrefix() }))
  await client.script('FLUSH')
  const { id, idleExpiresAt } = await user.signIn()
  t.equal(await user.touch(id, idleExpiresAt + 1), true)
  await client.script('FLUSH')
  t.equal(await user.touch(id, idleExpiresAt + 2), true)
  t.strictSame(await user.liveIds(), [id])
})

test('races: a thousand rounds each', async (t) => {
  const prefix = uniquePrefix()
  const store = alternating([
    redisStore({ client: connect(t), prefix, timeout: '30s' }), redisStore({ client: connect(t), prefix, timeout: '30s' })
  ])
  const race = (name: string, check: () => Promise<void>) => name.startsWith('race:') ? t.test(name, check) : undefined
  await storeSuite(race, () => store, { rounds: 1000 })
})

test('the host\'s client gets no command of ours and one listener at most', async (t) => {
  const client = connect(t)
  await client.ping()
  const before = Object.keys(client)
  const user = new TestUser(redisStore({ client, prefix: uniquePrefix() }))
  await user.signIn()
  await everyVerb(user)
  t.strictSame(Object.keys(client).filter((name) => !before.includes(name)), [])
  t.equal(client.listenerCount('ready'), 0)
})

test('a wrong option fails, and is named', async (t) => {
  const client = new Redis({ lazyConnect: true })
  for (const [name, options] of Object.entries({
    client: {},
    prefix: { client, prefix: 1 },
    timeout: { client, timeout: '1000' },
    retries: { client, retries: 1 }
  })) {
    t.throws(() => redisStore(options as unknown as RedisStoreOptions), {
      code: 'FST_WEAPP_INVALID_OPTION', message: new RegExp(`^fastify-weapp: option redisStore\\.${name} `)
    }, name)
  }
  const hmget = async (): Promise<void> => {}
  for (const wrong of [undefined, null, 'redis://127.0.0.1', new Map(), { status: 'ready' }, { hmget }, { hmget, evalsha: hmget }]) {
    t.throws(() => redisStore({ client: wrong as unknown as RedisClient }), { message: /redisStore\.client / })
  }
  t.throws(() => redisStore(undefined as unknown as RedisStoreOptions), { message: /redisStore\.client / })
  for (const wrong of [null, 'redis://127.0.0.1', () => client]) {
    t.throws(() => redisStore(wrong as unknown as RedisStoreOptions), { message: /option redisStore must be an object/ })
  }
  t.throws(() => redisStore({ client, timeout: '25d' }), { message: /redisStore\.timeout must be a duration of 1 to 2147483647 ms/ })
  t.equal(client.status, 'wait', 'nothing connects before it is needed')
})

async function everyVerb (user: TestUser): Promise<void> {
  const { id, idleExpiresAt } = await user.signIn({ key: sealedKey() })
  await user.read(id)
  await user.touch(id, idleExpiresAt + 1)
  await user.update(id, '{}')
  await user.list()
  await user.readKeys()
  await user.writeKey(sealedKey())
  await user.revoke(id)
  await user.revokeAll()
}

/** Sends each operation over another connection than the one before, so that the server decides which comes first. */
function alternating (stores: [SessionStore, SessionStore]): SessionStore {
  let turn = 0
  return new Proxy(stores[0], { get: (_, operation: keyof SessionStore) => stores[turn++ % 2]![operation] })
}
