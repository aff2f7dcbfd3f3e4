/** Logins in flight while their user's sessions end, on servers whose clocks differ. */
import type { Redis } from 'ioredis'
import tap, { test, type Test } from 'tap'
import type { RedisClient } from '../../../src/stores/redis/connection.js'
import { redisStore } from '../../../src/stores/redis/store.js'
import { PENDING_LOGIN_TTL_MS } from '../../../src/stores/store.js'
import { randomId } from '../../../src/testing/store-suite/test-user.js'
import { HOUR, MINUTE, SECOND } from '../../helpers/clock.js'
import { startProxy } from '../../helpers/proxy.js'
import { connectRedis, redisUrl, uniquePrefix } from '../../helpers/redis.js'
import { SkewedServer } from '../../helpers/skewed-server.js'

const url = await redisUrl(tap)
const SKEWS = [SECOND, -SECOND, 3 * MINUTE, -3 * MINUTE, HOUR, -HOUR]

interface Servers {
  admin: Redis
  prefix: string
  /** Returns a server with a store of its own. */
  server (ahead?: number, client?: RedisClient): SkewedServer
}

function servers (t: Test): Servers {
  const prefix = uniquePrefix()
  return {
    admin: connectRedis(t, url),
    prefix,
    server: (ahead = 0, client = connectRedis(t, url)) => new SkewedServer(redisStore({ client, prefix, timeout: '10s' }), ahead)
  }
}

test('T55: skew: a ban refuses the logins that began before it, on every server', async (t) => {
  const { server, admin, prefix } = servers(t)
  for (const skew of SKEWS) {
    for (const [banning, other] of [[server(), server(skew)], [server(skew), server()]] as const) {
      const userId = randomId()
      const session = await other.signIn(userId)
      const logins = [banning, other].map((server) => server.begin(userId))
      t.equal(await banning.revokeAll(userId), 1)
      const before = await admin.hgetall(prefix + userId)
      for (const login of logins) t.equal(await login.complete({ limit: 1 }), 'kicked', `${skew} ms`)
      t.strictSame(await admin.hgetall(prefix + userId), before, 'a refused login changes nothing')
      t.ok(await banning.hasEnded(userId, session, 'kicked'))

      const later = [await other.signIn(userId), await banning.signIn(userId)]
      for (const id of later) t.equal(await other.isLive(userId, id), true, `later, ${skew} ms`)
    }
  }
})

test('T55: skew: a kick refuses the logins of its session that began before it', async (t) => {
  const { server, admin, prefix } = servers(t)
  for (const skew of SKEWS) {
    for (const [kicking, other] of [[server(), server(skew)], [server(skew), server()]] as const) {
      const userId = randomId()
      const [kicked, kept] = [await other.signIn(userId), await other.signIn(userId)]
      const logins = [kicking, other].map((server) => server.begin(userId))
      const unrelated = other.begin(userId)
      t.equal(await kicking.revoke(userId, kicked), true)
      const before = await admin.hgetall(prefix + userId)
      for (const login of logins) t.equal(await login.complete({ replaces: kicked }), 'kicked', `${skew} ms`)
      t.strictSame(await admin.hgetall(prefix + userId), before, 'a refused login changes nothing')

      t.equal(await unrelated.complete({ replaces: kept }), null, 'a login of another session')
      const later = await other.signIn(userId, { replaces: kicked })
      t.strictSame((await other.liveIds(userId)).sort(), [unrelated.sessionId, later].sort(), `${skew} ms`)
      t.equal(await other.read(userId, kicked), null, 'a later login removes the reason')
    }
  }
})

test('T55: a sign-out refuses as REVOKED, and the latest end of all logins counts', async (t) => {
  const { server } = servers(t)
  const [here, there] = [server(HOUR), server()]
  const userId = randomId()
  const login = here.begin(userId)
  await here.revokeAll(userId)
  await there.revokeAll(userId, { reason: 'revoked' })
  t.equal(await login.complete(), 'revoked')
  await there.revokeAll(userId, { reason: 'replaced', pendingLogins: false })
  t.equal(await login.complete(), 'revoked', 'an end without pending logins')
})

test('T55: an end without pending logins refuses none', async (t) => {
  const { server } = servers(t)
  const [here, there] = [server(), server(HOUR)]
  const userId = randomId()
  const first = await here.signIn(userId)
  const logins = Array.from({ length: 3 }, () => here.begin(userId))
  await there.revoke(userId, first, { pendingLogins: false })
  t.equal(await logins[0]!.complete({ replaces: first }), null)
  await there.revokeAll(userId, { pendingLogins: false })
  for (const login of logins.slice(1)) t.equal(await login.complete({ replaces: first }), null)
})

test('T55: the end of a session beyond the limit refuses its logins in flight', async (t) => {
  const { server } = servers(t)
  const [here, there] = [server(), server(-HOUR)]
  const userId = randomId()
  const first = await here.signIn(userId)
  const login = there.begin(userId)
  const second = await here.signIn(userId, { limit: 1 })
  t.equal(await login.complete({ replaces: first }), 'replaced')
  t.strictSame(await here.liveIds(userId), [second])
})

test('T55: a delayed login does not count as begun later', async (t) => {
  const { server } = servers(t)
  const proxy = await startProxy(t, { port: Number(new URL(url).port) })
  const slow = server(0, connectRedis(t, `redis://127.0.0.1:${proxy.port}`))
  const other = server()
  for (const state of ['the first write of a process', 'a later write']) {
    const userId = randomId()
    const session = await other.signIn(userId)
    const login = slow.begin(userId)
    await slow.read(userId, session)
    proxy.stop()
    const results = Promise.all([login.complete({ limit: 1 }), slow.begin(userId).complete({ replaces: session })])
    await new Promise((resolve) => setTimeout(resolve, 100))
    await other.revoke(userId, session)
    await other.revokeAll(userId)
    await new Promise((resolve) => setTimeout(resolve, 100))
    proxy.resume()
    t.strictSame(await results, ['kicked', 'kicked'], state)
    t.strictSame(await other.liveIds(userId), [])
  }
})

test("T55: the server's clock is set: the start of a login is computed anew", async (t) => {
  const { server } = servers(t)
  const [here, there] = [server(), server()]
  // A step of this process's clock looks to the store like the opposite step of the server's.
  const monotonic = performance.now.bind(performance)
  let step = 0
  t.intercept(performance, 'now', { value: () => monotonic() + step })
  for (const [set, ms] of Object.entries({ ahead: -HOUR + MINUTE, back: HOUR - MINUTE, 'back a little': 5 * SECOND })) {
    const [banned, kicked] = [randomId(), randomId()]
    const session = await here.signIn(kicked)
    await there.revokeAll(banned)
    step += ms
    t.equal(await here.isLive(banned, await here.signIn(banned)), true, `set ${set}: a later login`)

    step += ms
    const logins = [here.begin(banned), here.begin(kicked)]
    await there.revokeAll(banned)
    await there.revoke(kicked, session)
    t.equal(await logins[0]!.complete(), 'kicked', `set ${set}: a login before a ban`)
    step += ms
    t.equal(await here.begin(kicked).complete({ startedAgo: MINUTE, replaces: session }), 'kicked', `set ${set}: a kick`)
  }
})

test('T55: an end counts for an hour, also for a user without sessions', async (t) => {
  const { server, admin, prefix } = servers(t)
  for (const ahead of [0, -HOUR, HOUR]) {
    const here = server(ahead)
    const userId = randomId()
    t.equal(await here.revokeAll(userId), 0)
    const left = await admin.pttl(prefix + userId)
    t.ok(left > PENDING_LOGIN_TTL_MS - MINUTE && left <= PENDING_LOGIN_TTL_MS + SECOND, `the key expires after ${left} ms`)
    for (const [startedAgo, refused] of [
      [PENDING_LOGIN_TTL_MS + MINUTE, null], [PENDING_LOGIN_TTL_MS - MINUTE, 'kicked'], [MINUTE, 'kicked']
    ] as const) t.equal(await here.begin(userId).complete({ startedAgo }), refused, `${startedAgo} ms`)

    const kicked = await here.signIn(userId)
    await here.revoke(userId, kicked)
    for (const [startedAgo, refused] of [
      [PENDING_LOGIN_TTL_MS - MINUTE, 'kicked'], [PENDING_LOGIN_TTL_MS + MINUTE, null]
    ] as const) t.equal(await here.begin(userId).complete({ startedAgo, replaces: kicked }), refused, `${startedAgo} ms`)
  }
})

test('T55: a kick outlasts its session, on servers whose clocks are ahead', async (t) => {
  const { server, admin, prefix } = servers(t)
  const [here, ahead] = [server(), server(HOUR)]
  const userId = randomId()
  const brief = await here.signIn(userId, { session: { idleExpiresAt: here.now + MINUTE } })
  const login = here.begin(userId)
  t.equal(await here.revoke(userId, brief), true)
  const left = await admin.pttl(prefix + userId)
  t.ok(left > PENDING_LOGIN_TTL_MS - MINUTE && left <= PENDING_LOGIN_TTL_MS + SECOND, `the key expires after ${left} ms`)
  const other = await ahead.signIn(userId)
  t.equal(await ahead.revoke(userId, other), true)
  t.equal(await ahead.read(userId, brief), null)
  t.ok(await here.hasEnded(userId, brief, 'kicked'))
  t.equal(await login.complete({ replaces: brief }), 'kicked')
})
