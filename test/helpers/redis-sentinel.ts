/** A real Redis behind Sentinel for tests: a master, two replicas and three sentinels. A failover takes seconds. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort, kill, start, temporaryDirectory, until, type Teardown } from './processes.js'
import { all, isFollowing, replicated } from './redis-cluster.js'
import { connectRedis, redisProgram, startRedis, type RedisServer } from './redis.js'

export interface RedisSentinel {
  /** Returns a client that asks the sentinels for the master, as a host creates it. */
  connect (t: Teardown, options?: { maxRetriesPerRequest: null }): Redis
  master: RedisServer
  /** Resolves when the replicas have all that was written until now. */
  replicated (): Promise<void>
}

const NAME = 'sessions'

/** Intervals in milliseconds. Sentinel accepts them since Redis 7; before that, this takes some seconds longer. */
const SHORT_INTERVALS = ['PUBLISH-PERIOD', '200', 'INFO-PERIOD', '200', 'ASK-PERIOD', '200']

export async function startRedisSentinel (t: Teardown): Promise<RedisSentinel> {
  const options = ['--repl-diskless-sync-delay', '0']
  const master = await startRedis(t, options)
  const follower = [...options, '--replicaof', '127.0.0.1', `${master.port}`]
  const replicas = await Promise.all([startRedis(t, follower), startRedis(t, follower)])
  const [masterClient, ...replicaClients] =
    [master, ...replicas].map(({ url }) => connectRedis(t, url)) as [Redis, ...Redis[]]
  // Before the sentinels list the replicas, which they do only every ten seconds.
  await until('every replica follows the master', () => all(replicaClients, isFollowing))

  const ports = await Promise.all([1, 2, 3].map(() => startSentinel(t, master.port)))
  const sentinels = ports.map((port) => connectRedis(t, `redis://127.0.0.1:${port}`))
  await Promise.all(sentinels.map((sentinel) => sentinel.call('SENTINEL', 'DEBUG', ...SHORT_INTERVALS).catch(() => {})))
  await until('every sentinel lists the others and the replicas', () => all(sentinels, async (sentinel) => {
    const reply = await sentinel.call('SENTINEL', 'MASTER', NAME) as string[]
    const field = (name: string) => Number(reply[reply.indexOf(name) + 1])
    return field('num-other-sentinels') === 2 && field('num-slaves') === 2
  }))

  return {
    connect (t, options) {
      const client = new Redis({
        sentinels: ports.map((port) => ({ host: '127.0.0.1', port })),
        name: NAME,
        retryStrategy: () => 100,
        sentinelRetryStrategy: () => 100,
        ...options
      })
      client.on('error', () => {})
      t.teardown(() => client.disconnect())
      return client
    },
    master,
    replicated: () => replicated(masterClient, replicaClients)
  }
}

async function startSentinel (t: Teardown, masterPort: number): Promise<number> {
  const port = await freePort()
  const directory = temporaryDirectory(t)
  const configuration = join(directory, 'sentinel.conf')
  writeFileSync(configuration, [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${directory}`,
    `sentinel monitor ${NAME} 127.0.0.1 ${masterPort} 2`,
    `sentinel down-after-milliseconds ${NAME} 500`,
    `sentinel failover-timeout ${NAME} 5000`
  ].join('\n'))
  const child = await start({
    command: redisProgram(), args: [configuration, '--sentinel'], ready: 'Sentinel ID is', log: 'stdout'
  })
  t.teardown(() => kill(child))
  return port
}
