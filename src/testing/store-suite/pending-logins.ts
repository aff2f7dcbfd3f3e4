import assert from 'node:assert/strict'
import { PENDING_LOGIN_TTL_MS } from '../../stores/store.js'
import { MINUTE, randomDevice, REASONS, sealedKey, SKEWS, TestUser, type StoreCheck } from './test-user.js'

/** Checks of logins that were in flight when all sessions of their user were ended. */
export const pendingLoginChecks: StoreCheck[] = [
  {
    name: 'create: resolves to null',
    async run (store) {
      const user = new TestUser(store)
      await user.signIn()
      assert.equal(user.refusal, null)
    }
  },
  {
    name: 'pendingLogins: a login that began before revokeAll is refused',
    async run (store) {
      for (const reason of REASONS) {
        const user = new TestUser(store)
        await user.signIn()
        assert.equal(await user.revokeAll(reason, null, true), 1)
        const { id } = await user.signIn({ startedAgo: MINUTE })
        assert.equal(user.refusal, reason)
        assert.equal(await user.read(id), null)
        assert.deepEqual(await user.list(), [])
      }
    }
  },
  {
    name: 'pendingLogins: a refused login changes nothing',
    async run (store) {
      const user = new TestUser(store)
      const [key, device] = [sealedKey(), randomDevice()]
      const kept = await user.signIn({ key, device, startedAgo: 2 * MINUTE })
      const other = await user.signIn({ key })
      await user.revokeAll('kicked', kept.id, true)
      await user.signIn({
        startedAgo: MINUTE, unionid: 'u', openid: 'o', key: sealedKey(), limit: 1, replaces: kept.id, device
      })
      assert.equal(user.refusal, 'kicked')
      assert.deepEqual(await user.list(), [kept])
      assert.deepEqual(await user.read(kept.id), {
        status: 'live', openid: user.openid, unionid: null, session: kept
      })
      assert.deepEqual(await user.read(other.id), { status: 'ended', reason: 'kicked' })
      assert.deepEqual(await user.readKeys(), [key.sealed])
    }
  },
  {
    name: 'pendingLogins: a login that begins after revokeAll is accepted',
    async run (store) {
      const user = new TestUser(store)
      await user.signIn()
      await user.revokeAll('kicked', null, true)
      const { id } = await user.signInAfterEnd({})
      assert.equal(await user.isLive(id), true)
      await user.signIn({ startedAgo: MINUTE })
      assert.equal(user.refusal, 'kicked', 'a login that began before is still refused')
    }
  },
  {
    name: 'pendingLogins: revokeAll applies to a user without sessions',
    async run (store) {
      const user = new TestUser(store)
      assert.equal(await user.revokeAll('kicked', null, true), 0)
      await user.signIn({ startedAgo: MINUTE, key: sealedKey() })
      assert.equal(user.refusal, 'kicked')
      assert.deepEqual(await user.list(), [])
      assert.deepEqual(await user.readKeys(), [])
    }
  },
  {
    name: 'pendingLogins: the latest revokeAll counts',
    async run (store) {
      const user = new TestUser(store)
      await user.revokeAll('revoked', null, true)
      await user.revokeAll('kicked', null, true)
      await user.revokeAll('replaced', null, false)
      await user.signIn({ startedAgo: MINUTE })
      assert.equal(user.refusal, 'kicked')
    }
  },
  {
    name: 'pendingLogins: revokeAll an hour after the start of a login is ignored',
    async run (store) {
      const user = new TestUser(store)
      await user.revokeAll('kicked', null, true)
      await user.signIn({ startedAgo: PENDING_LOGIN_TTL_MS - MINUTE })
      assert.equal(user.refusal, 'kicked')
      await user.signIn({ startedAgo: PENDING_LOGIN_TTL_MS + MINUTE })
      assert.equal(user.refusal, null)
    }
  },
  {
    name: 'pendingLogins: without it, revokeAll and revoke refuse no login',
    async run (store) {
      const user = new TestUser(store)
      for (const reason of REASONS) {
        const [first, second] = [await user.signIn(), await user.signIn()]
        await user.revoke(first.id, reason)
        await user.revokeAll(reason)
        for (const replaces of [first.id, second.id]) {
          await user.signIn({ startedAgo: MINUTE, replaces })
          assert.equal(user.refusal, null, reason)
        }
      }
    }
  },
  {
    name: 'pendingLogins: the clock of the caller of revokeAll does not count',
    async run (store) {
      for (const skew of SKEWS) {
        const user = new TestUser(store)
        const { now } = user
        user.now = now + skew
        await user.revokeAll('kicked', null, true)
        user.now = now
        await user.signIn({ startedAgo: MINUTE })
        assert.equal(user.refusal, 'kicked')
        await user.signInAfterEnd({})
      }
    }
  },
  {
    name: 'pendingLogins: the clock of the login server does not count',
    async run (store) {
      for (const skew of SKEWS) {
        const user = new TestUser(store)
        await user.revokeAll('kicked', null, true)
        user.now += skew
        await user.signIn({ startedAgo: MINUTE })
        assert.equal(user.refusal, 'kicked')
        await user.signInAfterEnd({})
      }
    }
  }
]
