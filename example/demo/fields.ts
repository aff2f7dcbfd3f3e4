/** Selects what the page shows of a message. Secrets never leave the server. */
import { HIDDEN, type Field } from './messages.js'

const SECRET = new Set([
  'code', 'phoneCode', 'js_code', 'token', 'access_token', 'secret', 'session_key', 'password', 'encryptedData', 'iv',
  'deviceId'
])
/** The fields that an arrow shows. The details of a message have all fields. */
const SHOWN = new Set(['appid', 'openid', 'user', 'name', 'expiresIn', 'sessions', 'purePhoneNumber'])

const MAX_LENGTH = 14

/** Returns the fields of a JSON value for an arrow. Secret fields have the value null. */
export function fieldsOf (body: unknown): Field[] {
  if (Array.isArray(body)) return [{ name: 'items', value: String(body.length) }]
  if (typeof body !== 'object' || body === null) return []
  return Object.entries(body).flatMap(([name, value]): Field[] => {
    // The object with the phone number in WeChat's response.
    if (name === 'phone_info') return fieldsOf(value)
    if (SECRET.has(name) || name === 'account') return [{ name, value: null }]
    return SHOWN.has(name) ? [{ name, value: readable(value) }] : []
  })
}

/** Returns a copy of a JSON value in which HIDDEN replaces the secrets. */
export function withoutSecrets (body: unknown): unknown {
  if (Array.isArray(body)) return body.map(withoutSecrets)
  if (typeof body !== 'object' || body === null) return body
  return Object.fromEntries(Object.entries(body).map(([name, value]) => {
    // The code of an error is no secret.
    const isSecret = SECRET.has(name) && !(name === 'code' && /^(FST|SHOP)_/.test(String(value)))
    return [name, isSecret ? HIDDEN : withoutSecrets(value)]
  }))
}

/** Returns a URL in which HIDDEN replaces the secrets of the query. */
export function urlWithoutSecrets (url: string): string {
  const [path, query] = url.split('?')
  if (query === undefined) return url
  const parts = [...new URLSearchParams(query)].map(([name, value]) => `${name}=${SECRET.has(name) ? HIDDEN : value}`)
  return `${path}?${parts.join('&')}`
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
