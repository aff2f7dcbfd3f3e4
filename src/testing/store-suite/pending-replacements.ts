import assert from 'node:assert/strict'
import { PENDING_LOGIN_TTL_MS } from '../../stores/store.js'
import { MINUTE, randomDevice, REASONS, sealedKey, SKEWS, TestUser, type StoreCheck } from './test-user.js'

/** Checks of logins that were in flight when the session in their `replaces` was ended. */
export const pendingReplacementChecks: StoreCheck[] = [
  {
    name: 'pendingLogins: a login with a session revoked meanwhile is refused',
    async run (store) {
      for (const reason of REASONS) {
        const user = new TestUser(store)
        const old = await user.signIn()
        assert.equal(await user.revoke(old.id, reason, true), true)
        const { id } = await user.signIn({ startedAgo: MINUTE, replaces: old.id })
        assert.equal(user.refusal, reason)
        assert.equal(await user.read(id), null)
        assert.deepEqual(await user.read(old.id), { status: 'ended', reason })
        assert.deepEqual(await user.list(), [])
      }
    }
  },
  {
    name: 'pendingLogins: a login refused by the end of its session changes nothing',
    async run (store) {
      const user = new TestUser(store)
      const [key, device] = [sealedKey(), randomDevice()]
      const kept = await user.signIn({ key, device, startedAgo: 2 * MINUTE })
      const old = await user.signIn({ key })
      await user.revoke(old.id, 'kicked', true)
      await user.signIn({
        startedAgo: MINUTE, unionid: 'u', openid: 'o', key: sealedKey(), limit: 1, replaces: old.id, device
      })
      assert.equal(user.refusal, 'kicked')
      assert.deepEqual(await user.list(), [kept])
      assert.deepEqual(await user.read(kept.id), {
        status: 'live', openid: user.openid, unionid: null, session: kept
      })
      assert.deepEqual(await user.read(old.id), { status: 'ended', reason: 'kicked' })
      assert.deepEqual(await user.readKeys(), [key.sealed])
    }
  },
  {
    name: 'pendingLogins: a login that begins after revoke removes the reason',
    async run (store) {
      const user = new TestUser(store)
      const old = await user.signIn()
      await user.revoke(old.id, 'kicked', true)
      const { id } = await user.signInAfterEnd({ replaces: old.id })
      assert.deepEqual(await user.liveIds(), [id])
      assert.equal(await user.read(old.id), null)
    }
  },
  {
    name: 'pendingLogins: revoke refuses no login with another session or without one',
    async run (store) {
      const user = new TestUser(store)
      const [ended, live] = [await user.signIn(), await user.signIn()]
      await user.revoke(ended.id, 'kicked', true)
      for (const replaces of [null, live.id]) {
        await user.signIn({ startedAgo: MINUTE, replaces })
        assert.equal(user.refusal, null)
      }
    }
  },
  {
    name: 'pendingLogins: a login of the device of a session revoked meanwhile is refused',
    async run (store) {
      const user = new TestUser(store)
      const device = randomDevice()
      const old = await user.signIn({ device, startedAgo: 2 * MINUTE })
      await user.revoke(old.id, 'kicked', true)
      // The phone lost the answer to its latest login, so it has no token of the session.
      await user.signIn({ device, startedAgo: MINUTE })
      assert.equal(user.refusal, 'kicked')
      assert.deepEqual(await user.list(), [])
      await user.signIn({ device: randomDevice(), startedAgo: MINUTE })
      assert.equal(user.refusal, null, 'of another device')
      await user.signInAfterEnd({ device })
      assert.deepEqual(await user.read(old.id), { status: 'ended', reason: 'kicked' })
    }
  },
  {
    name: 'pendingLogins: without it, revoke refuses no login of the device',
    async run (store) {
      const user = new TestUser(store)
      const device = randomDevice()
      const old = await user.signIn({ device, startedAgo: 2 * MINUTE })
      await user.revoke(old.id, 'kicked')
      await user.signIn({ device, startedAgo: MINUTE })
      assert.equal(user.refusal, null)
    }
  },
  {
    name: 'pendingLogins: revokeAll keeps the time with each reason too',
    async run (store) {
      const user = new TestUser(store)
      const [old, kept] = [await user.signIn(), await user.signIn()]
      await user.revokeAll('kicked', kept.id, true)
      await user.signIn({ startedAgo: MINUTE, replaces: old.id })
      assert.equal(user.refusal, 'kicked')
      await user.signInAfterEnd({ replaces: old.id })
    }
  },
  {
    name: 'pendingLogins: revoke an hour after the start of a login is ignored',
    async run (store) {
      const user = new TestUser(store)
      const old = await user.signIn()
      await user.revoke(old.id, 'kicked', true)
      await user.signIn({ startedAgo: PENDING_LOGIN_TTL_MS - MINUTE, replaces: old.id })
      assert.equal(user.refusal, 'kicked')
      await user.signIn({ startedAgo: PENDING_LOGIN_TTL_MS + MINUTE, replaces: old.id })
      assert.equal(user.refusal, null)
    }
  },
  {
    name: 'pendingLogins: a login with a session ended by the limit is refused',
    async run (store) {
      const user = new TestUser(store)
      const old = await user.signIn()
      const newest = await user.signIn({ limit: 1 })
      await user.signIn({ startedAgo: MINUTE, replaces: old.id, limit: 1 })
      assert.equal(user.refusal, 'replaced')
      assert.deepEqual(await user.list(), [newest])
      await user.signInAfterEnd({ replaces: old.id })
    }
  },
  {
    name: 'pendingLogins: the clock of the caller of revoke does not count',
    async run (store) {
      for (const skew of SKEWS) {
        const user = new TestUser(store)
        const { now } = user
        const old = await user.signIn()
        user.now = now + skew
        await user.revoke(old.id, 'kicked', true)
        user.now = now
        await user.signIn({ startedAgo: MINUTE, replaces: old.id })
        assert.equal(user.refusal, 'kicked')
        await user.signInAfterEnd({ replaces: old.id })
      }
    }
  },
  {
    name: 'pendingLogins: the end counts although the caller sees an expired session',
    async run (store) {
      const user = new TestUser(store)
      const old = await user.signIn({ idleExpiresAt: user.now + MINUTE })
      await user.revoke(old.id, 'kicked', true)
      user.now += 30 * MINUTE
      await user.signIn({ startedAgo: MINUTE, replaces: old.id })
      assert.equal(user.refusal, 'kicked')
    }
  }
]
