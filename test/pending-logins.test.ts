/** Logins that are in flight when sessions of their user are ended. */
import { test, type Test } from 'tap'
import { assertRefused } from './helpers/assert-refused.js'
import { freezeClock, HOUR } from './helpers/clock.js'
import { deferred } from './helpers/deferred.js'
import { startHost, type Host } from './helpers/host.js'
import { captureLog } from './helpers/log.js'

interface PendingHost extends Host {
  log: ReturnType<typeof captureLog>
  alice: { openid: string }
  /** Begins a login of alice, ends sessions while `onLogin` runs, and returns the response to the login. */
  logInWhile (token: string | null, end: () => Promise<unknown>): ReturnType<Host['post']>
}

async function startPendingHost (t: Test): Promise<PendingHost> {
  const log = captureLog()
  let whileLoggingIn: (() => Promise<void>) | null = null
  const host = await startHost(t, {
    server: log.server,
    options: { session: { limit: 2 }, onLogin: async () => { await whileLoggingIn?.() } }
  })
  return {
    ...host,
    log,
    alice: { openid: host.wechat.openid('alice') },
    async logInWhile (token, end) {
      const [entered, ended] = [deferred(), deferred()]
      whileLoggingIn = async () => {
        entered.resolve()
        await ended.promise
      }
      const login = host.post('/weapp/login', { code: host.wechat.login('alice') }, token ?? undefined)
      await entered.promise
      whileLoggingIn = null
      await end()
      ended.resolve()
      return await login
    }
  }
}

test('T55: revokeAll: refuses a pending login of the user, but not the next', async (t) => {
  const { app, alice, log, ...host } = await startPendingHost(t)
  const login = await host.logInWhile(null, async () => {
    t.equal(await app.weapp.sessions.revokeAll(alice), 0, 'no session yet')
  })
  assertRefused(t, login, 401, 'FST_WEAPP_SESSION_KICKED')
  t.match(log.events().at(-1), { event: 'login-failed', code: 'FST_WEAPP_SESSION_KICKED' })
  t.strictSame(await app.weapp.sessions.list(alice), [])
  const { token } = await host.signIn()
  t.equal((await host.get('/me', token)).statusCode, 200)
})

test('T55: revoke: refuses a pending login with the session, but not the next', async (t) => {
  const { app, alice, ...host } = await startPendingHost(t)
  const { token } = await host.signIn()
  const [session] = await app.weapp.sessions.list(alice)
  const kick = async () => t.equal(await app.weapp.sessions.revoke({ ...alice, id: session!.id }), true)
  assertRefused(t, await host.logInWhile(token, kick), 401, 'FST_WEAPP_SESSION_KICKED')
  t.strictSame(await app.weapp.sessions.list(alice), [])
  assertRefused(t, await host.get('/me', token), 401, 'FST_WEAPP_SESSION_KICKED')
  const next = await host.signIn('alice', { authorization: `Bearer ${token}` })
  t.equal((await host.get('/me', next.token)).statusCode, 200)
})

test('revoke: refuses no login without pendingLogins, or of another phone', async (t) => {
  const { app, alice, ...host } = await startPendingHost(t)
  const { token } = await host.signIn()
  const [session] = await app.weapp.sessions.list(alice)
  const kick = async () => await app.weapp.sessions.revoke({ ...alice, id: session!.id, pendingLogins: false })
  t.equal((await host.logInWhile(token, kick)).statusCode, 200)
  const [other] = await app.weapp.sessions.list(alice)
  const login = await host.logInWhile(null, async () => await app.weapp.sessions.revoke({ ...alice, id: other!.id }))
  t.equal(login.statusCode, 200)
})

test('T55: logout: refuses a pending login that brings the session', async (t) => {
  const { alice, app, ...host } = await startPendingHost(t)
  const { token } = await host.signIn()
  const login = await host.logInWhile(token, async () => await host.post('/weapp/logout', undefined, token))
  assertRefused(t, login, 401, 'FST_WEAPP_SESSION_REVOKED')
  t.strictSame(await app.weapp.sessions.list(alice), [])
})

test('T55: logout?all=true: refuses every pending login of the user', async (t) => {
  const { alice, app, ...host } = await startPendingHost(t)
  const { token } = await host.signIn()
  const login = await host.logInWhile(null, async () => await host.post('/weapp/logout?all=true', undefined, token))
  assertRefused(t, login, 401, 'FST_WEAPP_SESSION_REVOKED')
  t.strictSame(await app.weapp.sessions.list(alice), [])
  await host.signIn()
})

test('T55: limit: refuses a pending login with a session that it ended', async (t) => {
  const host = await startPendingHost(t)
  const { token } = await host.signIn()
  const login = await host.logInWhile(token, async () => [await host.signIn(), await host.signIn()])
  assertRefused(t, login, 401, 'FST_WEAPP_SESSION_REPLACED')
})

test('T55: the clock of the machine decides nothing: half an hour ahead or behind', async (t) => {
  const clock = freezeClock(t)
  for (const skew of [HOUR / 2, -HOUR / 2]) {
    const { app, alice, ...host } = await startPendingHost(t)
    const login = await host.logInWhile(null, async () => {
      clock.advance(skew)
      await app.weapp.sessions.revokeAll(alice)
      clock.advance(-2 * skew)
    })
    assertRefused(t, login, 401, 'FST_WEAPP_SESSION_KICKED')
    await host.signIn()
    clock.advance(skew)
  }
})
