import { inspect } from 'node:util'
import { test } from 'tap'
import { isMemoryStore, memoryStore } from '../../src/stores/memory.js'
import type { SessionStore } from '../../src/stores/store.js'
import { storeSuite } from '../../src/testing/store-suite/store-suite.js'
import { randomDevice, sealedKey, TestUser } from '../../src/testing/store-suite/test-user.js'
import { DAY, freezeClock } from '../helpers/clock.js'
import { heapUsed } from '../helpers/heap.js'

test('T37: memoryStore: passes the conformance suite', (t) => storeSuite(t.test, () => memoryStore({ max: 10 }), { rounds: 100 }))

test('max: counts users; the least recently used one is signed out', async (t) => {
  const store = memoryStore({ max: 2 })
  const [first, second, third] = [new TestUser(store), new TestUser(store), new TestUser(store)]
  const recent = await first.signIn()
  await first.signIn()
  const dropped = await second.signIn()
  await first.read(recent.id)
  await third.signIn()
  t.equal(await first.isLive(recent.id), true, 'used recently')
  t.equal(await second.read(dropped.id), null, 'least recently used')
  t.equal((await first.list()).length, 2, 'sessions do not count')
})

test('watch: reports every change before its operation resolves', async (t) => {
  const changes: Record<string, (user: TestUser, id: string, store: SessionStore) => unknown> = {
    touch: (user, id) => user.touch(id, user.now + DAY),
    update: (user, id) => user.update(id, '{}'),
    revoke: (user, id) => user.revoke(id),
    revokeAll: (user) => user.revokeAll(),
    'login beyond the limit': (user) => user.signIn({ limit: 1 }),
    'login that replaces the session': (user, id) => user.signIn({ replaces: id }),
    'login with a new unionid': (user) => user.signIn({ unionid: 'u' }),
    'user beyond max': (_user, _id, store) => new TestUser(store).signIn()
  }
  for (const [name, change] of Object.entries(changes)) {
    const store = memoryStore({ max: 1 })
    const user = new TestUser(store)
    const { id } = await user.signIn()
    const record = await user.read(id)
    const before = structuredClone(record)
    const invalidated: (string | null)[] = []
    store.watch!({
      ready () {}, beginCheck: () => () => {}, lost () {}, invalidate: (userId) => { invalidated.push(userId) }
    })
    await change(user, id, store)
    t.ok(invalidated.includes(user.userId), name)
    t.strictSame(record, before)
  }
})

test('create: a new unionid ends no session except beyond the limit', async (t) => {
  const user = new TestUser(memoryStore())
  const [oldest, older] = [await user.signIn(), await user.signIn()]
  const newest = await user.signIn({ unionid: 'u', limit: 2 })
  t.strictSame(await user.liveIds(), [older.id, newest.id])
  t.match(await user.read(older.id), { openid: user.openid, unionid: 'u' })
  t.strictSame(await user.read(oldest.id), { status: 'ended', reason: 'replaced' })
})

test('read: a record leads to no key and to no ended session', async (t) => {
  const store = memoryStore()
  const user = new TestUser(store)
  const key = sealedKey()
  const ended = await user.signIn()
  await user.revoke(ended.id)
  const { id } = await user.signIn({ key })
  const printed = inspect(await user.read(id), { showHidden: true, depth: 10 })
  t.match(printed, id)
  for (const hidden of [key.sealed, ended.id]) t.notOk(printed.includes(hidden))
})

test('max: must be a positive integer', async (t) => {
  for (const max of [0, -1, 1.5, NaN, Infinity, 2 ** 24 + 1, '10', null]) {
    t.throws(() => memoryStore({ max: max as number }), {
      code: 'FST_WEAPP_INVALID_OPTION', message: /^fastify-weapp: option memoryStore\.max must be a whole number from 1 to 16777216/
    }, String(max))
  }
})

test('options: default if missing', (t) => {
  for (const none of [undefined, {}]) t.ok(memoryStore(none))
  t.end()
})

test('options: an unknown key is invalid', async (t) => {
  t.throws(() => memoryStore({ size: 1 } as object), {
    code: 'FST_WEAPP_INVALID_OPTION', message: 'fastify-weapp: option memoryStore.size is not a valid option (valid options: max)'
  })
})

test('isMemoryStore: false for a store that wraps a memory store', async (t) => {
  const store = memoryStore()
  t.equal(isMemoryStore(store), true)
  t.equal(isMemoryStore({ ...store }), false, 'a wrapper')
})

test('limit: a login loop keeps at most 16 end reasons', async (t) => {
  const user = new TestUser(memoryStore())
  const ids: string[] = []
  for (let i = 0; i < 3000; i++) ids.push((await user.signIn({ limit: 1 })).id)
  t.strictSame(await user.liveIds(), ids.slice(-1))
  const records = await Promise.all(ids.map((id) => user.read(id)))
  t.equal(records.filter((record) => record?.status === 'ended').length, 16)
})

test('memory: a user with a device takes at most 900 bytes of heap', async (t) => {
  const users = 20_000
  const store = memoryStore({ max: users })
  const before = heapUsed()
  for (let i = 0; i < users; i++) {
    const user = new TestUser(store)
    await user.signIn({ unionid: user.openid, key: sealedKey(), device: randomDevice() })
    await user.writeKey(sealedKey())
  }
  const bytes = (heapUsed() - before) / users
  t.comment(`${Math.round(bytes)} bytes of heap per user`)
  t.ok(bytes <= 900, `${Math.round(bytes)} bytes`)
  t.equal(isMemoryStore(store), true, 'the store is still referenced')
})

test('max: users without live sessions evict no user who is signed in', async (t) => {
  const store = memoryStore({ max: 2 })
  const [alice, bob] = [new TestUser(store), new TestUser(store)]
  const sessions = [await alice.signIn(), await bob.signIn()]
  for (let i = 0; i < 100; i++) await new TestUser(store).revokeAll('kicked', null, true)
  t.equal(await alice.isLive(sessions[0]!.id), true)
  t.equal(await bob.isLive(sessions[1]!.id), true)
})

test('max: a user who signs in again keeps reasons and ends of pending logins', async (t) => {
  const user = new TestUser(memoryStore({ max: 1 }))
  const { id } = await user.signIn()
  await user.revokeAll('kicked', null, true)
  await user.signInAfterEnd({})
  t.strictSame(await user.read(id), { status: 'ended', reason: 'kicked' })
  await user.signIn({ startedAgo: 60_000 })
  t.equal(user.refusal, 'kicked')
})

test('T55: memoryStore: the clock of the machine does not count', async (t) => {
  const user = new TestUser(memoryStore())
  const clock = freezeClock(t)
  await user.revokeAll('kicked', null, true)
  clock.advance(-DAY)
  await user.signInAfterEnd({})
  clock.advance(2 * DAY)
  await user.signIn({ startedAgo: 60_000 })
  t.equal(user.refusal, 'kicked')
})
