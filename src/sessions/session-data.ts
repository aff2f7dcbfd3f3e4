/**
 * What a host keeps in a session: a small JSON object, written whole, handed out frozen. What JSON would change on
 * its way (a Date, NaN, a class instance) is refused when it is written, not discovered when it is read.
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

/**
 * JSON text of the data; null when there is nothing in it.
 *
 * @throws FST_WEAPP_DATA_INVALID unless it is a plain object that JSON holds unchanged in at most 4 KiB
 */
export function encodeData (data: unknown): string | null {
  if (!isPlainObject(data) || !isJson(data, 0)) {
    throw new FST_WEAPP_DATA_INVALID('its data is not a plain object that JSON holds unchanged, as it would not a Date, NaN or an instance of a class')
  }
  const text = JSON.stringify(data)
  if (Buffer.byteLength(text) > MAX_DATA_BYTES) throw new FST_WEAPP_DATA_INVALID('its data takes more than 4 KiB as JSON')
  return text === '{}' ? null : text
}

/** The data of a record, deep-frozen; null when the text is not what `encodeData` makes. */
export function decodeData (text: string | null): Readonly<SessionData> | null {
  if (text === null) return NO_DATA
  try {
    const data: unknown = JSON.parse(text)
    return isPlainObject(data) && isJson(data, 0, Object.freeze) ? data as Readonly<SessionData> : null
  } catch {
    return null
  }
}

const NO_DATA = Object.freeze({}) as Readonly<SessionData>

function isPlainObject (value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/**
 * Whether JSON holds a value unchanged; an undefined property is as good as none. Depth is bounded, so a cycle is refused
 * as well. `visit` is called with each object in it.
 */
function isJson (value: unknown, depth: number, visit: ((value: object) => unknown) | null = null): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true
  if (typeof value === 'number') return Number.isFinite(value) && !Object.is(value, -0)
  if (depth > MAX_DEPTH) return false
  // An own __proto__ would become a real prototype in the hands of the first Object.assign.
  const isArray = Array.isArray(value)
  if (!isArray && (!isPlainObject(value) || Object.hasOwn(value, '__proto__'))) return false
  visit?.(value)
  // A hole in a list is undefined, which JSON would make null.
  for (const item of isArray ? value : Object.values(value)) {
    if (!(item === undefined && !isArray) && !isJson(item, depth + 1, visit)) return false
  }
  return true
}
