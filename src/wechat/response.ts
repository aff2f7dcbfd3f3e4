/** Reads the response of WeChat: status, content-encoding, JSON and errcode. */
import { promisify } from 'node:util'
import { brotliDecompress, gunzip, inflate } from 'node:zlib'
import {
  FST_WEAPP_WECHAT_BAD_REPLY, FST_WEAPP_WECHAT_UNAVAILABLE, type WeappError, type WeappErrorConstructor
} from '../errors.js'
import { hasLargeInteger, parseJson } from '../utils/json.js'
import { isObject } from '../utils/type-checks.js'
import { errorOf, SYSTEM_BUSY } from './errcodes.js'
import type { HttpResponse } from './http-exchange.js'

/** The JSON object of a response. */
export type WechatReply = Record<string, unknown>

/** The bytes of a response, such as a picture. */
export interface WechatFile {
  bytes: Buffer
  /** The content type of the response, such as 'image/jpeg'. Empty if the response has none. */
  contentType: string
}

export interface ReadOptions {
  /** Errcodes that resolve this call instead of rejecting it. */
  expectedErrcodes?: readonly number[]
  /** Maximum size of the response in bytes, before and after decompression. */
  maxBytes?: number
  /** Whether integers beyond 2^53 are returned as strings or rounded. */
  largeIntegers?: 'string' | 'number'
}

export interface Failure {
  error: WeappError
  repeatable: boolean
}

export type Attempt<Result> = { result: Result } | Failure

/** More than any documented JSON response. */
export const DEFAULT_MAX_BYTES = 64 * 1024

const DECODERS: ReadonlyMap<string, (body: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>> = new Map([
  ['gzip', promisify(gunzip)],
  ['x-gzip', promisify(gunzip)],
  ['deflate', promisify(inflate)],
  ['br', promisify(brotliDecompress)]
])

/** @param onRounded called if the reply contains an integer beyond 2^53 that was rounded */
export async function readReply (
  response: HttpResponse, options: ReadOptions, onRounded: () => void
): Promise<Attempt<WechatReply>> {
  const body = await bodyOf(response, options)
  if ('error' in body) return body
  const text = body.result.toString()
  const { expectedErrcodes = [], largeIntegers } = options
  const reply = parseReply(text, largeIntegers)
  if (reply === null) return failed(FST_WEAPP_WECHAT_BAD_REPLY, 'not JSON')
  const refusal = refusalOf(reply, expectedErrcodes)
  if (refusal !== null) return refusal
  if (largeIntegers !== 'string' && hasLargeInteger(text)) onRounded()
  return { result: reply }
}

/** Reads bytes. WeChat answers with the picture, or with JSON if it refuses the call. */
export async function readFile (response: HttpResponse, options: ReadOptions): Promise<Attempt<WechatFile>> {
  const body = await bodyOf(response, options)
  if ('error' in body) return body
  const bytes = body.result
  const mayBeJson = /^[\uFEFF\s]*\{/.test(bytes.toString('utf8', 0, 64))
  const reply = mayBeJson ? parseReply(bytes.toString()) : null
  const refusal = reply === null ? null : refusalOf(reply, [])
  return refusal ?? { result: { bytes, contentType: response.contentType } }
}

export function failed (Constructor: WeappErrorConstructor, failure: string | undefined, repeatable = false): Failure {
  return { error: Object.assign(new Constructor(), failure !== undefined && { failure }), repeatable }
}

function refusalOf ({ errcode, errmsg }: WechatReply, expected: readonly number[]): Failure | null {
  if (errcode === undefined || errcode === 0 || expected.includes(errcode as number)) return null
  return { error: errorOf(errcode, errmsg), repeatable: errcode === SYSTEM_BUSY }
}

async function bodyOf (
  { statusCode, contentEncoding, body }: HttpResponse, { maxBytes = DEFAULT_MAX_BYTES }: ReadOptions
): Promise<Attempt<Buffer>> {
  if (statusCode >= 500) return failed(FST_WEAPP_WECHAT_UNAVAILABLE, `HTTP ${statusCode}`)
  if (statusCode !== 200) return failed(FST_WEAPP_WECHAT_BAD_REPLY, `HTTP ${statusCode}`)
  if (body === null) return failed(FST_WEAPP_WECHAT_BAD_REPLY, 'too large')
  if (contentEncoding === '' || contentEncoding === 'identity') return { result: body }
  // The request asks for no encoding, but a proxy may compress a response anyway.
  const decode = DECODERS.get(contentEncoding)
  if (decode === undefined) return failed(FST_WEAPP_WECHAT_BAD_REPLY, 'unknown encoding')
  try {
    return { result: await decode(body, { maxOutputLength: maxBytes }) }
  } catch (error) {
    const isTooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
    return failed(FST_WEAPP_WECHAT_BAD_REPLY, isTooLarge ? 'too large' : 'wrong encoding')
  }
}

/** Returns null if the text is not a JSON object. Ignores the content type, because WeChat sends JSON as text/plain. */
function parseReply (text: string, largeIntegers?: 'string' | 'number'): WechatReply | null {
  try {
    // JSON.parse rejects a byte order mark.
    const value = parseJson(text.startsWith('\uFEFF') ? text.slice(1) : text, largeIntegers)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}
