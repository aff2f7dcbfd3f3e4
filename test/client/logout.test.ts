import { test } from 'tap'
import { freezeClock } from '../helpers/clock.js'
import { CODES, PAST_IDLE, deferred, startPhone } from '../helpers/phone.js'

test('logout: signs out this device, and it stays signed out', async (t) => {
  const { client, host, mini, launch, signedOut, sent } = await startPhone(t)
  const { token } = await client.login()
  await client.logout()
  t.equal(client.token, null)
  t.match((await host.get('/me', token)).json(), { code: CODES.revoked })
  sent()
  await t.rejects(client.request({ url: '/me' }), { code: CODES.revoked })
  await t.rejects(launch().client.request({ url: '/me' }), { code: CODES.revoked }, 'also after the next launch')
  await client.logout()
  t.strictSame(sent(), [])
  t.strictSame(signedOut, [], 'a logout does not call onSignedOut')
  t.equal(mini.calls.login, 1)
  await client.login()
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
})

test('logout: signs out a device that never signed in', async (t) => {
  const { client, mini, sent } = await startPhone(t)
  await client.logout()
  t.strictSame(sent(), [])
  await t.rejects(client.request({ url: '/me' }), { code: CODES.revoked })
  t.equal(mini.calls.login, 0)
})

test('logout: succeeds if the session has already ended', async (t) => {
  const clock = freezeClock(t)
  const { client, kick, sent, host, mini, launch } = await startPhone(t)
  for (const end of [
    kick, () => clock.advance(PAST_IDLE), async () => await host.post('/weapp/logout', {}, client.token!)
  ]) {
    await client.login()
    await end()
    sent()
    await client.logout()
    t.strictSame(sent(), ['POST /weapp/logout 401'])
    await t.rejects(client.request({ url: '/me' }), { code: CODES.revoked })
  }
  t.equal(mini.calls.login, 3)
  await client.login()
  await kick()
  await t.rejects(client.request({ url: '/me' }))
  await client.logout()
  await t.rejects(launch().client.request({ url: '/me' }), { code: CODES.kicked }, 'the first reason stays')
})

test('logout all: ends the sessions of all devices', async (t) => {
  const { client, host, launch, sent } = await startPhone(t)
  const other = launch({ mini: { storage: new Map() } })
  await Promise.all([client.login(), other.client.login()])
  await client.logout({ all: true })
  t.match(sent(), ['POST /weapp/login 200', 'POST /weapp/logout 204'])
  t.match((await host.get('/me', other.client.token!)).json(), { code: CODES.revoked })
  await other.client.logout({ all: true })
  await t.rejects(
    client.logout({ all: true }), { code: CODES.revoked }, 'a signed-out device cannot end the other sessions'
  )
})

test('logout all: renews an expired session, because only a live one ends the others', async (t) => {
  const clock = freezeClock(t)
  const { client, host, launch, sent, mini } = await startPhone(t)
  const other = launch({ mini: { storage: new Map() } })
  await client.login()
  clock.advance(PAST_IDLE)
  await other.client.login()
  sent()
  await client.logout({ all: true })
  t.strictSame(sent(), ['POST /weapp/logout 401', 'POST /weapp/login 200', 'POST /weapp/logout 204'])
  t.match((await host.get('/me', other.client.token!)).json(), { code: CODES.revoked })
  await t.rejects(client.request({ url: '/me' }), { code: CODES.revoked })
  t.equal(mini.calls.login, 2)
})

test('logout all: rejects after a kick, or if the new session expires at once', async (t) => {
  const { client, kick, mini } = await startPhone(t)
  await client.login()
  await kick()
  await t.rejects(client.logout({ all: true }), { code: CODES.kicked, statusCode: 401 })
  await t.rejects(client.request({ url: '/me' }), { code: CODES.revoked })

  const expiring = await startPhone(t, {
    options: { routes: { logout: false } },
    after: (app) => {
      app.post(
        '/weapp/logout', (_request, reply) => reply.code(401).header('Weapp-Error', CODES.expired).send({})
      )
    }
  })
  await t.rejects(expiring.client.logout({ all: true }), { code: CODES.expired })
  t.equal(expiring.mini.calls.login, 2)
  t.equal(mini.calls.login, 1)
})

test('logout: stays signed in if the server is unreachable', async (t) => {
  const { client, mini, host, sent } = await startPhone(t)
  const { token } = await client.login()
  mini.offline = true
  await t.rejects(client.logout(), { code: 'WEAPP_NETWORK_FAILED' })
  mini.offline = false
  t.equal(client.token, token)
  host.app.weapp.sessions.revoke = async () => false
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
  await client.logout()
  t.equal(sent().at(-1), 'POST /weapp/logout 204')
})

test('logout: rejects and stays signed in if a proxy drops the token', async (t) => {
  const { client, mini } = await startPhone(t, {
    before: (app) => app.addHook('onRequest', async ({ headers }) => { delete headers.authorization })
  })
  const { token } = await client.login()
  for (const all of [false, true]) {
    await t.rejects(client.logout({ all }), { code: 'FST_WEAPP_TOKEN_MISSING', statusCode: 401 })
    t.equal(client.token, token)
  }
  t.equal(mini.calls.login, 1)
})

test('logout: rejects if the host has no logout route', async (t) => {
  const { client } = await startPhone(t, { options: { routes: { logout: false } } })
  const { token } = await client.login()
  await t.rejects(client.logout(), { statusCode: 404, code: 'WEAPP_REFUSED' })
  t.equal(client.token, token)
})

test('logout: ends the session of a pending login', async (t) => {
  const { client, mini, host } = await startPhone(t)
  const pause = deferred()
  mini.fault({ answerDelay: pause.promise }, { path: '/weapp/login', times: 1 })
  const request = t.rejects(client.request({ url: '/me' }), { code: CODES.revoked })
  while (mini.requests.at(-1)?.statusCode !== 200) await new Promise(setImmediate)
  const logout = client.logout()
  t.equal(client.token, null)
  pause.resolve()
  await Promise.all([logout, request])
  t.equal(mini.calls.login, 1)
  t.equal(client.token, null)
  const authorization = mini.requests.find(({ path }) => path === '/weapp/logout')!.header['Authorization']
  t.match(
    (await host.app.inject({ url: '/me', headers: { authorization } })).json(), { code: CODES.revoked },
    'the session of the pending login has ended'
  )
})

test('logout: a login that waits for wx.login sends no code any more', async (t) => {
  const { client, mini, sent } = await startPhone(t)
  const pause = deferred()
  mini.fault({ delay: pause.promise }, { api: 'login', times: 1 })
  const login = t.rejects(client.login(), { code: CODES.revoked })
  const logout = client.logout()
  const next = client.login()
  pause.resolve()
  await Promise.all([login, logout, next])
  t.strictSame(sent(), ['POST /weapp/login 200'], 'a login after the logout is not affected')
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
})

test('logout: signs a new device out before a request of the same tick', async (t) => {
  const { client, mini } = await startPhone(t)
  await Promise.all([client.logout(), t.rejects(client.request({ url: '/me' }), { code: CODES.revoked })])
  t.equal(mini.calls.login, 0)
  t.equal(client.token, null)
})

test('logout: a second user who signs in meanwhile is signed out by the second logout', async (t) => {
  const { client, mini, sent } = await startPhone(t)
  await client.login()
  const pause = deferred()
  mini.fault({ delay: pause.promise }, { path: '/weapp/logout', times: 1 })
  const first = client.logout()
  await client.login()
  sent()
  const second = client.logout()
  t.equal(client.token, null)
  pause.resolve()
  await Promise.all([first, second])
  t.equal(client.token, null)
  t.equal(sent().filter((line) => line === 'POST /weapp/logout 204').length, 1)
})

test('logout: a failure does not restore the token of an earlier user', async (t) => {
  const { client, mini } = await startPhone(t)
  for (const meanwhile of ['signed in', 'signing in', 'signed out']) {
    await client.login()
    const pause = deferred()
    mini.fault({ delay: pause.promise, fail: 'interrupted' }, { path: '/weapp/logout', times: 1 })
    const logout = client.logout()
    const login = deferred()
    if (meanwhile === 'signing in') mini.fault({ delay: login.promise }, { api: 'login', times: 1 })
    const next = client.login()
    if (meanwhile !== 'signing in') await next
    if (meanwhile === 'signed out') await client.logout()
    const { token } = client
    pause.resolve()
    await t.rejects(logout, { code: 'WEAPP_NETWORK_FAILED' })
    t.equal(client.token, token, meanwhile)
    login.resolve()
    await next
  }
})

test('logout all: an expired session does not end those of a user who signs in meanwhile', async (t) => {
  const clock = freezeClock(t)
  for (const meanwhile of ['signed in', 'signing in']) {
    const { client, mini, sent } = await startPhone(t)
    await client.login()
    clock.advance(PAST_IDLE)
    const pause = deferred()
    mini.fault({ answerDelay: pause.promise }, { path: '/weapp/logout', times: 1 })
    const logout = client.logout({ all: true })
    while (mini.requests.at(-1)!.statusCode !== 401) await new Promise(setImmediate)
    const login = deferred()
    if (meanwhile === 'signing in') mini.fault({ delay: login.promise }, { api: 'login', times: 1 })
    const next = client.login()
    if (meanwhile === 'signed in') await next
    pause.resolve()
    await t.rejects(logout, { code: CODES.expired })
    login.resolve()
    await next
    t.equal((await client.request({ url: '/me' })).statusCode, 200)
    t.equal(sent().filter((line) => line.startsWith('POST /weapp/logout')).length, 1)
  }
})

test('logout all: signs in first on a device that never signed in', async (t) => {
  const { client, sent } = await startPhone(t)
  await client.logout({ all: true })
  t.strictSame(sent(), ['POST /weapp/login 200', 'POST /weapp/logout 204'])
  await t.rejects(client.request({ url: '/me' }), { code: CODES.revoked })
})

test('logout: a failure does not undo a login meanwhile', async (t) => {
  const { client, mini } = await startPhone(t)
  await client.login()
  const pause = deferred()
  mini.fault({ delay: pause.promise, fail: 'interrupted' }, { path: '/weapp/logout', times: 1 })
  const logout = client.logout()
  const { token } = await client.login()
  pause.resolve()
  await t.rejects(logout, { code: 'WEAPP_NETWORK_FAILED' })
  t.equal(client.token, token)
})

test('logout all: stays signed in if the expired session cannot be renewed', async (t) => {
  const clock = freezeClock(t)
  const { client, mini, launch, host } = await startPhone(t)
  const other = launch({ mini: { storage: new Map() } })
  await client.login()
  clock.advance(PAST_IDLE / 2)
  await other.client.login()
  clock.advance(PAST_IDLE / 2)
  mini.fault({ fail: 'timeout' }, { api: 'login', times: 1 })
  await t.rejects(client.logout({ all: true }), { code: 'WEAPP_WX_LOGIN_FAILED' })
  t.not(client.token, null)
  await client.logout({ all: true })
  t.equal(client.token, null)
  const [appId] = Object.keys(host.wechat.apps) as [string]
  t.strictSame(await host.app.weapp.sessions.list({ appId, openid: host.wechat.openid('alice') }), [])
})

test('logout: two concurrent calls share one request and its outcome', async (t) => {
  const { client, mini, sent } = await startPhone(t)
  const { token } = await client.login()
  mini.offline = true
  const outcomes = await Promise.allSettled([client.logout(), client.logout()])
  t.match(outcomes, Array(2).fill({ status: 'rejected', reason: { code: 'WEAPP_NETWORK_FAILED' } }))
  t.equal(client.token, token)
  mini.offline = false
  sent()
  await Promise.all([client.logout(), client.logout()])
  t.strictSame(sent(), ['POST /weapp/logout 204'])
  t.equal(client.token, null)
})

test('logout: concurrent calls with and without all have outcomes of their own', async (t) => {
  for (const kinds of [[{}, { all: true }], [{ all: true }, {}]]) {
    const { client } = await startPhone(t)
    await client.login()
    const outcomes = await Promise.allSettled(kinds.map((kind) => client.logout(kind)))
    t.equal(outcomes[0]?.status, 'fulfilled')
    const [second] = outcomes.slice(1)
    if (second?.status === 'rejected') t.match(second.reason, { code: CODES.revoked })
    t.equal(client.token, null)
  }
})
