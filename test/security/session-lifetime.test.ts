import { test } from 'tap'
import { freezeClock, HOUR, MINUTE } from '../helpers/clock.js'
import { faultyStore } from '../helpers/faulty-store.js'
import { partsOf } from '../helpers/forged-token.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { APP_ID, startHost } from '../helpers/host.js'

test('T23: every login issues a new token and ends the one that it replaces', async (t) => {
  const { app, wechat, signIn, get } = await startHost(t)
  const { token } = await signIn()
  const { token: next } = await signIn('alice', { authorization: `Bearer ${token}` })
  const { token: third } = await signIn()
  t.equal(new Set([token, next, third]).size, 3)
  t.equal(new Set([token, next, third].map((text) => partsOf(text).claims.jti)).size, 3)
  t.equal((await get('/me', token)).statusCode, 401, 'the replaced one')
  t.equal((await get('/me', next)).statusCode, 200)
  t.equal((await get('/me', third)).statusCode, 200)
  t.equal((await app.weapp.sessions.list({ appId: APP_ID, openid: wechat.openid('alice') })).length, 2)
})

test("T23: an attacker's token in a victim's login is not adopted", async (t) => {
  const { store, calls } = faultyStore()
  const { wechat, signIn, get } = await startHost(t, { options: { store } })
  const { token: attacker } = await signIn('mallory')
  const { token: victim } = await signIn('alice', { authorization: `Bearer ${attacker}` })
  t.not(victim, attacker)
  t.match(calls.at(-1), { operation: 'create', input: { replaces: null } }, 'the store does not receive it')
  t.strictSame((await get('/me', attacker)).json(), { openid: wechat.openid('mallory') })
  t.strictSame((await get('/me', victim)).json(), { openid: wechat.openid('alice') })
})

test('T23: a login adopts no token and no id from its request', async (t) => {
  const { app, wechat } = await startHost(t)
  const { token: old } = (await app.inject({ method: 'POST', url: '/weapp/login', payload: { code: wechat.login('alice') } })).json()
  for (const authorization of ['Bearer x', 'Basic x', '', `Bearer ${old}x`, 'Bearer ' + 'x'.repeat(9000)]) {
    const response = await app.inject({
      method: 'POST',
      url: `/weapp/login?token=${old}`,
      headers: { authorization, cookie: `token=${old}` },
      payload: { code: wechat.login('alice'), token: old, id: 'fixed', jti: 'fixed' }
    })
    t.equal(response.statusCode, 200)
    t.not(response.json().token, old)
    t.not(partsOf(response.json().token).claims.jti, partsOf(old).claims.jti)
  }
})

test('T23: a failed login leaves the old session unchanged', async (t) => {
  const { app, get, signIn } = await startHost(t)
  const { token } = await signIn()
  const response = await app.inject({
    method: 'POST', url: '/weapp/login', headers: { authorization: `Bearer ${token}` }, payload: { code: 'unknown' }
  })
  t.equal(response.statusCode, 401)
  t.equal((await get('/me', token)).statusCode, 200)
})

test('T25: an unused session expires on the server', async (t) => {
  const clock = freezeClock(t)
  const { signIn, get } = await startHost(t, { options: { session: { ttl: '10h', idle: '1h' } } })
  const unused = await signIn('alice')
  const used = await signIn('bob')
  clock.advance(HOUR - 1)
  t.equal((await get('/me', used.token)).statusCode, 200, 'the last millisecond')
  clock.advance(1)
  assertRefused(t, await get('/me', unused.token), 401, 'FST_WEAPP_SESSION_EXPIRED')
  t.equal((await get('/me', used.token)).statusCode, 200)
})

test('T25: lives 19/20 to 20/20 of idle after its last use', async (t) => {
  const idle = 20 * MINUTE
  for (const usedAfter of [0, 1, MINUTE - 1, MINUTE, MINUTE + 1, 10 * MINUTE + 17, 20 * MINUTE - 1]) {
    await t.test(`used after ${usedAfter} ms`, async (t) => {
      const clock = freezeClock(t)
      const { signIn, get } = await startHost(t, { options: { session: { ttl: '10h', idle } } })
      const [first, second] = [await signIn('alice'), await signIn('bob')]
      clock.advance(usedAfter)
      t.equal((await get('/me', first.token)).statusCode, 200)
      t.equal((await get('/me', second.token)).statusCode, 200)
      clock.advance(idle * 19 / 20 - 1)
      t.equal((await get('/me', first.token)).statusCode, 200, '19/20 of idle, less a millisecond')
      clock.advance(idle / 20 + 1)
      assertRefused(t, await get('/me', second.token), 401, 'FST_WEAPP_SESSION_EXPIRED')
    })
  }
})

test('T25: touches at most once per twentieth of idle', async (t) => {
  const clock = freezeClock(t)
  const { store, asked } = faultyStore()
  const { signIn, get } = await startHost(t, { options: { store, session: { ttl: '10h', idle: '20m' } } })
  const { token } = await signIn()
  for (let i = 0; i < 5; i++) await get('/me', token)
  clock.advance(MINUTE - 1)
  await get('/me', token)
  t.equal(asked('touch'), 0)
  clock.advance(1)
  for (let i = 0; i < 5; i++) await get('/me', token)
  t.equal(asked('touch'), 1)
})

test('T26: activity does not extend the absolute expiry', async (t) => {
  const clock = freezeClock(t)
  const { store, calls } = faultyStore()
  const ttl = 2 * HOUR
  const { signIn, get } = await startHost(t, { options: { store, session: { ttl, idle: '30m' } } })
  const { token, expiresIn, expiresAt } = await signIn()
  t.equal(expiresIn, ttl / 1000)
  t.equal(expiresAt, clock.now + ttl)
  const end = expiresAt
  while (clock.now < end - MINUTE) {
    clock.advance(MINUTE)
    if ((await get('/me', token)).statusCode !== 200) t.fail(`ended at ${clock.now - end}`)
    const { expiresAt, idleExpiresAt } = (await get('/weapp/session', token)).json()
    if (expiresAt !== end || idleExpiresAt > end) t.fail('it was extended')
  }
  clock.advance(MINUTE - 1)
  t.equal((await get('/me', token)).statusCode, 200, 'the last millisecond')
  clock.advance(1)
  t.equal((await get('/me', token)).statusCode, 401, 'the end')
  clock.advance(1)
  assertRefused(t, await get('/me', token), 401, 'FST_WEAPP_TOKEN_EXPIRED')
  const ends = calls.filter(({ operation }) => operation === 'touch').map(({ input }) => (input as { idleExpiresAt: number }).idleExpiresAt)
  t.ok(ends.length > 10)
  t.ok(ends.every((idleEnd) => idleEnd <= end), 'no touch goes beyond the absolute expiry')
})

test('T26: session and token expire at the same whole second', async (t) => {
  const clock = freezeClock(t)
  clock.advance(789)
  const { signIn, get } = await startHost(t, { options: { session: { ttl: 2500, idle: false } } })
  const { token, expiresIn, expiresAt } = await signIn()
  t.equal(expiresAt, clock.now - 789 + 2000)
  t.equal(expiresIn, 2)
  t.equal(partsOf(token).claims.exp, expiresAt / 1000)
  clock.advance(2000 - 789 - 1)
  t.equal((await get('/me', token)).statusCode, 200)
  clock.advance(1)
  t.equal((await get('/me', token)).statusCode, 401)
})

test('T28: a logout ends the session on the server for good', async (t) => {
  const clock = freezeClock(t)
  const { signIn, get, post } = await startHost(t)
  const { token } = await signIn()
  const { token: other } = await signIn()
  const gone = await post('/weapp/logout', undefined, token)
  t.equal(gone.statusCode, 204)
  t.equal(gone.body, '')
  assertRefused(t, await get('/me', token), 401, 'FST_WEAPP_SESSION_REVOKED')
  assertRefused(t, await post('/weapp/logout', undefined, token), 401, 'FST_WEAPP_SESSION_REVOKED')
  assertRefused(t, await post('/weapp/logout?all=true', undefined, token), 401, 'FST_WEAPP_SESSION_REVOKED')
  t.equal((await get('/me', other)).statusCode, 200, 'the other device stays')
  clock.advance(24 * HOUR)
  assertRefused(t, await get('/me', token), 401, 'FST_WEAPP_SESSION_REVOKED')
})

test("T28: a logout requires a live token and ends no other user's session", async (t) => {
  const { signIn, get, post, app } = await startHost(t)
  const { token: alice } = await signIn('alice')
  const { token: bob } = await signIn('bob')
  assertRefused(t, await post('/weapp/logout'), 401, 'FST_WEAPP_TOKEN_MISSING')
  assertRefused(t, await post('/weapp/logout', undefined, 'nonsense'), 401, 'FST_WEAPP_TOKEN_INVALID')
  const { id } = (await get('/weapp/session', alice)).json()
  const lying = await app.inject({
    method: 'POST', url: `/weapp/logout?all=true&id=${id}&openid=x`, headers: { authorization: `Bearer ${bob}` }, payload: { id, token: alice }
  })
  t.equal(lying.statusCode, 204)
  t.equal((await get('/me', alice)).statusCode, 200)
  assertRefused(t, await get('/me', bob), 401, 'FST_WEAPP_SESSION_REVOKED')
})

test('T28: ?all=true ends every session; values but true and false are refused', async (t) => {
  const { signIn, get, post } = await startHost(t)
  const tokens = [(await signIn()).token, (await signIn()).token, (await signIn()).token]
  const { token: bob } = await signIn('bob')
  for (const all of ['1', 'yes', 'TRUE', '', 'true&all=true']) {
    t.equal((await post(`/weapp/logout?all=${all}`, undefined, tokens[0])).statusCode, 400, all)
  }
  t.equal((await post('/weapp/logout?all=false', undefined, tokens[0])).statusCode, 204)
  t.equal((await get('/me', tokens[1])).statusCode, 200)
  t.equal((await post('/weapp/logout?all=true', undefined, tokens[1])).statusCode, 204)
  for (const token of tokens) assertRefused(t, await get('/me', token), 401, 'FST_WEAPP_SESSION_REVOKED')
  t.equal((await get('/me', bob)).statusCode, 200)
})
