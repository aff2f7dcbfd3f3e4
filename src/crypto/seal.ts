/**
 * Keys derived from the host's secrets, and the seal on WeChat's session_key.
 *
 * HKDF-SHA256 derives several independent keys from one secret, each under a label of its own. A token's signature and
 * a sealed session_key therefore never share a key. The first secret signs and seals. All secrets verify and open.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5869
 */
import {
  createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, randomBytes, type KeyObject
} from 'node:crypto'
import type { SealedKey } from '../stores/store.js'

/** The keys of one secret. */
export interface SecretKeys {
  /** Key id of the signing key in a token's header. It reveals nothing of the secret. */
  kid: string
  /** 32 bytes for HS256. */
  signingKey: Buffer
  sealingKeyId: Buffer
  sealingKey: KeyObject
  fingerprintKey: Buffer
}

/*
 * A sealed key is form (1) | key id (3) | nonce (12) | ciphertext (n) | tag (16), in bytes, as base64url. WeChat's keys
 * are the base64 of 16 bytes. Sealed as those bytes they make 64 characters. Redis stores a hash in its compact form
 * only if no value is longer than that. A string of any other form is sealed as text.
 */
const FORM_BASE64 = 1
const FORM_TEXT = 2
const KEY_ID_BYTES = 3
const NONCE_START = 1 + KEY_ID_BYTES
const NONCE_BYTES = 12
const CIPHERTEXT_START = NONCE_START + NONCE_BYTES
const TAG_BYTES = 16
/** 96 bits: 16 characters of base64url. */
const FINGERPRINT_BYTES = 12

export interface Seal {
  /** Seals a session_key for one user. It does not open in the record of another user. */
  seal (sessionKey: string, userId: string): SealedKey
  /** Returns the session_key, or null if the seal is damaged, of an unknown or retired secret, or of another user. */
  open (sealed: string, userId: string): string | null
}

export function deriveKeys (secret: string): SecretKeys {
  return {
    kid: derive(secret, 'token key id', 6).toString('base64url'),
    signingKey: derive(secret, 'token signing', 32),
    sealingKeyId: derive(secret, 'sealing key id', KEY_ID_BYTES),
    sealingKey: createSecretKey(derive(secret, 'sealing', 32)),
    fingerprintKey: derive(secret, 'fingerprint', 32)
  }
}

function derive (secret: string, label: string, length: number): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `fastify-weapp v1 ${label}`, length))
}

/** Creates a seal of AES-256-GCM with the user id as additional data. The first key seals, all keys open. */
export function createSeal (keys: readonly SecretKeys[]): Seal {
  return {
    seal (sessionKey, userId) {
      const [current, ...others] = keys as [SecretKeys, ...SecretKeys[]]
      const bytes = Buffer.from(sessionKey, 'base64')
      const isBase64 = bytes.toString('base64') === sessionKey
      const head = Buffer.of(isBase64 ? FORM_BASE64 : FORM_TEXT, ...current.sealingKeyId)
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', current.sealingKey, nonce)
      cipher.setAAD(Buffer.concat([head, Buffer.from(userId)]))
      const ciphertext = cipher.update(isBase64 ? bytes : Buffer.from(sessionKey))
      // GCM returns no bytes here. The call computes the tag.
      cipher.final()
      return {
        sealed: Buffer.concat([head, nonce, ciphertext, cipher.getAuthTag()]).toString('base64url'),
        fingerprints: [
          fingerprint(current, sessionKey, userId),
          ...others.map((key) => fingerprint(key, sessionKey, userId))
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

/** Returns an HMAC of the session_key. With it a store can compare keys, and learns nothing else of them. */
function fingerprint ({ fingerprintKey }: SecretKeys, sessionKey: string, userId: string): string {
  const hmac = createHmac('sha256', fingerprintKey).update(`${userId}:${sessionKey}`).digest()
  return hmac.toString('base64url', 0, FINGERPRINT_BYTES)
}
