/** Signs in: one login at a time, which concurrent callers share. */
import type { AuthState } from './auth-state.js'
import type { Backoff, FailedLogin } from './backoff.js'
import { clientError } from './errors.js'
import { bodyOf, RECOVERY } from './response.js'
import type { Transfer } from './transfer.js'
import type { Auth, LoginAnswer } from './types.js'
import { callWx, platformError, WX_TIMEOUT_MS, type Wx } from './wx.js'

/** Shorter than WX_TIMEOUT_MS, so that the failure is the platform's if it has a timeout. */
const WX_LOGIN_TIMEOUT_MS = 10_000

type LoginExtra = Record<string, unknown> | undefined

export interface SignIn {
  login (extra?: LoginExtra): Promise<LoginAnswer>
  /**
   * Ensures that a request has the token it needs. A signed-out device only waits for a pending login. With 'optional'
   * there need not be a token, and a login that fails does not reject.
   */
  ensure (auth?: Auth): Promise<void>
  /** Records that the server does not accept a token, so that the next request renews it. */
  expire (token: string): void
  /** Whether a login is pending that no sign-out has overtaken. */
  isPending (): boolean
  /** Resolves when no login is pending, whether the last one succeeded or failed. */
  afterPending (): Promise<void>
}

interface PendingLogin {
  readonly promise: Promise<LoginAnswer>
  readonly extra: string | undefined
  readonly generation: number
  /** Whether no caller of `login` shares it. */
  isSilent: boolean
}

export function createSignIn (
  wx: Wx, authState: AuthState, transfer: Transfer, unwrap: (body: any) => any, backoff: Backoff
): SignIn {
  let pending: PendingLogin | null = null
  let expired: string | null = null

  async function login (extra?: LoginExtra, isSilent = false): Promise<LoginAnswer> {
    const text = extraText(extra)
    const begun = authState.refresh().generation
    for (let other = pending; other !== null; other = pending) {
      if (isPending() && (text === undefined || text === other.extra)) {
        other.isSilent = other.isSilent && isSilent
        return await other.promise
      }
      await afterPending()
    }
    const { generation } = authState.refresh()
    // A sign-out came first. A failed one is taken back, which restores an earlier generation.
    if (generation > begun) throw authState.signedOutError()
    const promise = performLogin(extra, generation)
    pending = { promise, extra: text, generation, isSilent }
    // Before any caller continues, because it may sign in again.
    promise.then(() => settle(null), (failure) => settle({ failure }))
    return await promise
  }

  function settle (failed: FailedLogin | null): void {
    pending = null
    backoff.settle(failed)
  }

  async function performLogin (extra: LoginExtra, generation: number, isRetry = false): Promise<LoginAnswer> {
    const data = { ...extra, code: await loginCode() }
    // Sends the old token too, so that the server replaces its session instead of adding one.
    const { token } = authState.refresh(generation)
    const reply = await transfer.callRoute('/login', token, 'POST', data, { 'Weapp-Device': authState.deviceId() })
    // Retries once with a new code. For example, the network may have repeated the request.
    const isSpent = /^FST_WEAPP_CODE_(USED|INVALID)$/.test(reply.code!)
    if (isSpent && !isRetry) return await performLogin(extra, generation, true)
    // The server ended this login while it was in flight. Another context may have signed in since.
    if (RECOVERY[reply.code!] === 'signed-out' && authState.refresh().token === token) {
      authState.signOutByServer(reply.code!)
    }
    const answer = unwrap(bodyOf(reply))
    if (!answer || typeof answer.token !== 'string') {
      const message = 'The login response has no token. Set unwrap if the server wraps responses.'
      throw clientError('WEAPP_BAD_ANSWER', message)
    }
    if (authState.refresh().generation !== generation) {
      // A sign-out came first, here or in another context. The new session would undo it.
      await transfer.callRoute('/logout', answer.token, 'POST').catch(() => {})
      throw authState.signedOutError()
    }
    authState.signIn(answer.token, pending!.isSilent)
    return answer
  }

  async function loginCode (): Promise<string> {
    let failure
    try {
      const { code } = await callWx<{ code: string }>((callbacks) => {
        return wx.login({ ...callbacks, timeout: WX_LOGIN_TIMEOUT_MS })
      }, 'code', WX_TIMEOUT_MS)
      if (code) return code
    } catch (error) {
      failure = error
    }
    throw platformError('WEAPP_WX_LOGIN_FAILED', 'wx.login failed', failure)
  }

  function isPending (): boolean {
    return pending !== null && pending.generation === authState.current.generation
  }

  async function afterPending (): Promise<void> {
    if (pending !== null) await pending.promise.then(afterPending, afterPending)
  }

  async function ensure (auth?: Auth): Promise<void> {
    const { token, signOutCode } = authState.refresh()
    const isOptional = auth === 'optional'
    if (token === null ? isOptional : token !== expired) return
    if (token === null && signOutCode !== null && !isPending()) throw authState.signedOutError()
    try {
      if (pending === null) backoff.check()
      await login(undefined, true)
    } catch (error) {
      // The request is sent without a new session, and the server serves a guest.
      if (!isOptional) throw error
    }
  }

  return { login: (extra) => login(extra), ensure, expire (token) { expired = token }, isPending, afterPending }
}

/** Returns the JSON of `extra`. Two logins with the same JSON share one result. */
function extraText (extra: LoginExtra): string | undefined {
  try {
    return JSON.stringify(extra)
  } catch (error) {
    throw platformError('WEAPP_BAD_EXTRA', 'The extra is not JSON', error)
  }
}
