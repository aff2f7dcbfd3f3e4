import { createCipheriv, createHash, createHmac, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test, type Test } from 'tap'
import { encryptUserData } from '../../src/testing/simulator/crypto.js'
import {
  decryptUserData as decryptOrReason, isSignatureOf, signWithSessionKey
} from '../../src/wechat/user-data.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { APP_SECRET, startHost } from '../helpers/host.js'

const vectors = JSON.parse(readFileSync(new URL('../fixtures/vectors.json', import.meta.url), 'utf8'))
const [OFFICIAL] = vectors.decrypt
const [{ rawData: RAW_DATA, sessionKey: RAW_KEY, signature: RAW_SIGNATURE }] = vectors.rawDataSignature
const { appId: APP, sessionKey: KEY, iv: IV, encryptedData: DATA } = OFFICIAL as {
  appId: string, sessionKey: string, iv: string, encryptedData: string
}
const OPENID: string = OFFICIAL.expected.openId
const WATERMARK = { appid: APP, timestamp: 1477314187 }
const MAX_BASE64_LENGTH = 64 * 1024

/** Values that a phone may send, and the session_key of its session. */
interface Sent {
  appId?: unknown
  sessionKey?: unknown
  iv?: unknown
  encryptedData?: unknown
}

/** Returns the data, or null without the reason. */
function decryptUserData (...args: Parameters<typeof decryptOrReason>) {
  const result = decryptOrReason(...args)
  return typeof result === 'string' ? null : result
}

function decrypt ({ appId = APP, sessionKey = KEY, iv = IV, encryptedData = DATA }: Sent = {}) {
  return decryptUserData(sessionKey as string, appId as string, { encryptedData, iv })
}

/** Encrypts data as WeChat does, under the official key and iv. */
function encrypted (value: unknown): { encryptedData: string } {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return { encryptedData: encryptUserData(text, KEY, Buffer.from(IV, 'base64')).encryptedData }
}

/** Encrypts bytes that already contain the padding. */
function encryptedBytes (bytes: Buffer): { encryptedData: string } {
  const [key, iv] = [KEY, IV].map((base64) => Buffer.from(base64, 'base64')) as [Buffer, Buffer]
  const cipher = createCipheriv('aes-128-cbc', key, iv).setAutoPadding(false)
  return { encryptedData: Buffer.concat([cipher.update(bytes), cipher.final()]).toString('base64') }
}

/** Returns the text of valid user data, padded with spaces to a length in bytes. */
function textOf (length: number): string {
  return JSON.stringify({ n: 1, watermark: WATERMARK }).padEnd(length)
}

function flip (base64: string, index: number, mask = 1): string {
  const bytes = Buffer.from(base64, 'base64')
  bytes[index]! ^= mask
  return bytes.toString('base64')
}

const bytesIn = (base64: string) => Buffer.from(base64, 'base64').length
const lastByte = bytesIn(DATA) - 1

/** The cases by their names in vectors.json. */
const NEGATIVE: Record<string, Sent[]> = {
  'appId option set to another appid': [
    ...[
      'wx4f4bc4dec97d474c', 'wx4f4bc4dec97d474', 'wx4f4bc4dec97d474b ', 'WX4F4BC4DEC97D474B', '', null, undefined, 0,
      {}, [], [APP]
    ].map((appid) => encrypted({ ...OFFICIAL.expected, watermark: { ...WATERMARK, appid } }))
  ],
  'iv not 16 bytes after base64': [0, 1, 8, 12, 15, 17, 24, 32].map((bytes) => ({
    iv: Buffer.alloc(bytes, 7).toString('base64')
  })),
  'sessionKey not 16 bytes after base64': [1, 8, 15, 17, 24, 32].map((bytes) => ({
    sessionKey: Buffer.alloc(bytes, 7).toString('base64')
  })),
  // The last plaintext byte changes: it is not 1 to 16, or it contradicts the bytes before it.
  'last ciphertext byte flipped (bad padding)': [1, 2, 4, 8, 16, 32, 64, 128, 255].map((mask) => ({
    encryptedData: flip(DATA, lastByte, mask)
  })),
  'one byte of the iv flipped (garbled first block, valid padding, invalid JSON)': [1, 2, 4, 8, 16].map((mask) => ({
    iv: flip(IV, 0, mask)
  })),
  'encryptedData length not a multiple of 16 / empty / not base64 / > size cap': [
    ...[1, 15, 17, lastByte].map((bytes) => ({
      encryptedData: Buffer.from(DATA, 'base64').subarray(0, bytes).toString('base64')
    })),
    { encryptedData: '' },
    ...['not base64', '!', '====', '[object Object]', '%2B'].map((encryptedData) => ({ encryptedData })),
    encrypted(textOf(MAX_BASE64_LENGTH / 4 * 3))
  ]
}

test('decryptUserData: decrypts the official data', async (t) => {
  t.ok(vectors.decrypt.length > 0)
  for (const { name, sessionKey, appId, iv, encryptedData, expected } of vectors.decrypt) {
    t.strictSame(decryptUserData(sessionKey, appId, { encryptedData, iv }), expected, name)
  }
})

test('decryptUserData: every negative case of vectors.json is covered', async (t) => {
  t.strictSame(Object.keys(NEGATIVE), vectors.negativeDecryptCases.map(({ change }: { change: string }) => change))
})

for (const [change, cases] of Object.entries(NEGATIVE)) {
  test(`decryptUserData: null if ${change}`, async (t) => {
    for (const sent of cases) t.equal(decrypt(sent), null, JSON.stringify(sent).slice(0, 80))
  })
}

test('T40: decryptUserData: requires exactly the app id of the watermark', async (t) => {
  for (const appId of [
    'wx4f4bc4dec97d474c', 'wx4f4bc4dec97d474', 'wx4f4bc4dec97d474b ', APP.toUpperCase(), '', undefined, null
  ]) {
    t.equal(decryptUserData(KEY, appId as string, { encryptedData: DATA, iv: IV }), null, String(appId))
  }
})

/** Starts a host of the official app. Each login is the official user's, with a session_key of the test. */
async function startOfficialHost (t: Test) {
  const host = await startHost(t, {
    simulator: { apps: { [APP]: APP_SECRET } },
    options: { apps: { [APP]: APP_SECRET }, session: { limit: false } },
    after (app) {
      const config = { weapp: true }
      app.post<{ Body: { encryptedData: string, iv: string } }>('/decrypt', { config }, async ({ weapp, body }) => {
        return await weapp!.session.decrypt(body.encryptedData, body.iv)
      })
      app.post<{ Body: { rawData: string, signature: string } }>('/verify', { config }, async ({ weapp, body }) => {
        return { valid: await weapp!.session.verifySignature(body.rawData, body.signature) }
      })
    }
  })
  return {
    ...host,
    async signInWith (key: unknown): Promise<string> {
      host.wechat.fault({ body: JSON.stringify({ openid: OPENID, session_key: key }) }, { times: 1 })
      return (await host.signIn('anybody')).token
    },
    /** Returns a whole response as text, without its date. */
    async responseTo (url: string, payload: object, token: string): Promise<string> {
      const { statusCode, statusMessage, headers: { date, ...headers }, body } = await host.post(url, payload, token)
      return JSON.stringify({ statusCode, statusMessage, headers, body })
    }
  }
}

test('session.decrypt: decrypts the official data', async (t) => {
  const { post, signInWith } = await startOfficialHost(t)
  const response = await post('/decrypt', { encryptedData: DATA, iv: IV }, await signInWith(KEY))
  t.strictSame([response.statusCode, response.json()], [200, OFFICIAL.expected])
})

test('session.verifySignature: fails with the same response as session.decrypt', async (t) => {
  const { post, responseTo, signInWith } = await startOfficialHost(t)
  const token = await signInWith(RAW_KEY)
  t.strictSame((await post('/verify', { rawData: RAW_DATA, signature: RAW_SIGNATURE }, token)).json(), { valid: true })
  const stale = await responseTo('/decrypt', { encryptedData: 'x', iv: 'x' }, token)
  for (const signature of [
    '', 'x', RAW_SIGNATURE.slice(1), `${RAW_SIGNATURE}0`, '0'.repeat(40), null, 0, [RAW_SIGNATURE], {}, undefined
  ]) {
    t.equal(await responseTo('/verify', { rawData: RAW_DATA, signature }, token), stale, JSON.stringify(signature))
  }
  t.equal(await responseTo('/verify', { rawData: `${RAW_DATA} `, signature: RAW_SIGNATURE }, token), stale)
})

test('T41: session.decrypt: every failure has the same response, byte for byte', async (t) => {
  const { post, responseTo, signInWith } = await startOfficialHost(t)
  const good = await signInWith(KEY)
  assertRefused(t, await post('/decrypt', { encryptedData: DATA, iv: DATA }, good), 409, 'FST_WEAPP_SESSION_KEY_STALE')
  const stale = await responseTo('/decrypt', { encryptedData: DATA, iv: DATA }, good)
  const more: Sent[] = [
    encrypted({ ...OFFICIAL.expected, openId: 'o-of-another-user' }),
    encrypted('[]'), encrypted('null'), encrypted('{}'), encrypted(''), encrypted('{"watermark":'),
    encryptedBytes(Buffer.alloc(32)), encryptedBytes(Buffer.from(textOf(112))),
    { iv: null }, { iv: 1 }, { iv: {} }, { iv: [IV] },
    { encryptedData: null }, { encryptedData: 7 }, { encryptedData: [DATA] }, { encryptedData: {} }
  ]
  for (const { sessionKey = KEY, iv = IV, encryptedData = DATA } of [...Object.values(NEGATIVE).flat(), ...more]) {
    if (sessionKey !== KEY) {
      // Two logins, so that the valid key is not the previous key either.
      await signInWith(randomBytes(16).toString('base64'))
      await signInWith(sessionKey)
    }
    const response = await responseTo('/decrypt', { encryptedData, iv }, good)
    t.equal(response, stale, JSON.stringify({ iv, encryptedData }).slice(0, 80))
    if (sessionKey !== KEY) await signInWith(KEY)
  }
  t.equal((await post('/decrypt', { encryptedData: DATA, iv: IV }, good)).statusCode, 200, 'the session is still valid')
})

test('decryptUserData: never throws after a bit flip', async (t) => {
  let succeeded = 0
  for (const [name, base64] of [['iv', IV], ['encryptedData', DATA]] as const) {
    for (let index = 0; index < bytesIn(base64); index++) {
      for (let bit = 0; bit < 8; bit++) {
        const data = decrypt({ [name]: flip(base64, index, 1 << bit) })
        if (data === null) continue
        succeeded++
        // CBC does not authenticate: the first block may change undetected, but not the app id of the watermark.
        t.equal(data.watermark.appid, APP, `bit ${bit} of byte ${index} of ${name}`)
      }
    }
  }
  t.ok(succeeded > 0, 'some changes are undetected, so user data is no proof of identity')
})

test('session.decrypt: a byte flip never yields another identity', async (t) => {
  const { get, post, signInWith } = await startOfficialHost(t)
  const token = await signInWith(KEY)
  const flips = [
    ...Array.from({ length: 16 * 8 }, (_, i) => ({ iv: flip(IV, i >> 3, 1 << (i & 7)), encryptedData: DATA })),
    ...Array.from({ length: lastByte + 1 }, (_, i) => ({ iv: IV, encryptedData: flip(DATA, i) }))
  ]
  let succeeded = 0
  for (const payload of flips) {
    const response = await post('/decrypt', payload, token)
    if (response.statusCode === 200) {
      succeeded++
      t.notOk('openId' in response.json() && response.json().openId !== OPENID, 'no other openId')
    } else {
      t.strictSame([response.statusCode, response.json().code], [409, 'FST_WEAPP_SESSION_KEY_STALE'])
    }
  }
  t.ok(succeeded > 0)
  t.strictSame((await get('/me', token)).json(), { openid: OPENID })
})

test('decryptUserData: null for random bytes', async (t) => {
  const random = (bytes: number) => randomBytes(bytes).toString('base64')
  for (let i = 0; i < 500; i++) {
    t.equal(decrypt({ sessionKey: random(16) }), null)
    t.equal(decrypt({ iv: random(16), encryptedData: random(16 * (1 + i % 20)) }), null)
  }
})

/** Spellings that a lenient decoder reads as the same bytes. */
const LENIENT: Record<string, (base64: string) => string> = {
  'a leading space': (base64) => ` ${base64}`,
  'a trailing line break': (base64) => `${base64}\n`,
  'a line break inside': (base64) => `${base64.slice(0, 8)}\n${base64.slice(8)}`,
  base64url: (base64) => base64.replaceAll('+', '-').replaceAll('/', '_'),
  'no padding': (base64) => base64.replace(/=+$/, ''),
  'more padding': (base64) => `${base64}=`,
  'data after the padding': (base64) => `${base64}AAAA`,
  'a character that is not base64': (base64) => `${base64.slice(0, 5)}!${base64.slice(5)}`,
  'a zero byte': (base64) => `${base64}\0`
}

test('T40: decryptUserData: accepts canonical base64 only', async (t) => {
  // A key, an iv and data that each of the spellings changes.
  const sessionKey = '++//++//++//++//++//+A=='
  const start = '//++//++//++//++//++/w=='
  const { iv, encryptedData } = encryptUserData(textOf(100), sessionKey, Buffer.from(start, 'base64'))
  const good = { sessionKey, iv, encryptedData: findSpelling(sessionKey) }
  t.ok(decrypt(good), encryptedData)

  for (const [name, respell] of Object.entries(LENIENT)) {
    for (const [field, value] of Object.entries(good)) {
      if (respell(value) !== value) t.equal(decrypt({ ...good, [field]: respell(value) }), null, `${field}: ${name}`)
    }
  }
  for (const trailing of ['++//++//++//++//++//+B==', '++//++//++//++//++//+P==']) {
    t.equal(Buffer.compare(Buffer.from(trailing, 'base64'), Buffer.from(sessionKey, 'base64')), 0)
    t.equal(decrypt({ ...good, sessionKey: trailing }), null, 'the unused bits are not zero')
  }

  /** Returns data whose base64 has a plus, a slash and padding. */
  function findSpelling (sessionKey: string): string {
    for (let n = 0; ; n++) {
      const text = JSON.stringify({ n, watermark: WATERMARK })
      const { encryptedData } = encryptUserData(text, sessionKey, Buffer.from(start, 'base64'))
      if (/\+/.test(encryptedData) && /\//.test(encryptedData) && encryptedData.endsWith('=')) return encryptedData
    }
  }
})

test('decryptUserData: null for values that are not strings', async (t) => {
  const bytes = Buffer.from(DATA, 'base64')
  for (const value of [
    null, 0, NaN, 1n, true, [], [DATA], {}, bytes, new Uint8Array(16), { toString: () => DATA }, Symbol('data'),
    () => DATA
  ]) {
    t.equal(decrypt({ encryptedData: value }), null)
    t.equal(decrypt({ iv: value }), null)
    t.equal(decrypt({ sessionKey: value }), null)
  }
  t.equal(decryptUserData(KEY, APP, { encryptedData: undefined, iv: IV }), null)
  t.equal(decryptUserData(KEY, APP, { encryptedData: DATA, iv: undefined }), null)
})

test('decryptUserData: accepts 64 KiB of base64, and no block more', async (t) => {
  const largest = encrypted(textOf(MAX_BASE64_LENGTH / 4 * 3 - 1))
  t.equal(largest.encryptedData.length, MAX_BASE64_LENGTH)
  t.match(decrypt(largest), { n: 1 })
  const larger = encrypted(textOf(MAX_BASE64_LENGTH / 4 * 3))
  t.ok(larger.encryptedData.length > MAX_BASE64_LENGTH)
  t.equal(decrypt(larger), null)
  t.equal(decrypt({ encryptedData: 'A'.repeat(10_000_000) }), null)
})

test('T40: decryptUserData: accepts PKCS #7 padding of 1 to 16 bytes', async (t) => {
  for (let length = 96; length < 112; length++) {
    t.match(decrypt(encrypted(textOf(length))), { n: 1 }, `${16 - length % 16} bytes`)
  }
})

test('decryptUserData: null for any other padding, even if the text is JSON', async (t) => {
  const padded = (...padding: number[]) => {
    return encryptedBytes(Buffer.concat([Buffer.from(textOf(112 - padding.length)), Buffer.from(padding)]))
  }
  const times = (byte: number, count: number) => Array<number>(count).fill(byte)
  t.match(decrypt(padded(...times(5, 5))), { n: 1 })
  t.match(decrypt(padded(...times(16, 16))), { n: 1 })
  const wrong: Record<string, number[]> = {
    none: [],
    'a zero': [0],
    zeros: times(0, 16),
    '17 of 17, more than a block': times(17, 17),
    '32 of 32': times(32, 32),
    '255 of one': [255],
    'one byte differs': [5, 5, 4, 5, 5],
    'the first byte differs': [4, 5, 5, 5, 5],
    'one byte too few': times(5, 4),
    'ANSI X.923': [0, 0, 0, 0, 5],
    'ISO 7816-4': [0x80, 0, 0, 0, 0],
    'a line break, which JSON ignores': [10],
    'a space and tabs, which JSON ignores': [32, ...times(9, 8)]
  }
  for (const [name, padding] of Object.entries(wrong)) t.equal(decrypt(padded(...padding)), null, name)
  for (let byte = 0; byte < 256; byte++) {
    if (byte !== 1) t.equal(decrypt(padded(byte)), null, `a last byte of ${byte}`)
  }
  t.equal(decrypt(encryptedBytes(Buffer.alloc(16, 16))), null, 'padding only')
})

test('decryptUserData: requires a JSON object with a watermark', async (t) => {
  const watermarks = [
    undefined, null, 0, '', APP, [], [APP], {}, { appid: APP }, { timestamp: 1 },
    { appid: APP, timestamp: null }, { appid: APP, timestamp: '1477314187' }, { appid: APP, timestamp: true },
    { appid: [APP], timestamp: 1 }, { appid: { toString: APP }, timestamp: 1 }
  ]
  const texts = [
    '', ' ', 'null', 'true', '0', '"text"', '[]', '{}', '{', 'nonsense',
    `[${OFFICIAL.plaintext}]`, JSON.stringify(OFFICIAL.plaintext), `${OFFICIAL.plaintext}x`,
    `{"watermark":{"appid":"${APP}","timestamp":1e400}}`, `{"watermark":{"appid":"${APP}","timestamp":NaN}}`
  ]
  for (const text of texts) t.equal(decrypt(encrypted(text)), null, text)
  for (const watermark of watermarks) {
    t.equal(decrypt(encrypted({ openId: OPENID, watermark })), null, JSON.stringify(watermark))
  }
  const notText = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.alloc(14, 14)])
  t.equal(decrypt(encryptedBytes(notText)), null, 'bytes that are not text')
  t.strictSame(decrypt(encrypted({ watermark: WATERMARK })), { watermark: WATERMARK }, 'a watermark is enough')
})

test('decryptUserData: __proto__ in the data changes no prototype', async (t) => {
  const watermark = JSON.stringify(WATERMARK)
  t.ok(decrypt(encrypted(`{"__proto__":{"admin":true},"watermark":${watermark}}`)))
  t.equal(({} as { admin?: boolean }).admin, undefined)
  t.equal(decrypt(encrypted(`{"__proto__":{"watermark":${watermark}}}`)), null, 'an inherited watermark is ignored')
})

test('T42: signatures: match the official vectors', async (t) => {
  t.ok(vectors.rawDataSignature.length > 0 && vectors.sessionKeySignature.length > 0)
  for (const { name, sessionKey, rawData, signature } of vectors.rawDataSignature) {
    t.equal(isSignatureOf(sessionKey, rawData, signature), true, name)
  }
  for (const { name, sessionKey, message, signature } of vectors.sessionKeySignature) {
    t.equal(signWithSessionKey(sessionKey, message), signature, name)
  }
})

test('T42: isSignatureOf: false for any other signature, and never throws', async (t) => {
  const wrong = [
    '', '0', RAW_SIGNATURE.slice(0, -1), RAW_SIGNATURE.slice(0, -2), RAW_SIGNATURE.slice(1),
    `${RAW_SIGNATURE}0`, `${RAW_SIGNATURE}00`, `${RAW_SIGNATURE}x`, ` ${RAW_SIGNATURE}`, `${RAW_SIGNATURE}\n`,
    `0x${RAW_SIGNATURE.slice(2)}`, RAW_SIGNATURE.replace(/.$/, 'x'), RAW_SIGNATURE.replace(/^./, '微'),
    'z'.repeat(40), '微'.repeat(40), '\0'.repeat(40), '0'.repeat(40), 'a'.repeat(1_000_000),
    Buffer.from(RAW_SIGNATURE, 'hex').toString('base64'),
    createHash('sha1').update(RAW_KEY + RAW_DATA).digest('hex'),
    createHmac('sha1', RAW_KEY).update(RAW_DATA).digest('hex'),
    createHash('sha1').update(RAW_DATA).update(Buffer.from(RAW_KEY, 'base64')).digest('hex')
  ]
  for (const signature of wrong) {
    t.equal(isSignatureOf(RAW_KEY, RAW_DATA, signature), false, JSON.stringify(signature.slice(0, 60)))
  }
  for (let index = 0; index < 40; index++) {
    const digit = ((parseInt(RAW_SIGNATURE[index], 16) + 1) % 16).toString(16)
    const signature = RAW_SIGNATURE.slice(0, index) + digit + RAW_SIGNATURE.slice(index + 1)
    t.equal(isSignatureOf(RAW_KEY, RAW_DATA, signature), false, `digit ${index}`)
  }
  const notText = [
    null, undefined, 0, 1n, true, [], [RAW_SIGNATURE], {}, Buffer.from(RAW_SIGNATURE, 'hex'), Symbol('x'),
    { toString: () => RAW_SIGNATURE }
  ]
  for (const value of notText) {
    t.equal(isSignatureOf(RAW_KEY, RAW_DATA, value), false)
    t.equal(isSignatureOf(RAW_KEY, value, RAW_SIGNATURE), false)
  }
})

test('isSignatureOf: false for other rawData or another key', async (t) => {
  const indented = JSON.stringify(JSON.parse(RAW_DATA), null, 1)
  for (const rawData of ['', RAW_DATA.slice(1), `${RAW_DATA} `, `\uFEFF${RAW_DATA}`, indented]) {
    t.equal(isSignatureOf(RAW_KEY, rawData, RAW_SIGNATURE), false)
  }
  t.equal(isSignatureOf(KEY, RAW_DATA, RAW_SIGNATURE), false)
  const ofEmptyData = createHash('sha1').update(RAW_KEY).digest('hex')
  t.equal(isSignatureOf(RAW_KEY, '', ofEmptyData), true, 'empty rawData may be signed')
})

test('isSignatureOf: accepts hexadecimal digits in upper case', async (t) => {
  t.equal(isSignatureOf(RAW_KEY, RAW_DATA, RAW_SIGNATURE.toUpperCase()), true)
  t.equal(isSignatureOf(RAW_KEY, RAW_DATA, '0'.repeat(39) + 'F'), false)
})

test('signWithSessionKey: the key is the text of the session_key, not its bytes', async (t) => {
  for (const { sessionKey, message, signature } of vectors.sessionKeySignature) {
    const ofBytes = createHmac('sha256', Buffer.from(sessionKey, 'base64')).update(message).digest('hex')
    t.not(ofBytes, signature, 'the two signatures differ')
    const ofText = createHmac('sha256', Buffer.from(sessionKey, 'utf8')).update(message).digest('hex')
    t.equal(ofText, signWithSessionKey(sessionKey, message))
  }
})

test('decryptUserData: accepts spaces in place of pluses, as a form makes them', async (t) => {
  t.match(DATA + IV, /\+/)
  const spaced = { iv: IV.replaceAll('+', ' '), encryptedData: DATA.replaceAll('+', ' ') }
  t.strictSame(decrypt(spaced), OFFICIAL.expected)
})

test('decryptUserData: returns the kind of failure', async (t) => {
  const reason = ({ appId = APP, sessionKey = KEY, iv = IV, encryptedData = DATA }: Sent) => {
    return decryptOrReason(sessionKey as string, appId as string, { encryptedData, iv })
  }
  for (const [expected, ...sent] of [
    ['malformed', { iv: `${IV}\n` }, { iv: 'AAAA' }, { encryptedData: '' }, { encryptedData: `${DATA.slice(0, 76)}\r\n` },
      { encryptedData: DATA.replaceAll('+', '-').replaceAll('/', '_') }, { encryptedData: undefined, iv: undefined }],
    ['wrong-key', { sessionKey: 'AAAAAAAAAAAAAAAAAAAAAA==' }, { sessionKey: 'short' },
      { encryptedData: flip(DATA, lastByte, 255) }, { iv: flip(IV, 0, 255) }],
    ['other-app', { appId: 'wxother' }]
  ] as const) {
    for (const each of sent) {
      // An undefined value would become the default.
      const actual = 'iv' in each && each.iv === undefined ? decryptOrReason(KEY, APP, each as any) : reason(each)
      t.equal(actual, expected, JSON.stringify(each).slice(0, 60))
    }
  }
})

test('decryptUserData: accepts a raw control character in a nickname', async (t) => {
  const text = `{"nickName":"a\u0007b","watermark":${JSON.stringify(WATERMARK)}}`
  t.match(decrypt(encrypted(text)), { nickName: 'a\u0007b' })
})
