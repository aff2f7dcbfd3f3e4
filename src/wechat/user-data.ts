/**
 * What a phone proves with the session_key: encrypted data and signatures.
 *
 * https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature.en.md
 */
import { createDecipheriv, createHash, createHmac, timingSafeEqual } from 'node:crypto'

/** Decrypted data; WeChat adds the watermark. */
export interface UserData extends Record<string, unknown> {
  watermark: { appid: string, /** Seconds since 1970. */ timestamp: number }
}

export interface EncryptedUserData {
  encryptedData: unknown
  iv: unknown
}

const BLOCK_BYTES = 16
const MAX_BASE64_LENGTH = 64 * 1024

/** AES-128-CBC with PKCS #7, all in base64; null when anything about it is wrong, and never what. */
export function decryptUserData (sessionKey: string, appId: string, { encryptedData, iv }: EncryptedUserData): UserData | null {
  const key = fromBase64(sessionKey)
  const start = fromBase64(iv)
  const ciphertext = fromBase64(encryptedData)
  if (key?.length !== BLOCK_BYTES || start?.length !== BLOCK_BYTES || ciphertext === null) return null
  if (ciphertext.length === 0 || ciphertext.length % BLOCK_BYTES !== 0) return null

  // The padding is looked at by hand and the text is read whatever it is, so that every failure costs the same: a
  // difference would tell an attacker, who may send what he likes, about plaintext that he does not know.
  const decipher = createDecipheriv('aes-128-cbc', key, start).setAutoPadding(false)
  const padded = Buffer.concat([decipher.update(ciphertext), decipher.final()])
  const padding = paddingLength(padded)
  const data = parseUserData(padded.subarray(0, padded.length - (padding ?? 0)))
  return padding !== null && data?.watermark.appid === appId ? data : null
}

/** How many bytes of PKCS #7 padding there are (1 to 16), or null when they are not that. */
function paddingLength (padded: Buffer): number | null {
  const length = padded[padded.length - 1]!
  if (length < 1 || length > BLOCK_BYTES) return null
  return padded.subarray(-length).every((byte) => byte === length) ? length : null
}

function parseUserData (text: Buffer): UserData | null {
  try {
    const data = JSON.parse(text.toString('utf8')) as Partial<UserData> | null
    return typeof data?.watermark?.appid === 'string' && Number.isFinite(data.watermark.timestamp) ? data as UserData : null
  } catch {
    return null
  }
}

/** Strict: Buffer.from skips over what is not base64, and would make one key of many texts. */
function fromBase64 (text: unknown): Buffer | null {
  if (typeof text !== 'string' || text.length > MAX_BASE64_LENGTH) return null
  const bytes = Buffer.from(text, 'base64')
  return bytes.toString('base64') === text ? bytes : null
}

/** Whether `signature` is the hex SHA-1 of rawData and session_key, which WeChat gives a phone with its user info. */
export function isSignatureOf (sessionKey: string, rawData: unknown, signature: unknown): boolean {
  if (typeof rawData !== 'string' || typeof signature !== 'string') return false
  const expected = createHash('sha1').update(rawData + sessionKey).digest()
  const given = Buffer.from(signature, 'hex')
  return given.length === expected.length && signature.length === expected.length * 2 && timingSafeEqual(given, expected)
}

/**
 * The signature that server APIs want as proof of a session_key: the hex HMAC-SHA256 of the body ('' for a GET) under
 * the session_key's text as it came, not its bytes (which of the two, WeChat's own sample decides).
 */
export function signWithSessionKey (sessionKey: string, body: string): string {
  return createHmac('sha256', sessionKey).update(body).digest('hex')
}
