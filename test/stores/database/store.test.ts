import { test } from 'tap'
import type { DatabaseLinesRead, DatabaseRecord, DatabaseWrite } from '../../../src/stores/database/contract.js'
import { databaseStore, type DatabaseStoreOptions } from '../../../src/stores/database/store.js'
import { storeSuite } from '../../../src/testing/store-suite/store-suite.js'
import { randomId, sealedKey, TestUser } from '../../../src/testing/store-suite/test-user.js'
import { openDatabaseStore, type Opened } from '../../helpers/host-database.js'
import { VersionedTable } from '../../helpers/versioned-table.js'

test('T37: databaseStore: conforms to the contract over a database with versions', async (t) => {
  const { store } = openDatabaseStore()
  await storeSuite((name, check) => t.test(name, check), () => store)
})

test('databaseStore: two stores over one database pass 100 rounds of each race', async (t) => {
  const table = new VersionedTable()
  const stores = [openDatabaseStore({}, table).store, openDatabaseStore({}, table).store]
  const race = (name: string, check: () => Promise<void>) => name.startsWith('race:') ? t.test(name, check) : undefined
  await storeSuite(race, () => stores, { rounds: 100 })
})

test('T36: calls: an operation without a change is one read, any other a read and a write', async (t) => {
  const { user, calls } = openDatabaseStore()
  async function made (operation: () => Promise<unknown>): Promise<string[]> {
    calls.length = 0
    await operation()
    return [...calls]
  }
  const READ_AND_WRITE = ['read', 'write']
  t.strictSame(await made(() => user.revoke(randomId())), ['read'])
  const { id, idleExpiresAt } = await user.signIn({ key: sealedKey() })
  t.strictSame(await made(() => user.read(id)), ['read'])
  t.strictSame(await made(() => user.list()), ['read'])
  t.strictSame(await made(() => user.readKeys()), ['read'])
  t.strictSame(await made(() => user.touch(id, idleExpiresAt)), ['read'])
  t.strictSame(await made(() => user.touch(id, idleExpiresAt + 1)), READ_AND_WRITE)
  t.strictSame(await made(() => user.update(id, '{}')), READ_AND_WRITE)
  t.strictSame(await made(() => user.writeKey(sealedKey())), READ_AND_WRITE)
  t.strictSame(await made(() => user.revoke(id)), READ_AND_WRITE)
})

test('T37: readLines: a store that reads lines conforms to the contract', async (t) => {
  const { store, calls } = openDatabaseStore({ readLines: (request, next) => next(request) })
  await storeSuite((name, check) => t.test(name, check), () => store)
  t.ok(calls.includes('readLines'))
})

test('readLines: reads a session, and no other operation does', async (t) => {
  const requests: DatabaseLinesRead[] = []
  const { user, table, calls } = openDatabaseStore({
    readLines (request, next) {
      requests.push(request)
      return next(request)
    }
  })
  t.equal(await user.read(randomId()), null, 'an unknown user')
  const { id } = await user.signIn({ key: sealedKey() })
  await user.signIn()
  await user.list()
  await user.readKeys()
  t.strictSame(calls, ['readLines', 'read', 'write', 'read', 'write', 'read', 'read'])
  requests.length = 0
  t.equal(await user.isLive(id), true)
  t.match(requests, [{ userId: user.userId, timeLeft: 3_600_000 }])
  t.equal(table.items.get(user.userId)!.text.split(requests[0]!.line).length, 2, 'one line of the record starts so')
})

test('readLines: any other line may follow if no line starts so', async (t) => {
  const { store, table } = openDatabaseStore({ readLines: ({ userId }) => table.items.get(userId)!.text })
  const user = new TestUser(store)
  const { id } = await user.signIn()
  t.equal(await user.read(randomId()), null)
  t.equal(await user.isLive(id), true)
})

test('write: receives what was read, and whole milliseconds of the database clock', async (t) => {
  const requests: DatabaseWrite[] = []
  const { user, table } = openDatabaseStore({
    timeout: 60_000,
    write (request, next) {
      requests.push(request)
      return next(request)
    }
  })
  table.clockOffset = 86_400_000
  const first = await user.signIn()
  const before = table.items.get(user.userId)!
  await user.revoke(first.id)
  const [insert, update] = requests as [DatabaseWrite, DatabaseWrite]
  t.match(insert, { userId: user.userId, before: null, version: null, expiresAt: first.idleExpiresAt })
  t.match(update, { userId: user.userId, before: before.text, version: before.version, expiresAt: first.idleExpiresAt })
  for (const { until, timeLeft, after } of requests) {
    t.ok(Number.isInteger(until) && until > table.time && until <= table.time + 60_000)
    t.ok(Number.isInteger(timeLeft) && timeLeft > 0 && timeLeft <= 60_000)
    t.match(after, /^[ -~\n]+$/, 'printable ASCII and line breaks')
  }
})

test('read: a database that answers at once is read at once', async (t) => {
  const { store, user, table } = openDatabaseStore({ read: () => ({ record: null, time: 0 }) })
  t.equal(store.read({ userId: user.userId, now: user.now, sessionId: randomId() }), null)
  t.strictSame(await user.list(), [])
  t.equal(table.items.size, 0)
})

test('conflict: the operation runs again with the newer record', async (t) => {
  let conflicts = 0
  const opened: Opened = openDatabaseStore({
    async write (request, next) {
      if (conflicts-- > 0) {
        const other = new TestUser(openDatabaseStore({}, opened.table).store)
        await other.signIn()
        opened.table.items.set(request.userId, opened.table.items.get(other.userId)!)
      }
      return await next(request)
    }
  })
  const { user, calls } = opened
  conflicts = 3
  const { id } = await user.signIn()
  t.equal(calls.length, 8)
  t.equal((await user.liveIds()).length, 2, "another server's login is kept")
  t.equal(await user.isLive(id), true)
})

test('conflict: an end of sessions between read and write refuses the login', async (t) => {
  let isFirst = true
  const opened: Opened = openDatabaseStore({
    async write (request, next) {
      if (isFirst) {
        isFirst = false
        const { userId, now } = user
        await openDatabaseStore({}, opened.table).store.revokeAll({ userId, now, reason: 'kicked', except: null, pendingLogins: true })
      }
      return await next(request)
    }
  })
  const { user } = opened
  await user.signIn({ startedAgo: 1000 })
  t.equal(user.refusal, 'kicked')
  t.strictSame(await user.list(), [])
  await user.signIn({ startedAgo: -1000 })
  t.equal(user.refusal, null)
})

test('clock: a login that began in the millisecond of an end is refused', async (t) => {
  let time = Date.UTC(2026, 0, 1)
  const { user } = openDatabaseStore({
    read: async (request, next) => ({ ...await next(request), time }),
    write: (request, next) => next({ ...request, until: Infinity })
  })
  await user.revokeAll('kicked', null, true)
  await user.signIn()
  t.equal(user.refusal, 'kicked')
  time += 60_000
  await user.signIn()
  t.equal(user.refusal, null)
})

test('queue: concurrent logins of a user cause no conflict', async (t) => {
  const { user, calls } = openDatabaseStore()
  await Promise.all(Array.from({ length: 30 }, () => user.signIn()))
  t.equal(calls.length, 60)
  t.equal((await user.list()).length, 30)
})

test('deleteExpired: runs after the first write and after every 100th, and may fail', async (t) => {
  for (const fail of [() => {}, () => { throw new Error('no') }, async () => { throw new Error('no') }]) {
    let runs = 0
    const { user } = openDatabaseStore({
      deleteExpired () {
        runs++
        return fail()
      }
    })
    await user.read(randomId())
    t.equal(runs, 0)
    const { id } = await user.signIn()
    t.equal(runs, 1)
    for (let i = 0; i < 99; i++) await user.update(id, `${i}`)
    t.equal(runs, 1)
    await user.update(id, null)
    t.equal(runs, 2)
  }
})

test('record: damaged text is unreadable until a login replaces it', async (t) => {
  const { user, table } = openDatabaseStore()
  const { id } = await user.signIn()
  const item = table.items.get(user.userId)!
  table.items.set(user.userId, { ...item, text: item.text.slice(0, 40) })
  t.strictSame(await user.read(id), { status: 'unreadable' })
  t.strictSame(await user.list(), [])
  t.equal(await user.revoke(id), false)
  const { id: fresh } = await user.signIn()
  t.strictSame(await user.liveIds(), [fresh])
})

test('record: text of a newer version is never replaced', async (t) => {
  const { user, table } = openDatabaseStore()
  const { id } = await user.signIn()
  const item = { ...table.items.get(user.userId)!, text: '{"version":999}' }
  table.items.set(user.userId, item)
  t.strictSame(await user.read(id), { status: 'unreadable' })
  await t.rejects(user.signIn(), { code: 'WEAPP_RECORD_NEWER' })
  t.strictSame(table.items.get(user.userId), item)
})

test('options: an invalid one throws an error that names it', async (t) => {
  const read = async (): Promise<DatabaseRecord> => ({ record: null, time: 0 })
  const write = async (): Promise<boolean> => true
  for (const [name, options] of Object.entries({
    read: { write },
    write: { read, write: null },
    readLines: { read, write, readLines: 'SELECT' },
    isRetryable: { read, write, isRetryable: ['40001'] },
    deleteExpired: { read, write, deleteExpired: 'DELETE' },
    timeout: { read, write, timeout: '25d' },
    update: { read, write, update: write }
  })) {
    t.throws(() => databaseStore(options as unknown as DatabaseStoreOptions), {
      code: 'FST_WEAPP_INVALID_OPTION', message: new RegExp(`^fastify-weapp: option databaseStore\\.${name} `)
    }, name)
  }
  t.equal(databaseStore({ read, write }).timeout, 1000)
})
