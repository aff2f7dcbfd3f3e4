/** What names a thing without telling what it is. */
import { hash } from 'node:crypto'

/**
 * The first `length` characters of a text's SHA-256 as base64url. They are copied: a slice would keep the whole digest
 * alive behind it, 56 bytes for every id that somebody holds, and a store in this process may hold millions.
 */
export function digest (text: string, length: number): string {
  return Buffer.from(hash('sha256', text, 'base64url').slice(0, length), 'latin1').toString('latin1')
}
