/**
 * Whether this phone is signed in, in memory and in the phone's storage. There are three states: signed in (a token),
 * signed out (a code that says why), and neither: nobody has signed in yet. Signed out is a state of its own because
 * the next request would otherwise sign in silently and undo it.
 */
import type { Wx } from './wx.js'

export interface SignIn {
  readonly token: string | null
  /** Why this phone is signed out. */
  readonly signedOut: string | null
  begin (token: string): void
  end (code: string): void
}

export function openSignIn (wx: Wx, storageKey: string): SignIn {
  let token: string | null = null
  let signedOut: string | null = null

  function keep (): void {
    // A full storage costs a login at the next launch and no more.
    try { wx.setStorageSync(storageKey, { token, signedOut }) } catch {}
  }

  try {
    const stored = wx.getStorageSync(storageKey) || {}
    if (typeof stored.token === 'string') token = stored.token
    if (typeof stored.signedOut === 'string') signedOut = stored.signedOut
  } catch {}

  return {
    get token () { return token },
    get signedOut () { return signedOut },
    begin (newToken) {
      token = newToken
      signedOut = null
      keep()
    },
    end (code) {
      token = null
      signedOut = code
      keep()
    }
  }
}
