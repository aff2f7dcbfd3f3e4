import assert from 'node:assert/strict'
import { HOUR, sealedKey, TestUser, type StoreCheck } from './test-user.js'

/** WeChat's session_key under seal: the newest and the one before it. */
export const keyChecks: StoreCheck[] = [
  {
    name: 'keys: none, then one, then the newest before the previous',
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
    name: 'keys: the same key under a new seal takes the place of the newest, and the previous stays',
    async run (store) {
      const user = new TestUser(store)
      const [previous, newest, again] = [sealedKey(), sealedKey('f'), sealedKey('f')]
      for (const key of [previous, newest, again]) await user.signIn({ key })
      assert.deepEqual(await user.readKeys(), [again.sealed, previous.sealed])
    }
  },
  {
    name: 'keys: the same key is known by the fingerprint of an earlier secret',
    async run (store) {
      const user = new TestUser(store)
      const [previous, newest, rotated] = [sealedKey(), sealedKey('old'), sealedKey('new', 'older', 'old')]
      for (const key of [previous, newest, rotated]) await user.signIn({ key })
      assert.deepEqual(await user.readKeys(), [rotated.sealed, previous.sealed])
    }
  },
  {
    name: 'keys: the first fingerprint is the one that is kept',
    async run (store) {
      const user = new TestUser(store)
      const [rotated, again, other] = [sealedKey('new', 'old'), sealedKey('new'), sealedKey('newer', 'old')]
      await user.signIn({ key: rotated })
      await user.signIn({ key: again })
      assert.deepEqual(await user.readKeys(), [again.sealed], 'known by the first')
      await user.signIn({ key: other })
      assert.deepEqual(await user.readKeys(), [other.sealed, again.sealed], 'not by another')
    }
  },
  {
    name: 'keys: a login without a key forgets them all',
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
    name: 'keys: they stay while one session is live, and go with the last that is revoked',
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
      assert.deepEqual(await user.readKeys(), [fresh.sealed], 'and do not come back')
    }
  },
  {
    name: 'keys: they go with the last session that ends by time',
    async run (store) {
      const user = new TestUser(store)
      const { idleExpiresAt } = await user.signIn({ key: sealedKey() })
      const ended = await user.signIn({ key: sealedKey(), idleExpiresAt: idleExpiresAt + HOUR })
      await user.revoke(ended.id)
      user.now = idleExpiresAt - 1
      assert.equal((await user.readKeys()).length, 2)
      user.now = idleExpiresAt
      assert.deepEqual(await user.readKeys(), [], 'though a reason is still kept')
      const fresh = sealedKey()
      await user.signIn({ key: fresh })
      assert.deepEqual(await user.readKeys(), [fresh.sealed], 'and do not come back')
    }
  },
  {
    name: 'keys: a login in the place of the only session keeps the previous key',
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
    name: 'writeKey: keeps nothing when no session is live',
    async run (store) {
      const user = new TestUser(store)
      assert.equal(await user.writeKey(sealedKey()), false, 'unknown user')
      const revoked = await user.signIn()
      await user.revoke(revoked.id)
      assert.equal(await user.writeKey(sealedKey()), false, 'all revoked')
      const { idleExpiresAt } = await user.signIn()
      user.now = idleExpiresAt
      assert.equal(await user.writeKey(sealedKey()), false, 'all over')
      await user.signIn()
      assert.equal(await user.writeKey(sealedKey()), true)
      assert.equal((await user.readKeys()).length, 1)
    }
  },
  {
    name: 'keys: long ones, as tests and simulators issue, are kept too',
    async run (store) {
      const user = new TestUser(store)
      const key = { ...sealedKey(), sealed: 'A-_z'.repeat(300) }
      await user.signIn({ key })
      assert.deepEqual(await user.readKeys(), [key.sealed])
    }
  }
]
