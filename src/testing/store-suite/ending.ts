import assert from 'node:assert/strict'
import { MAX_END_REASONS, type StoredSession } from '../../stores/store.js'
import { HOUR, MINUTE, randomId, REASONS, SECOND, sealedKey, TestUser, type StoreCheck } from './test-user.js'

/** Checks of sessions that end before their expiry, and of the reasons that a store keeps. */
export const endingChecks: StoreCheck[] = [
  {
    name: 'revoke: ends one session, and read returns the reason',
    async run (store) {
      const user = new TestUser(store)
      const other = await user.signIn()
      for (const reason of REASONS) {
        const { id } = await user.signIn()
        assert.equal(await user.revoke(id, reason), true)
        assert.deepEqual(await user.read(id), { status: 'ended', reason })
      }
      assert.deepEqual(await user.list(), [other])
    }
  },
  {
    name: 'revoke: a session ends once and keeps its first reason',
    async run (store) {
      const user = new TestUser(store)
      const { id } = await user.signIn()
      assert.equal(await user.revoke(id, 'kicked'), true)
      assert.equal(await user.revoke(id, 'revoked'), false)
      assert.equal(await user.revokeAll('revoked'), 0)
      assert.deepEqual(await user.read(id), { status: 'ended', reason: 'kicked' })
    }
  },
  {
    name: 'revoke: the reason is kept until the session would have expired',
    async run (store) {
      const user = new TestUser(store)
      const session = await user.signIn()
      const touched = session.idleExpiresAt + MINUTE
      await user.touch(session.id, touched)
      await user.revoke(session.id)
      user.now = touched - 1
      assert.deepEqual(await user.read(session.id), { status: 'ended', reason: 'revoked' })
      user.now = touched
      assert.equal(await user.read(session.id), null)
    }
  },
  {
    name: 'revoke: a reason outlives later logins and other sessions',
    async run (store) {
      const user = new TestUser(store)
      const { id } = await user.signIn({ idleExpiresAt: user.now + 2 * HOUR })
      await user.revoke(id, 'kicked')
      const brief = await user.signIn({ idleExpiresAt: user.now + MINUTE })
      user.now = brief.idleExpiresAt
      await user.signIn({ limit: 1 })
      await user.revokeAll()
      assert.deepEqual(await user.read(id), { status: 'ended', reason: 'kicked' })
    }
  },
  {
    name: 'revoke: touch and update do not revive an ended session',
    async run (store) {
      const user = new TestUser(store)
      const { id, idleExpiresAt } = await user.signIn()
      await user.revoke(id)
      assert.equal(await user.touch(id, idleExpiresAt + HOUR), false, 'touch')
      assert.equal(await user.update(id, '{}'), false, 'update')
      assert.deepEqual(await user.read(id), { status: 'ended', reason: 'revoked' })
      assert.deepEqual(await user.list(), [])
    }
  },
  {
    name: 'revokeAll: ends every live session and returns their number',
    async run (store) {
      const user = new TestUser(store)
      const ids = [await user.signIn(), await user.signIn(), await user.signIn()].map(({ id }) => id)
      await user.revoke(ids[0]!, 'kicked')
      assert.equal(await user.revokeAll('revoked'), 2)
      assert.deepEqual(await user.list(), [])
      assert.deepEqual(await user.read(ids[0]!), { status: 'ended', reason: 'kicked' })
      for (const id of ids.slice(1)) assert.deepEqual(await user.read(id), { status: 'ended', reason: 'revoked' })
    }
  },
  {
    name: 'revokeAll: does not end the session in except',
    async run (store) {
      const user = new TestUser(store)
      const session = await user.signIn({ data: '{"a":1}' })
      await user.signIn()
      await user.signIn()
      assert.equal(await user.revokeAll('kicked', session.id), 2)
      assert.deepEqual(await user.list(), [session])
      assert.equal(await user.revokeAll('kicked', randomId()), 1)
    }
  },
  {
    name: `reasons: the newest ${MAX_END_REASONS} are kept, older ones read as unknown`,
    async run (store) {
      const user = new TestUser(store)
      const ids: string[] = []
      for (let i = 0; i < MAX_END_REASONS + 4; i++) ids.push((await user.signIn()).id)
      // The order of ending decides, not that of creation.
      ids.reverse()
      for (const id of ids) await user.revoke(id)
      const records = await Promise.all(ids.map((id) => user.read(id)))
      assert.deepEqual(records.slice(0, 4), [null, null, null, null])
      for (const record of records.slice(4)) assert.deepEqual(record, { status: 'ended', reason: 'revoked' })
    }
  },
  {
    name: `reasons: revokeAll of more than ${MAX_END_REASONS} sessions keeps ${MAX_END_REASONS}`,
    async run (store) {
      const user = new TestUser(store)
      const ids: string[] = []
      for (let i = 0; i < MAX_END_REASONS + 4; i++) ids.push((await user.signIn()).id)
      assert.equal(await user.revokeAll(), ids.length)
      const records = await Promise.all(ids.map((id) => user.read(id)))
      assert.equal(records.filter((record) => record !== null).length, MAX_END_REASONS)
    }
  },
  {
    name: 'limit: the oldest sessions beyond it end with the reason replaced',
    async run (store) {
      const user = new TestUser(store)
      const newer = await user.signIn()
      const older = await user.signIn({ createdAt: newer.createdAt - SECOND })
      const newest = await user.signIn({ limit: 2 })
      assert.deepEqual(await user.read(older.id), { status: 'ended', reason: 'replaced' })
      assert.deepEqual(await user.list(), [newer, newest])
    }
  },
  {
    name: 'limit: within one second the order of creation decides, also beyond ten',
    async run (store) {
      const user = new TestUser(store)
      const ids: string[] = []
      for (let i = 0; i < 12; i++) ids.push((await user.signIn()).id)
      ids.push((await user.signIn({ limit: 3 })).id)
      assert.deepEqual(await user.liveIds(), ids.slice(-3))
    }
  },
  {
    name: 'limit: the new session stays even if it is the oldest by createdAt',
    async run (store) {
      const user = new TestUser(store)
      const first = await user.signIn()
      const second = await user.signIn({ createdAt: first.createdAt - MINUTE, limit: 1 })
      assert.deepEqual(await user.liveIds(), [second.id])
      assert.deepEqual(await user.read(first.id), { status: 'ended', reason: 'replaced' })
    }
  },
  {
    name: 'limit: only live sessions count',
    async run (store) {
      const user = new TestUser(store)
      const brief = await user.signIn({ idleExpiresAt: user.now + MINUTE })
      const ended = await user.signIn()
      await user.revoke(ended.id)
      const kept = await user.signIn()
      user.now = brief.idleExpiresAt
      const newest = await user.signIn({ limit: 2 })
      assert.deepEqual(await user.liveIds(), [kept.id, newest.id])
      assert.equal(await user.read(brief.id), null, 'an expired session is not replaced')
    }
  },
  {
    name: 'limit: a login within it ends no session',
    async run (store) {
      const user = new TestUser(store)
      const sessions: StoredSession[] = []
      while (sessions.length < 5) {
        sessions.push(await user.signIn({ limit: 5 }))
        assert.deepEqual(await user.list(), sessions)
      }
    }
  },
  {
    name: 'limit: null allows any number',
    async run (store) {
      const user = new TestUser(store)
      for (let i = 0; i < 40; i++) await user.signIn({ limit: null })
      assert.equal((await user.list()).length, 40)
    }
  },
  {
    name: 'replaces: removes the session without a reason, before the limit applies',
    async run (store) {
      const user = new TestUser(store)
      const kept = await user.signIn()
      const old = await user.signIn()
      const fresh = await user.signIn({ replaces: old.id, limit: 2 })
      assert.equal(await user.read(old.id), null)
      assert.deepEqual(await user.liveIds(), [kept.id, fresh.id])
    }
  },
  {
    name: 'replaces: removes the reason of an ended session',
    async run (store) {
      const user = new TestUser(store)
      const [old, other] = [await user.signIn(), await user.signIn()]
      await user.revokeAll('kicked')
      const fresh = await user.signIn({ replaces: old.id })
      assert.equal(await user.read(old.id), null)
      assert.deepEqual(await user.read(other.id), { status: 'ended', reason: 'kicked' })
      assert.deepEqual(await user.liveIds(), [fresh.id])
    }
  },
  {
    name: 'replaces: ignores an unknown session',
    async run (store) {
      const user = new TestUser(store)
      const kept = await user.signIn()
      const fresh = await user.signIn({ replaces: randomId() })
      assert.deepEqual(await user.liveIds(), [kept.id, fresh.id])
    }
  },
  {
    name: 'expiry: nothing of a user is left after the last session and reason',
    async run (store) {
      const user = new TestUser(store)
      const live = await user.signIn({ key: sealedKey() })
      const ended = await user.signIn({ key: sealedKey(), idleExpiresAt: user.now + 2 * HOUR })
      await user.revoke(ended.id)
      user.now = ended.idleExpiresAt
      assert.deepEqual(await user.list(), [])
      assert.deepEqual(await user.readKeys(), [])
      assert.equal(await user.read(live.id), null)
      assert.equal(await user.read(ended.id), null)
      assert.equal(await user.revokeAll(), 0)
    }
  }
]
