import { inspect } from 'node:util'
import { test, type Test } from 'tap'
import { memoryStore, type WeappOptions } from '../../src/index.js'
import { FAILURES, STORE_WORDS, faultyStore } from '../helpers/faulty-store.js'
import { freezeClock } from '../helpers/clock.js'
import { captureLog } from '../helpers/log.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { APP_ID, startHost } from '../helpers/host.js'

async function startFaultyHost (t: Test, options: Partial<WeappOptions> = {}) {
  const faulty = faultyStore()
  const log = captureLog()
  let served = 0
  const host = await startHost(t, {
    server: log.server,
    options: { store: faulty.store, storeTimeout: 30, ...options },
    after (app) {
      app.get('/guarded', { config: { weapp: true } }, async () => { served++ })
      app.get('/optional', { config: { weapp: 'optional' } }, async () => { served++ })
      app.get('/by-hand', { preHandler: app.weapp.authenticate }, async () => { served++ })
      app.post('/update', { config: { weapp: true } }, async (request) => { await request.weapp!.session.update({}) })
    }
  })
  return { ...host, faulty, log, served: () => served }
}

const unavailable = (t: Test, response: Parameters<typeof assertRefused>[1]) => {
  assertRefused(t, response, 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
  t.notOk(response.body.includes(STORE_WORDS))
}

for (const [how, failure] of Object.entries(FAILURES)) {
  test(`T32: a store that ${how} is 503, and no handler runs`, async (t) => {
    const clock = freezeClock(t)
    const { app, wechat, signIn, get, post, faulty, served } = await startFaultyHost(t)
    const { token } = await signIn()
    const user = { appId: APP_ID, openid: wechat.openid('alice') }

    await t.test('read: every guard', async (t) => {
      faulty.instead('read', failure)
      for (const url of ['/guarded', '/optional', '/by-hand', '/weapp/session']) unavailable(t, await get(url, token))
      unavailable(t, await post('/weapp/logout', undefined, token))
      t.equal(served(), 0, 'no handler ran')
    })
    faulty.heal()

    await t.test('touch: every guard', async (t) => {
      clock.advance(24 * 3600_000)
      faulty.instead('touch', failure)
      for (const url of ['/guarded', '/optional', '/by-hand', '/weapp/session']) unavailable(t, await get(url, token))
      t.equal(served(), 0, 'no handler ran')
    })
    faulty.heal()

    for (const [operation, url] of [['revoke', '/weapp/logout'], ['revokeAll', '/weapp/logout?all=true'], ['update', '/update']] as const) {
      await t.test(operation, async (t) => {
        faulty.instead(operation, failure)
        unavailable(t, await post(url, undefined, token))
        faulty.heal()
        t.equal((await get('/guarded', token)).statusCode, 200, 'the session is as it was')
      })
    }

    await t.test('list', async (t) => {
      faulty.instead('list', failure)
      unavailable(t, await get('/weapp/session', token))
    })

    await t.test('app.weapp.sessions', async (t) => {
      for (const operation of ['list', 'revoke', 'revokeAll'] as const) faulty.instead(operation, failure)
      const rejection = { code: 'FST_WEAPP_STORE_UNAVAILABLE', statusCode: 503, cause: undefined }
      await t.rejects(app.weapp.sessions.list(user), rejection)
      await t.rejects(app.weapp.sessions.revoke({ ...user, id: 'x' }), rejection)
      await t.rejects(app.weapp.sessions.revokeAll(user), rejection)
    })

    faulty.heal()
    t.equal((await get('/guarded', token)).statusCode, 200, 'the store works again')
  })

  test(`T33: a login sends no token if the store ${how}`, async (t) => {
    const { app, wechat, faulty } = await startFaultyHost(t)
    faulty.instead('create', failure)
    const response = await app.inject({ method: 'POST', url: '/weapp/login', payload: { code: wechat.login('alice') } })
    unavailable(t, response)
    t.notMatch(response.body, /token/i)
    t.notMatch(response.body, /eyJ/)
  })
}

test('T32: another token does not bypass a failing store', async (t) => {
  const { get, signIn, faulty, served } = await startFaultyHost(t)
  const { token } = await signIn()
  faulty.instead('read', FAILURES.rejects)
  t.equal((await get('/guarded')).statusCode, 401)
  t.equal((await get('/guarded', `${token}x`)).statusCode, 401)
  t.equal((await get('/optional')).statusCode, 200, 'a guest passes without the store')
  t.equal(served(), 1)
})

test("T32: failures are logged once a minute, without the store's messages", async (t) => {
  const clock = freezeClock(t)
  const { get, signIn, faulty, log } = await startFaultyHost(t)
  const { token } = await signIn()
  const failures = () => log.events().filter(({ event }) => event === 'store-failed')
  faulty.instead('read', async () => { throw Object.assign(new TypeError(STORE_WORDS), { code: 'ECONNREFUSED', command: STORE_WORDS }) })
  await get('/guarded', token)
  await get('/guarded', token)
  t.strictSame(failures(), [{ event: 'store-failed', operation: 'read', name: 'TypeError', code: 'ECONNREFUSED' }])
  clock.advance(60_000)
  faulty.instead('read', FAILURES.hangs)
  await get('/guarded', token)
  t.match(failures()[1], { event: 'store-failed', operation: 'read', name: 'timeout' })
  t.equal(failures().length, 2)
  t.notMatch(log.text(), STORE_WORDS)
})

test('T32: a late response changes nothing', async (t) => {
  const { get, signIn, faulty, served } = await startFaultyHost(t)
  const { token } = await signIn()
  const late: (() => void)[] = []
  faulty.instead('read', () => new Promise((_resolve, reject) => { late.push(() => reject(new Error(STORE_WORDS))) }))
  unavailable(t, await get('/guarded', token))
  for (const answer of late) answer()
  await new Promise(setImmediate)
  t.equal(served(), 0, 'no unhandled rejection')
})

test('T34, T54: an unreadable record is 401 and logged', async (t) => {
  const { wechat, signIn, get, faulty, log, served } = await startFaultyHost(t)
  const { token } = await signIn()
  const { id } = (await get('/weapp/session', token)).json()
  const session = { id, createdAt: 0, expiresAt: 8e15, idleExpiresAt: 8e15, label: null, data: null }
  const good = { status: 'live', openid: wechat.openid('alice'), unionid: null, session }
  faulty.instead('read', async () => good)
  t.equal((await get('/guarded', token)).statusCode, 200, 'the unchanged record is accepted')
  const records: unknown[] = [
    '{', 'null', '', 0, true, [], [good], {}, { v: 99 }, JSON.parse('{"__proto__":{"status":"live"}}'), Buffer.from('x'), undefined,
    { status: 'unreadable' }, { status: 'other' }, { status: ['live'] }, { ...good, status: undefined }, { status: 'live' },
    { ...good, session: null }, { ...good, session: 'x' }, { ...good, openid: undefined }, { ...good, openid: 1 }, { ...good, openid: '' }, { ...good, openid: wechat.openid('bob') },
    { ...good, unionid: {} },
    ...['createdAt', 'expiresAt', 'idleExpiresAt'].flatMap((name) => [undefined, null, NaN, Infinity, '8e15', {}].map((value) => {
      return { ...good, session: { ...session, [name]: value } }
    })),
    ...['{', 'null', '[]', '"x"', '1', '', '{"__proto__":{"admin":true}}', '{"a":{"__proto__":{}}}', {}, [], 0].map((data) => {
      return { ...good, session: { ...session, data } }
    }),
    { status: 'ended' }, { status: 'ended', reason: 'other' }, { status: 'ended', reason: '__proto__' }, { status: 'ended', reason: 'constructor' }
  ]
  for (const record of records) {
    const warnings = log.events().filter(({ event }) => event === 'unreadable-record').length
    faulty.instead('read', async () => record)
    await t.test(inspect(record, { breakLength: Infinity }), async (t) => {
      assertRefused(t, await get('/guarded', token), 401, 'FST_WEAPP_SESSION_EXPIRED')
      const newEvents = log.events().filter(({ event }) => event === 'unreadable-record').slice(warnings)
      t.strictSame(newEvents, [{ event: 'unreadable-record', sessionId: id }])
    })
  }
  t.equal(served(), 1)
  t.strictSame(Object.keys(Object.prototype), [])
  t.equal(({} as { admin?: boolean }).admin, undefined)
})

test('T35: memoryStore returns and stores copies', async (t) => {
  const store = memoryStore()
  const session = { id: 's'.repeat(22), createdAt: 0, expiresAt: 9000, idleExpiresAt: 9000, label: null, data: null }
  const ref = { userId: 'u'.repeat(22), now: 0 }
  await store.create({ ...ref, startedAt: performance.now(), openid: 'o', unionid: null, session, key: null, limit: null, replaces: null, device: null })
  const before = await store.read({ ...ref, sessionId: session.id })
  const changed = structuredClone(before)

  Object.assign(session, { idleExpiresAt: 0, data: '{"admin":true}' })
  const record = await store.read({ ...ref, sessionId: 's'.repeat(22) })
  if (record?.status !== 'live') return t.fail('it lives')
  Object.assign(record.session, { expiresAt: 0, idleExpiresAt: 0, data: '{"admin":true}' })
  Object.assign((await store.list(ref))[0]!, { idleExpiresAt: 0, id: 'other' })
  t.strictSame(await store.read({ ...ref, sessionId: 's'.repeat(22) }), changed)
})

test('T35: any number of logins stays within max', async (t) => {
  const store = memoryStore({ max: 1000 })
  const user = (i: number) => ({ userId: String(i).padStart(22, 'u'), now: 0 })
  const session = { id: 's'.repeat(22), createdAt: 0, expiresAt: 9000, idleExpiresAt: 9000, label: null, data: null }
  for (let i = 0; i < 100_000; i++) {
    await store.create({ ...user(i), startedAt: performance.now(), openid: 'o', unionid: null, session, key: null, limit: null, replaces: null, device: null })
  }
  let count = 0
  for (let i = 0; i < 100_000; i++) count += (await store.list(user(i))).length
  t.equal(count, 1000)
})

test('T35: memoryStore does not keep the process alive', async (t) => {
  const before = process.getActiveResourcesInfo().filter((name) => /Timeout|Immediate/.test(name)).length
  const store = memoryStore()
  await store.list({ userId: 'u'.repeat(22), now: 0 })
  t.equal(process.getActiveResourcesInfo().filter((name) => /Timeout|Immediate/.test(name)).length, before)
})
