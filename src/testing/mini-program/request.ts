/** wx.request and wx.uploadFile over real HTTP. */
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { FormData, request } from 'undici/index.js'

export interface WxCallbacks<Result> {
  success?: (result: Result) => void
  fail?: (failure: WxFailure) => void
  complete?: (outcome: Result | WxFailure) => void
}

/** The argument of `fail`, and the rejection of a promise of `wx`. */
export interface WxFailure {
  errMsg: string
  errno: number
}

export interface WxRequestOptions extends WxCallbacks<WxRequestResult> {
  url: string
  /** @default 'GET' */
  method?: string
  /** The query for GET and HEAD, the body for every other method. */
  data?: any
  header?: Record<string, any>
  /**
   * In milliseconds.
   *
   * @default 60_000
   */
  timeout?: number
  /**
   * With 'json', a JSON body is parsed.
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
  /** Names have the case that the server sent. */
  header: Record<string, string>
  data: any
  cookies: string[]
}

export interface WxUploadOptions extends WxCallbacks<WxUploadResult> {
  url: string
  /** The path of a file on this machine. */
  filePath: string
  /** The form field of the file. */
  name: string
  /** The other form fields. */
  formData?: Record<string, any>
  header?: Record<string, any>
  /**
   * In milliseconds.
   *
   * @default 60_000
   */
  timeout?: number
}

/** The result of an upload. It has no headers, as in WeChat. */
export interface WxUploadResult {
  errMsg: string
  statusCode: number
  /** The body as text. JSON is not parsed. */
  data: string
}

/** @see https://developers.weixin.qq.com/miniprogram/dev/framework/usability/PublicErrno.html */
const TIMED_OUT = 5
const NETWORK_FAILED = 600001
const INTERRUPTED = 600003

/** Returns a failure with an `errMsg` in the format of `wx`, such as 'request:fail timeout'. */
export function failure (api: string, reason: string, errno = INTERRUPTED): WxFailure {
  return { errMsg: `${api}:fail ${reason}`, errno }
}

/** The sender of a transfer: the referer that identifies the Mini Program, and the signal that aborts the transfer. */
export interface Sender {
  referer: string
  signal: AbortSignal
}

/** Sends a request. Resolves with every status. Rejects with a {@link WxFailure}. */
export async function sendRequest (options: WxRequestOptions, sender: Sender): Promise<WxRequestResult> {
  const { method = 'GET', data, timeout } = options
  const url = new URL(options.url)
  const headers = headersOf({ 'content-type': 'application/json', ...options.header })
  const hasBody = !['GET', 'HEAD'].includes(method)
  if (!hasBody) {
    for (const [name, value] of Object.entries(data ?? {})) url.searchParams.append(name, String(value))
  }
  const body = hasBody ? bodyOf(data, headers['content-type']!) : null
  const { bytes, ...result } = await send('request', { url, method, headers, body, timeout }, sender)
  return { errMsg: 'request:ok', ...result, data: dataOf(bytes, options) }
}

/** Sends a file by POST as multipart/form-data. Resolves with every status. Rejects with a {@link WxFailure}. */
export async function sendFile (options: WxUploadOptions, sender: Sender): Promise<WxUploadResult> {
  const { url, filePath, name, formData = {}, timeout } = options
  const bytes = await readFile(filePath).catch(() => { throw failure('uploadFile', 'file not found') })
  const body = new FormData()
  for (const [field, value] of Object.entries(formData)) body.append(field, String(value))
  body.append(name, new Blob([bytes]), basename(filePath))
  // undici sets the content type of the form.
  const { 'content-type': _contentType, ...headers } = headersOf(options.header)
  const response = await send('uploadFile', { url: new URL(url), method: 'POST', headers, body, timeout }, sender)
  return { errMsg: 'uploadFile:ok', statusCode: response.statusCode, data: Buffer.from(response.bytes).toString() }
}

interface Outgoing {
  url: URL
  method: string
  headers: Record<string, string>
  body: string | Buffer | FormData | null
  timeout: number | undefined
}

type Incoming = Pick<WxRequestResult, 'statusCode' | 'header' | 'cookies'> & { bytes: ArrayBuffer }

/** Sends a transfer with undici. Does not follow redirects. */
async function send (
  api: string, { url, method, headers, body, timeout = 60_000 }: Outgoing, { referer, signal }: Sender
): Promise<Incoming> {
  try {
    const response = await request(url, {
      method: method as 'GET',
      // WeChat sets the referer, and a Mini Program cannot change it.
      headers: { ...headers, referer },
      body,
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
      responseHeaders: 'raw',
      // Each request has its own connection, so that no connection outlives a test.
      reset: true
    })
    const { header, cookies } = readHeaders(response.headers as unknown as string[])
    return { statusCode: response.statusCode, header, cookies, bytes: await response.body.arrayBuffer() }
  } catch (error) {
    const { name, message } = error as Error
    if (name === 'TimeoutError') throw failure(api, 'timeout', TIMED_OUT)
    throw failure(api, name === 'AbortError' ? 'abort' : message, NETWORK_FAILED)
  }
}

function headersOf (header: Record<string, any> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(header).map(([name, value]) => [name.toLowerCase(), String(value)]))
}

function bodyOf (data: unknown, contentType: string): string | Buffer | null {
  if (data === undefined || data === null) return null
  if (data instanceof ArrayBuffer) return Buffer.from(data)
  if (typeof data === 'string') return data
  if (contentType.includes('x-www-form-urlencoded')) {
    return new URLSearchParams(data as Record<string, string>).toString()
  }
  return JSON.stringify(data)
}

/** Reads raw headers, a list of alternating names and values. */
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
