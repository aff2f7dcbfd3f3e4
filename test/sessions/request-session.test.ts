import type { FastifyRequest } from 'fastify'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { inspect } from 'node:util'
import { test, type Test } from 'tap'
import { memoryStore, type SessionData, type WeappOptions } from '../../src/index.js'
import { DAY, freezeClock, HOUR } from '../helpers/clock.js'
import type { LiveRecord } from '../../src/stores/store.js'
import { faultyStore } from '../helpers/faulty-store.js'
import { captureLog } from '../helpers/log.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { SECRET, startHost, type Host } from '../helpers/host.js'

/** Starts a host that runs a function of the test within a request. */
async function startWith (t: Test, options: Partial<WeappOptions> = {}) {
  let work: (request: FastifyRequest) => unknown = () => {}
  const host = await startHost(t, {
    options,
    after: (app) => { app.get('/work', { config: { weapp: true } }, async (request) => ({ result: await work(request) ?? null })) }
  })
  return {
    ...host,
    within (token: string, doing: typeof work) {
      work = doing
      return host.get('/work', token)
    }
  }
}

const data = (value: object) => value as SessionData
const codeOf = async (host: Pick<Host, 'get'>, token: string) => (await host.get('/me', token)).json().code ?? 'live'

test('update: replaces the data whole, and the last write wins', async (t) => {
  const host = await startWith(t, { onLogin: () => ({ data: data({ a: 1, b: 2 }) }) })
  const { token } = await host.signIn()
  const read = async () => (await host.within(token, ({ weapp }) => weapp!.session.data)).json().result
  t.strictSame(await read(), { a: 1, b: 2 })
  const given = { c: [3] }
  const update = await host.within(token, async ({ weapp }) => {
    await weapp!.session.update(data(given))
    given.c.push(4)
    return weapp!.session.data
  })
  t.strictSame(update.json().result, { c: [3] }, 'in the same request')
  t.strictSame(await read(), { c: [3] }, 'and in the next')

  await host.within(token, async ({ weapp }) => {
    const inner = host.within(token, ({ weapp }) => weapp!.session.update(data({ writer: 'inner' })))
    t.equal((await inner).statusCode, 200)
    t.strictSame(weapp!.session.data, { c: [3] }, 'the data of the request does not change')
    await weapp!.session.update(data({ writer: 'outer' }))
  })
  t.strictSame(await read(), { writer: 'outer' })
  await host.within(token, ({ weapp }) => weapp!.session.update({}))
  t.strictSame(await read(), {})
})

test('session.data: short data is parsed once per token, long data for every read', async (t) => {
  for (const [length, isKept] of [[200, true], [300, false]] as const) {
    for (const store of [memoryStore(), faultyStore().store]) {
      const host = await startWith(t, { store, cache: false, onLogin: () => ({ data: data({ text: 'x'.repeat(length) }) }) })
      const { token } = await host.signIn()
      const seen = new Set<unknown>()
      for (let i = 0; i < 3; i++) await host.within(token, ({ weapp }) => { seen.add(weapp!.session.data) })
      t.equal(seen.size, isKept ? 1 : 3, `${length} characters`)
    }
  }
})

test('session.data: is deeply frozen', async (t) => {
  const host = await startWith(t, { onLogin: () => ({ data: data({ list: [{ a: 1 }] }) }) })
  const { token } = await host.signIn()
  const response = await host.within(token, async ({ weapp }) => {
    const { session } = weapp!
    const held = session.data as { list: { a: number }[] }
    t.throws(() => { held.list[0]!.a = 2 }, TypeError)
    t.throws(() => { held.list.push({ a: 2 }) }, TypeError)
    t.throws(() => { (session as { data: object }).data = {} }, TypeError)
    await session.update(data({ list: [{ a: 3 }] }))
    t.throws(() => { (session.data as typeof held).list[0]!.a = 4 }, TypeError)
    return session.data
  })
  t.strictSame(response.json().result, { list: [{ a: 3 }] })
})

test('update: invalid data is refused, and the old data remains', async (t) => {
  const host = await startWith(t, { onLogin: () => ({ data: data({ a: 1 }) }) })
  const { token } = await host.signIn()
  for (const bad of [null, [], 'text', { at: new Date() }, { n: NaN }, { big: 'x'.repeat(4096) }, JSON.parse('{"__proto__":{"admin":true}}')]) {
    assertRefused(t, await host.within(token, ({ weapp }) => weapp!.session.update(bad)), 500, 'FST_WEAPP_DATA_INVALID')
  }
  assertRefused(t, await host.within(token, ({ weapp }) => weapp!.session.update(undefined as never)), 500, 'FST_WEAPP_DATA_INVALID')
  t.equal(({} as { admin?: boolean }).admin, undefined)
  t.strictSame((await host.within(token, ({ weapp }) => weapp!.session.data)).json().result, { a: 1 })
})

test('update: never revives an ended session', async (t) => {
  const { store, asked } = faultyStore()
  const host = await startWith(t, { store })
  const { token } = await host.signIn()
  const update = await host.within(token, async ({ weapp }) => {
    await host.app.weapp.sessions.revoke({ ...weapp!, id: weapp!.session.id })
    await weapp!.session.update(data({ a: 1 }))
  })
  assertRefused(t, update, 409, 'FST_WEAPP_SESSION_ENDED')
  t.equal(asked('update'), 1)
  t.equal(await codeOf(host, token), 'FST_WEAPP_SESSION_KICKED')
})

test('update: rejects with STORE_UNAVAILABLE if the outcome is unknown', async (t) => {
  const { store, instead } = faultyStore()
  const host = await startWith(t, { store })
  const { token } = await host.signIn()
  instead('update', async () => false)
  assertRefused(t, await host.within(token, ({ weapp }) => weapp!.session.update({})), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
})

test('revoke: ends this session only, as a logout does', async (t) => {
  const host = await startWith(t)
  const [first, second] = [await host.signIn(), await host.signIn()]
  const revoke = () => host.within(first.token, async ({ weapp }) => {
    await weapp!.session.revoke()
    await weapp!.session.revoke()
  })
  t.equal((await revoke()).statusCode, 200, 'also one that has ended already')
  assertRefused(t, await revoke(), 401, 'FST_WEAPP_SESSION_REVOKED')
  t.equal(await codeOf(host, second.token), 'live')
})

test('limit: beyond it the oldest session ends as replaced', async (t) => {
  const clock = freezeClock(t)
  const host = await startWith(t, { session: { limit: 2 } })
  const tokens: string[] = []
  for (let i = 0; i < 4; i++) {
    tokens.push((await host.signIn()).token)
    clock.advance(1000)
  }
  const bob = await host.signIn('bob')
  t.strictSame(await Promise.all(tokens.map((token) => codeOf(host, token))), ['FST_WEAPP_SESSION_REPLACED', 'FST_WEAPP_SESSION_REPLACED', 'live', 'live'])
  assertRefused(t, await host.get('/me', tokens[0]), 401, 'FST_WEAPP_SESSION_REPLACED')
  t.equal(await codeOf(host, bob.token), 'live', 'of each user')
})

test('limit: 1 leaves one session, false any number', async (t) => {
  const one = await startWith(t, { session: { limit: 1 } })
  const [first, second] = [await one.signIn(), await one.signIn()]
  t.equal(await codeOf(one, first.token), 'FST_WEAPP_SESSION_REPLACED')
  t.equal(await codeOf(one, second.token), 'live')

  const many = await startWith(t, { session: { limit: false } })
  const tokens: string[] = []
  for (let i = 0; i < 12; i++) tokens.push((await many.signIn()).token)
  t.equal(await codeOf(many, tokens[0]!), 'live')
})

test('limit: 20 concurrent logins under limit 2 leave two sessions', async (t) => {
  const host = await startWith(t, { session: { limit: 2 } })
  const logins = await Promise.all(Array.from({ length: 20 }, () => host.signIn()))
  const codes = await Promise.all(logins.map(({ token }) => codeOf(host, token)))
  t.equal(codes.filter((code) => code === 'live').length, 2)
})

test('idle: an unused session expires; a used one lives to its absolute expiry', async (t) => {
  const clock = freezeClock(t)
  const host = await startWith(t, { session: { idle: '20h', ttl: '3d' } })
  const [used, unused] = [await host.signIn(), await host.signIn()]
  clock.advance(20 * HOUR - 1)
  t.equal(await codeOf(host, used.token), 'live')
  clock.advance(1)
  assertRefused(t, await host.get('/me', unused.token), 401, 'FST_WEAPP_SESSION_EXPIRED')
  for (let hours = 20; hours < 70; hours += 10) {
    clock.advance(10 * HOUR)
    t.equal(await codeOf(host, used.token), 'live', `after ${hours + 10} hours`)
  }
  clock.advance(2 * HOUR - 1)
  t.equal(await codeOf(host, used.token), 'live')
  clock.advance(1)
  assertRefused(t, await host.get('/me', used.token), 401, 'FST_WEAPP_SESSION_EXPIRED')
  clock.advance(1)
  assertRefused(t, await host.get('/me', used.token), 401, 'FST_WEAPP_TOKEN_EXPIRED')
})

test('idle: a session in use lives on also if it is cached', async (t) => {
  const clock = freezeClock(t)
  const host = await startWith(t, { store: memoryStore(), session: { idle: '1h' } })
  const { token } = await host.signIn()
  for (let third = 0; third < 9; third++) {
    t.equal(await codeOf(host, token), 'live')
    clock.advance(HOUR / 3)
  }
})

test('idle false: only the absolute expiry applies', async (t) => {
  const clock = freezeClock(t)
  const { store, asked } = faultyStore()
  const host = await startWith(t, { store, session: { idle: false, ttl: '100d' } })
  const { token } = await host.signIn()
  clock.advance(100 * DAY - 1)
  t.equal(await codeOf(host, token), 'live')
  t.equal(asked('touch'), 0)
  clock.advance(1)
  t.equal(await codeOf(host, token), 'FST_WEAPP_SESSION_EXPIRED')
})

test('idle false: also applies to sessions created under an idle time', async (t) => {
  const clock = freezeClock(t)
  const { store, asked } = faultyStore()
  const before = await startWith(t, { store, session: { idle: '7d' } })
  const { token } = await before.signIn()
  const host = await startWith(t, { store, session: { idle: false } })
  for (let day = 0; day < 29; day++, clock.advance(DAY)) t.equal(await codeOf(host, token), 'live', `day ${day}`)
  t.equal(asked('touch'), 1)
  clock.advance(DAY)
  t.equal(await codeOf(host, token), 'FST_WEAPP_SESSION_EXPIRED')
})

test('idle: moves at most once per twentieth of the idle time', async (t) => {
  const clock = freezeClock(t)
  const { store, asked } = faultyStore()
  const host = await startWith(t, { store, session: { idle: '20h', ttl: '30d' } })
  const { token } = await host.signIn()
  const idleExpiresAt = async () => (await host.within(token, ({ weapp }) => weapp!.session.idleExpiresAt)).json().result
  const first = clock.now + 20 * HOUR
  clock.advance(HOUR - 1)
  for (let i = 0; i < 3; i++) t.equal(await idleExpiresAt(), first)
  t.equal(asked('touch'), 0)
  clock.advance(1)
  for (let i = 0; i < 3; i++) t.equal(await idleExpiresAt(), first + HOUR)
  t.equal(asked('touch'), 1)
  for (let minutes = 0; minutes < 600; minutes++) {
    clock.advance(60_000)
    await host.get('/me', token)
  }
  t.equal(asked('touch'), 11, 'once an hour')
})

test('idle: one last touch moves it to the absolute expiry', async (t) => {
  const clock = freezeClock(t)
  const { store, asked } = faultyStore()
  const host = await startWith(t, { store, session: { idle: '20h', ttl: '20h' } })
  const { token, expiresAt } = await host.signIn()
  for (let i = 0; i < 19; i++) {
    clock.advance(HOUR)
    await host.get('/me', token)
  }
  t.equal(asked('touch'), 0, 'it was there from the start')

  const longer = await startWith(t, { store, session: { idle: '20h', ttl: '20.5h' } })
  const login = await longer.signIn('bob')
  t.not(login.expiresAt, expiresAt)
  clock.advance(0.5 * HOUR)
  const ends = async () => (await longer.within(login.token, ({ weapp }) => weapp!.session.idleExpiresAt)).json().result
  t.equal(await ends(), login.expiresAt, 'one touch, although less than a twentieth has passed')
  clock.advance(10 * HOUR)
  t.equal(await ends(), login.expiresAt)
  t.equal(asked('touch'), 1)
})

test('touch: one of several concurrent requests touches; the others do not wait', async (t) => {
  const clock = freezeClock(t)
  const faulty = faultyStore()
  const host = await startWith(t, { store: faulty.store, session: { idle: '20h' } })
  const { token } = await host.signIn()
  const other = await host.signIn()
  clock.advance(HOUR)
  const statusOf = async () => (await host.get('/me', token)).statusCode
  for (const [outcome, status] of [[async () => { throw new Error('away') }, 503], [async () => true, 200]] as const) {
    let settle = () => {}
    const settled = new Promise<void>((resolve) => { settle = resolve })
    faulty.calls.length = 0
    faulty.instead('touch', () => settled.then(outcome))
    const first = statusOf()
    while (faulty.asked('touch') === 0) await nextTurn()
    t.strictSame(await Promise.all(Array.from({ length: 9 }, statusOf)), Array(9).fill(200))
    t.strictSame([faulty.asked('read'), faulty.asked('touch')], [10, 1], 'each has read for itself')
    settle()
    t.equal(await first, status)
  }
  faulty.heal()
  t.equal(await statusOf(), 200)
  t.equal(faulty.asked('touch'), 2, 'and the next one touches')
  t.equal((await host.get('/me', other.token)).statusCode, 200)
  t.equal(faulty.asked('touch'), 3, 'each session its own')
})

test('touch: a touch of an ended session reads once more for the reason', async (t) => {
  const clock = freezeClock(t)
  const faulty = faultyStore()
  const host = await startWith(t, { store: faulty.store, session: { idle: '20h' } })
  const { token } = await host.signIn()
  clock.advance(HOUR)
  faulty.instead('touch', async () => false)
  t.equal(await codeOf(host, token), 'live', 'still live')
  t.equal(faulty.asked('read'), 2)

  faulty.instead('touch', async ({ userId, sessionId, now }) => {
    faulty.heal()
    await faulty.store.revoke({ userId, sessionId, now, reason: 'kicked', pendingLogins: false })
    return false
  })
  t.equal(await codeOf(host, token), 'FST_WEAPP_SESSION_KICKED', 'ended between read and touch')
  t.equal(faulty.asked('read'), 4)
})

test('record: an unreadable one fails the request and is logged', async (t) => {
  const inner = memoryStore()
  const { store, instead, heal } = faultyStore(inner)
  const log = captureLog()
  const host = await startHost(t, { options: { store }, server: log.server })
  const { token } = await host.signIn()
  const [{ id } = { id: '' }] = await host.app.weapp.sessions.list({ openid: host.wechat.openid('alice') })
  for (const part of [
    { status: 'unreadable' }, { openid: 1 }, { openid: '' }, { unionid: 1 }, { session: null },
    { session: { id: 'x' } }, { session: { expiresAt: 'soon' } }, { session: { data: '{' } }, { session: { data: '[]' } }
  ]) {
    instead('read', async (ref) => {
      const record = await inner.read(ref) as LiveRecord
      return { ...record, ...part, ...part.session && { session: { ...record.session, ...part.session } } }
    })
    const before = log.events().length
    assertRefused(t, await host.get('/me', token), 401, 'FST_WEAPP_SESSION_EXPIRED')
    t.match(log.events().slice(before), [{ event: 'unreadable-record', sessionId: id }, { event: 'refused' }], JSON.stringify(part))
    heal()
    t.equal(await codeOf(host, token), 'live')
  }
})

test('cache false: a host may replace the read of a memoryStore at any time', async (t) => {
  const store = memoryStore()
  const host = await startWith(t, { store, cache: false })
  const { token } = await host.signIn()
  t.equal(await codeOf(host, token), 'live')
  const { read } = store
  store.read = () => ({ status: 'ended', reason: 'kicked' })
  t.equal(await codeOf(host, token), 'FST_WEAPP_SESSION_KICKED')
  store.read = (ref) => Object.assign(read(ref)!, { unionid: 'of the host' })
  const unionid = async () => (await host.within(token, ({ weapp }) => weapp!.unionid)).json().result
  t.equal(await unionid(), 'of the host')
  store.read = read
  t.equal(await unionid(), null)
})

test('secret: sessions survive a rotation until the old secret is retired', async (t) => {
  const store = memoryStore()
  const NEW = 'the new secret of the tests, long enough as well'
  const host = (secret: WeappOptions['secret']) => startWith(t, { store, secret })
  const [before, during, after] = [await host(SECRET), await host([NEW, SECRET]), await host(NEW)]
  const old = await before.signIn()
  const encrypted = before.wechat.encrypt('alice', { n: 1 })
  t.equal(await codeOf(during, old.token), 'live')
  const open = (to: typeof before, token: string, { encryptedData, iv } = encrypted) =>
    to.within(token, ({ weapp }) => weapp!.session.decrypt(encryptedData, iv))
  t.match((await open(during, old.token)).json(), { result: { n: 1 } }, 'the key sealed under the old secret still opens')

  assertRefused(t, await after.get('/me', old.token), 401, 'FST_WEAPP_TOKEN_INVALID')
  const fresh = await after.signIn('bob')
  t.equal(await codeOf(during, fresh.token), 'live')
  assertRefused(t, await before.get('/me', fresh.token), 401, 'FST_WEAPP_TOKEN_INVALID')
})

test('secret: a key under a retired secret counts as missing', async (t) => {
  const store = memoryStore()
  const NEW = 'the new secret of the tests, long enough as well'
  const host = (secret: WeappOptions['secret']) => startWith(t, { store, secret })
  const [before, during, after] = [await host(SECRET), await host([NEW, SECRET]), await host(NEW)]
  // Two logins at a server without the new secret. Both stored keys are under the old secret.
  const { token } = await during.signIn()
  await before.signIn()
  await before.signIn()
  const { encryptedData, iv } = before.wechat.encrypt('alice', { n: 1 })
  const decrypt = (to: typeof before) => to.within(token, ({ weapp }) => weapp!.session.decrypt(encryptedData, iv))
  t.match((await decrypt(during)).json(), { result: { n: 1 } })
  assertRefused(t, await decrypt(after), 409, 'FST_WEAPP_SESSION_KEY_MISSING')
  t.equal(await codeOf(after, token), 'live')
})

test('request.weapp: shows no secret when printed', async (t) => {
  const host = await startWith(t)
  const { token } = await host.signIn()
  const printed = (await host.within(token, ({ weapp }) => inspect(weapp, { depth: 20, showHidden: true }) + JSON.stringify(weapp))).json().result
  t.match(printed, 'idleExpiresAt')
  const [, , signature] = token.split('.')
  for (const secret of [token, signature, SECRET, host.wechat.sessionKey('alice')]) t.notOk(printed.includes(secret))
})
