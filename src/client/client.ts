/** The client of a Mini Program: shares one login among all callers, and renews the session when it expires. */
import { openAuthState } from './auth-state.js'
import { createBackoff } from './backoff.js'
import { createSend } from './requests.js'
import { bodyOf, readResponse } from './response.js'
import { createSignIn } from './sign-in.js'
import { createLogout } from './sign-out.js'
import { createTransfer } from './transfer.js'
import type { SessionAnswer, WeappClient, WeappClientOptions } from './types.js'
import { parseBaseUrl } from './url.js'
import { callWx, globalWx, WX_TIMEOUT_MS } from './wx.js'

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
  const transfer = createTransfer(wx, baseUrl, prefix)
  const authState = openAuthState(wx, storageKey, onSignedOut)
  const backoff = createBackoff()
  const signIn = createSignIn(wx, authState, transfer, unwrap, backoff)
  const send = createSend(authState, signIn, transfer, backoff)
  let keyCheck: Promise<void> | null = null

  async function ensureSessionKey (): Promise<void> {
    // A login brings a fresh session_key.
    if (authState.refresh().token === null) return await signIn.ensure()
    keyCheck = keyCheck || checkKey()
    try {
      await keyCheck
    } catch (error) {
      keyCheck = null
      throw error
    }
  }

  async function checkKey (): Promise<void> {
    const { token } = authState.current
    await callWx<{ errMsg?: string }>((callbacks) => wx.checkSession(callbacks), 'errMsg', WX_TIMEOUT_MS)
      .catch(() => signIn.expire(token!))
    await signIn.ensure()
  }

  async function session (): Promise<SessionAnswer> {
    const response = await send('/session', (token) => transfer.callRoute('/session', token))
    return unwrap(bodyOf(readResponse(response))) as SessionAnswer
  }

  return {
    login: signIn.login,
    request: async ({ auth, ...plain }) => send(plain.url, (token) => transfer.sendRequest(plain, token), auth),
    upload: async ({ auth, ...plain }) => send(plain.url, (token) => transfer.sendFile(plain, token), auth),
    ensureSessionKey,
    logout: createLogout(authState, signIn, transfer),
    session,
    get token () { return authState.refresh().token }
  }
}
