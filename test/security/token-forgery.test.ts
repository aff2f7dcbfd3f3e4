import { createHash, randomBytes } from 'node:crypto'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { test, type Test } from 'tap'
import { redisStore } from '../../src/index.js'
import { deriveKeys } from '../../src/crypto/seal.js'
import { createTokens } from '../../src/crypto/tokens.js'
import { freezeClock } from '../helpers/clock.js'
import { faultyStore } from '../helpers/faulty-store.js'
import { TOKEN_HEADER, encode, forge, partsOf, someClaims } from '../helpers/forged-token.js'
import { redisUrl, uniquePrefix } from '../helpers/redis.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { APP_ID, SECRET, startHost } from '../helpers/host.js'

test('T1: the jti is 32 random bytes, never repeated', async (t) => {
  const ISSUED = 100_000
  const tokens = await createTokens(Fastify(), [deriveKeys(SECRET)], { max: 10, newMemo: () => null })
  const seen = new Set<string>()
  const atPosition = Array.from({ length: 43 }, () => new Set<string>())
  let malformed = 0
  for (let i = 0; i < ISSUED; i++) {
    const { token } = tokens.issue({ appId: APP_ID, userId: 'u'.repeat(22), createdAt: 0, expiresAt: 1000 })
    const { jti } = partsOf(token).claims as { jti: string }
    if (!/^[\w-]{43}$/.test(jti) || Buffer.from(jti, 'base64url').length !== 32) malformed++
    seen.add(jti)
    for (let at = 0; at < 43; at++) atPosition[at]?.add(jti[at]!)
  }
  t.equal(malformed, 0, '43 characters of base64url')
  t.equal(seen.size, ISSUED, 'no duplicate')
  t.strictSame(atPosition.map(({ size }) => size), [...Array.from({ length: 42 }, () => 64), 16], 'every bit varies: it is no UUID')
})

test('T2: the store receives neither token nor jti', async (t) => {
  const { store, calls } = faultyStore()
  const { signIn, get, post } = await startHost(t, { options: { store } })
  const { token } = await signIn()
  await get('/me', token)
  await get('/weapp/session', token)
  await post('/weapp/logout', undefined, token)
  t.ok(calls.length >= 5)
  assertAbsent(t, token, JSON.stringify(calls))
})

test('T2: the contents of Redis grant no access', async (t) => {
  const prefix = uniquePrefix()
  const client = new Redis(await redisUrl(t))
  t.teardown(() => client.quit())
  const { signIn, get, wechat } = await startHost(t, { options: { store: redisStore({ client, prefix }) } })
  const { token } = await signIn()
  t.equal((await get('/me', token)).statusCode, 200)

  const keys = (await client.keys(`${prefix}*`))
  t.equal(keys.length, 1)
  const dump = JSON.stringify([keys, await Promise.all(keys.map((key) => client.hgetall(key)))])
  assertAbsent(t, token, dump)
  t.notMatch(dump, wechat.sessionKey('alice'))
  t.match(dump, wechat.openid('alice'), 'the dump of this login')
})

function assertAbsent (t: Test, token: string, dump: string): void {
  const { claims, signature } = partsOf(token)
  for (const secret of [token, signature, claims.jti as string]) t.notOk(dump.includes(secret), 'not in the store')
  t.notOk(dump.includes(Buffer.from(claims.jti as string, 'base64url').toString('hex')))
}

test("T2: the signing secret grants no access, even with the store's contents", async (t) => {
  const { app, signIn, wechat, get } = await startHost(t)
  const { token } = await signIn()
  const { claims } = partsOf(token)
  const [session] = await app.weapp.sessions.list({ appId: APP_ID, openid: wechat.openid('alice') })
  const sha256 = createHash('sha256').update(claims.jti as string).digest('base64url')
  t.equal(session?.id, sha256.slice(0, 22), 'what the store knows is a digest')

  for (const jti of [sha256, session!.id.padEnd(43, 'A'), randomBytes(32).toString('base64url')]) {
    assertRefused(t, await get('/me', forge({ ...claims, jti })), 401, 'FST_WEAPP_SESSION_EXPIRED')
  }
  t.equal((await get('/me', forge(claims))).statusCode, 200, 'the forgery itself is good: only the jti was missing')
})

test('T3: a token reveals nothing of WeChat', async (t) => {
  const clock = freezeClock(t)
  const { signIn, wechat } = await startHost(t, {
    simulator: { openPlatform: true }, options: { onLogin: () => ({ data: { account: 'canary-of-data' }, label: 'canary-of-label' }) }
  })
  const { token } = await signIn()
  const { header, claims } = partsOf(token)
  t.strictSame(Object.keys(header).sort(), ['alg', 'kid', 'typ'])
  t.strictSame(Object.keys(claims).sort(), ['aud', 'exp', 'iat', 'jti', 'sub'])
  const openid = wechat.openid('alice')
  const sub = createHash('sha256').update(JSON.stringify([APP_ID, openid])).digest('base64url').slice(0, 22)
  t.match(claims, { sub, aud: APP_ID, iat: clock.now / 1000, exp: clock.now / 1000 + 30 * 24 * 3600 })
  const text = JSON.stringify([header, claims])
  for (const canary of [openid, wechat.unionid('alice'), wechat.sessionKey('alice'), 'canary']) t.notOk(text.includes(canary))
})

test('T4: a token is accepted in the Authorization header only', async (t) => {
  const { app, signIn, get } = await startHost(t, {
    after: (app) => app.post('/guarded', { config: { weapp: true } }, async () => 'served')
  })
  const { token } = await signIn()
  for (const name of ['token', 'access_token', 'authorization', 'Authorization', 'bearer', 'jwt']) {
    assertRefused(t, await get(`/me?${name}=${token}`), 401, 'FST_WEAPP_TOKEN_MISSING')
    assertRefused(t, await get(`/me?${name}=Bearer%20${token}`), 401, 'FST_WEAPP_TOKEN_MISSING')
    for (const value of [token, `Bearer ${token}`]) {
      const body = await app.inject({ method: 'POST', url: '/guarded', payload: { [name]: value } })
      assertRefused(t, body, 401, 'FST_WEAPP_TOKEN_MISSING')
      const cookie = await app.inject({ url: '/me', headers: { cookie: `${name}=${encodeURIComponent(value)}` } })
      assertRefused(t, cookie, 401, 'FST_WEAPP_TOKEN_MISSING')
    }
  }
  for (const name of ['x-access-token', 'x-token', 'token', 'proxy-authorization', 'x-authorization', 'sec-websocket-protocol']) {
    assertRefused(t, await app.inject({ url: '/me', headers: { [name]: `Bearer ${token}` } }), 401, 'FST_WEAPP_TOKEN_MISSING')
  }
})

test('T5: a malformed Authorization header is refused without a read', async (t) => {
  const { store, asked } = faultyStore()
  const { app, signIn } = await startHost(t, { options: { store } })
  const { token } = await signIn()
  const bad = [
    '', ' ', 'Bearer', 'Bearer ', token, `Basic ${token}`, `Bearer ${token},`, `Bearer ${token},Bearer ${token}`,
    `Bearer ${token}, Bearer ${token}`, `Bearer ${token} ${token}`, `Bearer ${token} `, ` Bearer ${token}`, `Bearer "${token}"`,
    `Bearer\t${token}`, `Bearer ${token}\u00e9`, `Bearer ${token}=`, `Bearer token=${token}`, `Bearer ${token}\0`, `Bearer ${token}\n`,
    `Bearer ${token}.`, `Bearer .${token}`, 'Bearer .', 'Bearer ..', 'Bearer a.b', 'Bearer a.b.c', 'Bearer undefined', 'Bearer null',
    `Bearer ${'a'.repeat(4090)}`, `Bearer ${token}${'a'.repeat(8000)}`, `Bearer ${'a.'.repeat(3000)}`
  ]
  for (const authorization of bad) {
    assertRefused(t, await app.inject({ url: '/me', headers: { authorization } }), 401, 'FST_WEAPP_TOKEN_INVALID')
  }
  t.equal(asked('read'), 0)
})

test('T6: the challenge has a fixed realm and reports an invalid token', async (t) => {
  const { app, get } = await startHost(t)
  const challenge = async (headers: Record<string, string>) => (await app.inject({ url: '/me', headers })).headers['www-authenticate']
  t.equal(await challenge({}), 'Bearer realm="fastify-weapp"')
  t.equal(await challenge({ host: 'evil.example"', 'x-forwarded-host': 'evil.example' }), 'Bearer realm="fastify-weapp"')
  t.equal(await challenge({ authorization: 'Bearer x' }), 'Bearer realm="fastify-weapp", error="invalid_token"')
  assertRefused(t, await get('/me', forge({ ...someClaims(), exp: 1 })), 401, 'FST_WEAPP_TOKEN_EXPIRED')
  assertRefused(t, await get('/me', forge(someClaims())), 401, 'FST_WEAPP_SESSION_EXPIRED')
})

test('T7: the scheme is case-insensitive, followed by one space', async (t) => {
  const { app, signIn } = await startHost(t)
  const { token } = await signIn()
  for (const scheme of ['Bearer', 'bearer', 'BEARER', 'bEaReR']) {
    t.equal((await app.inject({ url: '/me', headers: { authorization: `${scheme} ${token}` } })).statusCode, 200, scheme)
  }
  for (const before of ['Bearer  ', 'Bearer', 'BearerX ', 'Bearer:', 'Bearer: ', 'Bear ', 'Token ', '']) {
    assertRefused(t, await app.inject({ url: '/me', headers: { authorization: before + token } }), 401, 'FST_WEAPP_TOKEN_INVALID')
  }
})

test('T24: a signed token without a session grants no access', async (t) => {
  const { store, calls } = faultyStore()
  const { get } = await startHost(t, { options: { store } })
  assertRefused(t, await get('/me', forge(someClaims())), 401, 'FST_WEAPP_SESSION_EXPIRED')
  t.strictSame((await get('/feed', forge(someClaims()))).json(), { openid: null })
  t.strictSame(calls.map(({ operation }) => operation), ['read', 'read'])
})

test('T38: two apps with one store, secret and openid never mix', async (t) => {
  const { store } = faultyStore()
  const options = { store, session: { limit: 1 } }
  const first = await startHost(t, { options: { ...options, onLogin: () => ({ label: 'first' }) } })
  const second = await startHost(t, {
    options: { ...options, appId: 'wx2222222222222222', onLogin: () => ({ label: 'second' }) },
    simulator: { apps: { wx2222222222222222: 'canary-of-the-app-secret' } }
  })
  const body = JSON.stringify({ openid: 'o-of-both', session_key: 'k' })
  first.wechat.fault({ body })
  second.wechat.fault({ body })
  const tokens = [(await first.signIn()).token, (await second.signIn()).token] as const
  t.equal((await first.get('/me', tokens[0])).statusCode, 200, 'not replaced by the other login')
  t.equal((await second.get('/me', tokens[1])).statusCode, 200)
  assertRefused(t, await first.get('/me', tokens[1]), 401, 'FST_WEAPP_TOKEN_INVALID')
  assertRefused(t, await second.get('/me', tokens[0]), 401, 'FST_WEAPP_TOKEN_INVALID')
  assertRefused(t, await second.post('/weapp/logout?all=true', undefined, tokens[0]), 401, 'FST_WEAPP_TOKEN_INVALID')
  t.match((await first.get('/weapp/session', tokens[0])).json().sessions, { length: 1, 0: { label: 'first' } })

  await second.app.weapp.sessions.revokeAll({ appId: 'wx2222222222222222', openid: 'o-of-both' })
  t.equal((await first.get('/me', tokens[0])).statusCode, 200)
  assertRefused(t, await second.get('/me', tokens[1]), 401, 'FST_WEAPP_SESSION_KICKED')
})

test('T50: only HS256 under a configured secret is accepted', async (t) => {
  const { store, asked } = faultyStore()
  const { signIn, get } = await startHost(t, { options: { store } })
  const { token } = await signIn()
  const { claims, signature } = partsOf(token)
  const [head = '', payload = ''] = token.split('.')
  const { signingKey, kid } = deriveKeys(SECRET)
  const other = deriveKeys('another secret, and quite as long as the first')

  t.equal((await get('/me', forge(claims))).statusCode, 200, 'the unchanged token is accepted')
  const reads = asked('read')
  const header = (parts: unknown) => forge(claims, { header: parts })
  const forged = {
    'alg none': `${encode({ ...TOKEN_HEADER, alg: 'none' })}.${payload}.`,
    'alg None, signed': header({ ...TOKEN_HEADER, alg: 'None' }),
    'no signature': `${head}.${payload}.`,
    'no signature part': `${head}.${payload}`,
    'a signature cut short': `${head}.${payload}.${signature.slice(0, -1)}`,
    'a signature and more': `${token}A`,
    'a fourth part': `${token}.${signature}`,
    'another signature': `${head}.${payload}.${(signature.startsWith('A') ? 'B' : 'A') + signature.slice(1)}`,
    'other claims under the signature': `${head}.${encode({ ...claims, sub: 'x'.repeat(22) })}.${signature}`,
    'another key': forge(claims, { key: other.signingKey }),
    'another key and its kid': forge(claims, { key: other.signingKey, header: { ...TOKEN_HEADER, kid: other.kid } }),
    'an empty key': forge(claims, { key: '' }),
    'the secret itself as key': forge(claims, { key: SECRET }),
    'the key as text': forge(claims, { key: signingKey.toString('base64') }),
    HS512: forge(claims, { header: { ...TOKEN_HEADER, alg: 'HS512' }, hash: 'sha512' }),
    RS256: header({ ...TOKEN_HEADER, alg: 'RS256' }),
    'another kid': header({ ...TOKEN_HEADER, kid: 'AAAAAAAA' }),
    'no kid': header({ alg: 'HS256', typ: 'JWT' }),
    'an array of kids': header({ ...TOKEN_HEADER, kid: [kid] }),
    'another typ': header({ ...TOKEN_HEADER, typ: 'at+jwt' }),
    crit: header({ ...TOKEN_HEADER, crit: ['exp'] }),
    'a key in the header': header({ ...TOKEN_HEADER, jwk: { kty: 'oct', k: signingKey.toString('base64url') } }),
    'the header in another order': header({ kid, typ: 'JWT', alg: 'HS256' }),
    'a header that is no object': header('[]')
  }
  for (const [name, bad] of Object.entries(forged)) {
    await t.test(name, async (t) => assertRefused(t, await get('/me', bad), 401, 'FST_WEAPP_TOKEN_INVALID'))
  }
  t.equal(asked('read'), reads, 'no read')
})

test('T50: claims must be present and of the exact form', async (t) => {
  const clock = freezeClock(t)
  const { store, asked } = faultyStore()
  const { get } = await startHost(t, { options: { store } })
  const good = someClaims()
  const now = clock.now / 1000
  assertRefused(t, await get('/me', forge(good)), 401, 'FST_WEAPP_SESSION_EXPIRED')
  const reads = asked('read')

  const wrong: Record<string, unknown[]> = {
    exp: [undefined, null, '', String(now + 60), [now + 60], {}, true, NaN],
    aud: [undefined, null, '', [APP_ID], [], {}, 0, true, `${APP_ID} `, APP_ID.toUpperCase(), 'wx2222222222222222', '__proto__', 'constructor'],
    sub: [undefined, null, '', 0, {}, [good.sub], 'x'.repeat(21), 'x'.repeat(23), `${'x'.repeat(21)}*`, `${'x'.repeat(22)}\n`],
    jti: [undefined, null, '', 0, {}, [good.jti], 'x'.repeat(42), 'x'.repeat(44), `${'x'.repeat(42)}=`, `${'x'.repeat(43)}\n`]
  }
  for (const [claim, values] of Object.entries(wrong)) {
    for (const value of values) {
      const bad = forge({ ...good, [claim]: value })
      await t.test(`${claim} ${JSON.stringify(value)}`, async (t) => assertRefused(t, await get('/me', bad), 401, 'FST_WEAPP_TOKEN_INVALID'))
    }
  }
  for (const payload of ['[]', '"text"', 'null', '0', '', '{', `[${JSON.stringify(good)}]`]) {
    await t.test(`payload ${payload}`, async (t) => assertRefused(t, await get('/me', forge(payload)), 401, 'FST_WEAPP_TOKEN_INVALID'))
  }
  for (const exp of [now - 1, 0, -1]) assertRefused(t, await get('/me', forge({ ...good, exp })), 401, 'FST_WEAPP_TOKEN_EXPIRED')
  assertRefused(t, await get('/me', forge({ ...good, exp: now - 1 }, { key: 'x' })), 401, 'FST_WEAPP_TOKEN_INVALID')
  t.equal(asked('read'), reads, 'no clock tolerance, and no read')
})

test('T50: an audience that is not a string is not looked up', async (t) => {
  const asked: unknown[] = []
  const { get } = await startHost(t, {
    options: {
      appId: undefined as never,
      appSecret: undefined as never,
      selectApp: () => APP_ID,
      apps (appId) {
        asked.push(appId)
        return 'a secret for any app id'
      }
    }
  })
  for (const aud of [[APP_ID], [], {}, 0, true, null]) {
    assertRefused(t, await get('/me', forge({ ...someClaims(), aud })), 401, 'FST_WEAPP_TOKEN_INVALID')
  }
  t.strictSame(asked, [])
  assertRefused(t, await get('/me', forge(someClaims())), 401, 'FST_WEAPP_SESSION_EXPIRED')
  t.strictSame(asked, [APP_ID])
})

test('T50: a secret must have 32 bytes', async (t) => {
  for (const secret of ['', 'x'.repeat(31), ' '.repeat(40), `${' '.repeat(20)}${'x'.repeat(31)}`, ['x'.repeat(31)], [], undefined, null, 5, {}]) {
    const options = { options: { secret: secret as string } }
    await t.rejects(startHost(t, options), { code: 'FST_WEAPP_INVALID_OPTION', message: /option secret / }, JSON.stringify(secret))
  }
  const { signIn } = await startHost(t, { options: { secret: 'ü'.repeat(16) } })
  await signIn()
})

test('T50: secrets rotate, and a retired secret verifies nothing', async (t) => {
  const { store } = faultyStore()
  const old = 'an older secret that is quite long enough'
  const before = await startHost(t, { options: { store, secret: old } })
  const rotated = await startHost(t, { options: { store, secret: [SECRET, old] } })
  const after = await startHost(t, { options: { store } })
  const { token } = await before.signIn()
  t.equal((await rotated.get('/me', token)).statusCode, 200)
  assertRefused(t, await after.get('/me', token), 401, 'FST_WEAPP_TOKEN_INVALID')
  const { token: newer } = await rotated.signIn()
  t.equal((await after.get('/me', newer)).statusCode, 200, 'the first secret signs')
})
