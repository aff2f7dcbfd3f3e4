import tap, { test } from 'tap'
import { redisStore } from '../../../src/stores/redis/store.js'
import { storeSuite } from '../../../src/testing/store-suite/store-suite.js'
import { userIdOf } from '../../../src/crypto/tokens.js'
import { checkFailover } from '../../helpers/failover.js'
import { until } from '../../helpers/processes.js'
import { startRedisSentinel } from '../../helpers/redis-sentinel.js'
import { APP_ID, startHost } from '../../helpers/host.js'
import { recordingStore } from '../../helpers/recording-store.js'

const sentinel = await startRedisSentinel(tap)

test('the conformance suite passes over a Redis behind Sentinel', async (t) => {
  const store = redisStore({ client: sentinel.connect(t), timeout: '10s' })
  await storeSuite((name, check) => t.test(name, check), () => store)
})

test('the master behind Sentinel is killed and a replica takes over', async (t) => {
  // So that ioredis holds on to whatever waits until the replica is there.
  const store = redisStore({ client: sentinel.connect(t, { maxRetriesPerRequest: null }) })
  await checkFailover(t, { store, masterOf: async () => ({ server: sentinel.master, replicated: sentinel.replicated }) })
})

test('a cache over a Redis behind Sentinel is off while the master is gone, and is told by the one that takes over', async (t) => {
  const { connect, master, replicated } = await startRedisSentinel(t)
  const others = redisStore({ client: connect(t, { maxRetriesPerRequest: null }) })
  const watched = recordingStore(redisStore({ client: connect(t, { maxRetriesPerRequest: null }) }))
  const host = await startHost(t, { options: { store: watched.store, cache: {} } })
  const statusOf = async (token: string) => (await host.get('/me', token)).statusCode
  /** Whether the session is known without asking Redis. */
  const isKept = async () => {
    const { reads } = watched
    return await statusOf(token) === 200 && watched.reads === reads
  }
  await until('the cache is on', async () => watched.isReady)
  const { token } = await host.signIn()
  await until('the session is kept', isKept)

  await replicated()
  await master.kill()
  await until('the cache is off', async () => !watched.isReady)
  t.equal(await statusOf(token), 503, 'what was kept is not believed')
  await until('the cache is on again', async () => watched.isReady)
  await until('the session is kept again', isKept)

  const userId = userIdOf(APP_ID, host.wechat.openid('alice'))
  watched.invalidations.length = 0
  await until('the other client has found the new master', async () => {
    return await others.revokeAll({ userId, now: Date.now(), reason: 'kicked', except: null, pendingLogins: false }).then(() => true, () => false)
  })
  await until('the word is here', async () => watched.invalidations.includes(userId))
  t.match(await host.get('/me', token), { statusCode: 401, headers: { 'weapp-error': 'FST_WEAPP_SESSION_KICKED' } })
})
