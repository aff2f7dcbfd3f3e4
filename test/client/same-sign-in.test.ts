/** A request belongs to the sign-in that it began under. */
import { test } from 'tap'
import type { MiniProgram } from '../../src/testing/mini-program/mini-program.js'
import { freezeClock } from '../helpers/clock.js'
import { CODES, PAST_IDLE, deferred, startPhone, type LaunchOptions } from '../helpers/phone.js'

/** Returns a launch whose storage another launch shares. Each is a JavaScript context of its own. */
const sharing = (storage: Map<string, unknown>): LaunchOptions => ({ mini: { storage } })

test('T63: a request made as one user is not repeated as the next', async (t) => {
  const clock = freezeClock(t)
  const paid: unknown[] = []
  const { client, mini, sent } = await startPhone(t, {
    options: { onLogin: ({ body }) => ({ data: { account: (body as { account?: string }).account ?? null } }), routes: { login: { body: { type: 'object', properties: { account: { type: 'string' } } } } } },
    after: (app) => {
      app.post('/pay', { config: { weapp: true } }, async (request) => {
        paid.push((request.weapp!.session.data as { account?: string }).account)
        return {}
      })
    }
  })
  await client.login({ account: 'A' })
  clock.advance(PAST_IDLE)
  const pause = deferred()
  mini.fault({ answerDelay: pause.promise }, { path: '/pay', times: 1 })
  const payment = t.rejects(
    client.request({ url: '/pay', method: 'POST' }), { code: CODES.revoked, message: /signed out/ }
  )
  while (mini.requests.at(-1)!.statusCode !== 401) await new Promise(setImmediate)
  await client.logout()
  await client.login({ account: 'B' })
  sent()
  pause.resolve()
  await payment
  t.strictSame([paid, sent()], [[], []])
})

test('T63: a request that waits for the login of one user is not sent as the next', async (t) => {
  const { client, mini, sent } = await startPhone(t)
  const pause = deferred()
  mini.fault({ delay: pause.promise }, { api: 'login', times: 1 })
  const first = t.rejects(client.request({ url: '/me' }), { code: CODES.revoked })
  const logout = client.logout()
  const login = client.login()
  pause.resolve()
  await Promise.all([first, logout, login])
  t.strictSame(sent(), ['POST /weapp/login 200'])
})

test('T63: after a kick and the login of the next user, the request rejects with its own refusal', async (t) => {
  const { client, mini, kick, sent } = await startPhone(t)
  await client.login()
  await kick()
  const pause = deferred()
  mini.fault({ answerDelay: pause.promise }, { path: '/me', times: 1 })
  const late = t.rejects(client.request({ url: '/me' }), { code: CODES.kicked, statusCode: 401 })
  while (mini.requests.at(-1)!.statusCode !== 401) await new Promise(setImmediate)
  await t.rejects(client.request({ url: '/me' }), { code: CODES.kicked })
  await client.login()
  sent()
  pause.resolve()
  await late
  t.strictSame(sent(), [])
})

test('T63: a login that waits for its turn is signed out too', async (t) => {
  const { client, mini, sent } = await startPhone(t)
  const pause = deferred()
  mini.fault({ delay: pause.promise }, { api: 'login', times: 1 })
  const logins = [{ account: 'A' }, { account: 'B' }].map((extra) => {
    return t.rejects(client.login(extra), { code: CODES.revoked })
  })
  const logout = client.logout()
  pause.resolve()
  await Promise.all([...logins, logout])
  t.strictSame([client.token, mini.calls.login, sent()], [null, 1, []])
})

test('T63: a login that waits for its turn survives a logout that fails', async (t) => {
  const { client, mini } = await startPhone(t)
  await client.login()
  const pause = deferred()
  mini.fault({ delay: pause.promise }, { api: 'login', times: 1 })
  const first = client.login({ account: 'A' })
  mini.fault({ fail: 'interrupted' }, { path: '/weapp/logout', times: 1 })
  const logout = client.logout()
  const second = client.login({ account: 'B' })
  await t.rejects(Promise.race([logout, second]), { code: 'WEAPP_NETWORK_FAILED' })
  pause.resolve()
  const { token } = await second
  await first
  t.equal(client.token, token)
})

test('T63: a sign-out in another context prevents the repeat too', async (t) => {
  const clock = freezeClock(t)
  const { client, mini, launch, sent } = await startPhone(t)
  const other = launch(sharing(mini.storage))
  await client.login()
  clock.advance(PAST_IDLE)
  const pause = deferred()
  mini.fault({ answerDelay: pause.promise }, { path: '/me', times: 1 })
  const late = t.rejects(client.request({ url: '/me' }), { code: CODES.revoked })
  while (mini.requests.at(-1)!.statusCode !== 401) await new Promise(setImmediate)
  await other.client.logout()
  await other.client.login()
  sent()
  pause.resolve()
  await late
  t.strictSame(sent(), [])
})

test('contexts: a sign-in and a sign-out in one are seen in the other', async (t) => {
  const { client, mini, launch } = await startPhone(t)
  const other = launch(sharing(mini.storage))
  const { token } = await client.login()
  t.equal(other.client.token, token)
  t.equal((await other.client.request({ url: '/me' })).statusCode, 200)
  await other.client.logout()
  t.equal(client.token, null)
  await t.rejects(client.request({ url: '/me' }), { code: CODES.revoked })
  await client.login()
  t.equal((await other.client.request({ url: '/me' })).statusCode, 200)
  t.strictSame([mini.calls.login, other.mini.calls.login], [2, 0])
})

test('contexts: a session that expires in both is renewed in both', async (t) => {
  const clock = freezeClock(t)
  const { client, mini, host, launch } = await startPhone(t)
  const other = launch(sharing(mini.storage))
  await client.login()
  clock.advance(PAST_IDLE)
  const [login, repeat, otherLogin] = [deferred(), deferred(), deferred()]
  const answered = async ({ requests }: MiniProgram, count: number) => {
    while (requests.filter(({ statusCode }) => statusCode !== null).length < count) await new Promise(setImmediate)
  }
  mini.fault({ answerDelay: login.promise }, { path: '/weapp/login', times: 1 })
  const first = client.request({ url: '/me' })
  await answered(mini, 3)
  other.mini.fault({ answerDelay: otherLogin.promise }, { path: '/weapp/login', times: 1 })
  const second = other.client.request({ url: '/me' })
  await answered(other.mini, 2)
  // The second login has replaced the session of the first one.
  mini.fault({ answerDelay: repeat.promise }, { path: '/me', times: 1 })
  login.resolve()
  await answered(mini, 4)
  otherLogin.resolve()
  t.equal((await second).statusCode, 200)
  repeat.resolve()
  t.equal((await first).statusCode, 200, 'sent again with the token of the other context')
  t.strictSame([mini.calls.login, other.mini.calls.login], [2, 1])
  const [appId] = Object.keys(host.wechat.apps) as [string]
  t.equal((await host.app.weapp.sessions.list({ appId, openid: host.wechat.openid('alice') })).length, 1)
})

test('contexts: a sign-out in one ends the session of a login in the other', async (t) => {
  const { client, mini, host, launch } = await startPhone(t)
  const other = launch(sharing(mini.storage))
  const pause = deferred()
  mini.fault({ answerDelay: pause.promise }, { path: '/weapp/login', times: 1 })
  const login = t.rejects(client.login(), { code: CODES.revoked })
  while (mini.requests.at(-1)?.statusCode !== 200) await new Promise(setImmediate)
  await other.client.logout()
  mini.fault({ fail: 'interrupted' }, { path: '/weapp/logout', times: 1 })
  pause.resolve()
  await login
  t.strictSame([client.token, other.client.token], [null, null], 'also if the server cannot be told')
  const [appId] = Object.keys(host.wechat.apps) as [string]
  t.equal((await host.app.weapp.sessions.list({ appId, openid: host.wechat.openid('alice') })).length, 1)
})

test('contexts: a logout on a signed-out device overtakes a login in the other', async (t) => {
  const { client, mini, launch } = await startPhone(t)
  const other = launch(sharing(mini.storage))
  await client.logout()
  const pause = deferred()
  mini.fault({ answerDelay: pause.promise }, { path: '/weapp/login', times: 1 })
  const login = t.rejects(client.login(), { code: CODES.revoked })
  while (mini.requests.at(-1)?.statusCode !== 200) await new Promise(setImmediate)
  await other.client.logout()
  pause.resolve()
  await login
  t.strictSame([client.token, other.client.token], [null, null])
})

test('contexts: a login that is refused does not undo a later one in the other', async (t) => {
  const [started, pause] = [deferred(), deferred()]
  let isFirst = true
  const onLogin = async (): Promise<void> => {
    if (!isFirst) return
    isFirst = false
    started.resolve()
    await pause.promise
  }
  const { client, mini, launch } = await startPhone(t, { options: { session: { limit: 1 }, onLogin } })
  const other = launch(sharing(mini.storage))
  const refused = t.rejects(client.login(), { code: CODES.replaced })
  await started.promise
  const { token } = await other.client.login()
  pause.resolve()
  await refused
  t.strictSame([client.token, other.client.token], [token, token])
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
})
