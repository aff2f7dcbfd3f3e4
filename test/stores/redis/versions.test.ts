import tap, { test } from 'tap'
import { redisStore } from '../../../src/stores/redis/store.js'
import { randomId, sealedKey, TestUser } from '../../../src/testing/store-suite/test-user.js'
import { DAY, HOUR, SECOND } from '../../helpers/clock.js'
import { connectRedis, redisUrl, uniquePrefix } from '../../helpers/redis.js'

const url = await redisUrl(tap)
const DEVICE = 'AAAAAAAAAAAAAAAA'

/** Another version's session in the same form, so that only the version differs. */
function sessionOfVersion2 (user: TestUser, order = 1): string {
  return `2,${order},${user.now},${user.now + DAY},${user.now + HOUR}`
}

test('versions: no operation ends, changes or removes a session of another version', async (t) => {
  const client = connectRedis(t, url)
  const prefix = uniquePrefix()
  const user = new TestUser(redisStore({ client, prefix }))
  const key = prefix + user.userId
  const [live, ended] = [randomId(), randomId()]
  const written = {
    o: 'user of version 2',
    k: 'newest key of version 2',
    p: 'previous key of version 2',
    f: 'fingerprint of version 2',
    [`m${live}`]: sessionOfVersion2(user),
    [`d${live}`]: 'content of version 2',
    [`v${live}`]: `${DEVICE},1700000000000.000`,
    [`m${ended}`]: `2,!r,9,${user.now + HOUR}`
  }
  await client.hset(key, written)
  await client.pexpireat(key, user.now + 30 * DAY)

  async function isUnchanged (after: string, fields: Record<string, string> = written): Promise<void> {
    const names = Object.keys(fields)
    t.strictSame(await client.hmget(key, ...names), names.map((name) => fields[name]), `unchanged after ${after}`)
    const left = await client.pttl(key)
    t.ok(Math.abs(Date.now() + left - user.now - 30 * DAY) < 10 * SECOND, `expires as before after ${after}`)
    for (const id of [live, ended]) t.strictSame(await user.read(id), { status: 'unreadable' }, `after ${after}`)
  }

  for (const id of [live, ended]) {
    t.equal(await user.touch(id, user.now + 2 * DAY), false)
    t.equal(await user.update(id, '{}'), false)
    t.equal(await user.revoke(id), false)
  }
  t.equal(await user.revokeAll(), 0)
  t.equal(await user.revokeAll('kicked', null, true), 0)
  t.equal(await user.writeKey(sealedKey()), false)
  t.strictSame(await user.list(), [])
  t.strictSame(await user.readKeys(), [])
  t.strictSame(await client.hkeys(key).then((names) => names.sort()), [...Object.keys(written), 'n'].sort())
  await isUnchanged('every write but create')

  const { o: _o, k: _k, p: _p, f: _f, ...sessions } = written
  user.now += SECOND
  const login = sealedKey()
  const first = await user.signIn({ limit: 1, key: login, replaces: live, device: DEVICE })
  t.strictSame(await user.liveIds(), [first.id], 'the login adds its own session')
  t.strictSame(await user.readKeys(), [login.sealed, written.k], 'and its key, before the other')
  user.now -= SECOND
  await isUnchanged('a login that replaces it', sessions)
  const second = await user.signIn({ limit: 1, replaces: ended })
  t.strictSame(await user.read(first.id), { status: 'ended', reason: 'replaced' })
  t.equal(await user.touch(second.id, user.now + 2 * HOUR), true)
  t.equal(await user.update(second.id, '{}'), true)
  await isUnchanged('logins beyond the limit, touch and update', sessions)
  t.equal(await user.revoke(second.id), true)
  await user.signIn()
  t.equal(await user.revokeAll(), 1)
  await isUnchanged('the end of all sessions of this version', sessions)
})

test('versions: the user and the keys stay while a session of another version exists', async (t) => {
  const client = connectRedis(t, url)
  const prefix = uniquePrefix()
  const user = new TestUser(redisStore({ client, prefix }))
  const key = prefix + user.userId
  await user.signIn({ key: sealedKey() })
  await client.hset(key, `m${randomId()}`, sessionOfVersion2(user))
  const before = await client.hmget(key, 'o', 'k', 'f')
  t.equal(await user.revokeAll(), 1)
  t.strictSame(await client.hmget(key, 'o', 'k', 'f'), before)
  const next = sealedKey()
  await user.signIn({ key: next })
  t.strictSame(await user.readKeys(), [next.sealed, before[1]])
})

test('versions: the key expires later for a session of this version, and never earlier', async (t) => {
  const client = connectRedis(t, url)
  const prefix = uniquePrefix()
  const user = new TestUser(redisStore({ client, prefix }))
  const key = prefix + user.userId
  await client.hset(key, `m${randomId()}`, sessionOfVersion2(user))
  await user.signIn()
  t.equal(await client.pttl(key), -1, 'a key without expiry keeps none')
  await client.pexpireat(key, user.now + HOUR)
  const { id } = await user.signIn({ idleExpiresAt: user.now + DAY })
  t.ok(Math.abs(Date.now() + await client.pttl(key) - user.now - DAY) < 10 * SECOND, 'later')
  await user.signIn({ replaces: id })
  t.ok(Math.abs(Date.now() + await client.pttl(key) - user.now - DAY) < 10 * SECOND, 'not earlier')
})
