import assert from 'node:assert/strict'
import { HOUR, MINUTE, randomDevice, sealedKey, TestUser, type StoreCheck } from './test-user.js'

/** Checks of logins with a device. Each replaces the sessions of its device whose logins began earlier. */
export const deviceChecks: StoreCheck[] = [
  {
    name: 'device: a login replaces the earlier session of its device without a reason',
    async run (store) {
      const user = new TestUser(store)
      const device = randomDevice()
      const old = await user.signIn({ device, startedAgo: MINUTE })
      const fresh = await user.signIn({ device })
      assert.equal(await user.read(old.id), null)
      assert.deepEqual(await user.list(), [fresh], 'without the device')
      assert.deepEqual(await user.read(fresh.id), {
        status: 'live', openid: user.openid, unionid: null, session: fresh
      }, 'without the device')
    }
  },
  {
    name: 'device: a login never replaces a session whose login began later',
    async run (store) {
      const user = new TestUser(store)
      const device = randomDevice()
      const later = await user.signIn({ device })
      const earlier = await user.signIn({ device, startedAgo: MINUTE })
      assert.deepEqual(await user.liveIds(), [later.id, earlier.id])
    }
  },
  {
    name: 'device: beyond the limit, a login is refused if a later one of its device is live',
    async run (store) {
      for (const limit of [1, 2]) {
        const user = new TestUser(store)
        const [device, key] = [randomDevice(), sealedKey()]
        const others = limit === 1 ? [] : [await user.signIn({ device: randomDevice() })]
        const later = await user.signIn({ device, limit, key })
        const earlier = await user.signIn({ device, limit, key: sealedKey(), startedAgo: MINUTE })
        assert.equal(user.refusal, 'replaced')
        assert.deepEqual(await user.list(), [...others, later])
        assert.deepEqual(await user.readKeys(), [key.sealed])
        assert.equal(await user.read(earlier.id), null)
      }
    }
  },
  {
    name: 'device: below the limit, a login is added next to a later one of its device',
    async run (store) {
      const user = new TestUser(store)
      const device = randomDevice()
      const later = await user.signIn({ device, limit: 2 })
      const earlier = await user.signIn({ device, limit: 2, startedAgo: MINUTE })
      assert.equal(user.refusal, null)
      assert.deepEqual(await user.liveIds(), [later.id, earlier.id])
    }
  },
  {
    name: 'device: another device of the user keeps its session',
    async run (store) {
      const user = new TestUser(store)
      const [first, second] = [randomDevice(), randomDevice()]
      const kept = await user.signIn({ device: first, startedAgo: MINUTE })
      await user.signIn({ device: second, startedAgo: MINUTE })
      const fresh = await user.signIn({ device: second })
      assert.deepEqual(await user.list(), [kept, fresh])
    }
  },
  {
    name: 'device: another user with the same device keeps the session',
    async run (store) {
      const [user, other] = [new TestUser(store), new TestUser(store)]
      const device = randomDevice()
      const kept = await other.signIn({ device, startedAgo: MINUTE })
      await user.signIn({ device })
      assert.deepEqual(await other.list(), [kept])
    }
  },
  {
    name: 'device: null replaces no session, and is replaced by no login',
    async run (store) {
      const user = new TestUser(store)
      const device = randomDevice()
      const ids = [
        await user.signIn({ startedAgo: 2 * MINUTE }),
        await user.signIn({ device, startedAgo: 2 * MINUTE }),
        await user.signIn({ startedAgo: MINUTE }),
        await user.signIn({ device: randomDevice() })
      ].map(({ id }) => id)
      assert.deepEqual(await user.liveIds(), ids)
    }
  },
  {
    name: 'device: its session is removed before the limit applies',
    async run (store) {
      const user = new TestUser(store)
      const device = randomDevice()
      const kept = await user.signIn()
      await user.signIn({ device, startedAgo: MINUTE })
      const fresh = await user.signIn({ device, limit: 2 })
      assert.deepEqual(await user.list(), [kept, fresh])
    }
  },
  {
    name: 'device: a login that replaces the only session keeps the previous key',
    async run (store) {
      const user = new TestUser(store)
      const [first, second] = [sealedKey(), sealedKey()]
      const device = randomDevice()
      await user.signIn({ key: first, device, startedAgo: MINUTE })
      await user.signIn({ key: second, device })
      assert.deepEqual(await user.readKeys(), [second.sealed, first.sealed])
    }
  },
  {
    name: 'device: a session keeps its device when it is touched and updated',
    async run (store) {
      const user = new TestUser(store)
      const device = randomDevice()
      const old = await user.signIn({ device, startedAgo: MINUTE, label: 'phone', data: '{}' })
      await user.touch(old.id, old.idleExpiresAt + HOUR)
      await user.update(old.id, '{"a":1}')
      await user.update(old.id, null)
      const fresh = await user.signIn({ device })
      assert.deepEqual(await user.list(), [fresh])
      assert.equal(await user.read(old.id), null)
    }
  },
  {
    name: 'device: the reason of an ended session of the device stays',
    async run (store) {
      const user = new TestUser(store)
      const device = randomDevice()
      const old = await user.signIn({ device, startedAgo: MINUTE })
      await user.revoke(old.id, 'kicked')
      await user.signIn({ device })
      assert.deepEqual(await user.read(old.id), { status: 'ended', reason: 'kicked' })
    }
  }
]
