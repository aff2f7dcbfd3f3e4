/** Sends requests and uploads with the token, to URLs below `baseUrl` only. */
import { clientError } from './errors.js'
import { headerOf, parseData, readFailure, readResponse, UNAUTHORIZED, type Reply } from './response.js'
import type { WeappRequest, WeappTransfer, WeappUpload } from './types.js'
import { urlBelow } from './url.js'
import {
  callWx, platformError, type RawResponse, type Wx, type WxFailure, type WxTransfer, type WxUpload
} from './wx.js'

type PlainTransfer = Omit<WeappTransfer, 'auth'> & Record<string, unknown>
type WxApi = (transfer: WxTransfer<RawResponse>) => unknown

export interface Transfer {
  sendRequest (request: Omit<WeappRequest, 'auth'>, token: string | null): Promise<Reply>
  sendFile (upload: Omit<WeappUpload, 'auth'>, token: string | null): Promise<Reply>
}

/** @param sessionPath the path of the plugin's session route */
export function createTransfer (wx: Wx, baseUrl: string, sessionPath: string): Transfer {
  async function send (
    api: WxApi, { url, header, onTask, ...rest }: PlainTransfer, token: string | null
  ): Promise<Reply> {
    const transfer = {
      ...rest,
      url: urlBelow(baseUrl, url),
      header: { ...header, ...token !== null && { Authorization: `Bearer ${token}` } }
    }
    let task: unknown
    const response = callWx<RawResponse>((callbacks) => (task = api({ ...transfer, ...callbacks })))
    // Avoids an unhandled rejection if onTask throws. That error rejects the request instead.
    response.catch(() => {})
    if (onTask && task) onTask(task)
    try {
      return readResponse(await response)
    } catch (error) {
      const reply = readFailure(error as WxFailure)
      if (reply === null) throw platformError('WEAPP_NETWORK_FAILED', 'No response from the server', error)
      return reply
    }
  }

  const sendRequest: Transfer['sendRequest'] = ({ method = 'GET', data, ...rest }, token) => {
    const isEmptyJson = data === undefined && /^(POST|PUT|DELETE)$/.test(method) && isJson(rest.header)
    return send((request) => wx.request(request), { ...rest, method, data: isEmptyJson ? {} : data }, token)
  }

  const sendFile: Transfer['sendFile'] = async (upload, token) => {
    if (!wx.uploadFile) throw clientError('WEAPP_NO_WX', 'wx.uploadFile is missing. Pass a wx that has it.')
    const api: WxApi = (file) => {
      return wx.uploadFile!({ ...file as WxUpload, success: (response) => file.success(parseData(response)) })
    }
    const reply = await send(api, upload, token)
    if (reply.code !== UNAUTHORIZED || token === null) return reply
    // wx.uploadFile drops the headers, so this 401 is ambiguous. A request to the session route returns the headers.
    const { code, response } = await sendRequest({ url: sessionPath }, token)
    return response.statusCode === 404 ? reply : { ...reply, code }
  }

  return { sendRequest, sendFile }
}

/** Whether wx.request sends JSON, which it also does by default. */
function isJson (header: Record<string, string> = {}): boolean {
  const type = headerOf(header, 'content-type')
  return type === undefined || /json/i.test(type)
}
