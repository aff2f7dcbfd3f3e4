import tap, { test } from 'tap'
import { CREATE, END } from '../../../src/stores/redis/scripts.js'
import { redisStore } from '../../../src/stores/redis/store.js'
import { storeSuite } from '../../../src/testing/store-suite/store-suite.js'
import { assertFailover } from '../../helpers/failover.js'
import { startRedisCluster } from '../../helpers/redis-cluster.js'

const cluster = await startRedisCluster(tap)

test('redisStore: conforms to the contract over a Redis Cluster', async (t) => {
  const client = cluster.connect(t)
  const store = redisStore({ client, timeout: '10s' })
  await storeSuite((name, check) => t.test(name, check), () => store)
  t.equal(client.nodes('master').length, 3)
})

test('redisStore: survives the death of a master of a Cluster', async (t) => {
  // ioredis then sends its queued commands to the replica after the failover. The scripts are loaded on every node.
  const client = cluster.connect(t, { maxRedirections: 1000 })
  await client.ping()
  for (const node of client.nodes('all')) for (const { source } of [CREATE, END]) await node.script('LOAD', source)
  const store = redisStore({ client })
  await assertFailover(t, { store, masterOf: (userId) => cluster.masterOf(`weapp:${userId}`) })
})
