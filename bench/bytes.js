/**
 * Measures the memory that one signed-in user takes: one session, openid and unionid, and two sealed keys.
 *
 *     npm run build && node --expose-gc bench/bytes.js [users]
 */
import { Redis } from 'ioredis'
import { memoryStore, redisStore } from '../dist/index.js'
import { newKey, newSession, randomText } from './lib/fill.js'
import { describeMachine } from './lib/machine.js'
import { startRedis } from './lib/redis.js'

const USERS = Number(process.argv[2] ?? 100_000)
const BATCH = 500

async function signIn (store) {
  const session = newSession({ unionid: randomText(21), data: null })
  const { userId, now } = session
  await store.create(session)
  await store.writeKey({ userId, now, key: newKey() })
}

/** Returns the growth of `usedBytes` per user. */
async function bytesPerUser (store, usedBytes) {
  // The first logins pay the one-time costs of the store.
  for (let i = 0; i < BATCH; i++) await signIn(store)
  const before = await usedBytes()
  for (let i = 0; i < USERS; i += BATCH) {
    await Promise.all(Array.from({ length: Math.min(BATCH, USERS - i) }, () => signIn(store)))
  }
  return Math.round((await usedBytes() - before) / USERS)
}

async function redisBytes () {
  const redis = await startRedis()
  const client = new Redis(redis.url)
  try {
    return await bytesPerUser(redisStore({ client, timeout: '30s' }), redis.usedBytes)
  } finally {
    client.disconnect()
    await redis.stop()
  }
}

async function memoryBytes () {
  const store = memoryStore({ max: USERS + BATCH })
  const bytes = await bytesPerUser(store, heapUsed)
  // Uses the store, so that it is not collected before this point.
  await store.list({ userId: '', now: 0 })
  return bytes
}

function heapUsed () {
  globalThis.gc()
  return process.memoryUsage().heapUsed
}

const heap = await memoryBytes()
const redis = await redisBytes()
const machine = describeMachine()
const results = [
  { store: 'redisStore', measured: `used_memory of ${machine.redis}`, bytesPerUser: redis, limit: 600 },
  { store: 'memoryStore', measured: `heapUsed of Node.js ${machine.node}`, bytesPerUser: heap, limit: 800 }
].map((result) => ({ ...result, users: USERS }))
console.table(results)
console.log(JSON.stringify(results))
process.exitCode = results.every(({ bytesPerUser, limit }) => bytesPerUser <= limit) ? 0 : 1
