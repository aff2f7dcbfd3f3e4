import Fastify from 'fastify'
import { test, type Test } from 'tap'
import { deriveKeys } from '../../src/crypto/seal.js'
import { createTokens, MIN_REMEMBERED_TOKENS, userIdOf, type Tokens } from '../../src/crypto/tokens.js'
import { freezeClock } from '../helpers/clock.js'
import { forge, TOKEN_HEADER, partsOf, someClaims } from '../helpers/forged-token.js'
import { APP_ID, SECRET } from '../helpers/host.js'

const OTHER_SECRET = 'another secret of the tests, long enough'
const userId = userIdOf(APP_ID, 'openid')

async function tokensOf (t: Test, ...secrets: string[]) {
  const app = Fastify()
  t.teardown(() => app.close())
  return await createTokens(app, secrets.map(deriveKeys), { max: 100, newMemo: () => ({ uses: 0 }) })
}

const verify = (tokens: Tokens, token: string) => tokens.bearer(`Bearer ${token}`, Date.now())!

test('issue: five claims, and a session id that is a digest of the secret', async (t) => {
  const tokens = await tokensOf(t, SECRET)
  const lifetime = { createdAt: Date.UTC(2026, 0, 1), expiresAt: Date.UTC(2099, 0, 1) }
  const { token, sessionId } = tokens.issue({ appId: APP_ID, userId, ...lifetime })
  const { header, claims } = partsOf(token)
  t.strictSame(header, TOKEN_HEADER)
  t.strictSame(Object.keys(claims).sort(), ['aud', 'exp', 'iat', 'jti', 'sub'])
  t.match(claims, { sub: userId, aud: APP_ID, iat: lifetime.createdAt / 1000, exp: lifetime.expiresAt / 1000, jti: /^[\w-]{43}$/ })
  t.match(sessionId, /^[\w-]{22}$/)
  t.notOk(String(claims.jti).includes(sessionId))
  t.strictSame(verify(tokens, token), { appId: APP_ID, userId, sessionId, memo: { uses: 0 } })
  t.not(tokens.issue({ appId: APP_ID, userId, ...lifetime }).sessionId, sessionId)
})

test('issue: every token has 32 random bytes of its own', async (t) => {
  const tokens = await tokensOf(t, SECRET)
  const lifetime = { createdAt: 0, expiresAt: Date.UTC(2099, 0, 1) }
  const secrets = Array.from({ length: 100 }, () => {
    const { token } = tokens.issue({ appId: APP_ID, userId, ...lifetime })
    return partsOf(token).claims.jti as string
  })
  t.equal(new Set(secrets).size, secrets.length)
  for (const secret of secrets) t.equal(Buffer.from(secret, 'base64url').length, 32)
})

test('bearer: a token is valid until its expiry', async (t) => {
  const clock = freezeClock(t)
  const tokens = await tokensOf(t, SECRET)
  const { token } = tokens.issue({ appId: APP_ID, userId, createdAt: clock.now, expiresAt: clock.now + 60_000 })
  clock.advance(60_000)
  t.equal(verify(tokens, token).userId, userId, '@fastify/jwt accepts one millisecond more than the store')
  clock.advance(1)
  t.throws(() => verify(tokens, token), { code: 'FST_WEAPP_TOKEN_EXPIRED' })
})

test('rotation: the first secret signs, all secrets verify', async (t) => {
  const [before, during, after] = [await tokensOf(t, SECRET), await tokensOf(t, OTHER_SECRET, SECRET), await tokensOf(t, OTHER_SECRET)]
  const session = { appId: APP_ID, userId, createdAt: 0, expiresAt: Date.UTC(2099, 0, 1) }
  const [old, fresh] = [before.issue(session), during.issue(session)]
  t.equal(verify(during, old.token).sessionId, old.sessionId)
  t.equal(verify(during, fresh.token).sessionId, fresh.sessionId)
  t.equal(verify(after, fresh.token).sessionId, fresh.sessionId)
  t.throws(() => verify(after, old.token), { code: 'FST_WEAPP_TOKEN_INVALID' })
  t.throws(() => verify(before, fresh.token), { code: 'FST_WEAPP_TOKEN_INVALID' })
})

test('bearer: the key id selects the one secret to verify with', async (t) => {
  const tokens = await tokensOf(t, OTHER_SECRET, SECRET)
  t.ok(verify(tokens, forge(someClaims())))
  const { kid } = deriveKeys(OTHER_SECRET)
  t.throws(() => verify(tokens, forge(someClaims(), { header: { ...TOKEN_HEADER, kid } })), { code: 'FST_WEAPP_TOKEN_INVALID' })
})

test('bearer: claims of another form are invalid even if signed', async (t) => {
  const tokens = await tokensOf(t, SECRET)
  const good = someClaims()
  t.equal(verify(tokens, forge(good)).userId, good.sub)
  for (const claims of [
    { sub: undefined }, { sub: [good.sub] }, { sub: '' }, { sub: 'x'.repeat(21) }, { sub: 'x'.repeat(23) }, { sub: `${'x'.repeat(21)}\n` },
    { jti: undefined }, { jti: [good.jti] }, { jti: 'x'.repeat(42) }, { jti: 'x'.repeat(44) }, { jti: 1 },
    { aud: undefined }, { aud: [APP_ID] }, { aud: 1 }, { exp: undefined }, { exp: '9999999999' }, { exp: null }, { exp: 1e20 }, { exp: 9999999999.5 }
  ]) {
    t.throws(() => verify(tokens, forge({ ...good, ...claims })), { code: 'FST_WEAPP_TOKEN_INVALID' }, JSON.stringify(claims))
  }
  for (const claims of ['text', '[]', '1', 'null', '']) {
    t.throws(() => verify(tokens, forge(claims)), { code: 'FST_WEAPP_TOKEN_INVALID' }, claims)
  }
})

test('bearer: malformed tokens are invalid', async (t) => {
  const tokens = await tokensOf(t, SECRET)
  const token = forge(someClaims())
  const [header, claims, signature] = token.split('.')
  for (const text of ['', '.', '..', 'a.b.c', `${header}`, `${header}x`, `${header}.`, `${header}.${claims}`, `${header}.${claims}.`, `.${claims}.${signature}`, `${token}.x`]) {
    t.throws(() => verify(tokens, text), { code: 'FST_WEAPP_TOKEN_INVALID' }, text.slice(0, 60))
  }
})

test('bearer: accepts exactly one Bearer token', async (t) => {
  const tokens = await tokensOf(t, SECRET)
  const { token } = tokens.issue({ appId: APP_ID, userId, createdAt: 0, expiresAt: Date.UTC(2099, 0, 1) })
  t.equal(tokens.bearer(undefined, Date.now()), null)
  for (const scheme of ['Bearer', 'bearer', 'BEARER']) t.equal(tokens.bearer(`${scheme} ${token}`, Date.now())!.userId, userId)
  for (const header of [
    '', 'Bearer', 'Bearer ', `Bearer  ${token}`, ` Bearer ${token}`, `Bearer ${token} `, `Bearer ${token} ${token}`, `Bearer ${token},${token}`,
    `Bearer ${token}, Bearer ${token}`, `Bearer${token}`, `Basic ${token}`, token, `Bearer é${token}`, `Bearer ${token}\n`, `Bearer ${token}=`,
    `Bearer ${token}${'x'.repeat(4096)}`
  ]) {
    for (const time of ['first', 'second']) t.throws(() => tokens.bearer(header, Date.now()), { code: 'FST_WEAPP_TOKEN_INVALID' }, `${header.slice(0, 20)} ${time}`)
  }
})

test('bearer: remembers the whole header until its expiry', async (t) => {
  const clock = freezeClock(t)
  const tokens = await tokensOf(t, SECRET)
  const header = (lives: number) => `Bearer ${tokens.issue({ appId: APP_ID, userId, createdAt: clock.now, expiresAt: clock.now + lives }).token}`
  const [long, short] = [header(2000), header(1000)]
  const known = tokens.bearer(short, Date.now())
  t.equal(tokens.bearer(short, Date.now()), known, 'the same object, with its memo')
  t.ok(tokens.bearer(long, Date.now()))
  // The last character is skipped, because some of its bits are unused.
  for (let i = 7; i < long.length - 1; i++) {
    const forged = `${long.slice(0, i)}${long[i] === 'A' ? 'B' : 'A'}${long.slice(i + 1)}`
    t.throws(() => tokens.bearer(forged, Date.now()), { code: 'FST_WEAPP_TOKEN_INVALID' }, `changed at ${i}`)
  }
  clock.advance(1001)
  t.throws(() => tokens.bearer(short, Date.now()), { code: 'FST_WEAPP_TOKEN_EXPIRED' })
  t.ok(tokens.bearer(long, Date.now()))
})

test('bearer: remembers max tokens, each with a memo of its own', async (t) => {
  t.equal(MIN_REMEMBERED_TOKENS, 20_000)
  const lifetime = { createdAt: 0, expiresAt: Date.UTC(2099, 0, 1) }
  const app = Fastify()
  t.teardown(() => app.close())
  const newMemo = () => ({ uses: 0 })
  const few = await createTokens(app, [deriveKeys(SECRET)], { max: 20_000, newMemo })
  const many = await createTokens(app, [deriveKeys(SECRET)], { max: 22_000, newMemo })
  const headers = Array.from({ length: 22_000 }, () => `Bearer ${few.issue({ appId: APP_ID, userId, ...lifetime }).token}`)
  const isRemembered = (tokens: typeof few, count: number) => {
    const [first, ...others] = headers.slice(0, count) as [string, ...string[]]
    tokens.bearer(first, Date.now())!.memo.uses = 1
    for (const other of others) {
      if (tokens.bearer(other, Date.now())!.memo.uses !== 0) t.fail('a memo is shared')
    }
    return tokens.bearer(first, Date.now())!.memo.uses === 1
  }
  t.equal(isRemembered(few, 20_000), true)
  t.equal(isRemembered(await createTokens(app, [deriveKeys(SECRET)], { max: 20_000, newMemo }), 22_000), false)
  t.equal(isRemembered(many, 22_000), true)
})

test('userIdOf: differs between users and apps and reveals neither', async (t) => {
  t.match(userId, /^[\w-]{22}$/)
  t.equal(userIdOf(APP_ID, 'openid'), userId)
  const others = [userIdOf(APP_ID, 'Openid'), userIdOf('wx', 'openid'), userIdOf('', `${APP_ID}openid`), userIdOf('a","b', 'c'), userIdOf('a', 'b","c')]
  t.equal(new Set([userId, ...others]).size, others.length + 1)
})
