/**
 * What is derived from the host's secrets, and the seal on WeChat's session_key.
 *
 * One secret gives several independent keys by HKDF-SHA256 (RFC 5869) with different labels, so that a token's
 * signature and a sealed key never share one. The first secret signs and seals; all of them verify and open.
 */
import { createCipheriv, createDecipheriv, createSecretKey, hkdfSync, randomBytes, type KeyObject } from 'node:crypto'
import { digest } from './digest.js'
import type { SealedKey } from '../stores/store.js'

function derive (secret: string, label: string, length: number): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `fastify-weapp v1 ${label}`, length))
}

/** The keys of one secret. */
export interface SecretKeys {
  /** Names the signing key in a token's header; says nothing of the secret. */
  kid: string
  /** 32 bytes for HS256. */
  signingKey: Buffer
  sealingKeyId: Buffer
  sealingKey: KeyObject
  fingerprintKey: string
}

export function deriveKeys (secret: string): SecretKeys {
  return {
    kid: derive(secret, 'token key id', 6).toString('base64url'),
    signingKey: derive(secret, 'token signing', 32),
    sealingKeyId: derive(secret, 'sealing key id', KEY_ID_BYTES),
    sealingKey: createSecretKey(derive(secret, 'sealing', 32)),
    fingerprintKey: derive(secret, 'fingerprint', 32).toString('base64url')
  }
}

/*
 * A sealed key is form (1) | key id (3) | nonce (12) | ciphertext (n) | tag (16) as base64url. The keys that WeChat
 * issues are the base64 of 16 bytes; sealed as those bytes they make 64 characters, which is as long as a value may
 * be before Redis stores the hash it stands in at twice the size. Any other string is sealed as it stands.
 */
const FORM_BASE64 = 1
const FORM_TEXT = 2
const KEY_ID_BYTES = 3
const NONCE_START = 1 + KEY_ID_BYTES
export const NONCE_BYTES = 12
const CIPHERTEXT_START = NONCE_START + NONCE_BYTES
const TAG_BYTES = 16
/** 96 bits. */
const FINGERPRINT_LENGTH = 16

export interface Seal {
  /**
   * Seals a session_key for one user: nobody else's record opens it.
   *
   * @param nonce 12 bytes that are random and used for nothing else; drawn here when the caller has none
   */
  seal (sessionKey: string, userId: string, nonce?: Buffer): SealedKey
  /** The session_key, or null when the seal is not ours, of a retired secret, of another user, or damaged. */
  open (sealed: string, userId: string): string | null
}

/** AES-256-GCM with the user id as additional data; the first key seals, all open. */
export function createSeal (keys: readonly SecretKeys[]): Seal {
  return {
    seal (sessionKey, userId, nonce = randomBytes(NONCE_BYTES)) {
      const [current, ...previous] = keys as [SecretKeys, ...SecretKeys[]]
      const bytes = Buffer.from(sessionKey, 'base64')
      const isBase64 = bytes.toString('base64') === sessionKey
      const head = Buffer.of(isBase64 ? FORM_BASE64 : FORM_TEXT, ...current.sealingKeyId)
      const cipher = createCipheriv('aes-256-gcm', current.sealingKey, nonce)
      cipher.setAAD(Buffer.concat([head, Buffer.from(userId)]))
      const ciphertext = cipher.update(isBase64 ? bytes : Buffer.from(sessionKey))
      // Empty in this mode, and what makes the tag.
      cipher.final()
      return {
        sealed: Buffer.concat([head, nonce, ciphertext, cipher.getAuthTag()]).toString('base64url'),
        fingerprints: [
          fingerprint(current, sessionKey, userId),
          ...previous.map((retired) => fingerprint(retired, sessionKey, userId))
        ]
      }
    },

    open (sealed, userId) {
      const bytes = Buffer.from(sealed, 'base64url')
      const head = bytes.subarray(0, NONCE_START)
      const key = keys.find((candidate) => candidate.sealingKeyId.equals(head.subarray(1)))
      if (key === undefined || bytes.length < CIPHERTEXT_START + TAG_BYTES) return null
      try {
        const decipher = createDecipheriv('aes-256-gcm', key.sealingKey, bytes.subarray(NONCE_START, CIPHERTEXT_START))
        decipher.setAAD(Buffer.concat([head, Buffer.from(userId)]))
        decipher.setAuthTag(bytes.subarray(-TAG_BYTES))
        const opened = Buffer.concat([decipher.update(bytes.subarray(CIPHERTEXT_START, -TAG_BYTES)), decipher.final()])
        return opened.toString(head[0] === FORM_BASE64 ? 'base64' : 'utf8')
      } catch {
        return null
      }
    }
  }
}

/**
 * Lets a store see that a key is the same as before, and nothing else. A digest with the secret in front is as good as an
 * HMAC here, for a third of the cost: who would extend it needs all of it, and only 96 of its 256 bits are shown.
 */
function fingerprint ({ fingerprintKey }: SecretKeys, sessionKey: string, userId: string): string {
  return digest(`${fingerprintKey}:${userId}:${sessionKey}`, FINGERPRINT_LENGTH)
}
