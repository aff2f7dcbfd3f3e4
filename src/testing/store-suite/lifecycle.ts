import assert from 'node:assert/strict'
import { HOUR, MINUTE, randomId, SECOND, TestUser, type StoreCheck } from './test-user.js'

/** Checks of live sessions: creation, activity and expiry. */
export const lifecycleChecks: StoreCheck[] = [
  {
    name: 'create: the session reads as live, complete and with its user',
    async run (store) {
      const user = new TestUser(store)
      const session = await user.signIn({ unionid: 'union', label: 'iPhone', data: '{"a":1}' })
      assert.deepEqual(await user.read(session.id), { status: 'live', openid: user.openid, unionid: 'union', session })
    }
  },
  {
    name: 'create: an absent unionid, label or data reads as null',
    async run (store) {
      const user = new TestUser(store)
      const session = await user.signIn()
      assert.deepEqual(await user.read(session.id), { status: 'live', openid: user.openid, unionid: null, session })
    }
  },
  {
    name: 'create: an empty label is a label, not null',
    async run (store) {
      const user = new TestUser(store)
      const session = await user.signIn({ label: '' })
      assert.deepEqual(await user.list(), [session])
    }
  },
  {
    name: 'create: the latest unionid applies to every session of the user',
    async run (store) {
      const user = new TestUser(store)
      const { id } = await user.signIn({ unionid: null })
      for (const unionid of ['union', null]) {
        await user.signIn({ unionid })
        const record = await user.read(id)
        assert.equal(record?.status, 'live')
        assert.equal(record.unionid, unionid)
      }
    }
  },
  {
    name: 'read: an unknown user and an unknown session are null',
    async run (store) {
      const user = new TestUser(store)
      assert.equal(await user.read(randomId()), null)
      await user.signIn()
      assert.equal(await user.read(randomId()), null)
    }
  },
  {
    name: 'read: a session is live until idleExpiresAt, then unknown',
    async run (store) {
      const user = new TestUser(store)
      const session = await user.signIn()
      user.now = session.idleExpiresAt - 1
      assert.equal(await user.isLive(session.id), true)
      user.now = session.idleExpiresAt
      assert.equal(await user.read(session.id), null)
    }
  },
  {
    name: 'expiry: an expired session is not touched, updated, revoked or listed',
    async run (store) {
      const user = new TestUser(store)
      const session = await user.signIn()
      const other = await user.signIn({ idleExpiresAt: user.now + 2 * HOUR })
      user.now = session.idleExpiresAt
      assert.equal(await user.touch(session.id, user.now + HOUR), false, 'touch')
      assert.equal(await user.update(session.id, '{}'), false, 'update')
      assert.equal(await user.revoke(session.id), false, 'revoke')
      assert.deepEqual(await user.liveIds(), [other.id], 'list')
      assert.equal(await user.read(session.id), null, 'read')
    }
  },
  {
    name: 'touch: moves the idle expiry later',
    async run (store) {
      const user = new TestUser(store)
      const session = await user.signIn()
      const later = session.idleExpiresAt + HOUR
      user.now += MINUTE
      assert.equal(await user.touch(session.id, later), true)
      assert.deepEqual(await user.list(), [{ ...session, idleExpiresAt: later }])
      user.now = later - 1
      assert.equal(await user.isLive(session.id), true)
      user.now = later
      assert.equal(await user.read(session.id), null)
    }
  },
  {
    name: 'touch: never moves the idle expiry earlier',
    async run (store) {
      const user = new TestUser(store)
      const session = await user.signIn()
      assert.equal(await user.touch(session.id, session.idleExpiresAt - MINUTE), true)
      assert.deepEqual(await user.list(), [session])
    }
  },
  {
    name: 'touch: changes no other field and no other session',
    async run (store) {
      const user = new TestUser(store)
      const touched = await user.signIn({ label: 'phone', data: '{"a":1}' })
      const other = await user.signIn({ createdAt: touched.createdAt + SECOND })
      await user.touch(touched.id, touched.idleExpiresAt + 1)
      assert.deepEqual(await user.list(), [{ ...touched, idleExpiresAt: touched.idleExpiresAt + 1 }, other])
    }
  },
  {
    name: 'update: replaces the data as a whole and changes no other field',
    async run (store) {
      const user = new TestUser(store)
      const session = await user.signIn({ label: 'phone', data: '{"a":1,"b":2}' })
      for (const data of ['{"c":3}', null, '{}']) {
        assert.equal(await user.update(session.id, data), true)
        assert.deepEqual(await user.list(), [{ ...session, data }])
      }
    }
  },
  {
    name: 'unknown session: touch, update and revoke return false and create nothing',
    async run (store) {
      const user = new TestUser(store)
      const unknown = randomId()
      assert.equal(await user.touch(unknown, user.now + HOUR), false, 'touch')
      assert.equal(await user.update(unknown, '{}'), false, 'update')
      assert.equal(await user.revoke(unknown), false, 'revoke')
      assert.equal(await user.revokeAll(), 0, 'revokeAll')
      assert.deepEqual(await user.list(), [], 'list')
      assert.equal(await user.read(unknown), null, 'read')
    }
  },
  {
    name: 'list: oldest first, by createdAt',
    async run (store) {
      const user = new TestUser(store)
      const middle = await user.signIn()
      const newest = await user.signIn({ createdAt: middle.createdAt + SECOND })
      const oldest = await user.signIn({ createdAt: middle.createdAt - SECOND })
      assert.deepEqual(await user.list(), [oldest, middle, newest])
    }
  },
  {
    name: 'list: sessions of one second are in the order of creation',
    async run (store) {
      const user = new TestUser(store)
      const ids: string[] = []
      for (let i = 0; i < 12; i++) ids.push((await user.signIn()).id)
      assert.deepEqual(await user.liveIds(), ids)
    }
  },
  {
    name: 'users: sessions of one user are not accessible to another',
    async run (store) {
      const user = new TestUser(store)
      const other = new TestUser(store)
      const session = await user.signIn()
      await other.signIn()
      assert.equal(await other.read(session.id), null, 'read')
      assert.equal(await other.touch(session.id, session.idleExpiresAt + HOUR), false, 'touch')
      assert.equal(await other.update(session.id, '{}'), false, 'update')
      assert.equal(await other.revoke(session.id), false, 'revoke')
      assert.equal(await other.revokeAll(), 1, 'revokeAll')
      assert.deepEqual(await user.list(), [session])
    }
  },
  {
    name: 'users: ids that differ only in case are of two users',
    async run (store) {
      const user = new TestUser(store)
      const other = new TestUser(store, swapCase(user.userId))
      const [session, another] = [await user.signIn(), await other.signIn()]
      assert.deepEqual(await user.list(), [session])
      assert.deepEqual(await other.list(), [another])
      assert.equal(await user.revokeAll('kicked', null, true), 1)
      await other.signIn({ startedAgo: MINUTE })
      assert.equal(other.refusal, null, 'pending logins')
    }
  },
  {
    name: 'sessions: ids that differ only in case are of two sessions',
    async run (store) {
      const user = new TestUser(store)
      const session = await user.signIn()
      const other = await user.signIn({ id: swapCase(session.id) })
      assert.equal(await user.revoke(session.id), true)
      assert.equal(await user.update(other.id, '{}'), true)
      assert.deepEqual(await user.read(session.id), { status: 'ended', reason: 'revoked' })
      assert.deepEqual(await user.list(), [{ ...other, data: '{}' }])
      const fresh = await user.signIn({ replaces: swapCase(other.id) })
      assert.deepEqual(await user.liveIds(), [other.id, fresh.id])
    }
  }
]

function swapCase (id: string): string {
  return id.replace(/[A-Za-z]/g, (letter) => letter < 'a' ? letter.toLowerCase() : letter.toUpperCase())
}
