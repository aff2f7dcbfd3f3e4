/** The sign-in of a Mini Program: one login for all who ask, and requests that survive the end of a session. */
import { parsed, payloadOf, readAnswer, readFailure, refusal, REMEDY, UNAUTHORIZED, type Reply } from './answer.js'
import { clientError, type WeappClientError } from './errors.js'
import { openSignIn } from './sign-in.js'
import type { Auth, LoginAnswer, SessionAnswer, WeappClient, WeappClientOptions, WeappRequest, WeappTransfer, WeappUpload } from './types.js'
import { call, globalWx, type Answer, type Failure, type PlatformAnswer, type WxTransfer, type WxUpload } from './wx.js'

const REVOKED = 'FST_WEAPP_SESSION_REVOKED'

type Extra = Record<string, unknown> | undefined
type PlainRequest = Omit<WeappRequest, 'auth'>
type PlainUpload = Omit<WeappUpload, 'auth'>
type Transfer = Omit<WeappTransfer, 'auth'> & Record<string, unknown>
type SendWith = (token: string | null) => Promise<Reply>

/**
 * One per Mini Program and server: make it in app.js and share it.
 *
 * @example
 * const client = createWeappClient({ baseUrl: 'https://api.example.com' })
 * const { data } = await client.request({ url: '/me' })
 */
export function createWeappClient (options: WeappClientOptions): WeappClient {
  const { prefix = '/weapp', wx = globalWx(), storageKey = 'fastify-weapp', onSignedOut, unwrap = (body) => body } = options
  const baseUrl = options.baseUrl.replace(/\/+$/, '')
  const phone = openSignIn(wx, storageKey)
  /** The login under way. */
  let flight: { promise: Promise<LoginAnswer>, extra: string | undefined } | null = null
  let keyCheck: Promise<void> | null = null

  /** Has the platform send what goes to a URL below baseUrl, with the token. */
  async function send (api: (transfer: WxTransfer<PlatformAnswer>) => unknown, { url, header, onTask, ...rest }: Transfer, token: string | null): Promise<Reply> {
    const path = url.startsWith(`${baseUrl}/`) ? url.slice(baseUrl.length) : url
    // Anything else might be part of another host's name.
    if (path[0] !== '/') throw clientError('WEAPP_BAD_URL', 'The url has to be a path, or a URL below baseUrl.')
    const whole = { ...rest, url: baseUrl + path, header: { ...header, ...token !== null && { Authorization: `Bearer ${token}` } } }
    try {
      return readAnswer(await call<PlatformAnswer>((callbacks) => {
        const task = api({ ...whole, ...callbacks })
        if (onTask) onTask(task)
        return task
      }))
    } catch (error) {
      const reply = readFailure(error as Failure)
      if (reply === null) throw platformError('WEAPP_NETWORK_FAILED', 'No answer from the server.', error)
      return reply
    }
  }

  function sendRequest ({ method = 'GET', data, ...rest }: PlainRequest, token: string | null): Promise<Reply> {
    const isEmptyJson = data === undefined && /^(POST|PUT|DELETE)$/.test(method) && isJson(rest.header)
    return send((request) => wx.request(request), { ...rest, method, data: isEmptyJson ? {} : data }, token)
  }

  async function sendFile (upload: PlainUpload, token: string | null): Promise<Reply> {
    if (!wx.uploadFile) throw clientError('WEAPP_NO_WX', 'The given wx has no uploadFile.')
    const api = (file: WxTransfer<PlatformAnswer>) => wx.uploadFile!({ ...file as WxUpload, success: (answer) => file.success(parsed(answer)) })
    const reply = await send(api, upload, token)
    if (reply.code !== UNAUTHORIZED || token === null) return reply
    // What would have told whose 401 it is went with the headers, which a request gets.
    const { code, answer } = await sendRequest({ url: `${prefix}/session` }, token)
    return answer.statusCode === 404 ? reply : { ...reply, code }
  }

  async function exchange (extra: Extra): Promise<LoginAnswer> {
    const { code } = await call<{ code: string }>((callbacks) => wx.login(callbacks)).catch((error) => {
      throw platformError('WEAPP_WX_LOGIN_FAILED', 'wx.login failed.', error)
    })
    // The old token goes along, so that the server replaces its session instead of adding one.
    const reply = await sendRequest({ url: `${prefix}/login`, method: 'POST', data: { ...extra, code } }, phone.token)
    const answer = unwrap(payloadOf(reply))
    if (!answer || typeof answer.token !== 'string') {
      throw clientError('WEAPP_BAD_ANSWER', 'The answer to the login has no token. Does the host wrap its answers? Then give unwrap.')
    }
    phone.begin(answer.token)
    return answer
  }

  async function login (extra?: Extra): Promise<LoginAnswer> {
    const text = JSON.stringify(extra)
    if (flight !== null) {
      if (text === undefined || text === flight.extra) return await flight.promise
      await landing()
      return await login(extra)
    }
    const promise = exchange(extra)
    flight = { promise, extra: text }
    try {
      return await promise
    } finally {
      flight = null
    }
  }

  /** When no login is under way, however the last one ended. */
  async function landing (): Promise<void> {
    if (flight === null) return
    await flight.promise.catch(() => {})
    await landing()
  }

  /** Signs in when nobody has yet; a phone that is signed out stays so, unless somebody is signing in just now. */
  async function demandSignIn (): Promise<void> {
    if (phone.token !== null) return
    if (phone.signedOut !== null && flight === null) throw signedOutError(phone.signedOut)
    await login()
  }

  async function request ({ auth, ...plain }: WeappRequest): Promise<Answer> {
    return await signedIn((token) => sendRequest(plain, token), auth)
  }

  async function upload ({ auth, ...plain }: WeappUpload): Promise<Answer> {
    return await signedIn((token) => sendFile(plain, token), auth)
  }

  async function signedIn (sendWith: SendWith, auth: Auth = 'required'): Promise<Answer> {
    return auth === false ? (await sendWith(null)).answer : await attempt(sendWith, auth, 0, false)
  }

  /** Sends and, where that helps, renews the sign-in (once) and sends again (at most twice). */
  async function attempt (sendWith: SendWith, auth: 'required' | 'optional', repeats: number, isRenewed: boolean): Promise<Answer> {
    if (auth === 'required') await demandSignIn()
    const { token } = phone
    const reply = await sendWith(token)
    const { answer, code } = reply
    const remedy = token !== null && REMEDY[code!]

    if (remedy === 'none, signed out') {
      // A login that was under way may have brought a newer session, which this answer does not speak of.
      await landing()
      if (phone.token === token) {
        phone.end(code!)
        if (onSignedOut) onSignedOut(code!)
      }
      if (phone.token === null) throw refusal(reply)
      if (repeats > 1) return answer
    } else if (remedy === 'login') {
      if (auth === 'optional' || isRenewed || repeats > 1) return answer
      // Otherwise the sign-in is newer than what failed.
      if (phone.token === token) {
        isRenewed = true
        await login()
      }
    } else if (remedy === 'new key') {
      if (auth === 'optional' || isRenewed) throw refusal(reply, 'The data was encrypted with an old session_key: ask for the tap again.')
      isRenewed = true
      if (phone.token === token) await login()
    } else {
      return answer
    }
    return await attempt(sendWith, auth, repeats + 1, isRenewed)
  }

  async function ensureSessionKey (): Promise<void> {
    // A login brings a key that lives.
    if (phone.token === null) return await demandSignIn()
    keyCheck = keyCheck || checkKey().catch((error) => {
      keyCheck = null
      throw error
    })
    await keyCheck
  }

  async function checkKey (): Promise<void> {
    const { token } = phone
    const isAlive = await call((callbacks) => wx.checkSession(callbacks)).then(() => true, () => false)
    if (!isAlive && phone.token === token) await login()
    else await demandSignIn()
  }

  async function logout ({ all = false } = {}): Promise<void> {
    // What a login brings that is under way has to end too.
    await landing()
    if (all) await demandSignIn()
    if (phone.token !== null) await endSession(phone.token, all, true)
    else if (phone.signedOut === null) phone.end(REVOKED)
  }

  async function endSession (token: string, all: boolean, mayRenew: boolean): Promise<void> {
    // Before it is true, so that no request signs in meanwhile.
    phone.end(REVOKED)
    let reply: Reply
    try {
      reply = await sendRequest({ url: `${prefix}/logout${all ? '?all=true' : ''}`, method: 'POST' }, token)
      if (!REMEDY[reply.code!]) payloadOf(reply)
    } catch (error) {
      if (phone.signedOut !== null) phone.begin(token)
      throw error
    }
    const remedy = REMEDY[reply.code!]
    if (!all || !remedy || reply.code === REVOKED) return
    // It has ended, and so it could not end the others; but a new one can.
    if (remedy !== 'login' || !mayRenew) throw refusal(reply)
    await endSession((await login()).token, all, false)
  }

  return {
    login,
    request,
    upload,
    ensureSessionKey,
    logout,
    session: async () => unwrap(payloadOf(readAnswer(await request({ url: `${prefix}/session` })))) as SessionAnswer,
    get token () { return phone.token }
  }
}

/** What wx.request assumes. */
function isJson (header: Record<string, string> = {}): boolean {
  const name = Object.keys(header).find((name) => name.toLowerCase() === 'content-type')
  return name === undefined || /json/i.test(header[name]!)
}

function platformError (code: string, message: string, failure: unknown): WeappClientError {
  const { errMsg, errno } = failure as Failure
  return clientError(code, errMsg ? `${message} (${errMsg})` : message, { ...errMsg && { errMsg }, ...errno && { errno } })
}

function signedOutError (code: string): WeappClientError {
  return clientError(code, 'This phone is signed out: only login() ends that.')
}
