import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertKnownKeys, assertOneOf } from '../assert-options.js'
import { contentTypeOf, refusalResponse } from './apis.js'
import type { ApiResponse } from './apis.js'

/**
 * A faulty response instead of WeChat's regular response. Set one kind of fault. `delay` and `processed` combine with
 * every kind. Without a kind, the response is the regular one.
 */
export interface Fault {
  /** The wait before the response: milliseconds or a promise. */
  delay?: number | Promise<unknown> | undefined
  /**
   * Whether WeChat still executes the request. A code is then used up although no regular response arrives.
   * `stall: 'body'`, `truncate` and `huge` always execute the request, because they send parts of the regular response.
   *
   * @default false
   */
  processed?: boolean | undefined

  /** The errcode of a refusal by WeChat, with HTTP 200. */
  errcode?: number | undefined
  /**
   * The text of the refusal.
   *
   * @default WeChat's text if it is known, otherwise 'unknown error'
   */
  errmsg?: string | undefined

  /** Any body: HTML of a proxy, garbage, incomplete JSON, or the response of an API that is not simulated. */
  body?: string | undefined
  /** @default WeChat's content type for this path */
  contentType?: string | undefined
  /** @default 200 */
  status?: number | undefined
  /** Headers for `status` or `body`. */
  headers?: Record<string, string> | undefined

  /** The target of an HTTP 302 redirect. */
  redirect?: string | undefined

  /** The connection stays open. 'headers' sends nothing. 'body' sends the first half of the regular response. */
  stall?: 'headers' | 'body' | undefined
  /** The connection breaks after the first half of the regular response. */
  truncate?: true | undefined
  /** The connection is reset before any response. */
  reset?: true | undefined
  /** The number of bytes of white space before the regular response. Only the size is wrong. */
  huge?: number | undefined
}

/** The requests that a fault applies to. */
export interface FaultScope {
  /**
   * The number of requests, counted when they arrive.
   *
   * @default Infinity
   */
  times?: number | undefined
  /**
   * The path of the requests, such as `/sns/jscode2session`.
   *
   * @default any path
   */
  path?: string | undefined
}

const FAULT_KEYS: Array<keyof Fault> = [
  'delay', 'processed', 'errcode', 'errmsg', 'body', 'contentType', 'status', 'headers', 'redirect', 'stall',
  'truncate', 'reset', 'huge'
]

/** A first-in, first-out queue of faults. At most one fault applies to a request. */
export class Faults {
  #queue: Array<{ fault: Fault, path: string | undefined, times: number }> = []

  /** Adds a fault and returns a function that removes it. */
  add (fault: Fault, scope: FaultScope = {}): () => void {
    assertKnownKeys('fault', fault, FAULT_KEYS)
    assertKnownKeys('fault', scope, ['times', 'path'])
    if (fault.stall !== undefined) assertOneOf('fault', fault.stall, ['headers', 'body'])
    const { times = Infinity, path } = scope
    const entry = { fault, path, times }
    this.#queue = [...this.#queue.filter(({ times }) => times > 0), entry]
    return () => { entry.times = 0 }
  }

  /** Returns the fault for a request to `path` and counts the request. */
  take (path: string): Fault | undefined {
    const entry = this.#queue.find((entry) => entry.times > 0 && (entry.path ?? path) === path)
    if (entry !== undefined) entry.times -= 1
    return entry?.fault
  }

  clear (): void {
    this.#queue = []
  }
}

/** Sends the faulty response to a request. `perform` executes the request and returns the regular response. */
export async function sendFault (
  fault: Fault, path: string, response: ServerResponse, perform: () => ApiResponse, closed: AbortSignal
): Promise<void> {
  const { delay, processed, stall, truncate, reset, huge } = fault
  let result: ApiResponse | undefined
  const regular = (): ApiResponse => (result ??= perform())

  if (delay !== undefined) {
    await (typeof delay === 'number' ? sleep(delay, undefined, { signal: closed, ref: false }) : delay)
  }
  if (processed) regular()

  if (stall === 'headers') return
  if (stall === 'body') return sendHalf(response, regular())
  if (truncate) return sendHalf(response, regular(), () => response.destroy())
  if (huge !== undefined) return sendPadded(response, regular(), huge)
  if (reset) response.socket?.resetAndDestroy()
  else send(response, faultyResponse(fault, path) ?? regular())
}

export function send (response: ServerResponse, { status, headers, body }: ApiResponse): void {
  response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers }).end(body)
}

function faultyResponse (fault: Fault, path: string): ApiResponse | null {
  const { errcode, errmsg, redirect, body, contentType = contentTypeOf(path), status, headers } = fault
  if (errcode !== undefined) return refusalResponse(path, errcode, errmsg)
  if (redirect !== undefined) return { status: 302, headers: { location: redirect }, body: '' }
  if (body === undefined && status === undefined) return null
  return { status: status ?? 200, headers: { 'content-type': contentType, ...headers }, body: body ?? '' }
}

function sendHalf (response: ServerResponse, { status, headers, body }: ApiResponse, sent?: () => void): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
  response.write(body.slice(0, body.length / 2), sent)
}

/** Sends no content-length. Only a client that counts bytes while it reads can stop in time. */
async function sendPadded (response: ServerResponse, regular: ApiResponse, bytes: number): Promise<void> {
  response.writeHead(regular.status, regular.headers)
  await pipeline(Readable.from(padded(regular.body, bytes)), response)
}

function * padded (body: string, bytes: number): Generator<string> {
  const blank = ' '.repeat(65_536)
  for (let left = bytes; left > 0; left -= blank.length) yield blank.slice(0, left)
  yield body
}
