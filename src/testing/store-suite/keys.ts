import assert from 'node:assert/strict'
import { HOUR, sealedKey, TestUser, type StoreCheck } from './test-user.js'

/** Checks of WeChat's sealed session_keys: the newest and the previous one. */
export const keyChecks: StoreCheck[] = [
  {
    name: 'keys: the newest comes before the previous',
    async run (store) {
      const user = new TestUser(store)
      const [first, second, third] = [sealedKey(), sealedKey(), sealedKey()]
      assert.deepEqual(await user.readKeys(), [])
      await user.signIn({ key: first })
      assert.deepEqual(await user.readKeys(), [first.sealed])
      await user.signIn({ key: second })
      assert.deepEqual(await user.readKeys(), [second.sealed, first.sealed])
      await user.signIn({ key: third })
      assert.deepEqual(await user.readKeys(), [third.sealed, second.sealed])
    }
  },
  {
    name: 'keys: the same key under a new seal replaces the newest only',
    async run (store) {
      const user = new TestUser(store)
      const [previous, newest, again] = [sealedKey(), sealedKey('f'), sealedKey('f')]
      for (const key of [previous, newest, again]) await user.signIn({ key })
      assert.deepEqual(await user.readKeys(), [again.sealed, previous.sealed])
    }
  },
  {
    name: 'keys: a fingerprint of an earlier secret identifies the same key',
    async run (store) {
      const user = new TestUser(store)
      const [previous, newest, rotated] = [sealedKey(), sealedKey('old'), sealedKey('new', 'older', 'old')]
      for (const key of [previous, newest, rotated]) await user.signIn({ key })
      assert.deepEqual(await user.readKeys(), [rotated.sealed, previous.sealed])
    }
  },
  {
    name: 'keys: the first fingerprint is stored',
    async run (store) {
      const user = new TestUser(store)
      const [rotated, again, other] = [sealedKey('new', 'old'), sealedKey('new'), sealedKey('newer', 'old')]
      await user.signIn({ key: rotated })
      await user.signIn({ key: again })
      assert.deepEqual(await user.readKeys(), [again.sealed], 'identified by the first')
      await user.signIn({ key: other })
      assert.deepEqual(await user.readKeys(), [other.sealed, again.sealed], 'not by another')
    }
  },
  {
    name: 'keys: a login without a key removes all keys',
    async run (store) {
      const user = new TestUser(store)
      await user.signIn({ key: sealedKey() })
      await user.signIn({ key: sealedKey('f') })
      await user.signIn({ key: null })
      assert.deepEqual(await user.readKeys(), [])
      const key = sealedKey('f')
      await user.signIn({ key })
      assert.deepEqual(await user.readKeys(), [key.sealed])
    }
  },
  {
    name: 'keys: the end of the last live session removes them',
    async run (store) {
      const user = new TestUser(store)
      const key = sealedKey('f')
      const first = await user.signIn({ key: sealedKey() })
      const second = await user.signIn({ key })
      await user.revoke(first.id)
      assert.equal((await user.readKeys()).length, 2)
      await user.revoke(second.id)
      assert.deepEqual(await user.readKeys(), [])
      const fresh = sealedKey('f')
      await user.signIn({ key: fresh })
      assert.deepEqual(await user.readKeys(), [fresh.sealed], 'a new login does not restore them')
    }
  },
  {
    name: 'keys: the expiry of the last live session removes them',
    async run (store) {
      const user = new TestUser(store)
      const { idleExpiresAt } = await user.signIn({ key: sealedKey() })
      const ended = await user.signIn({ key: sealedKey(), idleExpiresAt: idleExpiresAt + HOUR })
      await user.revoke(ended.id)
      user.now = idleExpiresAt - 1
      assert.equal((await user.readKeys()).length, 2)
      user.now = idleExpiresAt
      assert.deepEqual(await user.readKeys(), [], 'although a reason is still kept')
      const fresh = sealedKey()
      await user.signIn({ key: fresh })
      assert.deepEqual(await user.readKeys(), [fresh.sealed], 'a new login does not restore them')
    }
  },
  {
    name: 'keys: a login that replaces the only session keeps the previous key',
    async run (store) {
      const user = new TestUser(store)
      const [first, second, third] = [sealedKey(), sealedKey(), sealedKey()]
      const old = await user.signIn({ key: first })
      await user.signIn({ key: second, replaces: old.id })
      assert.deepEqual(await user.readKeys(), [second.sealed, first.sealed], 'replaces')
      await user.signIn({ key: third, limit: 1 })
      assert.deepEqual(await user.readKeys(), [third.sealed, second.sealed], 'limit')
    }
  },
  {
    name: 'writeKey: makes a key the newest, as create does',
    async run (store) {
      const user = new TestUser(store)
      const [first, second, again] = [sealedKey(), sealedKey('f'), sealedKey('g', 'f')]
      await user.signIn({ key: first })
      assert.equal(await user.writeKey(second), true)
      assert.deepEqual(await user.readKeys(), [second.sealed, first.sealed])
      assert.equal(await user.writeKey(again), true)
      assert.deepEqual(await user.readKeys(), [again.sealed, first.sealed])
    }
  },
  {
    name: 'writeKey: stores nothing if no session is live',
    async run (store) {
      const user = new TestUser(store)
      assert.equal(await user.writeKey(sealedKey()), false, 'unknown user')
      const revoked = await user.signIn()
      await user.revoke(revoked.id)
      assert.equal(await user.writeKey(sealedKey()), false, 'all revoked')
      const { idleExpiresAt } = await user.signIn()
      user.now = idleExpiresAt
      assert.equal(await user.writeKey(sealedKey()), false, 'all expired')
      await user.signIn()
      assert.equal(await user.writeKey(sealedKey()), true)
      assert.equal((await user.readKeys()).length, 1)
    }
  },
  {
    name: 'keys: a sealed key of 1,200 characters is stored unchanged',
    async run (store) {
      const user = new TestUser(store)
      const key = { ...sealedKey(), sealed: 'A-_z'.repeat(300) }
      await user.signIn({ key })
      assert.deepEqual(await user.readKeys(), [key.sealed])
    }
  }
]
