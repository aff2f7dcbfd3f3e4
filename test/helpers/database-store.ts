/** Tests that a store over any database passes. They register themselves with tap. */
import { test, type Test } from 'tap'
import type { SessionStore } from '../../src/stores/store.js'
import { randomId, TestUser } from '../../src/testing/store-suite/test-user.js'
import { HOUR, SECOND } from './clock.js'
import { startHost } from './host.js'

/** @param open returns a store with a timeout of less than 31 seconds */
export function testDatabaseStore (name: string, open: (t: Test) => SessionStore): void {
  test(`${name}: an end of sessions and a login are compared by the clock of the database`, async (t) => {
    const user = new TestUser(open(t))
    await user.signIn()
    t.intercept(Date, 'now', { value: () => 0 })
    user.now += HOUR / 2
    await user.revokeAll('kicked', null, true)
    await user.signIn({ startedAgo: 10 * SECOND })
    t.equal(user.refusal, 'kicked')
    await user.signInAfterEnd({})
    t.equal((await user.list()).length, 1)
  })

  test(`${name}: login, guarded request and logout over HTTP, and no cache`, async (t) => {
    const store = open(t)
    const host = await startHost(t, { options: { store, storeTimeout: '31s' } })
    const { token } = await host.signIn()
    t.equal((await host.get('/me', token)).statusCode, 200)
    t.equal((await host.post('/weapp/logout', undefined, token)).statusCode, 204)
    t.equal((await host.get('/me', token)).json().code, 'FST_WEAPP_SESSION_REVOKED')
    const cached = startHost(t, { options: { store, storeTimeout: '31s', cache: {} } })
    await t.rejects(cached, { code: 'FST_WEAPP_INVALID_OPTION', message: /option cache / })
  })
}

/**
 * Tests the options that stores over a pool have in common.
 *
 * @param connect returns a pool
 * @param create receives options that may be invalid
 */
export function testPoolOptions<Pool> (
  name: string, connect: (t: Test) => Pool, create: (options: any) => SessionStore
): void {
  test(`${name}: an invalid option throws an error that names it`, async (t) => {
    const pool = connect(t)
    for (const [option, options] of Object.entries({
      pool: { pool: 'a url' },
      table: { pool, table: 'weapp-sessions' },
      createTable: { pool, createTable: 'yes' },
      timeout: { pool, timeout: '1000' },
      prefix: { pool, prefix: 'weapp:' }
    })) {
      t.throws(() => create(options), {
        code: 'FST_WEAPP_INVALID_OPTION', message: new RegExp(`^fastify-weapp: option ${name}\\.${option} `)
      }, option)
    }
    t.throws(() => create(undefined), { message: new RegExp(`${name}\\.pool `) })
    t.equal(create({ pool }).timeout, 1000)
    t.equal(create({ pool }).watch, undefined)
  })
}

/**
 * Asserts that a read transfers one session, however many the user has.
 *
 * @param replies receives those of the database
 */
export async function assertOneSessionRead (t: Test, store: SessionStore, replies: unknown[]): Promise<void> {
  const user = new TestUser(store)
  const ids = []
  for (let i = 0; i < 10; i++) ids.push((await user.signIn({ data: 'x'.repeat(1024) })).id)
  for (const id of [...ids, randomId()]) {
    replies.length = 0
    t.equal(await user.isLive(id), ids.includes(id))
    t.ok(JSON.stringify(replies).length < 2048)
  }
}
