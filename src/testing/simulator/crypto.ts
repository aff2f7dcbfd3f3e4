/**
 * The cryptography of WeChat's side, written from its documentation and proved by its published vectors. It shares
 * nothing with the code under test on purpose: a mistake made once must not cancel itself out.
 *
 * https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature.en.md
 */
import { createCipheriv, createHash, createHmac, randomBytes } from 'node:crypto'

/** What the phone hands to a Mini Program and that to its server; both values are base64. */
export interface EncryptedData {
  encryptedData: string
  iv: string
}

/** A new session_key: 16 random bytes as base64. */
export function newSessionKey (): string {
  return randomBytes(16).toString('base64')
}

/** AES-128-CBC with PKCS#7 under the decoded session_key. */
export function encryptUserData (plaintext: string, sessionKey: string, iv = randomBytes(16)): EncryptedData {
  const cipher = createCipheriv('aes-128-cbc', Buffer.from(sessionKey, 'base64'), iv)
  const encryptedData = cipher.update(plaintext, 'utf8', 'base64') + cipher.final('base64')
  return { encryptedData, iv: iv.toString('base64') }
}

/** The phone's signature over rawData: hex SHA-1 of rawData followed by the session_key as text. */
export function signRawData (rawData: string, sessionKey: string): string {
  return createHash('sha1').update(rawData + sessionKey).digest('hex')
}

/** The server's signature over a request body: hex HMAC-SHA256, keyed with the session_key as text, not decoded. */
export function signWithSessionKey (body: string, sessionKey: string): string {
  return createHmac('sha256', sessionKey).update(body).digest('hex')
}
