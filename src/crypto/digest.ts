/** Truncated SHA-256 digests, used as identifiers. */
import { hash } from 'node:crypto'

/**
 * Returns the first `length` characters of a text's SHA-256 as base64url. The characters are copied, because a slice
 * retains the whole digest. That would cost 56 bytes for each id, and a store in this process may have millions.
 */
export function digest (text: string, length: number): string {
  return Buffer.from(hash('sha256', text, 'base64url').slice(0, length), 'latin1').toString('latin1')
}
