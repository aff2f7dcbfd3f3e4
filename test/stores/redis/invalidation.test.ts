import tap, { test } from 'tap'
import type { SessionData } from '../../../src/index.js'
import { until } from '../../helpers/processes.js'
import {
  cacheIsOn, DETECTED_MS, lastAcceptance, redisCachedHost, signInCached, twoHosts, type RedisCachedHost
} from '../../helpers/redis-cached-host.js'
import { connectRedis, redisUrl, startRedis, uniquePrefix } from '../../helpers/redis.js'

const url = await redisUrl(tap)

test('invalidation: a session that one server ends is rejected by another', async (t) => {
  const [a, b] = await twoHosts(t, url, { prefix: uniquePrefix(), session: { limit: 2 } })
  const alice = a.user('alice')
  const ends: [string, string, (token: string) => Promise<unknown>][] = [
    ['logout', 'FST_WEAPP_SESSION_REVOKED', (token) => a.post('/weapp/logout', undefined, token)],
    ['logout of all', 'FST_WEAPP_SESSION_REVOKED', (token) => a.post('/weapp/logout?all=true', undefined, token)],
    ['revokeAll', 'FST_WEAPP_SESSION_KICKED', () => a.app.weapp.sessions.revokeAll(alice)],
    ['revoke', 'FST_WEAPP_SESSION_KICKED', async () => {
      const [session] = await a.app.weapp.sessions.list(alice)
      await a.app.weapp.sessions.revoke({ ...alice, id: session!.id })
    }],
    ['logins beyond the limit', 'FST_WEAPP_SESSION_REPLACED', async () => {
      await a.signIn()
      await a.signIn()
    }]
  ]
  for (const [way, expected, end] of ends) {
    const token = await signInCached(t, a, b)
    const other = await signInCached(t, a, b, 'bob')
    await end(token)
    const { ms, code } = await lastAcceptance(b, token)
    t.equal(code, expected, way)
    t.ok(ms < 1000, `last accepted ${ms.toFixed(1)} ms after it`)
    t.equal(await b.readsOf(() => b.stateOf(other)), 0, 'other users stay cached')
  }
  t.strictSame([a.watched.states, b.watched.states], [['ready'], ['ready']])
})

test('invalidation: new data reaches another server', async (t) => {
  const [a, b] = await twoHosts(t, url, { prefix: uniquePrefix() })
  const token = await signInCached(t, a, b)
  for (let n = 1; n <= 20; n++) {
    await a.within(token, ({ weapp }) => weapp!.session.update({ n } as SessionData))
    await until('the other server has the data', async () => {
      return (await b.within(token, ({ weapp }) => weapp!.session.data)).n === n
    })
  }
})

for (const command of ['flushall', 'flushdb'] as const) {
  test(`invalidation: ${command} invalidates all users`, async (t) => {
    const server = await startRedis(t)
    const admin = connectRedis(t, server.url)
    const [a, b] = await twoHosts(t, server.url)
    const tokens = [await signInCached(t, a, b, 'alice'), await signInCached(t, a, b, 'bob')]
    await admin[command]()
    for (const token of tokens) {
      const { ms, code } = await lastAcceptance(b, token)
      t.equal(code, 'FST_WEAPP_SESSION_EXPIRED')
      t.ok(ms < 1000, `last accepted after ${ms.toFixed(1)} ms`)
    }
    t.ok(b.watched.invalidations.includes(null))
    t.strictSame(b.watched.states, ['ready'])
    await signInCached(t, a, b)
  })
}

for (const [keyPrefix, prefix] of [['app:', 'weapp:'], ['a,b ü*?[x]:', 'ü,:'], ['app:', ''], ['', '']] as const) {
  test(`invalidation: keyPrefix ${JSON.stringify(keyPrefix)}, prefix ${JSON.stringify(prefix)}`, async (t) => {
    const server = await startRedis(t)
    const admin = connectRedis(t, server.url)
    const hosts = []
    for (let i = 0; i < 2; i++) {
      const client = connectRedis(t, server.url, { keyPrefix })
      hosts.push(await redisCachedHost(t, server.url, { client, prefix }))
    }
    const [a, b] = hosts as [RedisCachedHost, RedisCachedHost]
    await Promise.all(hosts.map(cacheIsOn))
    const token = await signInCached(t, a, b)
    const bob = await signInCached(t, a, b, 'bob')
    const userIds = ['alice', 'bob'].map(a.userIdOf)
    t.strictSame((await admin.keys('*')).sort(), userIds.map((userId) => keyPrefix + prefix + userId).sort())
    await a.post('/weapp/logout', undefined, token)
    t.equal((await lastAcceptance(b, token)).code, 'FST_WEAPP_SESSION_REVOKED')
    t.equal(await b.readsOf(() => b.stateOf(bob)), 0, 'only one user is invalidated')
    t.strictSame(new Set(b.watched.invalidations), new Set(userIds))
  })
}

test('invalidation: a change of several users invalidates each of them', async (t) => {
  const server = await startRedis(t)
  const admin = connectRedis(t, server.url)
  const [a, b] = await twoHosts(t, server.url)
  const users = ['alice', 'bob', 'carol']
  const keys = users.map((user) => `weapp:${a.userIdOf(user)}`)
  const unlink = "for _, key in ipairs(KEYS) do redis.call('UNLINK', key) end"
  const changes: Record<string, () => Promise<unknown>> = {
    'a transaction': () => keys.reduce((multi, key) => multi.del(key), admin.multi()).exec(),
    'one command': () => admin.del(...keys),
    'a script': () => admin.eval(unlink, keys.length, ...keys),
    expiry: () => Promise.all(keys.map((key) => admin.pexpire(key, 1)))
  }
  for (const [name, change] of Object.entries(changes)) {
    const tokens = []
    for (const user of users) tokens.push(await signInCached(t, a, b, user))
    await change()
    for (const token of tokens) {
      const { ms, code } = await lastAcceptance(b, token)
      t.equal(code, 'FST_WEAPP_SESSION_EXPIRED', name)
      t.ok(ms < DETECTED_MS, `last accepted after ${ms.toFixed(1)} ms`)
    }
  }
})

test('invalidation: a change outside of the prefix is not received', async (t) => {
  const server = await startRedis(t)
  const admin = connectRedis(t, server.url)
  const [a, b] = await twoHosts(t, server.url, { prefix: 'one:' })
  const token = await signInCached(t, a, b)
  const before = b.watched.invalidations.length
  for (const key of ['two:x', `weapp:${a.userIdOf('alice')}`, 'one']) await admin.set(key, 'x')
  t.equal(await b.readsOf(() => b.stateOf(token)), 0)
  // Invalidations arrive in order: after this one, none of the earlier writes can follow.
  await admin.set('one:x', 'x')
  await until('the invalidation arrives', () => b.watched.invalidations.includes('x'))
  t.strictSame(b.watched.invalidations.slice(before), ['x'])
})
