/**
 * The sign-in state of this device, in memory and in the device's storage. There are three states: signed in (a token),
 * signed out (a code with the reason), and initial (neither). Signed out is a state of its own. Otherwise the next
 * request would sign in silently and undo the sign-out.
 */
import type { Wx } from './wx.js'

export interface AuthState {
  readonly token: string | null
  /** The error code that explains why this device is signed out. */
  readonly signedOut: string | null
  signIn (token: string): void
  signOut (code: string): void
}

type StoredState = Pick<AuthState, 'token' | 'signedOut'>

export function openAuthState (wx: Wx, storageKey: string): AuthState {
  /** Null until the storage can be read. That differs from empty, because the storage may contain a sign-out. */
  let state: Partial<Record<keyof StoredState, unknown>> | null = null

  function read (field: keyof StoredState): string | null {
    // A read that fails at launch is retried on the next access. A storage that always fails must not prevent a login.
    try { state = state || wx.getStorageSync(storageKey) || {} } catch {}
    const value = state && state[field]
    return typeof value === 'string' ? value : null
  }

  function write (newState: StoredState): void {
    state = newState
    // A full storage only costs a login at the next launch.
    try { wx.setStorageSync(storageKey, state) } catch {}
  }

  read('token')

  return {
    get token () { return read('token') },
    get signedOut () { return read('signedOut') },
    signIn (token) { write({ token, signedOut: null }) },
    signOut (code) { write({ token: null, signedOut: code }) }
  }
}
