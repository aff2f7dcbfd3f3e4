/** Logins of one device, on servers whose clocks differ. */
import type { Redis } from 'ioredis'
import tap, { test, type Test } from 'tap'
import { redisStore } from '../../../src/stores/redis/store.js'
import { randomId, sealedKey } from '../../../src/testing/store-suite/test-user.js'
import { HOUR, MINUTE } from '../../helpers/clock.js'
import { connectRedis, redisUrl, uniquePrefix } from '../../helpers/redis.js'
import { SkewedServer } from '../../helpers/skewed-server.js'

const url = await redisUrl(tap)
const [DEVICE, OTHER] = ['AAAAAAAA_-AAAAAA', 'AAAAAAAA_-AAAAAB']

interface Servers {
  admin: Redis
  prefix: string
  /** Two servers, whose clocks differ by an hour. */
  here: SkewedServer
  there: SkewedServer
}

function servers (t: Test): Servers {
  const prefix = uniquePrefix()
  const [here, there] = [0, -HOUR].map((ahead) => {
    return new SkewedServer(redisStore({ client: connectRedis(t, url), prefix, timeout: '10s' }), ahead)
  })
  return { admin: connectRedis(t, url), prefix, here: here!, there: there! }
}

/** Returns the ids of the sessions with a stored device. */
async function withDevice ({ admin, prefix }: Servers, userId: string): Promise<string[]> {
  const fields = await admin.hkeys(prefix + userId)
  return fields.filter((name) => name.startsWith('v')).map((name) => name.slice(1)).sort()
}

test("device: a login takes the place of the device's session, and leaves no reason", async (t) => {
  const all = servers(t)
  const { here, there } = all
  const userId = randomId()
  const other = await here.signIn(userId, { device: OTHER })
  const none = await here.signIn(userId)
  let latest = await here.signIn(userId, { device: DEVICE, startedAgo: HOUR })
  for (const [i, server] of [there, here, there].entries()) {
    const next = await server.signIn(userId, { device: DEVICE, startedAgo: HOUR - (i + 1) * MINUTE })
    t.equal(await here.read(userId, latest), null)
    t.strictSame((await here.liveIds(userId)).sort(), [other, none, next].sort())
    t.strictSame(await withDevice(all, userId), [other, next].sort())
    latest = next
  }
})

test('device: a login that began earlier does not take the place of a later one', async (t) => {
  const { here, there } = servers(t)
  for (const [first, second] of [[here, there], [there, here]] as const) {
    const userId = randomId()
    const login = first.begin(userId)
    const later = await second.signIn(userId, { device: DEVICE, startedAgo: MINUTE })
    t.equal(await login.complete({ device: DEVICE, startedAgo: 2 * MINUTE }), null)
    t.strictSame((await here.liveIds(userId)).sort(), [later, login.sessionId].sort())
    const last = await first.signIn(userId, { device: DEVICE })
    t.strictSame(await here.liveIds(userId), [last], 'the next login takes the place of both')
  }
})

test('device: its session is replaced before the limit applies, and keeps the key', async (t) => {
  const { here, there } = servers(t)
  const userId = randomId()
  const other = await here.signIn(userId, { device: OTHER, startedAgo: HOUR })
  const keys = [sealedKey(), sealedKey()]
  await there.signIn(userId, { device: DEVICE, startedAgo: HOUR, key: keys[0]! })
  const id = await there.signIn(userId, { device: DEVICE, key: keys[1]!, limit: 2 })
  t.strictSame((await here.liveIds(userId)).sort(), [other, id].sort())

  const alone = randomId()
  await here.signIn(alone, { device: DEVICE, startedAgo: HOUR, key: keys[0]! })
  await here.signIn(alone, { device: DEVICE, key: keys[1]!, limit: 1 })
  t.strictSame(await here.store.readKeys({ userId: alone, now: here.now }), [keys[1]!.sealed, keys[0]!.sealed])
})

test('device: is removed with its session or reason, and is not returned', async (t) => {
  const all = servers(t)
  const { here, admin, prefix } = all
  const userId = randomId()
  const signIn = () => here.signIn(userId, { device: randomId().slice(0, 16) })
  const [revoked, replaced, ended] = [await signIn(), await signIn(), await signIn()]
  t.strictSame(await withDevice(all, userId), [revoked, replaced, ended].sort())
  const { session } = await here.read(userId, revoked) as { session: object }
  const [listed] = await here.store.list({ userId, now: here.now })
  const fields = ['createdAt', 'data', 'expiresAt', 'id', 'idleExpiresAt', 'label']
  for (const returned of [session, listed!]) t.strictSame(Object.keys(returned).sort(), fields)
  for (const value of Object.values(await admin.hgetall(prefix + userId))) t.ok(value.length <= 64)

  await here.revoke(userId, revoked, { pendingLogins: false })
  t.strictSame(await withDevice(all, userId), [replaced, ended].sort())
  const kept = await here.signIn(userId, { device: DEVICE, replaces: replaced })
  t.strictSame(await withDevice(all, userId), [ended, kept].sort())
  await here.signIn(userId, { limit: 2 })
  t.strictSame(await withDevice(all, userId), [ended, kept].sort(), 'an end that refuses logins keeps the device')
  await here.signIn(userId, { now: here.now + 8 * 24 * HOUR })
  t.strictSame(await withDevice(all, userId), [ended])
})

test('device: a value in another form belongs to no device, and stays with its session', async (t) => {
  const { here, admin, prefix } = servers(t)
  const userId = randomId()
  const ids: string[] = []
  const foreign = ['', DEVICE, `${DEVICE},`, `${DEVICE},x`, `${DEVICE},1700000000000`, ',1700000000000.000']
  for (const value of foreign) {
    const id = await here.signIn(userId)
    await admin.hset(prefix + userId, `v${id}`, value)
    ids.push(id)
  }
  const own = await here.signIn(userId, { device: DEVICE })
  t.strictSame((await here.liveIds(userId)).sort(), [...ids, own].sort())
})
