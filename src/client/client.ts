/** The client of a Mini Program: shares one login among all callers, and renews the session when it expires. */
import { openAuthState } from './auth-state.js'
import { clientError } from './errors.js'
import { bodyOf, isRefusal, readResponse, refusal, RECOVERY, type Recovery, type Reply } from './response.js'
import { createTransfer } from './transfer.js'
import type {
  Auth, LoginAnswer, SessionAnswer, WeappClient, WeappClientOptions, WeappRequest, WeappUpload
} from './types.js'
import { parseBaseUrl } from './url.js'
import { callWx, globalWx, platformError, type WxResponse } from './wx.js'

/** Without a timeout, a platform that never calls back would block every caller that waits for the login. */
const WX_LOGIN_TIMEOUT_MS = 10_000

const MAX_ATTEMPTS = 3

const REVOKED = 'FST_WEAPP_SESSION_REVOKED'

type LoginExtra = Record<string, unknown> | undefined
type SendWith = (token: string | null) => Promise<Reply>

/** A refused request and the recovery that is still allowed. */
interface Refused {
  token: string | null
  reply: Reply
  mayRenew: boolean
  isLast: boolean
}

/**
 * Creates a client. Create one per Mini Program and server in app.js, and share it.
 *
 * @example
 * const client = createWeappClient({ baseUrl: 'https://api.example.com' })
 * const { data } = await client.request({ url: '/me' })
 *
 * @throws WEAPP_BAD_URL, WEAPP_NO_WX
 */
export function createWeappClient (options: WeappClientOptions): WeappClient {
  const baseUrl = parseBaseUrl(options.baseUrl)
  const { prefix = '/weapp', wx = globalWx(), onSignedOut, unwrap = (body) => body } = options
  // The default key is different for each server, so that a server never receives the token of another.
  const { storageKey = `weapp ${baseUrl}${prefix}` } = options
  const { sendRequest, sendFile } = createTransfer(wx, baseUrl, `${prefix}/session`)
  const authState = openAuthState(wx, storageKey)
  let pendingLogin: { promise: Promise<LoginAnswer>, extra: string | undefined } | null = null
  let pendingLogout: { promise: Promise<void>, all: boolean } | null = null
  let keyCheck: Promise<void> | null = null

  async function login (extra?: LoginExtra): Promise<LoginAnswer> {
    const text = JSON.stringify(extra)
    if (pendingLogin !== null) {
      if (text === undefined || text === pendingLogin.extra) return await pendingLogin.promise
      await afterPendingLogin()
      return await login(extra)
    }
    const promise = performLogin(extra)
    pendingLogin = { promise, extra: text }
    try {
      return await promise
    } finally {
      pendingLogin = null
    }
  }

  async function performLogin (extra: LoginExtra, isRetry = false): Promise<LoginAnswer> {
    const code = await loginCode()
    // Sends the old token too, so that the server replaces its session instead of adding one.
    const request = { url: `${prefix}/login`, method: 'POST', data: { ...extra, code } } as const
    const reply = await sendRequest(request, authState.token)
    // Retries once with a new code. For example, the network may have repeated the request.
    const isSpent = reply.code === 'FST_WEAPP_CODE_USED' || reply.code === 'FST_WEAPP_CODE_INVALID'
    if (isSpent && !isRetry) return await performLogin(extra, true)
    // The host ended all sessions of the user while this login was in flight.
    if (RECOVERY[reply.code!] === 'signed-out') markSignedOut(reply.code!)
    const answer = unwrap(bodyOf(reply))
    if (!answer || typeof answer.token !== 'string') {
      const message = 'The login response has no token. If the server wraps its responses, set the unwrap option.'
      throw clientError('WEAPP_BAD_ANSWER', message)
    }
    authState.signIn(answer.token)
    return answer
  }

  async function loginCode (): Promise<string> {
    const { code } = await callWx<{ code: string }>((callbacks) => {
      return wx.login({ ...callbacks, timeout: WX_LOGIN_TIMEOUT_MS })
    }).catch((error) => {
      throw platformError('WEAPP_WX_LOGIN_FAILED', 'wx.login failed', error)
    })
    if (!code) throw clientError('WEAPP_WX_LOGIN_FAILED', 'wx.login returned no code.')
    return code
  }

  /** Resolves when no login is pending, whether the last one succeeded or failed. */
  async function afterPendingLogin (): Promise<void> {
    if (pendingLogin === null) return
    await pendingLogin.promise.catch(() => {})
    await afterPendingLogin()
  }

  /** Signs in if this device is in the initial state. A signed-out device only waits for a pending login. */
  async function ensureSignedIn (): Promise<void> {
    if (authState.token !== null) return
    if (authState.signedOut !== null && pendingLogin === null) {
      throw clientError(authState.signedOut, 'This device is signed out. Call login() to sign in.')
    }
    await login()
  }

  /** Records that the server signed this device out, and notifies the host. */
  function markSignedOut (code: string): void {
    authState.signOut(code)
    // Runs in a microtask: an error in onSignedOut must not replace the rejection.
    if (onSignedOut) Promise.resolve(code).then(onSignedOut)
  }

  async function request ({ auth, ...plain }: WeappRequest): Promise<WxResponse> {
    return await send((token) => sendRequest(plain, token), auth)
  }

  async function upload ({ auth, ...plain }: WeappUpload): Promise<WxResponse> {
    return await send((token) => sendFile(plain, token), auth)
  }

  /** Sends a request. If the guard refuses it, recovers and sends it again. */
  async function send (sendWith: SendWith, auth: Auth = 'required'): Promise<WxResponse> {
    if (auth === false) return (await sendWith(null)).response
    let mayRenew = auth === 'required'
    for (let attempt = 1; ; attempt += 1) {
      if (auth === 'required') await ensureSignedIn()
      const { token } = authState
      const reply = await sendWith(token)
      const recovery = token === null ? undefined : RECOVERY[reply.code!]
      if (recovery === undefined) return reply.response
      const outcome = await recover(recovery, { token, reply, mayRenew, isLast: attempt >= MAX_ATTEMPTS })
      if (outcome === 'give-up') return reply.response
      if (outcome === 'renewed') mayRenew = false
    }
  }

  /** @throws the refusal, if no further attempt can succeed */
  async function recover (recovery: Recovery, refused: Refused): Promise<'renewed' | 'retry' | 'give-up'> {
    const { token, reply, mayRenew, isLast } = refused
    if (recovery === 'signed-out') {
      // A pending login may bring a newer session, to which this response does not apply.
      await afterPendingLogin()
      if (authState.token === token) markSignedOut(reply.code!)
      if (authState.token === null) throw refusal(reply)
      return isLast ? 'give-up' : 'retry'
    }
    if (recovery === 'refresh-key') {
      if (!mayRenew) throw refusal(reply, 'The data was encrypted with an old session_key. Ask the user to tap again.')
      if (authState.token === token) await login()
      return 'renewed'
    }
    if (!mayRenew || isLast) return 'give-up'
    // Another caller has already signed in again.
    if (authState.token !== token) return 'retry'
    await login()
    return 'renewed'
  }

  async function ensureSessionKey (): Promise<void> {
    // A login brings a fresh session_key.
    if (authState.token === null) return await ensureSignedIn()
    keyCheck = keyCheck || checkKey().catch((error) => {
      keyCheck = null
      throw error
    })
    await keyCheck
  }

  async function checkKey (): Promise<void> {
    const { token } = authState
    const isAlive = await callWx((callbacks) => wx.checkSession(callbacks)).then(() => true, () => false)
    if (!isAlive && authState.token === token) await login()
    else await ensureSignedIn()
  }

  async function logout ({ all = false } = {}): Promise<void> {
    if (pendingLogout !== null && all === pendingLogout.all) return await pendingLogout.promise
    const promise = signOut(all)
    pendingLogout = { promise, all }
    try {
      await promise
    } finally {
      // A logout with another `all` may have replaced this one, and may even have completed.
      if (pendingLogout !== null && pendingLogout.promise === promise) pendingLogout = null
    }
  }

  async function signOut (all: boolean): Promise<void> {
    // The session of a pending login must end too.
    await afterPendingLogin()
    if (all) await ensureSignedIn()
    const { token } = authState
    if (token === null) {
      if (authState.signedOut === null) authState.signOut(REVOKED)
      return
    }
    let reply = await endSession(token, all)
    if (!all) return
    if (RECOVERY[reply.code!] === 'reauthenticate') {
      // This session had already expired, so the server ended no other session. Only a live session can end them.
      const renewed = await orRestore(token, login())
      reply = await endSession(renewed.token, all)
    }
    if (RECOVERY[reply.code!] && reply.code !== REVOKED) throw refusal(reply)
  }

  /** Ends a session on the server. Returns the reply, even if the session had already ended. */
  async function endSession (token: string, all: boolean): Promise<Reply> {
    // Before the server confirms it, so that no request signs in meanwhile.
    authState.signOut(REVOKED)
    const url = `${prefix}/logout${all ? '?all=true' : ''}`
    return await orRestore(token, sendRequest({ url, method: 'POST' }, token).then((reply) => {
      if (isRefusal(reply) && !RECOVERY[reply.code!]) throw refusal(reply)
      return reply
    }))
  }

  /** Waits for a step of a logout. If it fails, this device stays signed in, so that the caller can retry. */
  async function orRestore<Result> (token: string, step: Promise<Result>): Promise<Result> {
    try {
      return await step
    } catch (error) {
      // Meanwhile a login may have succeeded, or the server may have signed this device out.
      if (authState.signedOut === REVOKED) authState.signIn(token)
      throw error
    }
  }

  return {
    login,
    request,
    upload,
    ensureSessionKey,
    logout,
    session: async () => unwrap(bodyOf(readResponse(await request({ url: `${prefix}/session` })))) as SessionAnswer,
    get token () { return authState.token }
  }
}
