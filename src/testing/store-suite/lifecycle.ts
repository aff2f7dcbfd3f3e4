import assert from 'node:assert/strict'
import { HOUR, MINUTE, randomId, SECOND, TestUser, type StoreCheck } from './test-user.js'

/** What a live session is: how it begins, what keeps it alive, and when time ends it. */
export const lifecycleChecks: StoreCheck[] = [
  {
    name: 'create: the session reads live, whole, with its user',
    async run (store) {
      const user = new TestUser(store)
      const session = await user.signIn({ unionid: 'union', label: 'iPhone', data: '{"a":1}' })
      assert.deepEqual(await user.read(session.id), { status: 'live', openid: user.openid, unionid: 'union', session })
    }
  },
  {
    name: 'create: no unionid, label or data reads as null',
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
    name: 'create: the unionid of the latest login holds for every session of the user',
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
    name: 'read: a session is live until the millisecond of its idle end, then unknown',
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
    name: 'time: a session that is over cannot be touched, updated, revoked or listed',
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
    name: 'touch: moves the idle end later',
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
    name: 'touch: never moves the idle end earlier',
    async run (store) {
      const user = new TestUser(store)
      const session = await user.signIn()
      assert.equal(await user.touch(session.id, session.idleExpiresAt - MINUTE), true)
      assert.deepEqual(await user.list(), [session])
    }
  },
  {
    name: 'touch: changes nothing else, and no other session',
    async run (store) {
      const user = new TestUser(store)
      const touched = await user.signIn({ label: 'phone', data: '{"a":1}' })
      const other = await user.signIn({ createdAt: touched.createdAt + SECOND })
      await user.touch(touched.id, touched.idleExpiresAt + 1)
      assert.deepEqual(await user.list(), [{ ...touched, idleExpiresAt: touched.idleExpiresAt + 1 }, other])
    }
  },
  {
    name: 'update: replaces the data whole, and nothing else',
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
    name: 'unknown sessions: touch, update and revoke are false and create nothing',
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
    name: 'list: sessions of one second come in the order of creation',
    async run (store) {
      const user = new TestUser(store)
      const ids: string[] = []
      for (let i = 0; i < 12; i++) ids.push((await user.signIn()).id)
      assert.deepEqual(await user.liveIds(), ids)
    }
  },
  {
    name: 'users: nothing of one is seen or changed through another',
    async run (store) {
      const user = new TestUser(store)
      const stranger = new TestUser(store)
      const session = await user.signIn()
      await stranger.signIn()
      assert.equal(await stranger.read(session.id), null, 'read')
      assert.equal(await stranger.touch(session.id, session.idleExpiresAt + HOUR), false, 'touch')
      assert.equal(await stranger.update(session.id, '{}'), false, 'update')
      assert.equal(await stranger.revoke(session.id), false, 'revoke')
      assert.equal(await stranger.revokeAll(), 1, 'revokeAll')
      assert.deepEqual(await user.list(), [session])
    }
  }
]
