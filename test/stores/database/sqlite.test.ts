import Database from 'libsql'
import tap, { test } from 'tap'
import {
  sqliteSchema, sqliteStore, type SqliteDatabase, type SqliteStoreOptions
} from '../../../src/stores/database/sqlite.js'
import type { SessionStore } from '../../../src/stores/store.js'
import { storeSuite } from '../../../src/testing/store-suite/store-suite.js'
import { randomId, sealedKey, TestUser } from '../../../src/testing/store-suite/test-user.js'
import { HOUR } from '../../helpers/clock.js'
import { testDatabaseStore } from '../../helpers/database-store.js'
import { openSqlite, sqliteFile } from '../../helpers/sqlite.js'

/** A database of libsql is assignable without a cast. */
export const assignable: Database.Database extends SqliteDatabase ? true : never = true

const TIMEOUT = { code: 'WEAPP_DATABASE_TIMEOUT' }

const open = (file: string, timeout: number | string = '30s'): SessionStore => {
  return sqliteStore({ database: openSqlite(file), createTable: true, timeout })
}

/** Passes on the methods of a database alone, like a version of node:sqlite without isTransaction. */
function withoutProperties (database: SqliteDatabase): SqliteDatabase {
  return { prepare: (sql) => database.prepare(sql), exec: (sql) => database.exec(sql) }
}

test('T37: sqliteStore: conforms to the contract over two connections of libsql', async (t) => {
  const file = sqliteFile(t)
  const stores = [open(file), open(file)]
  await storeSuite((name, check) => t.test(name, check), () => stores)
})

test('sqliteStore: conforms without inTransaction, with 1,000 rounds of each race', async (t) => {
  const database = withoutProperties(openSqlite(':memory:'))
  const store = sqliteStore({ database, createTable: true, timeout: '30s' })
  await storeSuite((name, check) => t.test(name, check), () => store, { rounds: 1000 })
})

type NodeSqlite = { DatabaseSync: new (path: string) => SqliteDatabase }
const sqlite = process.getBuiltinModule?.('node:sqlite') as NodeSqlite | undefined
if (sqlite === undefined) {
  tap.pass('SKIPPED: this version of Node.js has no node:sqlite')
} else {
  test('sqliteStore: conforms to the contract over node:sqlite', async (t) => {
    const file = sqliteFile(t)
    const [first, second] = [new sqlite.DatabaseSync(file), new sqlite.DatabaseSync(file)]
    first.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    const stores = [
      sqliteStore({ database: first, createTable: true }), sqliteStore({ database: second, createTable: true })
    ]
    await storeSuite((name, check) => t.test(name, check), () => stores)
    first.exec('BEGIN IMMEDIATE')
    await t.rejects(new TestUser(sqliteStore({ database: second, timeout: 50 })).signIn(), TIMEOUT)
    const rejection = { code: 'WEAPP_DATABASE_TRANSACTION_OPEN' }
    await t.rejects(new TestUser(sqliteStore({ database: first })).signIn(), rejection)
  })
}

test('busy: while another connection writes, a write waits without stopping the event loop', async (t) => {
  const file = sqliteFile(t)
  const other = openSqlite(file)
  const user = new TestUser(open(file))
  const { id } = await user.signIn()
  other.exec('BEGIN IMMEDIATE')
  let isDone = false
  const update = user.update(id, '{}').then((result) => {
    isDone = true
    return result
  })
  for (let turns = 0; turns < 20; turns++) await new Promise((resolve) => setTimeout(resolve, 5))
  t.equal(isDone, false)
  t.equal(await user.isLive(id), true, 'reads do not wait')
  other.exec('ROLLBACK')
  t.equal(await update, true)
})

test('busy: a writer that hangs makes writes reject in time, and nothing is written later', async (t) => {
  const file = sqliteFile(t)
  const other = openSqlite(file)
  const store = open(file, 100)
  const [user, stranger] = [new TestUser(store), new TestUser(store)]
  const session = await user.signIn()
  const { id } = session
  other.exec('BEGIN IMMEDIATE')
  const writes: Promise<unknown>[] = [
    user.update(id, '{}'), user.touch(id, user.now + 2 * HOUR), user.writeKey(sealedKey()), user.signIn({ limit: 1 }),
    user.revoke(id), user.revokeAll(), stranger.signIn()
  ]
  await Promise.all(writes.map((write) => t.rejects(write, TIMEOUT)))
  other.exec('COMMIT')
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.strictSame(await user.list(), [session])
  t.strictSame(await stranger.list(), [])
})

test('createTable: waits for another writer', async (t) => {
  const file = sqliteFile(t)
  const other = openSqlite(file)
  other.exec('BEGIN IMMEDIATE')
  const read = new TestUser(open(file)).read(randomId())
  await new Promise((resolve) => setTimeout(resolve, 50))
  other.exec('COMMIT')
  t.equal(await read, null)
})

test('transaction: while one of the host is open, every operation rejects', async (t) => {
  for (const wrap of [(database: SqliteDatabase) => database, withoutProperties]) {
    const database = openSqlite(sqliteFile(t))
    const user = new TestUser(sqliteStore({ database: wrap(database), createTable: true }))
    const { id } = await user.signIn()
    database.exec('BEGIN')
    const rejection = { code: 'WEAPP_DATABASE_TRANSACTION_OPEN' }
    await t.rejects(user.read(id), rejection)
    await t.rejects(user.revoke(id), rejection)
    // It begins between the read and the write of an operation.
    database.exec('COMMIT')
    const update = user.update(id, '{}')
    database.exec('BEGIN')
    await t.rejects(update, rejection)
    database.exec('ROLLBACK')
    t.equal(await user.isLive(id), true)
  }
})

test('createTable: no transaction of the host contains the table', async (t) => {
  for (const wrap of [(database: SqliteDatabase) => database, withoutProperties]) {
    const database = openSqlite(sqliteFile(t))
    const user = new TestUser(sqliteStore({ database: wrap(database), createTable: true }))
    database.exec('BEGIN')
    await t.rejects(user.read(randomId()), { code: 'WEAPP_DATABASE_TRANSACTION_OPEN' })
    database.exec('ROLLBACK')
    const { id } = await user.signIn()
    t.equal(await user.isLive(id), true)
  }
})

test('full: logins reject, and sessions stay as they are', async (t) => {
  const database = openSqlite(sqliteFile(t))
  const store = sqliteStore({ database, createTable: true })
  const user = new TestUser(store)
  const { id } = await user.signIn()
  const pages = Object.values(database.prepare('PRAGMA page_count').get() as object)[0] as number
  database.exec(`PRAGMA max_page_count = ${pages}`)
  const data = 'x'.repeat(4096)
  await t.rejects(async () => { for (let i = 0; i < 10; i++) await new TestUser(store).signIn({ data }) }, {
    message: /full/
  })
  t.equal(await user.isLive(id), true)
  t.equal(await user.revoke(id), true)
})

test('read-only: writes reject with the code of the database, and reads work', async (t) => {
  const file = sqliteFile(t)
  const { id } = await new TestUser(open(file), 'a reader').signIn()
  const database = openSqlite(file)
  database.exec('PRAGMA query_only = ON')
  const user = new TestUser(sqliteStore({ database }), 'a reader')
  await t.rejects(user.update(id, '{}'), { code: 'SQLITE_READONLY' })
  t.equal(await user.isLive(id), true)
})

test('T30: expiry: expired rows are deleted by the database clock, 100 at a time', async (t) => {
  const database = openSqlite(sqliteFile(t))
  const user = new TestUser(sqliteStore({ database, createTable: true }))
  const { id } = await user.signIn()
  for (let i = 1; i <= 150; i++) database.exec(`INSERT INTO weapp_sessions VALUES ('user ${i}', '', ${i})`)
  const rows = (): unknown => Object.values(database.prepare('SELECT count(*) FROM weapp_sessions').get() as object)[0]
  for (let i = 0; i < 99; i++) await user.update(id, `${i}`)
  t.equal(rows(), 151)
  await user.update(id, null)
  t.equal(rows(), 51)
  t.equal(await user.isLive(id), true)
})

test('index: every statement uses one', async (t) => {
  const database = openSqlite(sqliteFile(t))
  const statements = new Set<string>()
  const recording = {
    prepare (sql: string) {
      statements.add(sql)
      return database.prepare(sql)
    },
    exec: (sql: string) => database.exec(sql)
  }
  const user = new TestUser(sqliteStore({ database: recording, createTable: true }))
  const { id } = await user.signIn()
  await user.update(id, '{}')
  for (const sql of statements) {
    const parameters = Array.from(sql.matchAll(/\?/g), () => 0)
    const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters) as { detail: string }[]
    for (const { detail } of plan) t.notMatch(detail, /^SCAN (?!CONSTANT)/, sql)
  }
  t.equal(statements.size, 6)
})

test('clock: the time of the database is exact to the millisecond', async (t) => {
  const database = openSqlite(':memory:')
  const times: unknown[] = []
  let now = ''
  const clocked: SqliteDatabase = {
    exec: (sql) => database.exec(sql),
    prepare: (sql) => ({
      run: (...parameters) => database.prepare(sql).run(...parameters),
      get (...parameters) {
        const row = database.prepare(sql.replace("'now'", `'${now}'`)).get(...parameters) as { time?: number }
        times.push(row.time)
        return row
      }
    })
  }
  const user = new TestUser(sqliteStore({ database: clocked, createTable: true }))
  times.length = 0
  const expected = Array.from({ length: 1000 }, (_, i) => Date.UTC(2026, 10, 30, 12, 34, 56, i))
  for (const time of expected) {
    now = new Date(time).toISOString()
    await user.list()
  }
  t.strictSame(times, expected)
})

test('integers: may be of type bigint', async (t) => {
  const database = openSqlite(':memory:')
  database.defaultSafeIntegers(true)
  const user = new TestUser(sqliteStore({ database, createTable: true }))
  const { id } = await user.signIn()
  t.equal(await user.update(id, '{}'), true)
  t.equal(await user.isLive(id), true)
})

test('table: may be in an attached database', async (t) => {
  const database = openSqlite(':memory:')
  database.exec("ATTACH ':memory:' AS auth")
  t.throws(() => database.prepare('SELECT * FROM auth.sessions'))
  const user = new TestUser(sqliteStore({ database, table: 'auth.sessions', createTable: true }))
  await user.signIn()
  t.equal(database.prepare('SELECT * FROM auth.sessions').all().length, 1)
  t.throws(() => sqliteSchema('x; DROP TABLE users'), { code: 'FST_WEAPP_INVALID_OPTION' })
  t.match(sqliteSchema(), /weapp_sessions/)
})

testDatabaseStore('sqliteStore', (t) => open(sqliteFile(t)))

test('options: an invalid one throws an error that names it', async (t) => {
  const database = openSqlite(':memory:')
  const busy = openSqlite(':memory:')
  busy.exec('PRAGMA busy_timeout = 5000')
  const invalid: [name: string, options: unknown, problem: RegExp][] = [
    ['database', {}, /must be a database/],
    ['database', { database: { prepare () {} } }, /must be a database/],
    ['database', { database: busy }, /busy timeout/],
    ['database', { database: new Database(sqliteFile(t)) }, /WAL/],
    ['table', { database, table: '' }, /must be a name/],
    ['createTable', { database, createTable: 1 }, /true or false/],
    ['timeout', { database, timeout: '25d' }, /must be a duration/],
    ['prefix', { database, prefix: 'weapp:' }, /is not a valid option/]
  ]
  for (const [name, options, problem] of invalid) {
    const message = new RegExp(`sqliteStore\\.${name} .*${problem.source}`)
    const error = { code: 'FST_WEAPP_INVALID_OPTION', message }
    t.throws(() => sqliteStore(options as SqliteStoreOptions), error, problem.source)
  }
  t.equal(sqliteStore({ database }).timeout, 1000)
})
