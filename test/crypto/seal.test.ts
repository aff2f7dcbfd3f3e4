import { createHmac, randomBytes } from 'node:crypto'
import { test } from 'tap'
import { createSeal, deriveKeys } from '../../src/crypto/seal.js'

const USER = 'a'.repeat(22)
const OTHER = 'b'.repeat(22)
const [first, second, third] = ['first', 'second', 'third'].map((name) => deriveKeys(`${name} secret of the tests, long enough`)) as
  [ReturnType<typeof deriveKeys>, ReturnType<typeof deriveKeys>, ReturnType<typeof deriveKeys>]

const newKey = () => randomBytes(16).toString('base64')

test('seal: 64 characters, never equal, opens for its user only', async (t) => {
  const seal = createSeal([first])
  const sessionKey = newKey()
  const { sealed } = seal.seal(sessionKey, USER)
  t.match(sealed, /^[\w-]{64}$/)
  t.notOk(sealed.includes(Buffer.from(sessionKey, 'base64').toString('base64url').slice(0, 20)))
  t.not(seal.seal(sessionKey, USER).sealed, sealed)
  t.equal(seal.open(sealed, USER), sessionKey)
  t.equal(seal.open(sealed, OTHER), null)
  t.equal(seal.open(sealed, ''), null)
})

test('seal: a key that is not base64 is sealed as text', async (t) => {
  const seal = createSeal([first])
  for (const sessionKey of ['not base64!', 'YQ', 'YQ=', 'YR==', '密钥', ' ', randomBytes(32).toString('base64'), 'x'.repeat(1000)]) {
    t.equal(seal.open(seal.seal(sessionKey, USER).sealed, USER), sessionKey, sessionKey.slice(0, 20))
  }
})

test('open: a damaged seal is null', async (t) => {
  const seal = createSeal([first])
  const bytes = Buffer.from(seal.seal(newKey(), USER).sealed, 'base64url')
  for (let i = 0; i < bytes.length; i++) {
    const damaged = Buffer.from(bytes)
    damaged[i]! ^= 1
    t.equal(seal.open(damaged.toString('base64url'), USER), null, `byte ${i}`)
  }
})

test('open: a truncated or foreign seal is null', async (t) => {
  const seal = createSeal([first])
  const bytes = Buffer.from(seal.seal(newKey(), USER).sealed, 'base64url')
  for (let length = 0; length < bytes.length; length++) {
    t.equal(seal.open(bytes.subarray(0, length).toString('base64url'), USER), null, `${length} bytes`)
  }
  for (const text of ['', '!', 'null', '{}', 'A'.repeat(64)]) t.equal(seal.open(text, USER), null, text)
})

test('rotation: old seals open until their secret is retired', async (t) => {
  const before = createSeal([first])
  const during = createSeal([second, first])
  const after = createSeal([second])
  const sessionKey = newKey()
  const old = before.seal(sessionKey, USER).sealed
  const fresh = during.seal(sessionKey, USER).sealed
  t.equal(during.open(old, USER), sessionKey)
  t.equal(during.open(fresh, USER), sessionKey)
  t.equal(after.open(fresh, USER), sessionKey)
  t.equal(after.open(old, USER), null)
  t.equal(before.open(fresh, USER), null)
})

test('fingerprint: equal for one key of one user, also after a rotation', async (t) => {
  const sessionKey = newKey()
  const prints = (secrets: Parameters<typeof createSeal>[0], key = sessionKey, user = USER) => createSeal(secrets).seal(key, user).fingerprints
  const [old] = prints([first])
  t.match(old, /^[\w-]{16}$/)
  t.strictSame(prints([first]), [old], 'deterministic, unlike the seal')
  t.equal(prints([second, first])[1], old)
  t.equal(prints([second, first]).length, 2)
  t.not(prints([second, first])[0], old, 'the first fingerprint is of the new secret')
  t.equal(prints([third, second, first])[2], old)
  t.not(prints([first], newKey())[0], old)
  t.not(prints([first], sessionKey, OTHER)[0], old)
  t.notOk(prints([third, second]).includes(old))
})

test('seal: every seal has a nonce of its own', async (t) => {
  const seal = createSeal([first])
  const sessionKey = newKey()
  const nonces = Array.from({ length: 100 }, () => Buffer.from(seal.seal(sessionKey, USER).sealed, 'base64url').toString('hex', 4, 16))
  t.equal(new Set(nonces).size, 100)
})

test('fingerprint: the first 96 bits of an HMAC-SHA256 of user id and session_key', async (t) => {
  const sessionKey = newKey()
  const whole = createHmac('sha256', first.fingerprintKey).update(`${USER}:${sessionKey}`).digest('base64url')
  t.strictSame(createSeal([first]).seal(sessionKey, USER).fingerprints, [whole.slice(0, 16)])
})

test('deriveKeys: all keys of a secret differ', async (t) => {
  const values = [first, second].flatMap((keys) => Object.values(keys).map((value) => {
    if (typeof value === 'string') return Buffer.from(value, 'base64url').toString('hex')
    return (value.export?.() ?? value).toString('hex')
  }))
  t.equal(new Set(values).size, values.length)
  t.strictSame(deriveKeys('a secret'), deriveKeys('a secret'), 'deterministic')
})
