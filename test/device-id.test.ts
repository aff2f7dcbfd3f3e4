import { inspect } from 'node:util'
import { test } from 'tap'
import { deviceDigest, deviceIdOf } from '../src/device-id.js'
import type { CreateSession } from '../src/index.js'
import { assertRefused } from './helpers/assert-refused.js'
import { faultyStore } from './helpers/faulty-store.js'
import { SECRET, startHost } from './helpers/host.js'
import { captureLog } from './helpers/log.js'

const PHONE = { 'weapp-device': 'canary-of-the-device_0' }

test('deviceIdOf: 1 to 64 characters of base64url, or null without the header', async (t) => {
  const of = (id: unknown) => deviceIdOf({ headers: { 'weapp-device': id as string } })
  t.equal(deviceIdOf({ headers: {} }), null)
  for (const id of ['a', '0', 'A-z_9', 'x'.repeat(64)]) t.equal(of(id), id)
  for (const id of ['', 'x'.repeat(65), 'a b', 'a,b', 'a=', 'é', 'a\n', ['a']]) {
    t.throws(() => of(id), { code: 'FST_WEAPP_DEVICE_INVALID', statusCode: 400 }, inspect(id))
  }
})

test('deviceDigest: 16 characters, different for each user and each device', async (t) => {
  t.equal(deviceDigest('u', 'd'), 'KUCQMLySYB5m6BOb', 'never changes, because stores keep it')
  t.equal(new Set([['u', 'd'], ['u', 'e'], ['v', 'd'], ['ud', '']].map(([u, d]) => deviceDigest(u!, d!))).size, 4)
})

test('Weapp-Device: a login replaces the session of the same user on the same device', async (t) => {
  const host = await startHost(t)
  const sessionsOf = async (token: string) => (await host.get('/weapp/session', token)).json().sessions.length
  const others = [await host.signIn(), await host.signIn('alice', { 'weapp-device': 'other' })]
  const first = await host.signIn('alice', PHONE)
  const second = await host.signIn('alice', PHONE)
  assertRefused(t, await host.get('/me', first.token), 401, 'FST_WEAPP_SESSION_EXPIRED')
  t.equal(await sessionsOf(second.token), 3)
  for (const { token } of others) t.equal((await host.get('/me', token)).statusCode, 200)
  const bob = await host.signIn('bob', PHONE)
  t.equal(await sessionsOf(bob.token), 1)
  t.equal((await host.get('/me', second.token)).statusCode, 200, 'not of another user')
  await host.signIn()
  t.equal(await sessionsOf(second.token), 4, 'a login without the header adds a session')
})

test('Weapp-Device: an invalid id is refused before WeChat is asked', async (t) => {
  const log = captureLog()
  const host = await startHost(t, {
    server: log.server,
    after: (app) => {
      app.post<{ Body: { code: string } }>('/enter', (request) => app.weapp.login(request, request.body))
    }
  })
  for (const url of ['/weapp/login', '/enter']) {
    for (const id of ['', 'x'.repeat(65), 'canary of the device']) {
      const login = await host.app.inject({
        method: 'POST', url, headers: { 'weapp-device': id }, payload: { code: host.wechat.login('alice') }
      })
      assertRefused(t, login, 400, 'FST_WEAPP_DEVICE_INVALID')
      t.match(log.events().at(-1), { event: 'login-failed', code: 'FST_WEAPP_DEVICE_INVALID' })
    }
  }
  t.equal(host.wechat.requests.length, 0)
  t.notMatch(log.text(), 'canary of the device')
})

test("Weapp-Device: works in a login route of the host, and is not in onLogin's body", async (t) => {
  const bodies: object[] = []
  const { store, calls } = faultyStore()
  const host = await startHost(t, {
    options: { store, onLogin: ({ body }) => { bodies.push(body) } },
    after: (app) => {
      app.post<{ Body: { code: string } }>('/enter', (request) => app.weapp.login(request, { code: request.body.code }))
    }
  })
  const code = host.wechat.login('alice')
  const login = await host.app.inject({ method: 'POST', url: '/enter', headers: PHONE, payload: { code } })
  t.equal(login.statusCode, 200)
  t.strictSame(bodies, [{ code }])
  t.match(calls.map(({ input }) => (input as CreateSession).device), [/^[\w-]{16}$/])
})

test('Weapp-Device: the id is never stored, listed or logged', async (t) => {
  const log = captureLog()
  const { store, calls } = faultyStore()
  const host = await startHost(t, { server: log.server, options: { store } })
  const { token } = await host.signIn('alice', PHONE)
  const id = PHONE['weapp-device']
  const { device } = calls.find(({ operation }) => operation === 'create')!.input as CreateSession
  t.notMatch(inspect(calls, { depth: 10 }), id)
  const { userId } = calls[0]!.input as CreateSession
  const listed = inspect([
    (await host.get('/weapp/session', token)).json(),
    await host.app.weapp.sessions.list({ openid: host.wechat.openid('alice') }),
    await store.list({ userId, now: Date.now() }),
    log.text()
  ], { depth: 10 })
  for (const hidden of [id, device!]) t.notMatch(listed, hidden)
})

test('Weapp-Device: the device stays the same when the secret is rotated', async (t) => {
  const { store, calls } = faultyStore()
  for (const secret of [SECRET, ['a new secret of the tests, long enough to sign', SECRET]]) {
    const host = await startHost(t, { options: { store, secret } })
    await host.signIn('alice', PHONE)
  }
  const devices = calls.filter(({ operation }) => operation === 'create').map(({ input }) => (input as CreateSession).device)
  t.equal(devices.length, 2)
  t.equal(new Set(devices).size, 1)
})
