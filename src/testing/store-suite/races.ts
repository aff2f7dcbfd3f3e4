import assert from 'node:assert/strict'
import { HOUR, MINUTE, randomDevice, sealedKey, TestUser, type StoreCheck } from './test-user.js'

/** Checks of concurrent operations of one user. Each is atomic, so some order of them explains every result. */
export function raceChecks (rounds: number): StoreCheck[] {
  function race (name: string, round: (user: TestUser, swapped: boolean) => Promise<void>): StoreCheck {
    return {
      name: `race: ${name}`,
      async run (store) {
        for (let i = 0; i < rounds; i++) await round(new TestUser(store), i % 2 === 1)
      }
    }
  }

  return [
    race('20 concurrent logins under limit 2 leave exactly 2', async (user) => {
      const sessions = await Promise.all(Array.from({ length: 20 }, () => user.signIn({ limit: 2 })))
      assert.equal((await user.list()).length, 2)
      const records = await Promise.all(sessions.map(({ id }) => user.read(id)))
      assert.equal(records.filter((record) => record?.status === 'live').length, 2)
    }),
    race('touch does not revive a revoked session', async (user) => {
      const { id, idleExpiresAt } = await user.signIn()
      const later = idleExpiresAt + HOUR
      await Promise.all([user.touch(id, later), user.revoke(id), user.touch(id, later + HOUR)])
      assert.deepEqual(await user.read(id), { status: 'ended', reason: 'revoked' })
      assert.deepEqual(await user.list(), [])
    }),
    race('update does not revive a revoked session', async (user) => {
      const { id } = await user.signIn()
      await Promise.all([user.update(id, '{"a":1}'), user.revoke(id), user.update(id, '{"a":2}')])
      assert.deepEqual(await user.read(id), { status: 'ended', reason: 'revoked' })
      assert.deepEqual(await user.list(), [])
    }),
    race('one of two revokes ends the session', async (user, swapped) => {
      const { id } = await user.signIn()
      const results = await both(swapped, () => user.revoke(id, 'revoked'), () => user.revoke(id, 'kicked'))
      assert.deepEqual(results.toSorted(), [false, true])
      assert.deepEqual(await user.read(id), { status: 'ended', reason: results[0] ? 'revoked' : 'kicked' })
    }),
    race('revokeAll and a login: the old session ends, the new one may live', async (user, swapped) => {
      const old = await user.signIn()
      const [fresh, count] = await both(swapped, () => user.signIn({ key: sealedKey() }), () => user.revokeAll())
      assert.deepEqual(await user.read(old.id), { status: 'ended', reason: 'revoked' })
      const survived = await user.isLive(fresh.id)
      assert.equal(count, survived ? 1 : 2)
      assert.equal((await user.list()).length, survived ? 1 : 0)
      assert.equal((await user.readKeys()).length, survived ? 1 : 0)
    }),
    race('two logins of one device: the one that began later stays', async (user, swapped) => {
      const device = randomDevice()
      const [earlier, later] = await both(
        swapped, () => user.signIn({ device, startedAgo: MINUTE }), () => user.signIn({ device })
      )
      const survivors = [earlier, later].map(({ id }) => id)
      const liveIds = await user.liveIds()
      assert.ok(liveIds.includes(later.id))
      assert.deepEqual(liveIds.toSorted(), survivors.filter((id) => liveIds.includes(id)).toSorted())
      const record = await user.read(earlier.id)
      assert.equal(record?.status, liveIds.includes(earlier.id) ? 'live' : undefined)
    }),
    race('two logins with different keys keep both', async (user) => {
      const keys = [sealedKey(), sealedKey()]
      await Promise.all(keys.map((key) => user.signIn({ key })))
      assert.deepEqual((await user.readKeys()).toSorted(), keys.map(({ sealed }) => sealed).toSorted())
    }),
    race('two updates: one of them is stored as a whole', async (user) => {
      const { id } = await user.signIn()
      assert.deepEqual(await Promise.all([user.update(id, '{"a":1}'), user.update(id, '{"b":2}')]), [true, true])
      const [session] = await user.list()
      assert.ok(session?.data === '{"a":1}' || session?.data === '{"b":2}')
    }),
    race('touch and update keep both changes', async (user) => {
      const { id, idleExpiresAt } = await user.signIn()
      await Promise.all([user.touch(id, idleExpiresAt + HOUR), user.update(id, '{}'), user.signIn()])
      const record = await user.read(id)
      assert.equal(record?.status, 'live')
      assert.equal(record.session.idleExpiresAt, idleExpiresAt + HOUR)
      assert.equal(record.session.data, '{}')
    })
  ]
}

/** Starts both before it awaits either. Starts the second one first if swapped. */
function both<A, B> (swapped: boolean, first: () => Promise<A>, second: () => Promise<B>): Promise<[A, B]> {
  if (!swapped) return Promise.all([first(), second()])
  const started = second()
  return Promise.all([first(), started])
}
