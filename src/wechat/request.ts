/**
 * Calls WeChat with a timeout and a size limit, and retries a call only if WeChat has not processed it.
 * No error of the HTTP client leaves this file. It may contain the URL, and the URL contains the app secret.
 */
import type { Dispatcher } from 'undici'
import {
  FST_WEAPP_WECHAT_BAD_REPLY, FST_WEAPP_WECHAT_TIMEOUT, FST_WEAPP_WECHAT_UNAVAILABLE, type WeappError,
  type WeappErrorConstructor
} from '../errors.js'
import { withDeadline, type Deadline } from '../utils/deadline.js'
import { isObject } from '../utils/type-checks.js'
import { createAgent } from './agent.js'
import { errorOf, SYSTEM_BUSY } from './errcodes.js'
import { HttpExchange, type HttpResponse } from './http-exchange.js'

export interface TransportOptions {
  /** Scheme and host of WeChat's API. */
  baseUrl: string
  /** Timeout of a whole call in milliseconds, from connecting to the last byte of the response, including retries. */
  timeout: number
  /** Maximum number of retries. */
  retries: number
  /** Maximum number of logins at once, and of all other calls at once. */
  concurrency: number
  /** The host's undici dispatcher, which the host closes. If undefined, the plugin uses its own agent. */
  dispatcher: Dispatcher | undefined
}

export interface WechatCall {
  path: string
  query: Record<string, string>
  /** Sent as JSON by POST. Without a body the request is a GET. */
  body?: object
  /** Errcodes that resolve this call instead of rejecting it. */
  expectedErrcodes?: readonly number[]
}

/** The JSON object of a response. */
export type WechatReply = Record<string, unknown>

export interface Transport {
  /**
   * Resolves to WeChat's reply, after retries if necessary. Rejects with the error of an errcode that is not expected.
   *
   * @throws FST_WEAPP_WECHAT_UNAVAILABLE, FST_WEAPP_WECHAT_TIMEOUT, FST_WEAPP_WECHAT_BAD_REPLY
   */
  call (call: WechatCall): Promise<WechatReply>
  /** Waits for pending calls, then closes the plugin's own agent. */
  close (): Promise<void>
}

/** Delay before the first retry, in milliseconds. It doubles with each further retry. */
const FIRST_BACKOFF_MS = 100

interface Failure {
  error: WeappError
  repeatable: boolean
}

type Attempt = { reply: WechatReply } | Failure

export function createTransport ({ baseUrl, timeout, retries, dispatcher }: TransportOptions): Transport {
  const ownAgent = dispatcher === undefined ? createAgent(timeout) : null
  const connections = dispatcher ?? ownAgent!
  let closed: Promise<void> | undefined

  return {
    call: (call) => withDeadline(timeout, async (wait) => {
      const tryOnce = async (): Promise<Attempt> => interpret(await ask(call, wait), call)
      let attempt = await tryOnce()
      for (let repeats = 0; 'error' in attempt; repeats++) {
        if (wait.isExpired) throw new FST_WEAPP_WECHAT_TIMEOUT()
        if (repeats === retries || !attempt.repeatable) throw attempt.error
        await sleep(FIRST_BACKOFF_MS * 2 ** repeats, wait)
        if (wait.isExpired) throw new FST_WEAPP_WECHAT_TIMEOUT()
        attempt = await tryOnce()
      }
      return attempt.reply
    }),

    async close () {
      // A second close() of the agent would reject.
      await (closed ??= ownAgent?.close())
    }
  }

  /** Sends one request. Never rejects: resolves to a Failure if there is no response. */
  function ask ({ path, query, body }: WechatCall, wait: Deadline): Promise<HttpResponse | Failure> {
    return new Promise((resolve) => {
      const fail = (error: unknown): void => {
        resolve(failed(FST_WEAPP_WECHAT_UNAVAILABLE, systemErrorCode(error), failedBeforeSending(error)))
      }
      const exchange = new HttpExchange({ resolve, reject: fail })
      wait.expire = () => exchange.abort()
      try {
        // URLSearchParams escapes each value, so a code cannot inject a parameter.
        const search = new URLSearchParams(query).toString()
        connections.dispatch({
          origin: baseUrl,
          path: search === '' ? path : `${path}?${search}`,
          headersTimeout: 0,
          bodyTimeout: 0,
          // One connection for each request. A response does not name its request. If a proxy sends one twice,
          // the copy would answer the next request on the same connection: the login of another user.
          reset: true,
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

function interpret (answer: HttpResponse | Failure, { expectedErrcodes = [] }: WechatCall): Attempt {
  if ('error' in answer) return answer
  const { statusCode, text } = answer
  if (statusCode >= 500) return failed(FST_WEAPP_WECHAT_UNAVAILABLE, `HTTP ${statusCode}`)
  if (statusCode !== 200) return failed(FST_WEAPP_WECHAT_BAD_REPLY, `HTTP ${statusCode}`)
  if (text === null) return failed(FST_WEAPP_WECHAT_BAD_REPLY, 'too large')
  const reply = parseObject(text)
  if (reply === null) return failed(FST_WEAPP_WECHAT_BAD_REPLY, 'not JSON')
  const { errcode } = reply
  if (errcode === undefined || errcode === 0 || expectedErrcodes.includes(errcode as number)) return { reply }
  return { error: errorOf(errcode, reply.errmsg), repeatable: errcode === SYSTEM_BUSY }
}

function failed (Constructor: WeappErrorConstructor, failure: string | undefined, repeatable = false): Failure {
  return { error: Object.assign(new Constructor(), failure !== undefined && { failure }), repeatable }
}

/** Returns an error code such as ECONNREFUSED, the only part of an HTTP client's error that never contains a secret. */
function systemErrorCode (error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code) ? code : undefined
}

/** Returns null if the text is not a JSON object. Ignores the content type, because WeChat sends JSON as text/plain. */
function parseObject (text: string): WechatReply | null {
  try {
    // JSON.parse rejects a byte order mark.
    const value: unknown = JSON.parse(text.startsWith('\uFEFF') ? text.slice(1) : text)
    return isObject(value) ? value as WechatReply : null
  } catch {
    return null
  }
}

/**
 * Returns false if a byte may have been sent before the connection failed. Then a retry is not safe, because WeChat may
 * have used up the code.
 */
function failedBeforeSending (error: unknown): boolean {
  // Node.js throws an AggregateError after it has tried each address of a host name.
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(failedBeforeSending)
  const { code, syscall } = (error ?? {}) as NodeJS.ErrnoException
  return syscall === 'connect' || syscall === 'getaddrinfo' ||
    code === 'ECONNREFUSED' || code === 'UND_ERR_CONNECT_TIMEOUT'
}
