/**
 * One call to WeChat: bounded in time and size, repeated only where that is harmless, and silent about everything
 * secret. No error of the HTTP client leaves this file, because it may hold the URL, and the URL holds the app secret.
 */
import { Agent, type Dispatcher } from 'undici'
import {
  FST_WEAPP_WECHAT_BAD_REPLY, FST_WEAPP_WECHAT_TIMEOUT, FST_WEAPP_WECHAT_UNAVAILABLE, type WeappError,
  type WeappErrorConstructor
} from '../errors.js'
import { isExpired, DeadlineQueue, type Deadline } from '../utils/deadline-queue.js'
import { errorOf, SYSTEM_BUSY } from './errcodes.js'
import { HttpExchange, type HttpResponse } from './http-exchange.js'

export interface TransportOptions {
  /** Scheme and host of WeChat's API. */
  baseUrl: string
  /** Milliseconds for the whole call, connecting, repeats and the last byte of the answer included. */
  timeout: number
  /** How often a call is repeated at most. */
  retries: number
  /** How many connections we keep of our own; unused with a `dispatcher`. */
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
  /**
   * Asks, and asks again where that is harmless.
   *
   * @throws FST_WEAPP_WECHAT_UNAVAILABLE, _TIMEOUT, _BAD_REPLY, or the error of WeChat's errcode
   */
  call (call: WechatCall): Promise<WechatReply>
  /** Lets calls under way finish, then closes our own connections. */
  close (): Promise<void>
}

const FIRST_BACKOFF_MS = 100

interface Failure {
  error: WeappError
  repeatable: boolean
}

type Attempt = { reply: WechatReply } | Failure

export function createTransport ({ baseUrl, timeout, retries, concurrency, dispatcher }: TransportOptions): Transport {
  const ownAgent = dispatcher === undefined ? new Agent({ connections: concurrency, connectTimeout: timeout }) : null
  const connections = dispatcher ?? ownAgent!
  const limit = new DeadlineQueue(timeout)
  let closed: Promise<void> | undefined

  return {
    call: (call) => limit.run(async (wait) => {
      const tryOnce = async (): Promise<Attempt> => interpret(await ask(call, wait), call)
      let attempt = await tryOnce()
      for (let repeats = 0; 'error' in attempt; repeats++) {
        if (isExpired(wait)) throw new FST_WEAPP_WECHAT_TIMEOUT()
        if (repeats === retries || !attempt.repeatable) throw attempt.error
        await sleep(FIRST_BACKOFF_MS * 2 ** repeats, wait)
        if (isExpired(wait)) throw new FST_WEAPP_WECHAT_TIMEOUT()
        attempt = await tryOnce()
      }
      return attempt.reply
    }),

    async close () {
      // An agent that is closed already would reject.
      await (closed ??= ownAgent?.close())
    }
  }

  /** Never rejects: that there is no answer is one too. */
  function ask ({ path, query, body }: WechatCall, wait: Deadline): Promise<HttpResponse | Failure> {
    return new Promise((resolve) => {
      const fail = (error: unknown): void => {
        resolve(failed(FST_WEAPP_WECHAT_UNAVAILABLE, systemWord(error), nothingWasSent(error)))
      }
      const exchange = new HttpExchange({ resolve, reject: fail })
      wait.expire = () => exchange.abort()
      try {
        // URLSearchParams escapes everything: a code cannot smuggle in a parameter of its own.
        const search = new URLSearchParams(query).toString()
        connections.dispatch({
          origin: baseUrl,
          path: search === '' ? path : `${path}?${search}`,
          headersTimeout: 0,
          bodyTimeout: 0,
          ...body === undefined
            ? { method: 'GET' }
            : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
        }, exchange)
      } catch (error) {
        fail(error)
      }
    })
  }
}

function sleep (milliseconds: number, wait: Deadline): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds)
    wait.expire = () => {
      clearTimeout(timer)
      resolve()
    }
  })
}

function interpret (answer: HttpResponse | Failure, { answers = [] }: WechatCall): Attempt {
  if ('error' in answer) return answer
  const { statusCode, text } = answer
  if (statusCode >= 500) return failed(FST_WEAPP_WECHAT_UNAVAILABLE, `HTTP ${statusCode}`)
  if (statusCode !== 200) return failed(FST_WEAPP_WECHAT_BAD_REPLY, `HTTP ${statusCode}`)
  if (text === null) return failed(FST_WEAPP_WECHAT_BAD_REPLY, 'too large')
  const reply = parseObject(text)
  if (reply === null) return failed(FST_WEAPP_WECHAT_BAD_REPLY, 'not JSON')
  const { errcode } = reply
  if (errcode === undefined || errcode === 0 || answers.includes(errcode as number)) return { reply }
  return { error: errorOf(errcode), repeatable: errcode === SYSTEM_BUSY }
}

function failed (Refusal: WeappErrorConstructor, failure: string | undefined, repeatable = false): Failure {
  return { error: Object.assign(new Refusal(), failure !== undefined && { failure }), repeatable }
}

/** The one part of the HTTP client's error that is of a closed list, and of use to whoever runs the server. */
function systemWord (error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code) ? code : undefined
}

/** WeChat labels its JSON text/plain in places, so the text decides; a byte order mark is skipped. */
function parseObject (text: string): WechatReply | null {
  try {
    const value: unknown = JSON.parse(text.startsWith('\uFEFF') ? text.slice(1) : text)
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
  // Of a name with several addresses, each of which was tried.
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(nothingWasSent)
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException
  return syscall === 'connect' || syscall === 'getaddrinfo' || code === 'ECONNREFUSED' || code === 'UND_ERR_CONNECT_TIMEOUT'
}
