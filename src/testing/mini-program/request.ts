/** wx.request and wx.uploadFile over real HTTP. */
import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { request } from 'undici/index.js'
import { contentTypeOf } from './content-type.js'
import { ERRNO, failure } from './failure.js'
import type { WxRequestOptions, WxRequestResult, WxUploadOptions, WxUploadResult } from './wx.js'

/** The methods of wx.request. PATCH is not among them. */
const METHODS = ['OPTIONS', 'GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'TRACE', 'CONNECT']

/** The User-Agent of WeChat on an iPhone. */
const USER_AGENT = 'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) ' +
  'Mobile/15E148 MicroMessenger/8.0.50(0x18003230) NetType/WIFI Language/zh_CN'

/** The sender of a transfer: the referer that identifies the Mini Program, and the signal that aborts the transfer. */
export interface Sender {
  referer: string
  signal: AbortSignal
}

/**
 * Sends a request. Resolves with every status.
 *
 * @throws WxFailure, and errors of undici
 */
export async function sendRequest (options: WxRequestOptions, sender: Sender): Promise<WxRequestResult> {
  const { method = 'GET', data } = options
  if (!METHODS.includes(method)) throw failure('request', 'method is invalid', ERRNO.invalidParameter)
  const url = parseUrl('request', options.url)
  const headers = headersOf({ 'content-type': 'application/json', ...options.header })
  const hasBody = !['GET', 'HEAD'].includes(method)
  if (!hasBody) {
    for (const [name, value] of Object.entries(data ?? {})) url.searchParams.append(name, String(value))
  }
  const body = hasBody ? bodyOf(data, headers['content-type']!) : null
  const { bytes, ...result } = await send({ url, method, headers, body }, sender)
  return { errMsg: 'request:ok', ...result, data: dataOf(bytes, options) }
}

/**
 * Sends a file by POST as multipart/form-data. Resolves with every status.
 *
 * @throws WxFailure, and errors of undici
 */
export async function sendFile (options: WxUploadOptions, sender: Sender): Promise<WxUploadResult> {
  const { filePath, name, formData = {} } = options
  const url = parseUrl('uploadFile', options.url)
  const bytes = await readFile(filePath).catch(() => { throw failure('uploadFile', 'file not found') })
  const form = new FormData()
  for (const [field, value] of Object.entries(formData)) form.append(field, String(value))
  form.append(name, new Blob([bytes], { type: contentTypeOf(filePath) }), basename(filePath))
  // Encoded here, because undici 7 never sends a FormData with Node.js 26.
  const encoded = new Response(form)
  const body = Buffer.from(await encoded.arrayBuffer())
  const headers = { ...headersOf(options.header), 'content-type': encoded.headers.get('content-type')! }
  const response = await send({ url, method: 'POST', headers, body }, sender)
  return { errMsg: 'uploadFile:ok', statusCode: response.statusCode, data: Buffer.from(response.bytes).toString() }
}

interface Outgoing {
  url: URL
  method: string
  headers: Record<string, string>
  body: string | Buffer | null
}

type Incoming = Pick<WxRequestResult, 'statusCode' | 'header' | 'cookies'> & { bytes: ArrayBuffer }

/** Sends a transfer with undici. Does not follow redirects. */
async function send ({ url, method, headers, body }: Outgoing, { referer, signal }: Sender): Promise<Incoming> {
  const response = await request(url, {
    method: method as 'GET',
    // WeChat sets the referer, and a Mini Program cannot change it.
    headers: { 'user-agent': USER_AGENT, ...headers, referer },
    body,
    signal,
    responseHeaders: 'raw',
    // Each request has its own connection, so that no connection outlives a test.
    reset: true
  })
  const { header, cookies } = readHeaders(response.headers as unknown as string[])
  return { statusCode: response.statusCode, header, cookies, bytes: await response.body.arrayBuffer() }
}

function parseUrl (api: string, url: string): URL {
  if (!URL.canParse(url)) throw failure(api, `invalid url "${url}"`, ERRNO.invalidUrl)
  return new URL(url)
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
