import { Pool } from 'pg'
import tap, { test, type Test } from 'tap'
import { storeSuite } from '../../src/testing/store-suite/store-suite.js'
import { randomId, sealedKey, TestUser } from '../../src/testing/store-suite/test-user.js'
import { DAY } from '../helpers/clock.js'
import { postgresPrograms, startPostgres } from '../helpers/postgres.js'
import { startHost } from '../helpers/host.js'

// The one test that may be left out: it proves the contract on a database that the package itself never touches.
if (postgresPrograms() === null) {
  tap.pass('LEFT OUT: the PostgreSQL example is not tested, for there is no PostgreSQL on this machine')
} else {
  // Here, for what is loaded and not run would count as not covered where this test is left out.
  const { forgetEnded, postgresStore, schema } = await import('../../example/stores/postgres.js')
  const url = await startPostgres(tap)

  const connect = (t: Test): Pool => {
    const pool = new Pool({ connectionString: url, connectionTimeoutMillis: 20_000, statement_timeout: 20_000 })
    t.teardown(() => pool.end())
    return pool
  }
  /** For tests that are not about time. */
  const PATIENT = { timeout: 60_000 }
  const count = async (pool: Pool, table: 'users' | 'sessions', { userId }: TestUser): Promise<number> =>
    (await pool.query(`SELECT FROM weapp_${table} WHERE user_id = $1`, [userId])).rowCount ?? -1

  await connect(tap).query(schema)

  test('the conformance suite passes over PostgreSQL', async (t) => {
    const pool = connect(t)
    await pool.query(schema)
    await storeSuite((name, check) => t.test(name, check), () => postgresStore(pool, PATIENT))
  })

  test('forgetEnded leaves no row of who is gone, and every row of the others', async (t) => {
    const pool = connect(t)
    const store = postgresStore(pool, PATIENT)
    const [gone, ended, live] = [new TestUser(store), new TestUser(store), new TestUser(store)]
    const { idleExpiresAt } = await gone.signIn({ key: sealedKey() })
    await ended.revoke((await ended.signIn({ idleExpiresAt: idleExpiresAt + DAY })).id)
    await live.signIn()
    const { id } = await live.signIn({ idleExpiresAt: idleExpiresAt + DAY, key: sealedKey() })
    await forgetEnded(pool, idleExpiresAt)
    t.strictSame([await count(pool, 'users', gone), await count(pool, 'sessions', gone)], [0, 0])
    t.strictSame([await count(pool, 'users', ended), await count(pool, 'sessions', ended)], [1, 1])
    t.strictSame([await count(pool, 'users', live), await count(pool, 'sessions', live)], [1, 1])
    t.equal(await live.isLive(id), true)
    t.equal((await live.readKeys()).length, 1)
  })

  test('logins while what has ended is forgotten: none is lost', async (t) => {
    const pool = connect(t)
    const user = new TestUser(postgresStore(pool, PATIENT))
    for (let i = 0; i < 100; i++) {
      const brief = await user.signIn({ idleExpiresAt: user.now + 1 })
      user.now = brief.idleExpiresAt
      const [session] = await Promise.all([user.signIn(), forgetEnded(pool, user.now), forgetEnded(pool, user.now)])
      t.equal(await user.isLive(session.id), true)
      await user.signIn({ replaces: session.id, idleExpiresAt: user.now - 1 })
    }
    t.equal(await user.read(randomId()), null)
  })

  test('a transaction that fails leaves nothing, and the pool has a connection again', async (t) => {
    const pool = new Pool({ connectionString: url, max: 1 })
    t.teardown(() => pool.end())
    const user = new TestUser(postgresStore(pool, PATIENT))
    await t.rejects(user.signIn({ createdAt: NaN }))
    t.equal(await count(pool, 'users', user), 0)
    const { id } = await user.signIn()
    t.equal(await user.isLive(id), true)
  })

  test('a row that is locked for long: rejected in time, and it does not happen later', async (t) => {
    const pool = new Pool({ connectionString: url, statement_timeout: 100, query_timeout: 10_000 })
    t.teardown(() => pool.end())
    const user = new TestUser(postgresStore(pool, PATIENT))
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

  test('a transaction whose time is over is not committed, at whichever step that was', async (t) => {
    const pool = connect(t)
    const user = new TestUser(postgresStore(pool, PATIENT))
    const { id } = await user.signIn()
    const store = postgresStore(pool, { timeout: 800 })
    t.equal(store.timeout, 1800, 'below the default storeTimeout')
    let looks = 0
    let inTime = 1
    t.intercept(performance, 'now', { value: () => looks++ < inTime ? 0 : 801 })
    const ban = () => store.revokeAll({ userId: user.userId, now: user.now, reason: 'kicked', except: null, pendingLogins: true })
    // Each time one step further, until the last of them, the COMMIT, is in time as well.
    for (; inTime < 7; inTime++) {
      looks = 0
      await t.rejects(ban(), { message: /too long/ })
      t.equal(looks, inTime + 1)
      t.strictSame(await user.liveIds(), [id])
    }
    looks = 0
    t.equal(await ban(), 1)
  })

  test('the plugin over PostgreSQL: sign in, ask, sign out', async (t) => {
    const host = await startHost(t, { options: { store: postgresStore(connect(t), { timeout: 18_000 }), storeTimeout: '20s' } })
    const { token } = await host.signIn()
    t.equal((await host.get('/me', token)).statusCode, 200)
    t.equal((await host.post('/weapp/logout', undefined, token)).statusCode, 204)
    t.equal((await host.get('/me', token)).json().code, 'FST_WEAPP_SESSION_REVOKED')
  })
}
