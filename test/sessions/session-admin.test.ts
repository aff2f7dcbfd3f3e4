import { test } from 'tap'
import { freezeClock } from '../helpers/clock.js'
import { faultyStore } from '../helpers/faulty-store.js'
import { captureLog } from '../helpers/log.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { APP_ID, startHost, type Host } from '../helpers/host.js'

const idOf = async (host: Host, token: string): Promise<string> => (await host.get('/weapp/session', token)).json().id
const userOf = ({ wechat }: Host, user: string) => ({ appId: APP_ID, openid: wechat.openid(user) })

test("list: returns public fields of the user's sessions, oldest first", async (t) => {
  const clock = freezeClock(t)
  const labels = ['iPhone', null, 'iPad']
  const host = await startHost(t, { options: { onLogin: () => ({ label: labels.shift() ?? null, data: { secret: 1 } as object }) } })
  const { sessions } = host.app.weapp
  const alice = userOf(host, 'alice')
  t.strictSame(await sessions.list(alice), [])
  const first = await host.signIn()
  const createdAt = clock.now
  clock.advance(1000)
  await host.signIn()
  await host.signIn('bob')
  const list = await sessions.list(alice)
  t.strictSame(list[0], {
    id: await idOf(host, first.token), createdAt, expiresAt: first.expiresAt, idleExpiresAt: createdAt + 7 * 86_400_000, label: 'iPhone'
  })
  t.equal(list.length, 2)
  t.match(list[1], { createdAt: createdAt + 1000, label: null })
  t.strictSame(await sessions.list({ openid: alice.openid }), list, 'the app id is optional if there is one app')
  await t.rejects(sessions.list({ ...alice, appId: 'wxother' }), { code: 'FST_WEAPP_APP_UNKNOWN' })
  for (const openid of ['', undefined as unknown as string]) {
    await t.rejects(sessions.revokeAll({ openid }), { code: 'FST_WEAPP_INVALID_OPTION' }, 'ending no session must not look like success')
  }
  for (const id of ['', undefined, null, { id: first.token }] as string[]) {
    await t.rejects(sessions.revoke({ ...alice, id }), { code: 'FST_WEAPP_INVALID_OPTION', message: / id / })
    if (id === undefined) continue
    await t.rejects(sessions.revokeAll({ ...alice, except: id }), { code: 'FST_WEAPP_INVALID_OPTION', message: / except / }, 'ending all sessions must not look like success')
  }
  t.equal((await sessions.list(alice)).length, 2)
})

test('revoke: ends one session with SESSION_KICKED', async (t) => {
  const host = await startHost(t)
  const { sessions } = host.app.weapp
  const [first, second, bob] = [await host.signIn(), await host.signIn(), await host.signIn('bob')]
  const id = await idOf(host, first.token)
  t.equal(await sessions.revoke({ ...userOf(host, 'bob'), id }), false, 'the session of another user is not found')
  t.equal(await sessions.revoke({ ...userOf(host, 'alice'), id }), true)
  t.equal(await sessions.revoke({ ...userOf(host, 'alice'), id }), false, 'already ended')
  t.equal(await sessions.revoke({ ...userOf(host, 'unknown'), id }), false)
  assertRefused(t, await host.get('/me', first.token), 401, 'FST_WEAPP_SESSION_KICKED')
  for (const { token } of [second, bob]) t.equal((await host.get('/me', token)).statusCode, 200)
  t.equal((await sessions.list(userOf(host, 'alice'))).length, 1)
})

test('T29: revokeAll: ends all sessions of a user, or all except one', async (t) => {
  const host = await startHost(t)
  const { sessions } = host.app.weapp
  const logins = [await host.signIn(), await host.signIn(), await host.signIn()]
  const bob = await host.signIn('bob')
  const except = await idOf(host, logins[1]!.token)
  t.equal(await sessions.revokeAll({ ...userOf(host, 'alice'), except }), 2)
  const statuses = async () => Promise.all(logins.map(async ({ token }) => (await host.get('/me', token)).json().code ?? 'live'))
  t.strictSame(await statuses(), ['FST_WEAPP_SESSION_KICKED', 'live', 'FST_WEAPP_SESSION_KICKED'])
  t.equal(await sessions.revokeAll(userOf(host, 'alice')), 1)
  t.equal(await sessions.revokeAll(userOf(host, 'alice')), 0)
  t.strictSame(await statuses(), Array(3).fill('FST_WEAPP_SESSION_KICKED'))
  t.equal((await host.get('/me', bob.token)).statusCode, 200)
})

test('revokeAll: an unknown key ends nothing, and a whole identity is accepted', async (t) => {
  const host = await startHost(t, {
    after: (app) => {
      app.get('/elsewhere', { config: { weapp: true } }, async (request) => {
        const { session, ...user } = app.weapp.identity(request)
        return { ended: await app.weapp.sessions.revokeAll({ ...user, except: session.id }), all: await app.weapp.sessions.revokeAll({ ...user, session } as typeof user) }
      })
    }
  })
  const { sessions } = host.app.weapp
  const [{ token }, other] = [await host.signIn(), await host.signIn()]
  const misspelt = { ...userOf(host, 'alice'), execpt: await idOf(host, other.token) }
  await t.rejects(sessions.revokeAll(misspelt), { code: 'FST_WEAPP_INVALID_OPTION', message: /execpt is not a valid option/ })
  const notBoolean = { ...userOf(host, 'alice'), pendingLogins: 'false' as never }
  await t.rejects(sessions.revokeAll(notBoolean), { code: 'FST_WEAPP_INVALID_OPTION', message: /pendingLogins must be/ })
  await t.rejects(sessions.revoke({ ...notBoolean, id: 'x' }), { code: 'FST_WEAPP_INVALID_OPTION', message: /pendingLogins must be/ })
  t.equal((await sessions.list(userOf(host, 'alice'))).length, 2)
  t.strictSame((await host.get('/elsewhere', token)).json(), { ended: 1, all: 1 })
})

test('revoke: logs no value that is not an id, and survives a logger that throws', async (t) => {
  const log = captureLog()
  const host = await startHost(t, { server: log.server })
  const { sessions } = host.app.weapp
  const { token } = await host.signIn()
  t.equal(await sessions.revoke({ ...userOf(host, 'alice'), id: token }), false)
  t.equal(await sessions.revokeAll({ ...userOf(host, 'alice'), except: 'x'.repeat(900_000) }), 1)
  t.notMatch(log.text(), token)
  t.ok(log.text().length < 10_000)
  t.match(log.events().filter(({ event }) => event === 'sessions-revoked'), [{ ended: 0 }, { ended: 1 }])

  const loud = await startHost(t)
  await loud.signIn()
  t.intercept(loud.app.log, 'info', { value: () => { throw new Error('of the logger') } })
  t.equal(await loud.app.weapp.sessions.revokeAll(userOf(loud, 'alice')), 1)
})

test("revokeAll: the reason is reported until the session's expiry", async (t) => {
  const clock = freezeClock(t)
  const host = await startHost(t, { options: { session: { idle: '1h', ttl: '1d' } } })
  const { token } = await host.signIn()
  await host.app.weapp.sessions.revokeAll(userOf(host, 'alice'))
  clock.advance(3_600_000 - 1)
  assertRefused(t, await host.get('/me', token), 401, 'FST_WEAPP_SESSION_KICKED')
  clock.advance(1)
  assertRefused(t, await host.get('/me', token), 401, 'FST_WEAPP_SESSION_EXPIRED')
})

test('admin: a failing store rejects with STORE_UNAVAILABLE', async (t) => {
  const { store, instead } = faultyStore()
  const host = await startHost(t, { options: { store } })
  const { sessions } = host.app.weapp
  for (const operation of ['list', 'revoke', 'revokeAll'] as const) {
    instead(operation, async () => { throw new Error('down') })
    const outcome: Promise<unknown> = sessions[operation]({ ...userOf(host, 'alice'), ...operation === 'revoke' && { id: 'x' } } as { openid: string, id: string })
    await t.rejects(outcome as Promise<boolean>, { code: 'FST_WEAPP_STORE_UNAVAILABLE', statusCode: 503 }, operation)
  }
})
