/** Sends requests and uploads with the token, to URLs below `baseUrl` only. */
import { clientError } from './errors.js'
import { headerOf, parseData, readResponse, responseIn, type Reply } from './response.js'
import type { WeappRequest, WeappTransfer, WeappUpload } from './types.js'
import { urlBelow } from './url.js'
import { callWx, platformError, type RawResponse, type Wx, type WxCallbacks } from './wx.js'

/** Longer than the platform's own timeout of 60 seconds, which is the one to report. */
const ROUTE_TIMEOUT_MS = 65_000

type PlainTransfer = Omit<WeappTransfer, 'auth'> & Record<string, unknown>
type PlainRequest = Omit<WeappRequest, 'auth'>

export interface Transfer {
  /** Sends a request of the host. The platform alone limits its time. */
  sendRequest (request: PlainRequest, token: string | null): Promise<Reply>
  /** Calls a route of the plugin, such as '/session'. Rejects after 65 seconds. */
  callRoute (
    path: string, token: string | null, method?: 'GET' | 'POST', data?: object, header?: Record<string, string>
  ): Promise<Reply>
  /** Sends a file of the host. The platform alone limits its time. */
  sendFile (upload: Omit<WeappUpload, 'auth'>, token: string | null): Promise<Reply>
}

export function createTransfer (wx: Wx, baseUrl: string, prefix: string): Transfer {
  async function send (
    api: 'request' | 'uploadFile',
    { url, header = {}, onTask, ...rest }: PlainTransfer,
    token: string | null,
    timeout?: number
  ): Promise<Reply> {
    // WeChat parses JSON in the response to a request only.
    const read = (raw: RawResponse) => readResponse(api === 'request' ? raw : parseData(raw))
    const transfer = { ...rest, url: urlBelow(baseUrl, url), header: withToken(header, token) }
    let task: unknown
    const call = (callbacks: WxCallbacks<RawResponse>) => (task = wx[api]!({ ...transfer, ...callbacks } as any))
    const response = callWx(call, 'statusCode', timeout)
    // Avoids an unhandled rejection if onTask throws. That error rejects the request instead.
    response.catch(() => {})
    if (onTask && task) onTask(task)
    try {
      return read(await response)
    } catch (error) {
      const raw = responseIn(error)
      if (raw === null) throw platformError('WEAPP_NETWORK_FAILED', 'No response from the server', error)
      return read(raw)
    }
  }

  async function sendRequest (
    { method = 'GET', data, ...rest }: PlainRequest, token: string | null, timeout?: number
  ): Promise<Reply> {
    // wx.request sends JSON by default.
    const isJson = /json/i.test(headerOf(rest.header, 'content-type') || 'json')
    if (data === undefined && isJson && /^(POST|PUT|DELETE)$/.test(method)) data = {}
    return await send('request', { ...rest, method, data }, token, timeout)
  }

  return {
    sendRequest,
    callRoute (path, token, method, data, header) {
      return sendRequest({ url: prefix + path, method, data, header } as PlainRequest, token, ROUTE_TIMEOUT_MS)
    },
    async sendFile (upload, token) {
      if (!wx.uploadFile) throw clientError('WEAPP_NO_WX', 'wx has no uploadFile. Pass one that has.')
      return await send('uploadFile', upload, token)
    }
  }
}

/** Returns the headers with the token, in the place of any other authorization. */
function withToken (header: Record<string, string>, token: string | null): Record<string, string> {
  if (token === null) return header
  const headers: Record<string, string> = { Authorization: `Bearer ${token}` }
  for (const name of Object.keys(header)) if (!/^authorization$/i.test(name)) headers[name] = header[name]!
  return headers
}
