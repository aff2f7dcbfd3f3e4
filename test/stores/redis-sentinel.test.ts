import tap, { test } from 'tap'
import { redisStore } from '../../src/stores/redis.js'
import { storeSuite } from '../../src/testing/store-suite.js'
import { checkFailover } from '../fixtures/failover.js'
import { startRedisSentinel } from '../fixtures/redis-sentinel.js'

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
