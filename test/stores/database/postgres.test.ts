import tap, { test, type Test } from 'tap'
import type { Pool, PoolConfig } from 'pg'
import {
  postgresSchema, postgresStore, type PostgresPool
} from '../../../src/stores/database/postgres.js'
import type { SessionStore } from '../../../src/stores/store.js'
import { storeSuite } from '../../../src/testing/store-suite/store-suite.js'
import { randomId, TestUser } from '../../../src/testing/store-suite/test-user.js'
import { assertOneSessionRead, testDatabaseStore, testPoolOptions } from '../../helpers/database-store.js'
import { connectPostgres, startPostgres } from '../../helpers/postgres.js'
import { until } from '../../helpers/processes.js'
import { startProxy } from '../../helpers/proxy.js'
import { testOutages } from '../../helpers/sql-outages.js'

/** A pool of pg is assignable without a cast. */
export const assignable: Pool extends PostgresPool ? true : never = true

const server = await startPostgres(tap)

const connect = (t: Test, options?: PoolConfig): Pool => connectPostgres(t, server, options)
const open = (t: Test, options?: PoolConfig): SessionStore => {
  return postgresStore({ pool: connect(t, options), createTable: true, timeout: '30s' })
}

test('T37: postgresStore: conforms to the contract over two pools', async (t) => {
  // The types of pg lack the option.
  const options: PoolConfig & { binary: boolean } = { binary: true }
  const stores = [open(t), open(t, options)]
  await storeSuite((name, check) => t.test(name, check), () => stores)
})

test('createTable: ten stores that start at once create one table', async (t) => {
  const pool = connect(t)
  const stores = Array.from({ length: 10 }, () => postgresStore({ pool, table: 'fresh', createTable: true }))
  for (const user of stores.map((store) => new TestUser(store))) t.equal(await user.isLive(randomId()), false)
  await Promise.all(stores.map((store) => new TestUser(store).signIn()))
  t.equal((await pool.query('SELECT FROM fresh')).rowCount, 10)
})

test('createTable: errors of another server that creates the table are repeated', async (t) => {
  const pool = connect(t)
  for (const code of ['23505', '42P07', '42710']) {
    let creations = 0
    const losing = {
      query: async (query: any) => {
        if (query.text.startsWith('CREATE') && creations++ === 0) throw Object.assign(new Error('lost'), { code })
        return await pool.query(query)
      }
    }
    const user = new TestUser(postgresStore({ pool: losing, createTable: true, timeout: '30s' }))
    t.equal(await user.read(randomId()), null, code)
    t.equal(creations, 2)
  }
})

test('createTable: works with a client that prepares each query with values', async (t) => {
  const pool = connect(t)
  const preparing = {
    query: (query: any) => pool.query({ ...query, ...query.values !== undefined && { queryMode: 'extended' } })
  }
  const user = new TestUser(postgresStore({ pool: preparing, table: 'prepared', createTable: true, timeout: '30s' }))
  const { id } = await user.signIn()
  t.equal(await user.isLive(id), true)
})

test('createTable: a failed creation is repeated by the next operation', async (t) => {
  const pool = connect(t)
  const user = new TestUser(postgresStore({ pool, table: 'later.weapp', createTable: true }))
  await t.rejects(user.signIn(), { code: '3F000' })
  await pool.query('CREATE SCHEMA later')
  const { id } = await user.signIn()
  t.equal(await user.isLive(id), true)
})

test('createTable: a connection that hangs for ever is given up', async (t) => {
  const proxy = await startProxy(t, server)
  const pool = connectPostgres(t, { ...server, url: server.url.replace(`${server.port}`, `${proxy.port}`) })
  await pool.query('SELECT')
  const user = new TestUser(postgresStore({ pool, table: 'behind_proxy', createTable: true, timeout: 200 }))
  proxy.stop()
  await t.rejects(user.read(randomId()), { code: 'WEAPP_DATABASE_TIMEOUT' })
  // Only new connections reach the server.
  proxy.restart()
  await until('the table is created', () => user.signIn().then(() => true, () => false))
  t.equal((await user.list()).length, 1)
})

test('postgresSchema: a migration may run it several times', async (t) => {
  const pool = connect(t)
  const user = new TestUser(postgresStore({ pool, table: 'migrated' }))
  await t.rejects(user.signIn(), { code: '42P01' })
  await pool.query(postgresSchema('migrated'))
  await pool.query(postgresSchema('migrated'))
  t.equal(await user.isLive((await user.signIn()).id), true)
  t.throws(() => postgresSchema('x; DROP TABLE users'), { code: 'FST_WEAPP_INVALID_OPTION' })
})

test('isolation: serialization failures are repeated', async (t) => {
  const options = '-c default_transaction_isolation=serializable'
  const userId = randomId()
  const users = [open(t, { options }), open(t, { options })].map((store) => new TestUser(store, userId))
  const sessions = await Promise.all(Array.from({ length: 40 }, (_, i) => users[i % 2]!.signIn({ limit: 5 })))
  t.equal((await users[0]!.list()).length, 5)
  t.equal(sessions.length, 40)
})

test('read-only: writes reject with the code of the server, and reads work', async (t) => {
  const { id } = await new TestUser(open(t), 'a reader').signIn()
  const pool = connect(t, { options: '-c default_transaction_read_only=on' })
  const user = new TestUser(postgresStore({ pool }), 'a reader')
  await t.rejects(user.update(id, '{}'), { code: '25006' })
  t.equal(await user.isLive(id), true)
})

test('T30: expiry: expired rows are deleted by the database clock, 100 at a time', async (t) => {
  const pool = connect(t)
  await pool.query(postgresSchema('expiring'))
  await pool.query("INSERT INTO expiring SELECT 'user ' || i, '', i FROM generate_series(1, 150) AS i")
  const rows = async (): Promise<number> => (await pool.query('SELECT FROM expiring')).rowCount!
  const user = new TestUser(postgresStore({ pool, table: 'expiring', timeout: '30s' }))
  const { id } = await user.signIn()
  await until('the first write deletes some', async () => await rows() === 51)
  for (let i = 0; i < 99; i++) await user.update(id, `${i}`)
  t.equal(await rows(), 51)
  await user.update(id, null)
  await until('the 101st write deletes the others', async () => await rows() === 1)
  t.equal(await user.isLive(id), true)
})

test('read: transfers one session, however many the user has', async (t) => {
  const pool = connect(t)
  const replies: unknown[] = []
  const observed = {
    query: async (query: any) => {
      const { rows, rowCount } = await pool.query(query)
      replies.push(rows)
      return { rows, rowCount }
    }
  }
  await assertOneSessionRead(t, postgresStore({ pool: observed, createTable: true, timeout: '30s' }), replies)
})

test('index: every statement uses one', async (t) => {
  const pool = connect(t)
  const statements: { text: string, values?: unknown[] }[] = []
  const recording = {
    query: async (query: any) => {
      statements.push(query)
      return await pool.query(query)
    }
  }
  const user = new TestUser(postgresStore({ pool: recording, createTable: true }))
  const { id } = await user.signIn()
  await user.read(id)
  await user.update(id, '{}')
  const client = await pool.connect()
  await client.query('SET enable_seqscan = off')
  for (const { text, values } of statements.filter(({ text }) => !text.startsWith('CREATE'))) {
    const { rows } = await client.query(`EXPLAIN ${text}`, values)
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
    t.notMatch(plan, /Seq Scan|Seq Scan on weapp/, text)
    if (!text.startsWith('INSERT')) t.match(plan, /Index Cond: \((user_id|expires_at) /, text)
  }
  client.release()
})

testDatabaseStore('postgresStore', open)

testOutages('postgresStore', {
  server,
  open (t, { timeout, connections }) {
    const pool = connect(t, { max: connections ?? 10, connectionTimeoutMillis: 5000 })
    return { store: postgresStore({ pool, createTable: true, timeout }), take: () => pool.connect() }
  },
  async connect (t) {
    const client = await connect(t).connect()
    t.teardown(() => client.release())
    return { query: async (sql) => (await client.query(sql)).rows }
  },
  async endConnections (session) {
    await session.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()')
  }
})

testPoolOptions('postgresStore', connect, postgresStore)
