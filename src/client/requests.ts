/** Sends the host's requests and uploads, and recovers if the guard refuses them. */
import type { AuthState } from './auth-state.js'
import type { Backoff } from './backoff.js'
import { RECOVERY, refusal, type Reply } from './response.js'
import type { SignIn } from './sign-in.js'
import type { Transfer } from './transfer.js'
import type { Auth } from './types.js'
import type { WxResponse } from './wx.js'

const MAX_ATTEMPTS = 3

/** The message if the session_key is still stale after a login. */
const TAP_AGAIN = 'The data has an old session_key. Ask the user to tap again.'

type SendWith = (token: string | null) => Promise<Reply>

/** Sends a request to a URL. If the guard refuses it, recovers and sends it again. */
export type Send = (url: string, sendWith: SendWith, auth?: Auth) => Promise<WxResponse>

export function createSend (
  authState: AuthState, signIn: SignIn, transfer: Transfer, backoff: Backoff
): Send {
  return async function send (url, sendWith, auth = 'required') {
    const { generation } = authState.refresh()
    let isRenewed = false
    for (let attempt = 1; ; attempt += 1) {
      const token = auth === false ? null : await tokenFor(auth, generation)
      const reply = await identify(await sendWith(token), token)
      const { response, code, isServed } = reply
      const recovery = RECOVERY[code!]
      if (token === null) return response
      if (recovery === undefined) {
        if (isServed) backoff.accept(url)
        return response
      }
      const isLast = isServed || attempt >= MAX_ATTEMPTS
      // A pending login may bring a newer session, to which this response does not apply.
      if (recovery === 'signed-out' && !isServed) await signIn.afterPending()
      const isCurrent = authState.refresh().token === token
      if (recovery === 'signed-out') {
        if (isCurrent && !signIn.isPending()) authState.signOutByServer(code!)
        if (!isServed && authState.current.generation !== generation) throw refusal(reply)
        if (isLast) return response
        continue
      }
      if (isCurrent && backoff.isDelaying()) isRenewed = true
      const mayRenew = auth === 'required' && !isRenewed
      if (recovery === 'refresh-key' && !mayRenew) {
        throw refusal(reply, isRenewed && /STALE$/.test(code!) ? TAP_AGAIN : undefined)
      }
      // The next attempt renews the session. After the last attempt the next request does.
      if (isCurrent && !isRenewed) {
        signIn.expire(token)
        backoff.refuse(url)
      }
      // Another caller or context may have signed in again. The next attempt then sends the newer token.
      if (isLast || (isCurrent && !mayRenew)) return response
      // After that this request may still renew the session once.
      isRenewed = isCurrent || recovery === 'refresh-key'
    }
  }

  /** Returns the token to send. Rejects after a sign-out, because another user may be signed in now. */
  async function tokenFor (auth: Auth, generation: number): Promise<string | null> {
    await signIn.ensure(auth)
    return authState.refresh(generation).token
  }

  /** Asks the session route if a response does not tell whether the plugin refused the token. */
  async function identify (reply: Reply, token: string | null): Promise<Reply> {
    if (!reply.isAmbiguous || token === null) return reply
    try {
      const { code, response } = await transfer.callRoute('/session', token)
      if (response.statusCode !== 404) return { ...reply, code }
    } catch (error) {
      if (!reply.isServed) throw error
    }
    return reply
  }
}
