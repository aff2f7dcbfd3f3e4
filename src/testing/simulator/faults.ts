import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { assertKnownKeys, assertOneOf } from '../assert-options.js'
import { contentTypeOf, refusal } from './apis.js'
import type { Reply } from './apis.js'

/**
 * What a request meets instead of WeChat's answer: one kind of trouble, which `delay` and `processed` may go with.
 * Without any, it is the right answer.
 */
export interface Fault {
  /** Milliseconds to wait before anything else happens, or a promise to wait for. */
  delay?: number | Promise<unknown> | undefined
  /**
   * Whether WeChat still does what was asked, so that a code is used up although no right answer arrives. What begins
   * with the right answer (`stall: 'body'`, `truncate`, `huge`) does so anyway.
   *
   * @default false
   */
  processed?: boolean | undefined

  /** WeChat's own refusal, with HTTP 200. */
  errcode?: number | undefined
  /** The refusal's text; by default WeChat's own, as far as it is known. */
  errmsg?: string | undefined

  /** Any answer: some proxy's HTML, garbage, JSON that breaks off, or the answer of an API not simulated. */
  body?: string | undefined
  /** By default what WeChat says for this path. */
  contentType?: string | undefined
  /** @default 200 */
  status?: number | undefined
  /** Headers that go with `status` or `body`. */
  headers?: Record<string, string> | undefined

  /** HTTP 302 to this address. */
  redirect?: string | undefined

  /** The connection stays open, but nothing is sent at all, or the right answer stops halfway. */
  stall?: 'headers' | 'body' | undefined
  /** The connection breaks halfway through the right answer. */
  truncate?: true | undefined
  /** The connection is reset before any answer. */
  reset?: true | undefined
  /** The right answer behind this many bytes of white space: nothing is wrong with it but its size. */
  huge?: number | undefined
}

/** Which requests meet a fault. */
export interface FaultScope {
  /**
   * How many requests, counted as they arrive.
   *
   * @default Infinity
   */
  times?: number | undefined
  /** Only requests to this path, such as `/sns/jscode2session`; by default requests to any. */
  path?: string | undefined
}

const KINDS: Array<keyof Fault> = [
  'delay', 'processed', 'errcode', 'errmsg', 'body', 'contentType', 'status', 'headers', 'redirect', 'stall', 'truncate', 'reset', 'huge'
]

/** Faults on demand, first in, first out: one request meets at most one. */
export class Faults {
  #queue: Array<{ fault: Fault, path: string | undefined, times: number }> = []

  /** Returns the function that removes it. */
  add (fault: Fault, scope: FaultScope = {}): () => void {
    assertKnownKeys('fault', fault, KINDS)
    assertKnownKeys('fault', scope, ['times', 'path'])
    if (fault.stall !== undefined) assertOneOf('fault', fault.stall, ['headers', 'body'])
    const { times = Infinity, path } = scope
    const entry = { fault, path, times }
    this.#queue = [...this.#queue.filter(({ times }) => times > 0), entry]
    return () => { entry.times = 0 }
  }

  take (path: string): Fault | undefined {
    const entry = this.#queue.find((entry) => entry.times > 0 && (entry.path ?? path) === path)
    if (entry !== undefined) entry.times -= 1
    return entry?.fault
  }

  clear (): void {
    this.#queue = []
  }
}

/** Answers a request to `path` as the fault says. `perform` does what was asked and gives the right answer. */
export async function misbehave (
  fault: Fault, path: string, response: ServerResponse, perform: () => Reply, closed: AbortSignal
): Promise<void> {
  const { delay, processed, stall, truncate, reset, huge } = fault
  let reply: Reply | undefined
  const right = (): Reply => (reply ??= perform())

  if (delay !== undefined) await (typeof delay === 'number' ? sleep(delay, undefined, { signal: closed, ref: false }) : delay)
  if (processed) right()

  if (stall === 'headers') return
  if (stall === 'body') return sendHalf(response, right())
  if (truncate) return sendHalf(response, right(), () => response.destroy())
  if (huge !== undefined) return sendPadded(response, right(), huge)
  if (reset) response.socket?.resetAndDestroy()
  else send(response, wrongReply(fault, path) ?? right())
}

export function send (response: ServerResponse, { status, headers, body }: Reply): void {
  response.writeHead(status, { 'content-length': Buffer.byteLength(body), ...headers }).end(body)
}

function wrongReply (fault: Fault, path: string): Reply | null {
  const { errcode, errmsg, redirect, body, contentType = contentTypeOf(path), status, headers } = fault
  if (errcode !== undefined) return refusal(path, errcode, errmsg)
  if (redirect !== undefined) return { status: 302, headers: { location: redirect }, body: '' }
  if (body === undefined && status === undefined) return null
  return { status: status ?? 200, headers: { 'content-type': contentType, ...headers }, body: body ?? '' }
}

function sendHalf (response: ServerResponse, { status, headers, body }: Reply, sent?: () => void): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) })
  response.write(body.slice(0, body.length / 2), sent)
}

/** Without a content-length, so that only who counts while reading notices in time. */
async function sendPadded (response: ServerResponse, { status, headers, body }: Reply, bytes: number): Promise<void> {
  response.writeHead(status, headers)
  await pipeline(Readable.from(padded(body, bytes)), response)
}

function * padded (body: string, bytes: number): Generator<string> {
  const blank = ' '.repeat(65_536)
  for (let left = bytes; left > 0; left -= blank.length) yield blank.slice(0, left)
  yield body
}
