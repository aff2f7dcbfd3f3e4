/** A real Redis behind Sentinel for tests: a master, two replicas, and three sentinels that agree within seconds. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { freePort, kill, start, temporaryDirectory, until, type Teardown } from './processes.js'
import { all, directClient, isFollowing, replicated } from './redis-cluster.js'
import { redisProgram, startRedis, type RedisServer } from './redis.js'

export interface RedisSentinel {
  /** A client that asks the sentinels for the master, as a host would make it. */
  connect (t: Teardown, options?: { maxRetriesPerRequest: null }): Redis
  master: RedisServer
  /** When the replicas have everything that was written until now. */
  replicated (): Promise<void>
}

const NAME = 'sessions'

export async function startRedisSentinel (t: Teardown): Promise<RedisSentinel> {
  const options = ['--repl-diskless-sync-delay', '0']
  const master = await startRedis(t, options)
  const follower = [...options, '--replicaof', '127.0.0.1', `${master.port}`]
  const replicas = await Promise.all([startRedis(t, follower), startRedis(t, follower)])
  const [masterClient, ...replicaClients] = [master, ...replicas].map(({ port }) => directClient(t, port)) as [Redis, ...Redis[]]
  // Before the sentinels ask for the replicas, which they do only every ten seconds.
  await until('every replica follows the master', () => all(replicaClients, isFollowing))

  const ports = await Promise.all([1, 2, 3].map(() => startSentinel(t, master.port)))
  const sentinels = ports.map((port) => directClient(t, port))
  await until('every sentinel knows the others and the replicas', () => all(sentinels, async (sentinel) => {
    const words = await sentinel.call('SENTINEL', 'MASTER', NAME) as string[]
    const field = (name: string) => Number(words[words.indexOf(name) + 1])
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
    `sentinel down-after-milliseconds ${NAME} 1000`,
    `sentinel failover-timeout ${NAME} 5000`
  ].join('\n'))
  const child = await start({
    command: redisProgram(), args: [configuration, '--sentinel'], ready: 'Sentinel ID is', log: 'stdout'
  })
  t.teardown(() => kill(child))
  return port
}
