import assert from 'node:assert/strict'
import { PENDING_LOGIN_TTL_MS } from '../../stores/store.js'
import { MINUTE, SECOND, sealedKey, TestUser, type StoreCheck } from './test-user.js'

/** What becomes of logins that were on their way when the host ended all sessions of their user. */
export const pendingLoginChecks: StoreCheck[] = [
  {
    name: 'create: says that the session is there',
    async run (store) {
      const user = new TestUser(store)
      await user.signIn()
      assert.equal(user.isIn, true)
    }
  },
  {
    name: 'revokeAll: with pendingLogins, logins that began before are refused, and leave nothing',
    async run (store) {
      const user = new TestUser(store)
      const startedAt = user.now
      const { id } = await user.signIn()
      user.now += MINUTE
      await user.revokeAll('kicked', id, true)
      user.now += SECOND
      const key = sealedKey()
      const refused = await user.signIn({ startedAt, key, limit: 1, replaces: id })
      assert.equal(user.isIn, false)
      assert.deepEqual(await user.liveIds(), [id])
      assert.equal(await user.read(refused.id), null)
      assert.deepEqual(await user.readKeys(), [])
    }
  },
  {
    name: 'revokeAll: with pendingLogins, logins that begin then or later are let in',
    async run (store) {
      const user = new TestUser(store)
      await user.signIn()
      await user.revokeAll('kicked', null, true)
      const startedAt = user.now
      user.now += SECOND
      for (const later of [{ startedAt }, {}]) {
        const { id } = await user.signIn(later)
        assert.equal(user.isIn, true)
        assert.equal(await user.isLive(id), true)
      }
    }
  },
  {
    name: 'revokeAll: with pendingLogins, a user without any session is remembered for an hour',
    async run (store) {
      const user = new TestUser(store)
      const startedAt = user.now - 1
      assert.equal(await user.revokeAll('kicked', null, true), 0)
      user.now += PENDING_LOGIN_TTL_MS - 1
      await user.signIn({ startedAt })
      assert.equal(user.isIn, false)
      assert.deepEqual(await user.list(), [])
    }
  },
  {
    name: 'revokeAll: with pendingLogins, by a clock that ran ahead: logins that begin an hour or more before that are let in',
    async run (store) {
      const user = new TestUser(store)
      await user.revokeAll('kicked', null, true)
      user.now -= PENDING_LOGIN_TTL_MS
      await user.signIn({ startedAt: user.now + 1 })
      assert.equal(user.isIn, false)
      await user.signIn({ startedAt: user.now })
      assert.equal(user.isIn, true)
    }
  },
  {
    name: 'revokeAll: without pendingLogins, and with revoke, no login is refused',
    async run (store) {
      const user = new TestUser(store)
      const startedAt = user.now - SECOND
      const { id } = await user.signIn()
      await user.revoke(id, 'kicked')
      for (const reason of ['revoked', 'kicked', 'replaced'] as const) {
        await user.revokeAll(reason)
        await user.signIn({ startedAt })
        assert.equal(user.isIn, true, reason)
      }
    }
  }
]
