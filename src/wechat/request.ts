/**
 * One call to WeChat: bounded in time and size, repeated only where that is harmless, and silent about everything
 * secret. No error of the HTTP client leaves this file, because it may hold the URL, and the URL holds the app secret.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request, type Dispatcher } from 'undici'
import {
  FST_WEAPP_WECHAT_BAD_REPLY, FST_WEAPP_WECHAT_TIMEOUT, FST_WEAPP_WECHAT_UNAVAILABLE, type WeappError
} from '../errors.js'
import { errorOf, SYSTEM_BUSY } from './errcodes.js'

export interface TransportOptions {
  /** Scheme and host of WeChat's API. */
  baseUrl: string
  /** Milliseconds for the whole call, connecting, repeats and the last byte of the answer included. */
  timeout: number
  /** How often a call is repeated at most. */
  retries: number
  /** How many calls may be under way at once. */
  concurrency: number
  /** Where connections come from; ours when undefined. Whoever made it closes it. */
  dispatcher: Dispatcher | undefined
}

export interface WechatCall {
  path: string
  query: Record<string, string>
  /** Sent as JSON by POST; without one the call is a GET. */
  body?: object
  /** Errcodes that are answers to this call and not errors. */
  answers?: readonly number[]
}

/** A JSON object that WeChat answered with. */
export type WechatReply = Record<string, unknown>

export interface Transport {
  /** @throws FST_WEAPP_WECHAT_UNAVAILABLE, _TIMEOUT, _BAD_REPLY, or the error of WeChat's errcode */
  call (call: WechatCall): Promise<WechatReply>
  /** Lets calls under way finish, then closes our own connections. */
  close (): Promise<void>
}

const MAX_REPLY_BYTES = 64 * 1024
const FIRST_BACKOFF_MS = 100

type Attempt = { reply: WechatReply } | { error: WeappError, repeatable: boolean }

export function createTransport ({ baseUrl, timeout, retries, concurrency, dispatcher }: TransportOptions): Transport {
  const ownAgent = dispatcher === undefined ? new Agent({ connections: concurrency, connectTimeout: timeout }) : null
  const connections = dispatcher ?? ownAgent!
  let closed: Promise<void> | undefined

  return {
    call (call) {
      const deadline = new AbortController()
      const timer = setTimeout(() => deadline.abort(), timeout)
      return persist(call, deadline.signal)
        .catch((error) => { throw deadline.signal.aborted ? new FST_WEAPP_WECHAT_TIMEOUT() : error })
        .finally(() => clearTimeout(timer))
    },

    async close () {
      // An agent that is closed already would reject.
      await (closed ??= ownAgent?.close())
    }
  }

  /** Asks, and asks again where that is harmless. */
  async function persist (call: WechatCall, signal: AbortSignal): Promise<WechatReply> {
    let attempt = await ask(call, signal)
    for (let repeats = 0; 'error' in attempt; repeats++) {
      if (repeats === retries || !attempt.repeatable) throw attempt.error
      await sleep(FIRST_BACKOFF_MS * 2 ** repeats, undefined, { signal })
      attempt = await ask(call, signal)
    }
    return attempt.reply
  }

  async function ask ({ path, query, body: payload, answers = [] }: WechatCall, signal: AbortSignal): Promise<Attempt> {
    try {
      // URLSearchParams escapes everything: a code cannot smuggle in a parameter of its own.
      const { statusCode, body } = await untilAborted(signal, request(`${baseUrl}${path}?${new URLSearchParams(query)}`, {
        dispatcher: connections,
        signal,
        headersTimeout: 0,
        bodyTimeout: 0,
        ...payload && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(payload) }
      }))
      if (statusCode !== 200) {
        await body.dump({ limit: MAX_REPLY_BYTES })
        return refuse(statusCode >= 500 ? new FST_WEAPP_WECHAT_UNAVAILABLE() : new FST_WEAPP_WECHAT_BAD_REPLY())
      }
      const text = await readText(body)
      return text === null ? refuse(new FST_WEAPP_WECHAT_BAD_REPLY()) : interpret(text, answers)
    } catch (error) {
      return { error: new FST_WEAPP_WECHAT_UNAVAILABLE(), repeatable: nothingWasSent(error) }
    }
  }
}

function interpret (text: string, answers: readonly number[]): Attempt {
  const reply = parseObject(text)
  if (reply === null) return refuse(new FST_WEAPP_WECHAT_BAD_REPLY())
  const { errcode } = reply
  if (errcode === undefined || errcode === 0 || answers.includes(errcode as number)) return { reply }
  return { error: errorOf(errcode), repeatable: errcode === SYSTEM_BUSY }
}

function refuse (error: WeappError): Attempt {
  return { error, repeatable: false }
}

/** undici hears of a signal only once it has a connection: until then the deadline would not count. */
function untilAborted<Result> (signal: AbortSignal, work: Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    work.then(resolve, reject)
  })
}

/** The body as text, or null when it is larger than any documented answer. */
async function readText (body: AsyncIterable<Buffer>): Promise<string | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > MAX_REPLY_BYTES) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** WeChat labels its JSON text/plain in places, so the text decides; a byte order mark is skipped. */
function parseObject (text: string): WechatReply | null {
  try {
    const value: unknown = JSON.parse(text.replace(/^\uFEFF/, ''))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as WechatReply : null
  } catch {
    return null
  }
}

/**
 * Whether a connection failed before it could carry a byte. Only then is a repeat harmless: after that nobody can
 * tell whether WeChat has used up the code.
 */
function nothingWasSent (error: unknown): boolean {
  const { code, syscall } = error as NodeJS.ErrnoException
  return syscall === 'connect' || syscall === 'getaddrinfo' || code === 'ECONNREFUSED' || code === 'UND_ERR_CONNECT_TIMEOUT'
}
