/** What goes to the server and nowhere else, with the token, by way of the platform. */
import { headerOf, parsed, readAnswer, readFailure, UNAUTHORIZED, type Reply } from './answer.js'
import { clientError } from './errors.js'
import type { WeappRequest, WeappTransfer, WeappUpload } from './types.js'
import { call, platformError, type Failure, type PlatformAnswer, type Wx, type WxTransfer, type WxUpload } from './wx.js'

type PlainTransfer = Omit<WeappTransfer, 'auth'> & Record<string, unknown>

export interface Transfer {
  sendRequest (request: Omit<WeappRequest, 'auth'>, token: string | null): Promise<Reply>
  sendFile (upload: Omit<WeappUpload, 'auth'>, token: string | null): Promise<Reply>
}

/**
 * What leads the path of a URL elsewhere: '.' or '..' between slashes, as a URL parser or a proxy sees it. The one takes a
 * backslash for a slash, and leaves out control characters and the spaces at the end; the other may decode %2F first.
 */
const PATH_TRAVERSAL = /^[^?#]*((\/|\\|%2f|%5c)(\.|%2e){1,2}(\/|\\|%2f|%5c|[?#]|\s*$)|[^ -\uffff])/i

/** @param sessionPath where the server tells of the session behind a token */
export function createTransfer (wx: Wx, baseUrl: string, sessionPath: string): Transfer {
  /** Has the platform send what goes to a URL below baseUrl, with the token. */
  async function send (
    api: (transfer: WxTransfer<PlatformAnswer>) => unknown, { url, header, onTask, ...rest }: PlainTransfer, token: string | null
  ): Promise<Reply> {
    const text = String(url)
    const path = text.startsWith(`${baseUrl}/`) ? text.slice(baseUrl.length) : text
    // Anything else might be part of another host's name.
    if (path[0] !== '/' || PATH_TRAVERSAL.test(path)) throw clientError('WEAPP_BAD_URL', 'The url has to be a path, or a URL below baseUrl.')
    const whole = { ...rest, url: baseUrl + path, header: { ...header, ...token !== null && { Authorization: `Bearer ${token}` } } }
    let task: unknown
    const answered = call<PlatformAnswer>((callbacks) => (task = api({ ...whole, ...callbacks })))
    // In case that onTask throws, which is for its author to hear.
    answered.catch(() => {})
    if (onTask && task) onTask(task)
    try {
      return readAnswer(await answered)
    } catch (error) {
      const reply = readFailure(error as Failure)
      if (reply === null) throw platformError('WEAPP_NETWORK_FAILED', 'No answer from the server.', error)
      return reply
    }
  }

  const sendRequest: Transfer['sendRequest'] = ({ method = 'GET', data, ...rest }, token) => {
    const isEmptyJson = data === undefined && /^(POST|PUT|DELETE)$/.test(method) && isJson(rest.header)
    return send((request) => wx.request(request), { ...rest, method, data: isEmptyJson ? {} : data }, token)
  }

  const sendFile: Transfer['sendFile'] = async (upload, token) => {
    if (!wx.uploadFile) throw clientError('WEAPP_NO_WX', 'The given wx has no uploadFile.')
    const api = (file: WxTransfer<PlatformAnswer>) => wx.uploadFile!({ ...file as WxUpload, success: (answer) => file.success(parsed(answer)) })
    const reply = await send(api, upload, token)
    if (reply.code !== UNAUTHORIZED || token === null) return reply
    // What would have told whose 401 it is went with the headers, which a request gets.
    const { code, answer } = await sendRequest({ url: sessionPath }, token)
    return answer.statusCode === 404 ? reply : { ...reply, code }
  }

  return { sendRequest, sendFile }
}

/** What wx.request assumes. */
function isJson (header: Record<string, string> = {}): boolean {
  const type = headerOf(header, 'content-type')
  return type === undefined || /json/i.test(type)
}
