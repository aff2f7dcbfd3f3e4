/**
 * WeChat's side of the cryptography, written from its documentation and verified with its published vectors. It shares
 * no code with the plugin. Otherwise a mistake in shared code would cancel itself out in tests.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/framework/open-ability/signature.en.md
 */
import { createCipheriv, createHash, createHmac, randomBytes } from 'node:crypto'

/** Encrypted user data, which a Mini Program passes from the phone to its server. Both values are base64. */
export interface EncryptedData {
  encryptedData: string
  iv: string
}

/** Returns a new session_key: 16 random bytes as base64. */
export function newSessionKey (): string {
  return randomBytes(16).toString('base64')
}

/** Encrypts with AES-128-CBC and PKCS#7 padding. The key is the decoded session_key. */
export function encryptUserData (plaintext: string, sessionKey: string, iv = randomBytes(16)): EncryptedData {
  const cipher = createCipheriv('aes-128-cbc', Buffer.from(sessionKey, 'base64'), iv)
  const encryptedData = cipher.update(plaintext, 'utf8', 'base64') + cipher.final('base64')
  return { encryptedData, iv: iv.toString('base64') }
}

/** Returns the phone's signature over rawData: the hex SHA-1 of rawData followed by the session_key as text. */
export function signRawData (rawData: string, sessionKey: string): string {
  return createHash('sha1').update(rawData + sessionKey).digest('hex')
}

/** Returns the server's signature over a request body: hex HMAC-SHA256, keyed with the session_key as text. */
export function signWithSessionKey (body: string, sessionKey: string): string {
  return createHmac('sha256', sessionKey).update(body).digest('hex')
}

/** Returns the payment signature over a text: hex HMAC-SHA256 of URI, '&' and text, keyed with the AppKey. */
export function signWithAppKey (uri: string, text: string, appKey: string): string {
  return createHmac('sha256', appKey).update(uri + '&' + text).digest('hex')
}
