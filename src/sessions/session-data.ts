/**
 * The host's data of a session: a small JSON object, written whole and returned frozen. Values that JSON would change,
 * such as a Date, NaN or a class instance, are refused when they are written.
 */
import { FST_WEAPP_DATA_INVALID } from '../errors.js'

/**
 * The type of `session.data`, for a host to merge into:
 *
 * ```ts
 * declare module 'fastify-weapp' { interface SessionData { userId: number } }
 * ```
 */
export interface SessionData {}

const MAX_DATA_BYTES = 4096
const MAX_DEPTH = 32
const NO_DATA = Object.freeze({}) as Readonly<SessionData>

/**
 * Returns the JSON text of the data, or null if the data is empty.
 *
 * @throws FST_WEAPP_DATA_INVALID if the data is not a plain object, if JSON would change it, or if it exceeds 4 KiB
 */
export function encodeData (data: unknown): string | null {
  if (!isPlainObject(data) || !isJsonValue(data)) {
    throw new FST_WEAPP_DATA_INVALID('data must be a plain JSON object without Date, NaN or class instances')
  }
  const text = JSON.stringify(data)
  if (Buffer.byteLength(text) > MAX_DATA_BYTES) {
    throw new FST_WEAPP_DATA_INVALID('data exceeds 4 KiB as JSON. Keep larger values in your own database')
  }
  return text === '{}' ? null : text
}

/** Returns the data of a record, deeply frozen, or null if `encodeData` did not write the text. */
export function decodeData (text: string | null): Readonly<SessionData> | null {
  if (text === null) return NO_DATA
  try {
    const data: unknown = JSON.parse(text)
    return isPlainObject(data) && isJsonValue(data) ? deepFreeze(data) as Readonly<SessionData> : null
  } catch {
    return null
  }
}

/**
 * Returns false if JSON would change the value. An undefined property counts as missing. The depth limit also refuses
 * cycles.
 */
function isJsonValue (value: unknown, depth = 0): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0)
  if (depth > MAX_DEPTH) return false
  // findIndex visits holes as undefined, which JSON would turn into null. every would skip them.
  if (Array.isArray(value)) return value.findIndex((item) => !isJsonValue(item, depth + 1)) === -1
  // Object.assign would turn an own __proto__ into a real prototype.
  if (!isPlainObject(value) || Object.hasOwn(value, '__proto__')) return false
  return Object.values(value).every((item) => item === undefined || isJsonValue(item, depth + 1))
}

function isPlainObject (value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function deepFreeze<Value extends object> (value: Value): Readonly<Value> {
  for (const item of Object.values(value)) {
    if (typeof item === 'object' && item !== null) deepFreeze(item)
  }
  return Object.freeze(value)
}
