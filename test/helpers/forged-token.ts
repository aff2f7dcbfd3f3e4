/** Tokens that the plugin would never issue. */
import { createHmac, randomBytes } from 'node:crypto'
import { deriveKeys } from '../../src/crypto/seal.js'
import { APP_ID, SECRET } from './host.js'

const { kid, signingKey } = deriveKeys(SECRET)

export const TOKEN_HEADER = { alg: 'HS256', typ: 'JWT', kid }

export function encode (part: unknown): string {
  return Buffer.from(typeof part === 'string' ? part : JSON.stringify(part)).toString('base64url')
}

export function decode (part: string | undefined): Record<string, unknown> {
  return JSON.parse(Buffer.from(part ?? '', 'base64url').toString())
}

/** Splits a token of the plugin into header, claims and signature. */
export function partsOf (token: string): {
  header: Record<string, unknown>, claims: Record<string, unknown>, signature: string
} {
  const [header, claims, signature = ''] = token.split('.')
  return { header: decode(header), claims: decode(claims), signature }
}

/** Returns claims of the right form for a session that does not exist. */
export function someClaims (): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000)
  return {
    sub: randomBytes(17).toString('base64url').slice(0, 22),
    jti: randomBytes(32).toString('base64url'),
    aud: APP_ID,
    iat: now,
    exp: now + 3600
  }
}

/** Signs claims as the plugin does, unless a key, hash or header is given. */
export function forge (
  claims: unknown,
  { header = TOKEN_HEADER as unknown, key = signingKey as string | Buffer, hash = 'sha256' } = {}
): string {
  const text = `${encode(header)}.${encode(claims)}`
  return `${text}.${createHmac(hash, key).update(text).digest('base64url')}`
}
