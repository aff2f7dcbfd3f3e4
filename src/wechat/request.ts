/**
 * Calls WeChat with a timeout and a size limit, and retries a call only if WeChat has not processed it.
 * No error of the HTTP client leaves this file. It may contain the URL, and the URL contains the app secret.
 */
import type { Dispatcher } from 'undici'
import { FST_WEAPP_WECHAT_TIMEOUT, FST_WEAPP_WECHAT_UNAVAILABLE } from '../errors.js'
import { withDeadline, type Deadline } from '../utils/deadline.js'
import { createAgent } from './agent.js'
import { HttpExchange, type HttpResponse } from './http-exchange.js'
import {
  DEFAULT_MAX_BYTES, failed, readFile, readReply, type Attempt, type Failure, type ReadOptions, type WechatFile,
  type WechatReply
} from './response.js'

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

export interface WechatCall extends ReadOptions {
  path: string
  query: Record<string, string>
  /** JSON, sent by POST. Without a body the request is a GET. */
  body?: string
}

export interface Transport {
  /**
   * Resolves to WeChat's reply, after retries if necessary. Rejects with the error of an errcode that is not expected.
   *
   * @throws FST_WEAPP_WECHAT_UNAVAILABLE, FST_WEAPP_WECHAT_TIMEOUT, FST_WEAPP_WECHAT_BAD_REPLY
   */
  call (call: WechatCall): Promise<WechatReply>
  /**
   * Resolves to the bytes of a response that is no JSON, and otherwise as `call` does.
   *
   * @throws FST_WEAPP_WECHAT_UNAVAILABLE, FST_WEAPP_WECHAT_TIMEOUT, FST_WEAPP_WECHAT_BAD_REPLY
   */
  download (call: WechatCall): Promise<WechatFile>
  /** Waits for pending calls, then closes the plugin's own agent. */
  close (): Promise<void>
}

/** Delay before the first retry, in milliseconds. It doubles with each further retry. */
const FIRST_BACKOFF_MS = 100

/** @param onRounded called with the path of an API whose reply contained an integer that was rounded */
export function createTransport (
  { baseUrl, timeout, retries, dispatcher }: TransportOptions, onRounded: (path: string) => void
): Transport {
  const agent = createAgent(timeout)
  const connections = dispatcher ?? agent

  /** Sends the request, again after a failure that allows it, until the deadline. */
  function send<Result> (
    call: WechatCall, read: (response: HttpResponse) => Promise<Attempt<Result>>
  ): Promise<Result> {
    return withDeadline(timeout, async (deadline) => {
      const tryOnce = async (): Promise<Attempt<Result>> => {
        const response = await ask(call, deadline)
        return 'error' in response ? response : await read(response)
      }
      let attempt = await tryOnce()
      for (let repeats = 0; 'error' in attempt; repeats++) {
        if (deadline.isExpired) throw new FST_WEAPP_WECHAT_TIMEOUT()
        if (repeats === retries || !attempt.repeatable) throw attempt.error
        await sleep(FIRST_BACKOFF_MS * 2 ** repeats, deadline)
        if (deadline.isExpired) throw new FST_WEAPP_WECHAT_TIMEOUT()
        attempt = await tryOnce()
      }
      return attempt.result
    })
  }

  return {
    call: (call) => send(call, (response) => readReply(response, call, () => onRounded(call.path))),

    download: (call) => send(call, (response) => readFile(response, call)),

    close: agent.close
  }

  /** Sends one request. Never rejects: resolves to a Failure if there is no response. */
  function ask (call: WechatCall, deadline: Deadline): Promise<HttpResponse | Failure> {
    return new Promise((resolve) => {
      const fail = (error: unknown): void => {
        resolve(failed(FST_WEAPP_WECHAT_UNAVAILABLE, systemErrorCode(error), failedBeforeSending(error)))
      }
      const exchange = new HttpExchange({ resolve, reject: fail }, call.maxBytes ?? DEFAULT_MAX_BYTES)
      deadline.expire = () => exchange.abort()
      dispatch(call, exchange).catch(fail)
    })
  }

  async function dispatch ({ path, query, body }: WechatCall, exchange: HttpExchange): Promise<void> {
    // URLSearchParams escapes each value, so a code cannot inject a parameter.
    const search = new URLSearchParams(query).toString()
    await connections.dispatch({
      origin: baseUrl,
      path: search === '' ? path : `${path}?${search}`,
      headersTimeout: 0,
      bodyTimeout: 0,
      // One connection for each request. A response does not name its request. If a proxy sends one twice,
      // the copy would answer the next request on the same connection: the login of another user.
      reset: true,
      ...body === undefined
        ? { method: 'GET' }
        : { method: 'POST', headers: { 'content-type': 'application/json' }, body }
    }, exchange)
  }
}

function sleep (milliseconds: number, deadline: Deadline): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds)
    deadline.expire = () => {
      clearTimeout(timer)
      resolve()
    }
  })
}

/** Returns an error code such as ECONNREFUSED, the only part of an HTTP client's error that never contains a secret. */
function systemErrorCode (error: unknown): string | undefined {
  const { code } = (error ?? {}) as { code?: unknown }
  return typeof code === 'string' && /^[A-Z][A-Z0-9_]{1,63}$/.test(code) ? code : undefined
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
