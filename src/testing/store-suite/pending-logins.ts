import assert from 'node:assert/strict'
import { PENDING_LOGIN_TTL_MS } from '../../stores/store.js'
import { MINUTE, SECOND, sealedKey, TestUser, type StoreCheck } from './test-user.js'

/** Checks of logins that were in flight when the host ended all sessions of their user. */
export const pendingLoginChecks: StoreCheck[] = [
  {
    name: 'create: returns true',
    async run (store) {
      const user = new TestUser(store)
      await user.signIn()
      assert.equal(user.accepted, true)
    }
  },
  {
    name: 'pendingLogins: a login that began before is refused and changes nothing',
    async run (store) {
      const user = new TestUser(store)
      const startedAt = user.now
      const { id } = await user.signIn()
      user.now += MINUTE
      await user.revokeAll('kicked', id, true)
      user.now += SECOND
      const key = sealedKey()
      const refused = await user.signIn({ startedAt, key, limit: 1, replaces: id })
      assert.equal(user.accepted, false)
      assert.deepEqual(await user.liveIds(), [id])
      assert.equal(await user.read(refused.id), null)
      assert.deepEqual(await user.readKeys(), [])
    }
  },
  {
    name: 'pendingLogins: a login that begins then or later is accepted',
    async run (store) {
      const user = new TestUser(store)
      await user.signIn()
      await user.revokeAll('kicked', null, true)
      const startedAt = user.now
      user.now += SECOND
      for (const later of [{ startedAt }, {}]) {
        const { id } = await user.signIn(later)
        assert.equal(user.accepted, true)
        assert.equal(await user.isLive(id), true)
      }
    }
  },
  {
    name: 'pendingLogins: applies to a user without sessions, for an hour',
    async run (store) {
      const user = new TestUser(store)
      const startedAt = user.now - 1
      assert.equal(await user.revokeAll('kicked', null, true), 0)
      user.now += PENDING_LOGIN_TTL_MS - 1
      await user.signIn({ startedAt })
      assert.equal(user.accepted, false)
      assert.deepEqual(await user.list(), [])
    }
  },
  {
    name: 'pendingLogins: a revokeAll an hour or more after the start of a login does not refuse it',
    async run (store) {
      const user = new TestUser(store)
      await user.revokeAll('kicked', null, true)
      user.now -= PENDING_LOGIN_TTL_MS
      await user.signIn({ startedAt: user.now + 1 })
      assert.equal(user.accepted, false)
      await user.signIn({ startedAt: user.now })
      assert.equal(user.accepted, true)
    }
  },
  {
    name: 'pendingLogins: without it, revokeAll and revoke refuse no login',
    async run (store) {
      const user = new TestUser(store)
      const startedAt = user.now - SECOND
      const { id } = await user.signIn()
      await user.revoke(id, 'kicked')
      for (const reason of ['revoked', 'kicked', 'replaced'] as const) {
        await user.revokeAll(reason)
        await user.signIn({ startedAt })
        assert.equal(user.accepted, true, reason)
      }
    }
  }
]
