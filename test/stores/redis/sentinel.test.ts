import tap, { test } from 'tap'
import { redisStore } from '../../../src/stores/redis/store.js'
import { storeSuite } from '../../../src/testing/store-suite/store-suite.js'
import { cachedHost } from '../../helpers/cached-host.js'
import { assertFailover } from '../../helpers/failover.js'
import { until } from '../../helpers/processes.js'
import { startRedisSentinel } from '../../helpers/redis-sentinel.js'

const sentinel = await startRedisSentinel(tap)

test('redisStore: conforms to the contract behind Sentinel', async (t) => {
  const store = redisStore({ client: sentinel.connect(t), timeout: '10s' })
  await storeSuite((name, check) => t.test(name, check), () => store)
})

test('redisStore: survives the death of a master behind Sentinel', async (t) => {
  // ioredis then keeps its queued commands until the failover.
  const store = redisStore({ client: sentinel.connect(t, { maxRetriesPerRequest: null }) })
  const masterOf = async () => ({ server: sentinel.master, replicated: sentinel.replicated })
  await assertFailover(t, { store, masterOf })
})

test('T56: cache: off while the master behind Sentinel is down, then follows the new one', async (t) => {
  const { connect, master, replicated } = await startRedisSentinel(t)
  const others = redisStore({ client: connect(t, { maxRetriesPerRequest: null }) })
  const store = redisStore({ client: connect(t, { maxRetriesPerRequest: null }) })
  const host = await cachedHost(t, { options: { store } })
  const { watched } = host
  const isCached = async (token: string) => {
    const { reads } = watched
    return await host.stateOf(token) === 'live' && watched.reads === reads
  }
  await until('the cache is on', () => watched.isReady)
  const { token } = await host.signIn()
  await until('the session is cached', () => isCached(token))

  await replicated()
  await master.kill()
  await until('the cache is off', () => !watched.isReady)
  t.equal((await host.get('/me', token)).statusCode, 503, 'the cached session is not used')
  await until('the cache is on again', () => watched.isReady)
  await until('the session is cached again', () => isCached(token))

  const userId = host.userIdOf('alice')
  watched.invalidations.length = 0
  await until('the other client has found the new master', async () => {
    const now = Date.now()
    return await others.revokeAll({ userId, now, reason: 'kicked', except: null, pendingLogins: false })
      .then(() => true, () => false)
  })
  await until('the invalidation arrives', () => watched.invalidations.includes(userId))
  const response = await host.get('/me', token)
  t.match(response, { statusCode: 401, headers: { 'weapp-error': 'FST_WEAPP_SESSION_KICKED' } })
})
