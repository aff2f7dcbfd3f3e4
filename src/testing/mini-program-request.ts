import { request } from 'undici'

export interface WxCallbacks<Result> {
  success?: (result: Result) => void
  fail?: (failure: WxFailure) => void
  complete?: (outcome: Result | WxFailure) => void
}

/** What `fail` is called with, and what a promise of `wx` rejects with. */
export interface WxFailure {
  errMsg: string
  errno: number
}

export interface WxRequestOptions extends WxCallbacks<WxRequestResult> {
  url: string
  /** @default 'GET' */
  method?: string
  /** For GET and HEAD it goes into the query, for any other method into the body. */
  data?: any
  header?: Record<string, any>
  /**
   * In milliseconds.
   *
   * @default 60_000
   */
  timeout?: number
  /**
   * With 'json', text that is JSON is parsed.
   *
   * @default 'json'
   */
  dataType?: string
  /** @default 'text' */
  responseType?: 'text' | 'arraybuffer'
}

export interface WxRequestResult {
  errMsg: string
  statusCode: number
  /** Names as they came over the wire. */
  header: Record<string, string>
  data: any
  cookies: string[]
}

/** https://developers.weixin.qq.com/miniprogram/dev/framework/usability/PublicErrno.html */
const TIMED_OUT = 5
const NETWORK_FAILED = 600001
const INTERRUPTED = 600003

/** A failure as `wx` words it, such as 'request:fail timeout'. */
export function failure (api: string, reason: string, errno = INTERRUPTED): WxFailure {
  return { errMsg: `${api}:fail ${reason}`, errno }
}

/** wx.request over real HTTP. Follows no redirect. Every status is a result; rejects with a {@link WxFailure}. */
export async function sendRequest (options: WxRequestOptions, referer: string, aborted: AbortSignal): Promise<WxRequestResult> {
  const { method = 'GET', data, timeout = 60_000 } = options
  const url = new URL(options.url)
  const headers: Record<string, string> = { 'content-type': 'application/json' }
  for (const [name, value] of Object.entries(options.header ?? {})) headers[name.toLowerCase()] = String(value)
  // A Mini Program cannot set it.
  headers['referer'] = referer

  const hasBody = !['GET', 'HEAD'].includes(method)
  if (!hasBody) {
    for (const [name, value] of Object.entries(data ?? {})) url.searchParams.append(name, String(value))
  }
  try {
    const response = await request(url, {
      method: method as 'GET',
      headers,
      body: hasBody ? bodyOf(data, headers['content-type']!) : null,
      signal: AbortSignal.any([aborted, AbortSignal.timeout(timeout)]),
      responseHeaders: 'raw',
      // Nothing of a test outlives it: each request has a connection of its own.
      reset: true
    })
    const { header, cookies } = readHeaders(response.headers as unknown as string[])
    const bytes = await response.body.arrayBuffer()
    return { errMsg: 'request:ok', statusCode: response.statusCode, header, data: dataOf(bytes, options), cookies }
  } catch (error) {
    const { name, message } = error as Error
    if (name === 'TimeoutError') throw failure('request', 'timeout', TIMED_OUT)
    throw failure('request', name === 'AbortError' ? 'abort' : message, NETWORK_FAILED)
  }
}

function bodyOf (data: unknown, contentType: string): string | Buffer | null {
  if (data === undefined || data === null) return null
  if (data instanceof ArrayBuffer) return Buffer.from(data)
  if (typeof data === 'string') return data
  if (contentType.includes('x-www-form-urlencoded')) return new URLSearchParams(data as Record<string, string>).toString()
  return JSON.stringify(data)
}

/** Of names and values in turn. */
function readHeaders (raw: string[]): { header: Record<string, string>, cookies: string[] } {
  const header: Record<string, string> = {}
  const cookies: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const [name, value] = raw.slice(i, i + 2) as [string, string]
    if (name.toLowerCase() === 'set-cookie') cookies.push(value)
    header[name] = header[name] === undefined ? value : `${header[name]},${value}`
  }
  return { header, cookies }
}

function dataOf (bytes: ArrayBuffer, { dataType = 'json', responseType = 'text' }: WxRequestOptions): unknown {
  if (responseType === 'arraybuffer') return bytes
  const text = Buffer.from(bytes).toString()
  if (dataType !== 'json') return text
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
