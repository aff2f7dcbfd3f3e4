/** The sign-in of a Mini Program: one login for all who ask, and requests that survive the end of a session. */
import { payloadOf, readAnswer, refusal, RECOVERY, type Reply } from './answer.js'
import { clientError, type WeappClientError } from './errors.js'
import { openAuthState } from './sign-in.js'
import { createTransfer } from './transfer.js'
import type { Auth, LoginAnswer, SessionAnswer, WeappClient, WeappClientOptions, WeappRequest, WeappUpload } from './types.js'
import { call, globalWx, platformError, type Answer } from './wx.js'

/** A platform that never calls back would hold up everybody who waits for the login. */
const WX_LOGIN_MS = 10_000

const REVOKED = 'FST_WEAPP_SESSION_REVOKED'

type Extra = Record<string, unknown> | undefined
type SendWith = (token: string | null) => Promise<Reply>

/**
 * One per Mini Program and server: make it in app.js and share it.
 *
 * @example
 * const client = createWeappClient({ baseUrl: 'https://api.example.com' })
 * const { data } = await client.request({ url: '/me' })
 */
export function createWeappClient (options: WeappClientOptions): WeappClient {
  const baseUrl = checkedBaseUrl(options.baseUrl)
  // A key for each server: none is ever sent what another has issued.
  const { prefix = '/weapp', wx = globalWx(), storageKey = `weapp ${baseUrl}${prefix}`, onSignedOut, unwrap = (body) => body } = options
  const { sendRequest, sendFile } = createTransfer(wx, baseUrl, `${prefix}/session`)
  const phone = openAuthState(wx, storageKey)
  /** The login under way. */
  let flight: { promise: Promise<LoginAnswer>, extra: string | undefined } | null = null
  let keyCheck: Promise<void> | null = null
  /** The sign-out under way. */
  let departure: { promise: Promise<void>, all: boolean } | null = null

  async function exchange (extra: Extra, isRepeated = false): Promise<LoginAnswer> {
    const { code } = await call<{ code: string }>((callbacks) => wx.login({ ...callbacks, timeout: WX_LOGIN_MS })).catch((error) => {
      throw platformError('WEAPP_WX_LOGIN_FAILED', 'wx.login failed.', error)
    })
    if (!code) throw clientError('WEAPP_WX_LOGIN_FAILED', 'wx.login gave no code.')
    // The old token goes along, so that the server replaces its session instead of adding one.
    const reply = await sendRequest({ url: `${prefix}/login`, method: 'POST', data: { ...extra, code } }, phone.token)
    // Such as that of a request which the network repeated.
    const isSpent = reply.code === 'FST_WEAPP_CODE_USED' || reply.code === 'FST_WEAPP_CODE_INVALID'
    if (isSpent && !isRepeated) return await exchange(extra, true)
    // The host ended all sessions of the user while this login was on its way.
    if (RECOVERY[reply.code!] === 'none, signed out') endedBy(reply.code!)
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
    const remedy = token !== null && RECOVERY[code!]

    if (remedy === 'none, signed out') {
      // A login that was under way may have brought a newer session, which this answer does not speak of.
      await landing()
      if (phone.token === token) endedBy(code!)
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

  /** The server has signed this phone out. */
  function endedBy (code: string): void {
    phone.end(code)
    // What it throws is its author's, and must not take the place of the refusal.
    if (onSignedOut) Promise.resolve(code).then(onSignedOut)
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
    if (departure !== null && all === departure.all) return await departure.promise
    const promise = signOut(all)
    departure = { promise, all }
    try {
      await promise
    } finally {
      // Another kind of sign-out may have taken its place, and even be over.
      if (departure !== null && departure.promise === promise) departure = null
    }
  }

  async function signOut (all: boolean): Promise<void> {
    // What a login brings that is under way has to end too.
    await landing()
    if (all) await demandSignIn()
    if (phone.token !== null) await endSession(phone.token, all, true)
    else if (phone.signedOut === null) phone.end(REVOKED)
  }

  async function endSession (token: string, all: boolean, mayRenew: boolean): Promise<void> {
    // Before it is true, so that no request signs in meanwhile.
    phone.end(REVOKED)
    const asked = sendRequest({ url: `${prefix}/logout${all ? '?all=true' : ''}`, method: 'POST' }, token)
    const reply = await orAsBefore(token, asked.then((reply) => {
      if (!RECOVERY[reply.code!]) payloadOf(reply)
      return reply
    }))
    const remedy = RECOVERY[reply.code!]
    if (!all || !remedy || reply.code === REVOKED) return
    // It has ended, and so it could not end the others; but a new one can.
    if (remedy !== 'login' || !mayRenew) throw refusal(reply)
    const renewed = await orAsBefore(token, login())
    await endSession(renewed.token, all, false)
  }

  /** A step of a sign-out that fails leaves this phone signed in, so that it can be repeated. */
  function orAsBefore<Result> (token: string, step: Promise<Result>): Promise<Result> {
    return step.catch((error) => {
      if (phone.signedOut === REVOKED) phone.begin(token)
      throw error
    })
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

/** @throws WEAPP_BAD_URL */
function checkedBaseUrl (url: string): string {
  if (!/^https?:\/\/[^/]/.test(url) || /^https:\/\/api\.weixin\.qq\.com\b/.test(url)) {
    throw clientError('WEAPP_BAD_URL', 'baseUrl has to be where your own server is, such as https://api.example.com.')
  }
  return url.replace(/\/+$/, '')
}

function signedOutError (code: string): WeappClientError {
  return clientError(code, 'This phone is signed out: only login() ends that.')
}
