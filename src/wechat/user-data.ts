/**
 * Decrypts user data and verifies signatures that a phone received from WeChat, both under the session_key.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature.en.md
 */
import { createDecipheriv, createHash, createHmac, timingSafeEqual } from 'node:crypto'
import type { DecryptFailure } from '../diagnostics/tracing.js'
import { parseJson } from '../utils/json.js'

/** Decrypted user data, with the watermark that WeChat adds. */
export interface UserData extends Record<string, unknown> {
  watermark: { appid: string, /** Epoch seconds. */ timestamp: number }
}

export interface EncryptedUserData {
  encryptedData: unknown
  iv: unknown
}

const BLOCK_BYTES = 16
const MAX_BASE64_LENGTH = 64 * 1024

/**
 * Decrypts user data: AES-128-CBC with PKCS #7, all values in base64.
 * Returns the reason on failure. It must not reach the phone. It is the same for a wrong padding and for a wrong text,
 * so that it is no padding oracle.
 */
export function decryptUserData (
  sessionKey: string, appId: string, { encryptedData, iv }: EncryptedUserData
): UserData | DecryptFailure {
  const key = fromBase64(sessionKey)
  const ivBytes = fromBase64(withPluses(iv))
  const ciphertext = fromBase64(withPluses(encryptedData))
  if (ivBytes?.length !== BLOCK_BYTES || ciphertext === null) return 'malformed'
  if (ciphertext.length === 0 || ciphertext.length % BLOCK_BYTES !== 0) return 'malformed'
  if (key?.length !== BLOCK_BYTES) return 'wrong-key'

  // The padding is checked here and the text is always parsed, so that a padding failure does not return sooner than a
  // JSON failure. Otherwise an attacker with chosen ciphertexts could learn the plaintext from the difference.
  const decipher = createDecipheriv('aes-128-cbc', key, ivBytes).setAutoPadding(false)
  const padded = Buffer.concat([decipher.update(ciphertext), decipher.final()])
  const padding = paddingLength(padded)
  const data = parseUserData(padded.subarray(0, padded.length - (padding ?? 0)))
  if (padding === null || data === null) return 'wrong-key'
  return data.watermark.appid === appId ? data : 'other-app'
}

/** Restores the pluses of base64 that arrived as a form field, in which a plus is a space. */
function withPluses (text: unknown): unknown {
  return typeof text === 'string' ? text.replaceAll(' ', '+') : text
}

/** Returns the number of padding bytes, 1 to 16, or null if the padding is not valid PKCS #7. */
function paddingLength (padded: Buffer): number | null {
  const length = padded[padded.length - 1]!
  if (length < 1 || length > BLOCK_BYTES) return null
  return padded.subarray(-length).every((byte) => byte === length) ? length : null
}

function parseUserData (text: Buffer): UserData | null {
  try {
    const data = parseJson(text.toString('utf8')) as Partial<UserData> | null
    const isUserData = typeof data?.watermark?.appid === 'string' && Number.isFinite(data.watermark.timestamp)
    return isUserData ? data as UserData : null
  } catch {
    return null
  }
}

/** Returns null unless the text is canonical base64. Buffer.from skips other characters, so many texts give one key. */
function fromBase64 (text: unknown): Buffer | null {
  if (typeof text !== 'string' || text.length > MAX_BASE64_LENGTH) return null
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : null
}

/** Returns false unless `signature`, which WeChat sends with user info, is the hex SHA-1 of rawData and session_key. */
export function isSignatureOf (sessionKey: string, rawData: unknown, signature: unknown): boolean {
  if (typeof rawData !== 'string' || typeof signature !== 'string') return false
  const expected = createHash('sha1').update(rawData + sessionKey).digest()
  const given = Buffer.from(signature, 'hex')
  return signature.length === expected.length * 2 && given.length === expected.length &&
    timingSafeEqual(given, expected)
}

/**
 * Returns the signature that server APIs require as proof of a session_key: the hex HMAC-SHA256 of the body.
 * The body of a GET is ''. The key is the base64 text of the session_key, as in WeChat's own sample, not its bytes.
 */
export function signWithSessionKey (sessionKey: string, body: string): string {
  return createHmac('sha256', sessionKey).update(body).digest('hex')
}
