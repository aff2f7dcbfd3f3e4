/** The result of `onLogin`: its type and its validation. */
import { FST_WEAPP_DATA_INVALID, FST_WEAPP_REPLY_INVALID } from './errors.js'
import { encodeData, type SessionData } from './sessions/session-data.js'
import { isObject } from './utils/type-checks.js'

interface OnLoginFields {
  /** The data of the session, as in `session.data`: a JSON object of at most 4 KiB. */
  data: SessionData
  /** Extra fields of the response. They cannot replace the fields of `LoginResponse`. */
  reply?: Record<string, unknown> | undefined
  /** The name of this device in the list of devices: at most 128 characters. */
  label?: string | null | undefined
}

/** True if `SessionData` has no required field. */
type IsDataOptional = object extends SessionData ? true : false

/** The result of `onLogin`. `data` is required if `SessionData` has a required field. */
export type OnLoginResult = IsDataOptional extends true ? Partial<OnLoginFields> : OnLoginFields

/** The return value of `onLogin`. A result is required if `data` is. */
export type OnLoginReturn = OnLoginResult | (IsDataOptional extends true ? void : never)

export interface ParsedOnLoginResult {
  /** The encoded data of the session. */
  data: string | null
  label: string | null
  reply: Record<string, unknown>
}

const MAX_LABEL_LENGTH = 128
const RESERVED_FIELDS = ['token', 'tokenType', 'expiresIn', 'expiresAt']

/**
 * Validates the result of `onLogin` and copies it. Later changes by the host have no effect.
 *
 * @throws FST_WEAPP_DATA_INVALID, FST_WEAPP_REPLY_INVALID
 */
export function parseOnLoginResult (result: unknown): ParsedOnLoginResult {
  const { data, reply, label } = fieldsOf(result)
  return { data: encodeData(data === undefined ? {} : data), label: parseLabel(label), reply: parseReply(reply) }
}

/** Returns the fields of a result. An unknown field throws. Otherwise `{ userId }` without `data` would be lost. */
function fieldsOf (result: unknown): { [Field in keyof OnLoginFields]?: unknown } {
  if (result === undefined || result === null) return {}
  if (!isObject(result) || Object.keys(result).some((field) => !['data', 'reply', 'label'].includes(field))) {
    throw new FST_WEAPP_DATA_INVALID('onLogin may return only data, reply and label. Put session values in data')
  }
  return result
}

function parseLabel (label: unknown = null): string | null {
  if (label === null || (typeof label === 'string' && label.length <= MAX_LABEL_LENGTH)) return label
  throw new FST_WEAPP_DATA_INVALID(`label must be a string of at most ${MAX_LABEL_LENGTH} characters`)
}

/** Returns a JSON copy of the reply. Otherwise an invalid reply would fail after the session was created. */
function parseReply (reply: unknown): Record<string, unknown> {
  if (reply === undefined) return {}
  try {
    const copy: unknown = JSON.parse(JSON.stringify(reply))
    if (isObject(copy) && !RESERVED_FIELDS.some((field) => Object.hasOwn(copy, field))) return copy
  } catch { /* Throws below. */ }
  throw new FST_WEAPP_REPLY_INVALID()
}
