/** Signs out this device, or every device of the user. */
import type { AuthState } from './auth-state.js'
import { isRefusal, RECOVERY, refusal } from './response.js'
import type { SignIn } from './sign-in.js'
import type { Transfer } from './transfer.js'

const REVOKED = 'FST_WEAPP_SESSION_REVOKED'

export type Logout = (options?: { all?: boolean }) => Promise<void>

export function createLogout (authState: AuthState, signIn: SignIn, transfer: Transfer): Logout {
  let pending: Promise<void> | null = null

  return async function logout ({ all = false } = {}) {
    const { token, signOutCode } = authState.refresh()
    if (token === null && signOutCode !== null && !signIn.isPending()) {
      // Overtakes a login that is pending in another context.
      if (pending === null) authState.signOut(signOutCode)
      // The logout that signed this device out may still fail.
      await pending
      if (all) throw authState.signedOutError()
      return
    }
    const promise = signOut(all)
    pending = promise
    try {
      await promise
    } finally {
      if (pending === promise) pending = null
    }
  }

  async function signOut (all: boolean): Promise<void> {
    if (all && (authState.current.token === null || signIn.isPending())) {
      await signIn.afterPending()
      await signIn.ensure()
    }
    if (authState.current.token === null) authState.signOut(REVOKED)
    else await endSession(all)
    // A pending login ends its own session, because the sign-out came first.
    await signIn.afterPending()
  }

  /** Ends a session on the server. If that fails, this device stays signed in, so that the caller can retry. */
  async function endSession (all: boolean, isRenewed = false): Promise<void> {
    const before = authState.current
    // Before the server confirms it, so that no request signs in or uses the session meanwhile.
    const signedOut = authState.signOut(REVOKED)
    let reply
    try {
      reply = await transfer.callRoute(all ? '/logout?all=true' : '/logout', before.token, 'POST')
      const recovery = RECOVERY[reply.code!]
      if (isRefusal(reply) && recovery === undefined) throw refusal(reply)
      // An expired session cannot end the others. A user with a sign-in meanwhile stays signed in.
      if (
        all && !isRenewed && recovery === 'reauthenticate' &&
        authState.refresh().revision === signedOut.revision && !signIn.isPending()
      ) {
        await signIn.login()
        return await endSession(true, true)
      }
    } catch (error) {
      // A login that began after the sign-out decides instead.
      if (!signIn.isPending()) authState.restore(before, signedOut)
      throw error
    }
    if (all && reply.code !== undefined && reply.code !== REVOKED) throw refusal(reply)
  }
}
