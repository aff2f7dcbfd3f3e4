/** A Redis without free memory. It checks the limit once per script, at the first write that may need memory. */
import { test } from 'tap'
import { redisStore } from '../../../src/index.js'
import { userIdOf } from '../../../src/crypto/tokens.js'
import { sealedKey, TestUser } from '../../../src/testing/store-suite/test-user.js'
import { DAY, freezeClock, HOUR } from '../../helpers/clock.js'
import { APP_ID, startHost } from '../../helpers/host.js'
import { connectRedis, startRedis } from '../../helpers/redis.js'
import { assertRefused } from '../../helpers/assert-refused.js'

const MEGABYTE = 2 ** 20

test('T52: full Redis: logins are refused, and memory stays within the limit', async (t) => {
  const server = await startRedis(t)
  const client = connectRedis(t, server.url)
  const used = async () => Number(/used_memory:(\d+)/.exec(await client.info('memory'))![1])
  const limit = await used() + MEGABYTE
  await client.call('CONFIG', 'SET', 'maxmemory', `${limit}`, 'maxmemory-policy', 'noeviction')
  const store = redisStore({ client })
  const results = { accepted: 0, refused: 0 }
  for (let round = 0; round < 60; round++) {
    const logins = Array.from({ length: 100 }, () => new TestUser(store).signIn({ key: sealedKey() }))
    for (const { status } of await Promise.allSettled(logins)) {
      results[status === 'fulfilled' ? 'accepted' : 'refused']++
    }
  }
  t.ok(results.accepted > 100, `${results.accepted} logins before Redis was full`)
  t.ok(results.refused > 1000, `${results.refused} refused`)
  t.ok(await used() < limit * 1.5, 'memory')
})

test('T52: full Redis: sessions can be used and ended', async (t) => {
  const server = await startRedis(t)
  const client = connectRedis(t, server.url)
  const store = redisStore({ client })
  const [user, banned, unknown] = [new TestUser(store), new TestUser(store), new TestUser(store)]
  const { id } = await user.signIn({ key: sealedKey() })
  const other = await user.signIn({ key: sealedKey() })
  await banned.signIn()
  await client.call('CONFIG', 'SET', 'maxmemory', '1')

  const before = await client.hgetall(`weapp:${user.userId}`)
  const login = { key: sealedKey(), replaces: id, limit: 1, device: 'A'.repeat(16) }
  await t.rejects(user.signIn(login), { message: /^OOM/ }, 'create')
  await t.rejects(user.update(id, '{"a":1}'), { message: /^OOM/ }, 'update')
  await t.rejects(user.writeKey(sealedKey()), { message: /^OOM/ }, 'writeKey')
  t.strictSame(await client.hgetall(`weapp:${user.userId}`), before, 'a refused write changes nothing')

  t.equal(await user.touch(id, user.now + 2 * HOUR), true, 'touch')
  t.equal(await user.isLive(id), true, 'read')
  t.equal((await user.list()).length, 2, 'list')
  t.equal((await user.readKeys()).length, 2, 'readKeys')
  t.equal(await user.revoke(other.id), true, 'revoke')
  t.strictSame(await user.read(other.id), { status: 'ended', reason: 'revoked' })
  t.equal(await user.revokeAll('kicked'), 1, 'revokeAll')
  t.equal(await banned.revokeAll('kicked', null, true), 1, 'revokeAll with pending logins')
  t.equal(await unknown.revokeAll('kicked', null, true), 0, 'a user without sessions')

  await client.call('CONFIG', 'SET', 'maxmemory', '0')
  for (const pending of [banned, unknown]) {
    await pending.signIn({ startedAgo: 60_000 })
    t.equal(pending.refusal, 'kicked', 'the mark was written')
  }
})

test('T52: full Redis: the routes respond as documented', async (t) => {
  const clock = freezeClock(t)
  const server = await startRedis(t)
  const client = connectRedis(t, server.url)
  const { app, wechat, signIn, get, post } = await startHost(t, { options: { store: redisStore({ client }) } })
  const alice = await signIn('alice')
  const bob = await signIn('bob')
  await client.call('CONFIG', 'SET', 'maxmemory', '1')

  assertRefused(t, await post('/weapp/login', { code: wechat.login('carol') }), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
  t.equal(await client.exists(`weapp:${userIdOf(APP_ID, wechat.openid('carol'))}`), 0)
  clock.advance(DAY)
  t.equal((await get('/me', alice.token)).statusCode, 200, 'a request that touches the session')
  t.equal((await post('/weapp/logout', {}, alice.token)).statusCode, 204, 'sign-out')
  assertRefused(t, await get('/me', alice.token), 401, 'FST_WEAPP_SESSION_REVOKED')
  t.equal(await app.weapp.sessions.revokeAll({ openid: wechat.openid('bob') }), 1, 'ban')
  assertRefused(t, await get('/me', bob.token), 401, 'FST_WEAPP_SESSION_KICKED')
})
