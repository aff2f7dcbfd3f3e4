/**
 * The store of the sessions and the bindings of openids to accounts: in a database if DATABASE_URL is set, in Redis if
 * REDIS_URL is set, or in memory.
 */
import redis from '@fastify/redis'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { memoryStore, redisStore, type SessionStore } from 'fastify-weapp'
import { Redis } from 'ioredis'
import { memoryBindings, redisBindings, type Bindings } from '../accounts/bindings.js'
import type { Settings } from '../settings.js'
import { openDatabase, type Database } from './database.js'

declare module 'fastify' {
  interface FastifyInstance {
    sessionStore: SessionStore
    bindings: Bindings
  }
}

export interface StoreOptions extends Pick<Settings, 'databaseUrl' | 'redisUrl'> {
  /**
   * Wraps the store, for tests of its failures.
   *
   * @default (store) => store
   */
  wrapStore?: (store: SessionStore) => SessionStore
}

export default fp(async (app: FastifyInstance, { wrapStore = (store) => store, ...urls }: StoreOptions) => {
  const { store, bindings } = await openStorage(app, urls)
  app.decorate('sessionStore', wrapStore(store))
  app.decorate('bindings', bindings)
}, { name: 'shop-store' })

async function openStorage (app: FastifyInstance, { databaseUrl, redisUrl }: StoreOptions): Promise<Database> {
  if (databaseUrl !== undefined) return await openDatabase(app, databaseUrl)
  if (redisUrl === undefined) return { store: memoryStore(), bindings: memoryBindings() }
  await app.register(redis, { client: openRedis(app, redisUrl) })
  return { store: redisStore({ client: app.redis }), bindings: redisBindings(app.redis) }
}

function openRedis (app: FastifyInstance, redisUrl: string): Redis {
  const client = new Redis(redisUrl, {
    // Fails commands at once while Redis is unavailable. Otherwise ioredis queues them until it reconnects.
    enableOfflineQueue: false,
    // Fails commands while Redis hangs. In milliseconds.
    commandTimeout: 1000,
    // Closes dead connections. TCP alone detects them only after many minutes.
    socketTimeout: 5000,
    // Connects to the new master after a failover. The old master, a replica now, refuses writes with READONLY.
    reconnectOnError: (error) => error.message.startsWith('READONLY')
  })
  // Disconnects without QUIT. @fastify/redis sends QUIT to its own clients, which fails if Redis is unavailable.
  app.addHook('onClose', async () => client.disconnect())
  return client
}
