import tap, { test } from 'tap'
import { redisStore } from '../../../src/stores/redis/store.js'
import { randomId, sealedKey, TestUser } from '../../../src/testing/store-suite/test-user.js'
import { DAY, HOUR, MINUTE, SECOND } from '../../helpers/clock.js'
import { connectRedis, redisUrl, uniquePrefix } from '../../helpers/redis.js'

const url = await redisUrl(tap)

test('size: an ordinary user is a listpack of at most 600 bytes', async (t) => {
  const client = connectRedis(t, url)
  const user = new TestUser(redisStore({ client }))
  const unionid = user.openid
  await user.signIn({ unionid, key: sealedKey() })
  await user.writeKey(sealedKey())
  const key = `weapp:${user.userId}`
  t.teardown(() => client.del(key))
  const bytes = Number(await client.memory('USAGE', key))
  t.comment(`${bytes} bytes`)
  t.ok(bytes <= 600, `${bytes} bytes`)

  for (let i = 0; i < 30; i++) {
    const fields = { label: 'iPhone 15 Pro Max<iPhone16,2>', data: '{"userId":1}' }
    await user.signIn({ unionid, key: sealedKey(), limit: 10, ...fields })
  }
  t.match(await client.object('ENCODING', key), /^(?:listpack|ziplist)$/, 'with all sessions and reasons as well')
  for (const value of Object.values(await client.hgetall(key))) t.ok(value.length <= 64)
})

test('expiry: the key expires with the latest session or reason', async (t) => {
  const client = connectRedis(t, url)
  const prefix = uniquePrefix()
  const user = new TestUser(redisStore({ client, prefix }))
  const key = prefix + user.userId
  async function expires (end: number, message: string): Promise<void> {
    const left = await client.pttl(key)
    // A second for two clocks and the network delay.
    t.ok(Math.abs(Date.now() + left - end) < SECOND, message)
  }

  const first = await user.signIn()
  await expires(first.idleExpiresAt, 'one session')
  await user.touch(first.id, first.idleExpiresAt + HOUR)
  await expires(first.idleExpiresAt + HOUR, 'touched')
  const second = await user.signIn()
  await expires(first.idleExpiresAt + HOUR, 'a session that expires earlier')
  await user.touch(second.id, second.idleExpiresAt + MINUTE)
  await expires(first.idleExpiresAt + HOUR, 'touched, but still earlier')
  await user.revoke(first.id)
  await expires(first.idleExpiresAt + HOUR, 'a reason')
  const third = await user.signIn({ idleExpiresAt: user.now + DAY })
  await expires(third.idleExpiresAt, 'a session that expires later')
  await user.signIn({ replaces: third.id })
  await expires(first.idleExpiresAt + HOUR, 'a replaced session leaves nothing')
  await user.revokeAll()
  await expires(first.idleExpiresAt + HOUR, 'only reasons')
})

test('expiry: replacing the last session by an expired one leaves no key', async (t) => {
  const client = connectRedis(t, url)
  const prefix = uniquePrefix()
  const user = new TestUser(redisStore({ client, prefix }))
  const { id } = await user.signIn()
  await user.signIn({ replaces: id, idleExpiresAt: user.now - DAY })
  t.equal(await client.exists(prefix + user.userId), 0)
})

test('expiry: 10,000 expired logins leave no key', async (t) => {
  const client = connectRedis(t, url)
  const prefix = uniquePrefix()
  const store = redisStore({ client, prefix, timeout: '30s' })
  const users = Array.from({ length: 10_000 }, () => new TestUser(store))
  for (let i = 0; i < users.length; i += 500) {
    await Promise.all(users.slice(i, i + 500).map(async (user) => {
      user.now = Date.now()
      const { id } = await user.signIn({ key: sealedKey(), idleExpiresAt: user.now + 300 })
      if (i % 1000 === 0) await user.revoke(id)
    }))
  }
  t.equal(await keysLeft(), 0)

  async function keysLeft (): Promise<number> {
    const deadline = Date.now() + 20_000
    while (true) {
      const left = await client.exists(...users.map(({ userId }) => prefix + userId))
      if (left === 0 || Date.now() > deadline) return left
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
})

test('size: a login loop of 3,000 under limit 1 leaves a small user', async (t) => {
  const client = connectRedis(t, url)
  const prefix = uniquePrefix()
  const user = new TestUser(redisStore({ client, prefix }))
  for (let i = 0; i < 3000; i++) await user.signIn({ limit: 1 })
  t.equal((await user.list()).length, 1)
  t.equal(await client.hlen(prefix + user.userId), 1 + 1 + 16, 'openid, the session and the reasons')
})

test('foreign values: a session is unreadable, and affects no other session', async (t) => {
  const client = connectRedis(t, url)
  const prefix = uniquePrefix()
  const user = new TestUser(redisStore({ client, prefix }))
  const key = prefix + user.userId
  const kept = await user.signIn({ key: sealedKey() })
  const foreign = [
    '', '{', 'null', '[]', '{"v":99}', '{"__proto__":{"admin":true}}', '1,1,2,3,4',
    '1,!x,1,1700000000000', '1,!r,1', '1,!r,1,1,1', `!r,1,${user.now + HOUR}`,
    `1,${user.now},${user.now},${user.now + HOUR}`,
    `1,1,${user.now},${user.now},9999999999999999`, `1,-1,${user.now},${user.now},${user.now + HOUR}`,
    `1,1,${user.now},${user.now},${user.now + HOUR}\n`, ` 1,1,${user.now},${user.now},${user.now + HOUR}`,
    Buffer.from([0, 255, 254, 10, 13, 128])
  ]
  for (const value of foreign) {
    const id = randomId()
    await client.hset(key, `m${id}`, value)
    t.strictSame(await user.read(id), { status: 'unreadable' }, JSON.stringify(value.toString()))
    t.equal(await user.touch(id, user.now + DAY), false)
    t.equal(await user.update(id, '{}'), false)
    t.equal(await user.revoke(id), false)
  }
  const second = await user.signIn({ key: sealedKey(), limit: 2 })
  t.strictSame(await user.liveIds(), [kept.id, second.id])
  t.equal((await user.readKeys()).length, 2)
  t.equal(await user.writeKey(sealedKey()), true)
  t.equal(await user.revokeAll(), 2)
  t.strictSame(await user.list(), [])
})

test('foreign values: a session of an unreadable user is unreadable', async (t) => {
  const client = connectRedis(t, url)
  const prefix = uniquePrefix()
  const user = new TestUser(redisStore({ client, prefix }))
  const { id } = await user.signIn()
  for (const value of ['', 'openid', ',openid', 'x,openid', '7,openid', '-,openid', 'NaN,openid', '{"openid":1}']) {
    await client.hset(prefix + user.userId, 'o', value)
    t.strictSame(await user.read(id), { status: 'unreadable' }, value)
  }
  await client.hdel(prefix + user.userId, 'o')
  t.strictSame(await user.read(id), { status: 'unreadable' })
})

test('foreign values: label and data are unreadable, and list still works', async (t) => {
  const client = connectRedis(t, url)
  const prefix = uniquePrefix()
  const user = new TestUser(redisStore({ client, prefix }))
  const kept = await user.signIn({ label: 'phone', data: '{"a":1}' })
  const { id } = await user.signIn()
  const foreign = [
    '', '{"admin":true}', ':', ':\n', ':"label"', ':"label', ':label\n', ':"a"b"\n', ':"label"\n{}', ':"label"\n\n=',
    'x=', '\0'
  ]
  for (const value of foreign) {
    await client.hset(prefix + user.userId, `d${id}`, value)
    t.match(await user.read(id), { status: 'live', session: { label: null, data: '' } }, JSON.stringify(value))
    t.match(await user.list(), [{ id: kept.id, label: 'phone', data: '{"a":1}' }, { id, data: '' }])
  }
  t.equal(await user.update(id, '{"b":2}'), true)
  t.match(await user.read(id), { session: { data: '{"b":2}' } })
})

test('label: stays when data changes', async (t) => {
  const client = connectRedis(t, url)
  const prefix = uniquePrefix()
  const user = new TestUser(redisStore({ client, prefix }))
  for (const label of [null, 'iPhone 15 Pro Max<iPhone16,2>', '']) {
    const { id } = await user.signIn({ label })
    for (const data of ['{"a":1}', null, '{"b":"\\n"}', null]) {
      await user.update(id, data)
      t.match(await user.read(id), { session: { label, data } })
    }
    t.equal(await client.hexists(prefix + user.userId, `d${id}`), label === null ? 0 : 1)
  }
})

test('text: openid, unionid and label are stored unchanged', async (t) => {
  const store = redisStore({ client: connectRedis(t, url), prefix: uniquePrefix() })
  const texts = [
    '', ',', '=', '3,', '=3,x', 'a,b', '\n', '\r\n,', '\0', 'é', '我的手机', '😀', '\u2028',
    `,${'x'.repeat(127)}`
  ]
  for (const [i, text] of texts.entries()) {
    for (const unionid of [null, text, `${text}u`]) {
      const user = new TestUser(store)
      const openid = `o${text}`
      const { id } = await user.signIn({ openid, unionid, label: text })
      const live = { status: 'live', openid, unionid, session: { label: text } }
      t.match(await user.read(id), live)
      await user.touch(id, user.now + 2 * DAY)
      await user.update(id, '{"a":1}')
      const session = { label: text, idleExpiresAt: user.now + 2 * DAY, data: '{"a":1}' }
      t.match(await user.read(id), { ...live, session }, `text ${i}`)
      t.match(await user.list(), [{ id, label: text, data: '{"a":1}' }])
    }
  }
})

test('foreign values: a key of another type is unreadable and unchanged', async (t) => {
  const client = connectRedis(t, url)
  const prefix = uniquePrefix()
  const user = new TestUser(redisStore({ client, prefix }))
  const key = prefix + user.userId
  await client.set(key, 'foreign')
  t.strictSame(await user.read(randomId()), { status: 'unreadable' })
  t.equal(await user.touch(randomId(), user.now + DAY), false)
  t.equal(await user.update(randomId(), '{}'), false)
  t.equal(await user.revoke(randomId()), false)
  t.equal(await user.revokeAll(), 0)
  t.strictSame(await user.list(), [])
  t.strictSame(await user.readKeys(), [])
  t.equal(await user.writeKey(sealedKey()), false)
  await t.rejects(user.signIn())
  t.equal(await client.get(key), 'foreign')
})
