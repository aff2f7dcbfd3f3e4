import { Pool } from 'pg'
import tap, { test, type Test } from 'tap'
import { storeSuite } from '../../src/testing/store-suite/store-suite.js'
import { randomId, sealedKey, TestUser } from '../../src/testing/store-suite/test-user.js'
import { DAY } from '../helpers/clock.js'
import { postgresPrograms, startPostgres } from '../helpers/postgres.js'
import { startHost } from '../helpers/host.js'

// The only optional test. It verifies the contract on a database that the package does not use.
if (postgresPrograms() === null) {
  tap.pass('SKIPPED: the PostgreSQL example is not tested, because PostgreSQL is not installed')
} else {
  // Imported here. Otherwise the module would be loaded and count as not covered when this test is skipped.
  const { deleteExpired, postgresStore, schema } = await import('../../example/shop/stores/postgres.js')
  const url = await startPostgres(tap)

  const connect = (t: Test): Pool => {
    const pool = new Pool({ connectionString: url, connectionTimeoutMillis: 20_000, statement_timeout: 20_000 })
    t.teardown(() => pool.end())
    return pool
  }
  /** For tests that do not depend on the timeout. */
  const LONG_TIMEOUT = { timeout: 60_000 }
  const count = async (pool: Pool, table: 'users' | 'sessions', { userId }: TestUser): Promise<number> =>
    (await pool.query(`SELECT FROM weapp_${table} WHERE user_id = $1`, [userId])).rowCount ?? -1

  await connect(tap).query(schema)

  test('postgresStore: passes the conformance suite', async (t) => {
    const pool = connect(t)
    await pool.query(schema)
    await storeSuite((name, check) => t.test(name, check), () => postgresStore(pool, LONG_TIMEOUT))
  })

  test('deleteExpired: deletes the rows of expired users only', async (t) => {
    const pool = connect(t)
    const store = postgresStore(pool, LONG_TIMEOUT)
    const [expired, ended, live] = [new TestUser(store), new TestUser(store), new TestUser(store)]
    const { idleExpiresAt } = await expired.signIn({ key: sealedKey() })
    await ended.revoke((await ended.signIn({ idleExpiresAt: idleExpiresAt + DAY })).id)
    await live.signIn()
    const { id } = await live.signIn({ idleExpiresAt: idleExpiresAt + DAY, key: sealedKey() })
    await deleteExpired(pool, idleExpiresAt)
    t.strictSame([await count(pool, 'users', expired), await count(pool, 'sessions', expired)], [0, 0])
    t.strictSame([await count(pool, 'users', ended), await count(pool, 'sessions', ended)], [1, 1])
    t.strictSame([await count(pool, 'users', live), await count(pool, 'sessions', live)], [1, 1])
    t.equal(await live.isLive(id), true)
    t.equal((await live.readKeys()).length, 1)
  })

  test('deleteExpired: does not affect concurrent logins', async (t) => {
    const pool = connect(t)
    const user = new TestUser(postgresStore(pool, LONG_TIMEOUT))
    for (let i = 0; i < 100; i++) {
      const brief = await user.signIn({ idleExpiresAt: user.now + 1 })
      user.now = brief.idleExpiresAt
      const [session] = await Promise.all([user.signIn(), deleteExpired(pool, user.now), deleteExpired(pool, user.now)])
      t.equal(await user.isLive(session.id), true)
      await user.signIn({ replaces: session.id, idleExpiresAt: user.now - 1 })
    }
    t.equal(await user.read(randomId()), null)
  })

  test('transaction: a failure rolls back and frees the connection', async (t) => {
    const pool = new Pool({ connectionString: url, max: 1 })
    t.teardown(() => pool.end())
    const user = new TestUser(postgresStore(pool, LONG_TIMEOUT))
    await t.rejects(user.signIn({ createdAt: NaN }))
    t.equal(await count(pool, 'users', user), 0)
    const { id } = await user.signIn()
    t.equal(await user.isLive(id), true)
  })

  test('transaction: a locked row rejects in time, and the write never happens', async (t) => {
    const pool = new Pool({ connectionString: url, statement_timeout: 100, query_timeout: 10_000 })
    t.teardown(() => pool.end())
    const user = new TestUser(postgresStore(pool, LONG_TIMEOUT))
    const { id } = await user.signIn()
    const other = await connect(t).connect()
    await other.query('BEGIN')
    await other.query('SELECT FROM weapp_users WHERE user_id = $1 FOR UPDATE', [user.userId])
    await t.rejects(user.revokeAll())
    await t.rejects(user.signIn())
    await other.query('COMMIT')
    other.release()
    t.strictSame(await user.liveIds(), [id])
  })

  test('transaction: a timeout at any step prevents the commit', async (t) => {
    const pool = connect(t)
    const user = new TestUser(postgresStore(pool, LONG_TIMEOUT))
    const { id } = await user.signIn()
    const store = postgresStore(pool, { timeout: 800 })
    t.equal(store.timeout, 1800, 'below the default storeTimeout')
    let reads = 0
    let readsInTime = 1
    t.intercept(performance, 'now', { value: () => reads++ < readsInTime ? 0 : 801 })
    const ban = () => store.revokeAll({
      userId: user.userId, now: user.now, reason: 'kicked', except: null, pendingLogins: true
    })
    // The timeout moves one step further in each round. In the end the COMMIT is in time as well.
    for (; readsInTime < 7; readsInTime++) {
      reads = 0
      await t.rejects(ban(), { message: 'The transaction timed out.' })
      t.equal(reads, readsInTime + 1)
      t.strictSame(await user.liveIds(), [id])
    }
    reads = 0
    t.equal(await ban(), 1)
  })

  test('plugin over postgresStore: login, guarded request, logout', async (t) => {
    const store = postgresStore(connect(t), { timeout: 18_000 })
    const host = await startHost(t, { options: { store, storeTimeout: '20s' } })
    const { token } = await host.signIn()
    t.equal((await host.get('/me', token)).statusCode, 200)
    t.equal((await host.post('/weapp/logout', undefined, token)).statusCode, 204)
    t.equal((await host.get('/me', token)).json().code, 'FST_WEAPP_SESSION_REVOKED')
  })
}
