/**
 * What a signed-in user costs in memory: one session, openid and unionid, and both sealed keys.
 *
 *     npx tsx bench/bytes.ts [users]
 */
import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { memoryStore, redisStore, type SessionStore } from '../src/index.js'
import { createSeal, deriveKeys } from '../src/crypto/seal.js'
import { userIdOf } from '../src/crypto/tokens.js'
import { heapUsed } from '../test/helpers/heap.js'
import { startRedis } from '../test/helpers/redis.js'

const USERS = Number(process.argv[2] ?? 100_000)
const AT_ONCE = 500
const DAY = 24 * 60 * 60 * 1000

const seal = createSeal([deriveKeys('a secret of the benchmark, long enough to seal with')])

async function signIn (store: SessionStore): Promise<void> {
  // As long as WeChat's: 28 characters each, and 16 bytes.
  const openid = randomBytes(21).toString('base64url')
  const unionid = randomBytes(21).toString('base64url')
  const userId = userIdOf('wx0123456789abcdef', openid)
  const newKey = () => seal.seal(randomBytes(16).toString('base64'), userId)
  const now = Date.now()
  const createdAt = Math.floor(now / 1000) * 1000
  const id = randomBytes(16).toString('base64url')
  const session = { id, createdAt, expiresAt: createdAt + 30 * DAY, idleExpiresAt: now + 7 * DAY, label: null, data: null }
  await store.create({ userId, now, startedAt: now, openid, unionid, session, key: newKey(), limit: 10, replaces: null })
  await store.writeKey({ userId, now, key: newKey() })
}

/** The growth of `used` for each user. */
async function bytesPerUser (store: SessionStore, used: () => number | Promise<number>): Promise<number> {
  // Whatever the first use of a store costs, it costs once.
  for (let i = 0; i < AT_ONCE; i++) await signIn(store)
  const before = await used()
  for (let i = 0; i < USERS; i += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, USERS - i) }, () => signIn(store)))
  }
  return Math.round((await used() - before) / USERS)
}

async function redisBytes (): Promise<{ bytes: number, version: string }> {
  const teardowns: (() => unknown)[] = []
  const server = await startRedis({ teardown: (fn) => teardowns.unshift(fn) })
  const client = new Redis(server.url)
  try {
    const bytes = await bytesPerUser(redisStore({ client, timeout: '30s' }), async () => field(await client.info('memory'), 'used_memory'))
    return { bytes, version: /^redis_version:(\S+)/m.exec(await client.info('server'))![1]! }
  } finally {
    client.disconnect()
    for (const teardown of teardowns) await teardown()
  }
}

function field (info: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)![1])
}

async function memoryBytes (): Promise<number> {
  const store = memoryStore({ max: USERS + AT_ONCE })
  const bytes = await bytesPerUser(store, heapUsed)
  // The store is in use until here.
  await store.list({ userId: '', now: 0 })
  return bytes
}

const heap = await memoryBytes()
const redis = await redisBytes()
const results = [
  { store: 'redisStore', measured: `used_memory of Redis ${redis.version}`, users: USERS, bytesPerUser: redis.bytes, limit: 600 },
  { store: 'memoryStore', measured: `heapUsed of Node.js ${process.version}`, users: USERS, bytesPerUser: heap, limit: 800 }
]
console.table(results)
console.log(JSON.stringify(results))
process.exitCode = results.every(({ bytesPerUser, limit }) => bytesPerUser <= limit) ? 0 : 1
