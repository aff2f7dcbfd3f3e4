import fastifyRedis from '@fastify/redis'
import Fastify from 'fastify'
import { Redis, type Cluster } from 'ioredis'
import tap, { test } from 'tap'
import type { RedisClient } from '../../../src/stores/redis/connection.js'
import * as scripts from '../../../src/stores/redis/scripts.js'
import { redisStore, type RedisStoreOptions } from '../../../src/stores/redis/store.js'
import { storeSuite } from '../../../src/testing/store-suite/store-suite.js'
import { randomId, sealedKey, TestUser } from '../../../src/testing/store-suite/test-user.js'
import { connectRedis, redisUrl, uniquePrefix } from '../../helpers/redis.js'

/** The clients of both packages are assignable without a cast. */
export type Assignable = [
  Redis extends RedisClient ? true : never,
  Cluster extends RedisClient ? true : never,
  fastifyRedis.FastifyRedis extends RedisClient ? true : never
]
export const assignable: Assignable = [true, true, true]

const url = await redisUrl(tap)

test('T37: redisStore: conforms to the contract over ioredis', async (t) => {
  const store = redisStore({ client: connectRedis(t, url), prefix: uniquePrefix() })
  await storeSuite((name, check) => t.test(name, check), () => store)
})

test('redisStore: conforms with keyPrefix and automatic pipelines', async (t) => {
  const client = connectRedis(t, url, { keyPrefix: uniquePrefix(), enableAutoPipelining: true })
  const store = redisStore({ client })
  await storeSuite((name, check) => t.test(name, check), () => store)
})

test('redisStore: conforms over @fastify/redis in a Fastify app', async (t) => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(fastifyRedis, { url })
  const store = redisStore({ client: app.redis, prefix: uniquePrefix() })
  await storeSuite((name, check) => t.test(name, check), () => store)
})

// Alibaba Cloud's proxy rejects a script whose key is in a variable.
test('scripts: every command has KEYS[1] as its key', async (t) => {
  for (const [name, script] of Object.entries(scripts)) {
    if (typeof script === 'function') continue
    const { source } = script
    const commands = [...source.matchAll(/redis\.\w+\((?=(.*))/g)].map(([, args]) => args!)
    t.ok(commands.length > 0, name)
    for (const args of commands) t.match(args, /^'TIME'\)|^'[A-Z]+', KEYS\[1\][,)]/, name)
    t.notMatch(source, /unpack|pcall/, name)
  }
})

test('keys: consist of keyPrefix, prefix and user id', async (t) => {
  const keyPrefix = uniquePrefix()
  const client = connectRedis(t, url, { keyPrefix })
  const plain = connectRedis(t, url)
  const user = new TestUser(redisStore({ client }))
  await user.signIn()
  const other = new TestUser(redisStore({ client, prefix: '' }))
  await other.signIn()
  t.equal(await plain.type(`${keyPrefix}weapp:${user.userId}`), 'hash')
  t.equal(await plain.type(`${keyPrefix}${other.userId}`), 'hash')
})

test('T36: commands: a read is one HMGET, any other operation one script', async (t) => {
  const client = connectRedis(t, url)
  const prefix = uniquePrefix()
  const user = new TestUser(redisStore({ client, prefix }))
  const { id, idleExpiresAt } = await user.signIn({ key: sealedKey() })
  const warm = new TestUser(redisStore({ client, prefix }))
  await everyOperation(warm)

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
    while (!commands.some(([, argument]) => argument === marker)) {
      await new Promise((resolve) => monitor.once('monitor', resolve))
    }
    const own = commands.filter((args) => args.some((arg) => arg === `${prefix}${user.userId}`))
    t.equal(commands.length, own.length + 1, 'every command names the key of the user')
    return own.map(([name]) => name!.toLowerCase())
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

test('scripts: every operation works after SCRIPT FLUSH', async (t) => {
  const client = connectRedis(t, url)
  const user = new TestUser(redisStore({ client, prefix: uniquePrefix() }))
  await client.script('FLUSH')
  const { id, idleExpiresAt } = await user.signIn()
  t.equal(await user.touch(id, idleExpiresAt + 1), true)
  await client.script('FLUSH')
  t.equal(await user.touch(id, idleExpiresAt + 2), true)
  t.strictSame(await user.liveIds(), [id])
})

test('T36: redisStore: passes 1,000 rounds of each race', async (t) => {
  const prefix = uniquePrefix()
  const stores = [
    redisStore({ client: connectRedis(t, url), prefix, timeout: '30s' }),
    redisStore({ client: connectRedis(t, url), prefix, timeout: '30s' })
  ]
  const race = (name: string, check: () => Promise<void>) => name.startsWith('race:') ? t.test(name, check) : undefined
  await storeSuite(race, () => stores, { rounds: 1000 })
})

test("client: the store adds no command and no lasting listener to the host's", async (t) => {
  const client = connectRedis(t, url)
  await client.ping()
  const before = Object.keys(client)
  const user = new TestUser(redisStore({ client, prefix: uniquePrefix() }))
  await user.signIn()
  await everyOperation(user)
  t.strictSame(Object.keys(client).filter((name) => !before.includes(name)), [])
  t.equal(client.listenerCount('ready'), 0)
})

test('options: an invalid one throws an error that names it', async (t) => {
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
  const invalid = [
    undefined, null, 'redis://127.0.0.1', new Map(), { status: 'ready' }, { hmget }, { hmget, evalsha: hmget }
  ]
  for (const wrong of invalid) {
    t.throws(() => redisStore({ client: wrong as unknown as RedisClient }), { message: /redisStore\.client / })
  }
  t.throws(() => redisStore(undefined as unknown as RedisStoreOptions), { message: /redisStore\.client / })
  for (const wrong of [null, 'redis://127.0.0.1', () => client]) {
    const message = /option redisStore must be an object/
    t.throws(() => redisStore(wrong as unknown as RedisStoreOptions), { message })
  }
  const message = /redisStore\.timeout must be a duration of 1 to 2147483647 ms/
  t.throws(() => redisStore({ client, timeout: '25d' }), { message })
  t.equal(client.status, 'wait', 'no connection before the first operation')
})

async function everyOperation (user: TestUser): Promise<void> {
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
