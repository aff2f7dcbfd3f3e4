/** Selects the fields of a message that the page shows. A name in neither list is omitted. */
import type { Field } from './messages.js'

const SEALED = new Set([
  'code', 'phoneCode', 'js_code', 'token', 'access_token', 'secret', 'session_key', 'account', 'encryptedData', 'iv'
])
const SHOWN = new Set(['appid', 'openid', 'user', 'name', 'expiresIn', 'sessions', 'purePhoneNumber', 'errcode'])

const MAX_LENGTH = 14

/** Returns the fields of a JSON value. Secret fields have the value null. */
export function fieldsOf (body: unknown): Field[] {
  if (Array.isArray(body)) return [{ name: 'items', value: String(body.length) }]
  if (typeof body !== 'object' || body === null) return []
  return Object.entries(body).flatMap(([name, value]): Field[] => {
    // The object with the phone number in WeChat's response.
    if (name === 'phone_info') return fieldsOf(value)
    if (SEALED.has(name)) return [{ name, value: null }]
    return SHOWN.has(name) ? [{ name, value: readable(value) + (name === 'expiresIn' ? ' s' : '') }] : []
  })
}

/** Parses JSON text. Returns undefined if it is invalid. */
export function parseJson (text: unknown): any {
  try {
    return JSON.parse(String(text))
  } catch {
    return undefined
  }
}

function readable (value: unknown): string {
  if (Array.isArray(value)) return String(value.length)
  if (typeof value === 'object' && value !== null) return readable((value as { name?: unknown }).name ?? '…')
  const text = String(value)
  return text.length > MAX_LENGTH ? `${text.slice(0, 4)}…${text.slice(-4)}` : text
}
