import tap, { test, type Test } from 'tap'
import { createPool as createCallbackPool, type Pool as CallbackPool } from 'mysql2'
import type { Pool, PoolOptions } from 'mysql2/promise'
import {
  mysqlSchema, mysqlStore, type MysqlCallbackPool, type MysqlPool
} from '../../../src/stores/database/mysql.js'
import type { SessionStore } from '../../../src/stores/store.js'
import { storeSuite } from '../../../src/testing/store-suite/store-suite.js'
import { randomId, TestUser } from '../../../src/testing/store-suite/test-user.js'
import { assertOneSessionRead, testDatabaseStore, testPoolOptions } from '../../helpers/database-store.js'
import { connectMysql, startMariadb } from '../../helpers/mysql.js'
import { until } from '../../helpers/processes.js'
import { testOutages } from '../../helpers/sql-outages.js'

/** Pools of mysql2/promise and of mysql2 are assignable without a cast. */
export const assignable: Pool extends MysqlPool ? true : never = true
export const isCallbackPoolAssignable: CallbackPool extends MysqlPool ? true : never = true

// Settings that change what a careless statement means.
const server = await startMariadb(tap, [
  '--default-time-zone=+08:00', '--sql-mode=ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_TRANS_TABLES',
  '--character-set-server=utf8mb4', '--collation-server=utf8mb4_general_ci'
])

const connect = (t: Test, options?: PoolOptions): Pool => connectMysql(t, server, options)
const open = (t: Test, options?: PoolOptions): SessionStore => {
  return mysqlStore({ pool: connect(t, options), createTable: true, timeout: '30s' })
}

/** Returns a pool that reports each reply. */
function observed (
  { pool }: Pool, onReply: (sql: string, values: unknown[], reply: unknown) => void
): MysqlCallbackPool & { promise: unknown } {
  return {
    promise: pool.promise,
    getConnection: (callback) => pool.getConnection((error, connection) => callback(error, {
      execute: (sql, values, replied) => connection.execute(sql, values, (error, reply) => {
        onReply(sql, values, reply)
        replied(error, reply)
      }),
      release: () => connection.release(),
      destroy: () => connection.destroy()
    }))
  }
}

async function rowsOf (pool: Pool, sql: string, values?: unknown[]): Promise<Record<string, unknown>[]> {
  const [rows] = await pool.query({ sql, values })
  return rows as Record<string, unknown>[]
}

/** Sets something for new connections, until the test ends. */
async function setGlobal (t: Test, setting: string, end: string): Promise<void> {
  const pool = connect(t)
  await pool.query(`SET GLOBAL ${setting}`)
  t.teardown(() => pool.query(`SET GLOBAL ${end}`))
}

test('T37: mysqlStore: conforms to the contract over two pools', async (t) => {
  const options = { rowsAsArray: true, nestTables: true, typeCast: false, namedPlaceholders: true }
  const stores = [open(t), open(t, options)]
  await storeSuite((name, check) => t.test(name, check), () => stores)
})

test('pool: options that change the rows of the host do not change those of the store', async (t) => {
  for (const options of [{ rowsAsArray: true }, { nestTables: true }, { typeCast: false }]) {
    const user = new TestUser(open(t, options))
    const { id } = await user.signIn()
    t.equal(await user.isLive(id), true, Object.keys(options).join())
    t.equal(await user.read(randomId()), null)
  }
})

test('SQL mode: statements mean the same in each', async (t) => {
  const [{ version }] = await rowsOf(connect(t), 'SELECT VERSION() AS version') as [{ version: string }]
  const ofMariadb = version.includes('MariaDB') ? ['ORACLE', 'EMPTY_STRING_IS_NULL'] : []
  for (const mode of ['', 'ANSI', 'NO_BACKSLASH_ESCAPES', 'PAD_CHAR_TO_FULL_LENGTH', ...ofMariadb]) {
    const pool = connect(t)
    pool.pool.on('connection', (connection) => connection.query(`SET SESSION sql_mode = '${mode}'`))
    const user = new TestUser(mysqlStore({ pool, createTable: true, timeout: '30s' }))
    const [{ id }, other] = [await user.signIn(), await user.signIn({ label: "'\\\"" })]
    t.match(await user.read(other.id), { status: 'live', session: { label: "'\\\"" } }, mode)
    await user.revoke(id)
    t.strictSame(await user.read(id), { status: 'ended', reason: 'revoked' }, mode)
    t.equal(await user.read(randomId()), null, mode)
  }
})

test('pool: operations reject if the host ends it meanwhile', async (t) => {
  const pool = createCallbackPool(server.url)
  const user = new TestUser(mysqlStore({ pool, createTable: true, timeout: '30s' }))
  const { id } = await user.signIn()
  const operations = Promise.allSettled([user.read(id), user.update(id, '{}')])
  await pool.promise().end()
  for (const result of await operations) t.match(result, { status: 'rejected', reason: { message: /closed/i } })
  await t.rejects(user.read(id), { message: /closed/i })
})

test('pool: one of mysql2 without promises works', async (t) => {
  const pool = createCallbackPool(server.url)
  t.teardown(() => pool.promise().end())
  const user = new TestUser(mysqlStore({ pool, createTable: true, timeout: '30s' }))
  const { id } = await user.signIn()
  t.equal(await user.isLive(id), true)
})

test('read: transfers one session, however many the user has', async (t) => {
  const replies: unknown[] = []
  const pool = observed(connect(t), (_sql, _values, reply) => replies.push(reply))
  await assertOneSessionRead(t, mysqlStore({ pool, createTable: true, timeout: '30s' }), replies)
})

test('createTable: ten stores that start at once create one table', async (t) => {
  const pool = connect(t)
  const options = { pool, table: 'fresh', createTable: true, timeout: '30s' }
  const stores = Array.from({ length: 10 }, () => mysqlStore(options))
  await Promise.all(stores.map((store) => new TestUser(store).signIn()))
  t.equal((await rowsOf(pool, 'SELECT 1 FROM fresh')).length, 10)
})

test('createTable: a failed creation is repeated by the next operation', async (t) => {
  const pool = connect(t)
  const user = new TestUser(mysqlStore({ pool, table: 'later.weapp', createTable: true }))
  await t.rejects(user.signIn(), { code: 'ER_BAD_DB_ERROR' })
  await pool.query('CREATE DATABASE later')
  const { id } = await user.signIn()
  t.equal(await user.isLive(id), true)
})

test('mysqlSchema: a migration may run it several times', async (t) => {
  const pool = connect(t)
  const user = new TestUser(mysqlStore({ pool, table: 'migrated' }))
  await t.rejects(user.signIn(), { code: 'ER_NO_SUCH_TABLE' })
  await pool.query(mysqlSchema('migrated'))
  await pool.query(mysqlSchema('migrated'))
  t.equal(await user.isLive((await user.signIn()).id), true)
  t.throws(() => mysqlSchema('x; DROP TABLE users'), { code: 'FST_WEAPP_INVALID_OPTION' })
  t.match(mysqlSchema(), /weapp_sessions/)
})

test('isolation: concurrent logins work if SERIALIZABLE is the default', async (t) => {
  await setGlobal(t, 'TRANSACTION ISOLATION LEVEL SERIALIZABLE', 'TRANSACTION ISOLATION LEVEL REPEATABLE READ')
  const userId = randomId()
  const users = [open(t), open(t)].map((store) => new TestUser(store, userId))
  await Promise.all(Array.from({ length: 40 }, (_, i) => users[i % 2]!.signIn({ limit: 5 })))
  t.equal((await users[0]!.list()).length, 5)
})

test('deadlock: the operation is repeated', async (t) => {
  const userId = randomId()
  const users = [open(t), open(t)].map((store) => new TestUser(store, userId))
  for (const user of users) await user.list()
  const connection = await connect(t).getConnection()
  await connection.query('START TRANSACTION')
  await connection.query(`INSERT INTO weapp_sessions VALUES ('${userId}', '', 0)`)
  const before = await deadlocks()
  const logins = Promise.all(users.map((user) => user.signIn()))
  // Both logins wait for the row. After the rollback each waits for the other.
  // InnoDB refreshes the table only if nothing has read it for 100 ms.
  while ((await lockWaits()) < 2) await new Promise((resolve) => setTimeout(resolve, 200))
  await connection.query('ROLLBACK')
  await logins
  t.equal(await deadlocks(), before + 1)
  t.equal((await users[0]!.list()).length, 2)
  connection.release()

  async function lockWaits (): Promise<number> {
    const [rows] = await connection.query(
      "SELECT COUNT(*) AS waits FROM information_schema.INNODB_TRX WHERE trx_state = 'LOCK WAIT'")
    return Number((rows as { waits: number }[])[0]!.waits)
  }
  async function deadlocks (): Promise<number> {
    const [rows] = await connection.query(
      "SELECT COUNT AS deadlocks FROM information_schema.INNODB_METRICS WHERE NAME = 'lock_deadlocks'")
    return Number((rows as { deadlocks: number }[])[0]!.deadlocks)
  }
})

test('read-only: writes reject with the code of the server, and reads work', async (t) => {
  const { id } = await new TestUser(open(t), 'a reader').signIn()
  const admin = connect(t)
  await admin.query("CREATE USER 'shop'@'%' IDENTIFIED BY 'shop'")
  await admin.query("GRANT SELECT, INSERT, UPDATE, DELETE ON test.* TO 'shop'@'%'")
  await setGlobal(t, 'read_only = ON', 'read_only = OFF')
  const pool = connect(t, { user: 'shop', password: 'shop' })
  const user = new TestUser(mysqlStore({ pool }), 'a reader')
  const connectionId = async (): Promise<unknown> => (await rowsOf(pool, 'SELECT CONNECTION_ID() AS id'))[0]!['id']
  const before = await connectionId()
  await t.rejects(user.update(id, '{}'), { code: 'ER_OPTION_PREVENTS_STATEMENT' })
  t.not(await connectionId(), before, 'a new connection may lead to another server')
  t.equal(await user.isLive(id), true)
})

test('autocommit: if it is off, every operation rejects', async (t) => {
  await open(t).list({ userId: randomId(), now: 0 })
  await setGlobal(t, 'autocommit = OFF', 'autocommit = ON')
  const user = new TestUser(mysqlStore({ pool: connect(t) }))
  await t.rejects(user.signIn(), { code: 'WEAPP_DATABASE_AUTOCOMMIT_OFF' })
  await t.rejects(user.read(randomId()), { code: 'WEAPP_DATABASE_AUTOCOMMIT_OFF' })
})

test('T30: expiry: expired rows are deleted by the database clock, 100 at a time', async (t) => {
  const pool = connect(t)
  await pool.query(mysqlSchema('expiring'))
  await pool.query(`INSERT INTO expiring
    WITH RECURSIVE numbers (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM numbers WHERE i < 150)
    SELECT CONCAT('user ', i), '', i FROM numbers`)
  const rows = async (): Promise<number> => (await rowsOf(pool, 'SELECT 1 FROM expiring')).length
  const user = new TestUser(mysqlStore({ pool, table: 'expiring', timeout: '30s' }))
  const { id } = await user.signIn()
  await until('the first write deletes some', async () => await rows() === 51)
  for (let i = 0; i < 99; i++) await user.update(id, `${i}`)
  t.equal(await rows(), 51)
  await user.update(id, null)
  await until('the 101st write deletes the others', async () => await rows() === 1)
  t.equal(await user.isLive(id), true)
})

test('index: every statement uses one', async (t) => {
  const pool = connect(t)
  const statements: { sql: string, values: unknown[] }[] = []
  const recording = observed(pool, (sql, values) => statements.push({ sql, values }))
  const others = new TestUser(open(t))
  for (let i = 0; i < 50; i++) await new TestUser(open(t)).signIn()
  await others.signIn()
  const user = new TestUser(mysqlStore({ pool: recording, createTable: true }))
  const { id } = await user.signIn()
  await user.read(id)
  await user.update(id, '{}')
  for (const { sql, values } of statements.filter(({ sql }) => /^(SELECT|UPDATE|DELETE)/.test(sql))) {
    const [rows] = await pool.execute(`EXPLAIN FORMAT=TRADITIONAL ${sql}`, values as string[])
    const keys = (rows as { table: string | null, key: string | null }[]).filter(({ table }) => table !== null)
    for (const { key } of keys) t.match(key, /^(PRIMARY|expires_at)$/, sql)
  }
})

testDatabaseStore('mysqlStore', open)

testOutages('mysqlStore', {
  server,
  open (t, { timeout, connections }) {
    const pool = connect(t, { connectionLimit: connections ?? 10 })
    return { store: mysqlStore({ pool, createTable: true, timeout }), take: () => pool.getConnection() }
  },
  async connect (t) {
    const connection = await connect(t).getConnection()
    t.teardown(() => connection.release())
    return { query: async (sql) => (await connection.query(sql))[0] as Record<string, unknown>[] }
  },
  async endConnections (session) {
    const rows = await session.query(
      "SELECT id FROM information_schema.PROCESSLIST WHERE command <> 'Daemon' AND id <> CONNECTION_ID()")
    for (const { id } of rows) await session.query(`KILL ${String(id)}`).catch(() => {})
  }
})

testPoolOptions('mysqlStore', connect, mysqlStore)

test('pool: one of promises without a pool of callbacks is refused', async (t) => {
  const pool = connect(t)
  const promises = { getConnection: async () => await pool.getConnection() }
  t.throws(() => mysqlStore({ pool: promises as unknown as MysqlPool }), { message: /mysqlStore\.pool .* mysql2/ })
})
