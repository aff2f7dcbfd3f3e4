/** A real Redis Cluster for tests: three masters with a replica each, which fail over within seconds. */
import { Cluster, type Redis } from 'ioredis'
import { freePort, isFree, until, type Teardown } from './processes.js'
import { connectRedis, startRedis, type RedisServer } from './redis.js'

export interface RedisCluster {
  /** Returns a client of the whole cluster, as a host creates it. */
  connect (t: Teardown, options?: { maxRedirections: number }): Cluster
  /** Returns the master of a key, as of the start. */
  masterOf (key: string): Promise<ClusterNode>
}

export interface ClusterNode {
  server: RedisServer
  /** Resolves when the replica has all that was written until now. */
  replicated (): Promise<void>
}

const MASTERS = 3
const SLOTS = 16_384
const OPTIONS = [
  '--cluster-enabled', 'yes',
  // A master that is silent for so many milliseconds counts as failed, and its replica requests votes.
  '--cluster-node-timeout', '1000',
  '--cluster-replica-validity-factor', '0',
  '--repl-diskless-sync-delay', '0',
  // CLUSTER SLOTS omits a replica without a replication offset, and pings move the offset.
  '--repl-ping-replica-period', '1'
]

export async function startRedisCluster (t: Teardown): Promise<RedisCluster> {
  const servers = await Promise.all(Array.from({ length: MASTERS * 2 }, async () => {
    return await startRedis(t, OPTIONS, await portWithBus())
  }))
  const clients = servers.map(({ url }) => connectRedis(t, url))

  // Slots and a unique epoch are set before the nodes meet. Otherwise they would have to resolve conflicts.
  await Promise.all(clients.map(async (client, i) => {
    const slots = i >= MASTERS ? [] : range(Math.ceil(i * SLOTS / MASTERS), Math.ceil((i + 1) * SLOTS / MASTERS))
    if (slots.length > 0) await client.call('CLUSTER', 'ADDSLOTS', ...slots)
    await client.call('CLUSTER', 'SET-CONFIG-EPOCH', `${i + 1}`)
  }))
  await Promise.all(clients.flatMap((client) => servers.map(({ port }) => {
    return client.call('CLUSTER', 'MEET', '127.0.0.1', `${port}`)
  })))
  const ids = await Promise.all(clients.map(async (client) => `${await client.call('CLUSTER', 'MYID')}`))
  await until('every node lists every other', () => all(clients, async (client) => {
    const nodes = `${await client.call('CLUSTER', 'NODES')}`
    return ids.every((id) => nodes.includes(id)) && !nodes.includes('handshake')
  }))
  const pairs = clients.slice(0, MASTERS).map((master, i) => ({ master, replica: clients[i + MASTERS]!, id: ids[i]! }))
  await Promise.all(pairs.map(({ replica, id }) => replica.call('CLUSTER', 'REPLICATE', id)))
  await until('the cluster is up', () => all(clients, async (client) => {
    return /cluster_state:ok/.test(`${await client.call('CLUSTER', 'INFO')}`)
  }))
  await until('every replica follows its master', () => all(pairs, ({ replica }) => isFollowing(replica)))
  await until('every node lists the replicas', () => all(clients, async (client) => {
    const slots = await client.call('CLUSTER', 'SLOTS') as unknown[][]
    return slots.length === MASTERS && slots.every(([_start, _end, ...nodes]) => nodes.length === 2)
  }))

  return {
    connect (t, options) {
      const cluster = new Cluster(servers.map(({ port }) => ({ host: '127.0.0.1', port })), options ?? {})
      cluster.on('error', () => {})
      t.teardown(() => cluster.disconnect())
      return cluster
    },

    async masterOf (key) {
      const slot = Number(await clients[0]!.call('CLUSTER', 'KEYSLOT', key))
      const i = Math.floor(slot * MASTERS / SLOTS)
      const { master, replica } = pairs[i]!
      return { server: servers[i]!, replicated: () => replicated(master, [replica]) }
    }
  }
}

/** Resolves when every replica has all that was written to the master until now. */
export async function replicated (master: Redis, replicas: Redis[]): Promise<void> {
  const written = await replicationField(master, 'master_repl_offset')
  await until('the replicas have caught up', () => all(replicas, async (replica) => {
    return Number(await replicationField(replica, 'slave_repl_offset')) >= Number(written)
  }))
}

export async function isFollowing (replica: Redis): Promise<boolean> {
  return await replicationField(replica, 'master_link_status') === 'up'
}

async function replicationField (client: Redis, field: string): Promise<string | undefined> {
  return new RegExp(`^${field}:(.*?)\\r?$`, 'm').exec(await client.info('replication'))?.[1]
}

export async function all<T> (items: T[], predicate: (item: T) => Promise<boolean>): Promise<boolean> {
  return (await Promise.all(items.map(predicate))).every(Boolean)
}

/** Returns a port whose cluster bus port, which is 10,000 higher, is free as well. */
async function portWithBus (): Promise<number> {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const port = await freePort()
    if (port + 10_000 < 2 ** 16 && await isFree(port + 10_000)) return port
  }
  throw new Error('no free ports for a cluster')
}

function range (start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, i) => start + i)
}
