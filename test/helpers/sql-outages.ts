/** Tests of outages that a store over any SQL server passes. They register themselves with tap. */
import { test, type Test } from 'tap'
import type { SessionStore } from '../../src/stores/store.js'
import { sealedKey, TestUser } from '../../src/testing/store-suite/test-user.js'
import { HOUR } from './clock.js'
import type { DatabaseServer } from './database-server.js'
import { startHost } from './host.js'
import { until } from './processes.js'

const TIMEOUT = { code: 'WEAPP_DATABASE_TIMEOUT' }

export interface SqlDatabase {
  server: DatabaseServer
  /** Returns a store over a pool of its own, and a function that takes a connection out of that pool. */
  open (t: Test, options: { timeout: number | string, connections?: number }): {
    store: SessionStore
    take (): Promise<{ release (): void }>
  }
  /** Opens a connection outside of any pool. */
  connect (t: Test): Promise<SqlSession>
  /** Ends the connections of all stores at the server. */
  endConnections (session: SqlSession): Promise<void>
}

export interface SqlSession {
  query (sql: string): Promise<Record<string, unknown>[]>
}

/** Runs every write of a user. Returns the promises. */
function everyWrite (user: TestUser, id: string): Promise<unknown>[] {
  return [
    user.update(id, '{"older":true}'),
    user.touch(id, user.now + 2 * HOUR),
    user.writeKey(sealedKey()),
    user.signIn({ limit: 1, key: null }),
    user.revokeAll('kicked', null, true),
    user.revoke(id)
  ]
}

/**
 * Opens a store that waits long, to prepare and to look, and the same users over a store that soon gives up. Otherwise
 * a busy machine would fail the preparation.
 */
async function openHasty (t: Test, open: SqlDatabase['open'], timeout: number, connections?: number): Promise<{
  user: TestUser
  stranger: TestUser
  hasty: { user: TestUser, stranger: TestUser, take (): Promise<{ release (): void }> }
}> {
  const { store } = open(t, { timeout: '30s' })
  const { store: hastyStore, take } = open(t, { timeout, ...connections !== undefined && { connections } })
  const [user, stranger] = [new TestUser(store), new TestUser(store)]
  await user.list()
  const hasty = { user: new TestUser(hastyStore, user.userId), stranger: new TestUser(hastyStore, stranger.userId), take }
  await until('the pool has a connection', () => hasty.user.list().then(() => true, () => false))
  return { user, stranger, hasty }
}

async function recordOf (session: SqlSession, { userId }: TestUser): Promise<unknown> {
  const rows = await session.query(`SELECT record FROM weapp_sessions WHERE user_id = '${userId}'`)
  return rows[0]?.['record']
}

export function testOutages (name: string, { server, open, connect, endConnections }: SqlDatabase): void {
  test(`${name}: a server that hung runs no write late`, async (t) => {
    const { user, stranger, hasty } = await openHasty(t, open, 300)
    const { id } = await user.signIn({ key: sealedKey(), data: '{"newer":true}' })
    const session = await connect(t)
    const before = await recordOf(session, user)
    server.pause()
    const writes = [...everyWrite(hasty.user, id), hasty.stranger.signIn()]
    await Promise.all(writes.map((write) => t.rejects(write, TIMEOUT)))
    await t.rejects(hasty.user.read(id), TIMEOUT)
    server.resume()
    await until('a write works again', () => hasty.user.update(id, '{}').then(() => true, () => false))
    await user.update(id, '{"newer":true}')
    t.strictSame(await recordOf(session, user), before)
    t.strictSame(await recordOf(session, stranger), undefined)
  })

  test(`${name}: a locked row rejects in time, and nothing is written later`, async (t) => {
    const { user, hasty } = await openHasty(t, open, 300)
    const { id } = await user.signIn({ key: sealedKey() })
    const session = await connect(t)
    const before = await recordOf(session, user)
    await session.query('START TRANSACTION')
    await session.query(`SELECT * FROM weapp_sessions WHERE user_id = '${user.userId}' FOR UPDATE`)
    await Promise.all(everyWrite(hasty.user, id).map((write) => t.rejects(write, TIMEOUT)))
    t.equal(await user.isLive(id), true, 'reads wait for no lock')
    await session.query('COMMIT')
    await until('the row can be written again', () => hasty.user.update(id, '{}').then(() => true, () => false))
    await user.update(id, null)
    t.strictSame(await recordOf(session, user), before)
  })

  test(`${name}: a pool without a free connection rejects in time`, async (t) => {
    const { user, stranger, hasty } = await openHasty(t, open, 100, 2)
    const { id } = await user.signIn()
    const connections = [await hasty.take(), await hasty.take()]
    const writes = [...everyWrite(hasty.user, id), hasty.stranger.signIn()]
    await Promise.all(writes.map((write) => t.rejects(write, TIMEOUT)))
    for (const connection of connections) connection.release()
    t.strictSame(await user.liveIds(), [id])
    t.strictSame(await stranger.list(), [])
  })

  test(`${name}: ended connections reject once, and the process goes on`, async (t) => {
    const { store } = open(t, { timeout: '10s' })
    const users = Array.from({ length: 20 }, () => new TestUser(store))
    const ids = await Promise.all(users.map(async (user) => (await user.signIn()).id))
    const session = await connect(t)
    const busy = Promise.allSettled(users.flatMap((user, i) => [user.update(ids[i]!, '{}'), user.read(ids[i]!)]))
    await endConnections(session)
    await busy
    await until('the pool has other connections', async () => {
      return (await Promise.all(users.map((user, i) => user.isLive(ids[i]!)))).every(Boolean)
    })
  })

  test(`${name}: a killed server loses no acknowledged write`, async (t) => {
    const { store } = open(t, { timeout: '30s' })
    const host = await startHost(t, { options: { store, storeTimeout: '31s' } })
    const { token } = await host.signIn()
    const user = new TestUser(store)
    const acknowledged: string[] = []
    const logins = Array.from({ length: 5 }, async () => {
      while (true) {
        try {
          acknowledged.push((await user.signIn()).id)
        } catch {
          return
        }
      }
    })
    await until('some logins are stored', () => acknowledged.length >= 20)
    await server.kill()
    await Promise.all(logins)
    const response = await host.get('/me', token)
    t.equal(response.statusCode, 503)
    t.equal(response.json().code, 'FST_WEAPP_STORE_UNAVAILABLE')

    await server.restart()
    await until('the server answers', () => user.list().then(() => true, () => false))
    const live = await user.liveIds()
    t.strictSame(acknowledged.filter((id) => !live.includes(id)), [])
    t.ok(live.length <= acknowledged.length + 5, 'an outcome that is unknown is that of one attempt')
    t.equal((await host.get('/me', token)).statusCode, 200)
  })
}
