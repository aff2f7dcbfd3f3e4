/**
 * Whether this phone is signed in, in memory and in the phone's storage. There are three states: signed in (a token),
 * signed out (a code that says why), and neither: nobody has signed in yet. Signed out is a state of its own because
 * the next request would otherwise sign in silently and undo it.
 */
import type { Wx } from './wx.js'

export interface AuthState {
  readonly token: string | null
  /** Why this phone is signed out. */
  readonly signedOut: string | null
  begin (token: string): void
  end (code: string): void
}

type State = Pick<AuthState, 'token' | 'signedOut'>

export function openAuthState (wx: Wx, storageKey: string): AuthState {
  /** Null until the storage can be read. That is not the same as nobody: it may say that this phone is signed out. */
  let state: Partial<Record<keyof State, unknown>> | null = null

  function recall (field: keyof State): string | null {
    // What fails at launch is tried again when it is asked for; a storage that always fails keeps nobody from signing in.
    try { state = state || wx.getStorageSync(storageKey) || {} } catch {}
    const value = state && state[field]
    return typeof value === 'string' ? value : null
  }

  function keep (newState: State): void {
    state = newState
    // A full storage costs a login at the next launch and no more.
    try { wx.setStorageSync(storageKey, state) } catch {}
  }

  recall('token')

  return {
    get token () { return recall('token') },
    get signedOut () { return recall('signedOut') },
    begin (token) { keep({ token, signedOut: null }) },
    end (code) { keep({ token: null, signedOut: code }) }
  }
}
