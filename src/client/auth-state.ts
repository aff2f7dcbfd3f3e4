/**
 * The sign-in state of this device, in memory and in the device's storage. There are three states: signed in (a token),
 * signed out (no token, and the reason), and initial (neither). Signed out is a state of its own. Otherwise the next
 * request would sign in silently and undo the sign-out.
 *
 * JavaScript contexts of one Mini Program share the storage, so each operation reads it first. The highest revision is
 * the newest state, wherever it is.
 */
import { clientError, type WeappClientError } from './errors.js'
import type { Wx } from './wx.js'

export interface State {
  readonly token: string | null
  /** The error code that explains the last sign-out. */
  readonly signOutCode: string | null
  /** Changes with each sign-out. What began under one generation must not continue under another. */
  readonly generation: number
  /**
   * The time of the write in epoch milliseconds, or one more than the previous revision if that is later; 0 for a state
   * that no storage contains.
   */
  readonly revision: number
  /** The id of this device, by which a login takes the place of the device's earlier session. It is no secret. */
  readonly deviceId?: string
}

export interface AuthState {
  /** The state as last read or written. */
  readonly current: State
  /**
   * Reads the storage, which another context may have changed, and repeats a write that failed.
   *
   * @throws the code of the last sign-out, if the state is of another generation than the given one
   */
  refresh (generation?: number): State
  /** Returns the id of this device. Creates it at the first call. */
  deviceId (): string
  /** Stores a token. If no user asked for the login, an older state that could not be read yet is not overwritten. */
  signIn (token: string, isSilent: boolean): void
  signOut (code: string): State
  /** Signs out for a reason that the server gave, and notifies the host. */
  signOutByServer (code: string): void
  /** Takes a sign-out back, unless the state has changed since. */
  restore (before: Pick<State, 'token' | 'generation'>, signedOut: State): void
  /** Returns the error of an operation that a sign-out prevents, or interrupted. */
  signedOutError (): WeappClientError
}

const INITIAL: State = { token: null, signOutCode: null, generation: 0, revision: 0 }

export function openAuthState (
  wx: Wx, storageKey: string, onSignedOut: ((code: string) => void) | undefined
): AuthState {
  let current = INITIAL
  let isReadable = true
  /** The key of a state that the storage refuses to store under its own key. */
  const spareKey = `${storageKey} spare`

  /** Reads a stored state. Returns false if the storage lacks the current state. */
  function load (key: string): boolean {
    try {
      const stored = Object(wx.getStorageSync(key))
      isReadable = true
      if (stored.revision >= current.revision) current = stored
      return stored.revision === current.revision
    } catch {
      // An unreadable storage may contain a newer state, so nothing is written over it.
      isReadable = false
      return true
    }
  }

  /** Writes the current state. Returns whether the storage contains it. */
  function save (key: string): boolean {
    try {
      wx.setStorageSync(key, current)
      // Some platforms fail without an error.
      return load(key)
    } catch {
      return false
    }
  }

  function refresh (generation?: number): State {
    const isFirstRead = current.revision === 0
    const isStored = load(storageKey)
    if (isFirstRead) load(spareKey)
    else if (!isStored) store()
    if (generation !== undefined && generation !== current.generation) throw signedOutError()
    return current
  }

  /** Writes the current state under one of the keys. A full storage can refuse both: then `refresh` writes again. */
  function store (): void {
    if (!save(storageKey)) save(spareKey)
  }

  function write (changes: Partial<State>): State {
    current = { ...current, ...changes, revision: Math.max(Date.now(), current.revision + 1) }
    store()
    return current
  }

  /**
   * Makes changes that no user asked for. A storage that was never readable may contain a sign-out. The changes then
   * stay in memory under revision 0, so that a stored state replaces them.
   */
  function writeSilently (changes: Partial<State>): State {
    if (isReadable || current.revision > 0) return write(changes)
    current = { ...current, ...changes }
    return current
  }

  function signOut (signOutCode: string): State {
    return write({ token: null, signOutCode, generation: current.revision + 1 })
  }

  function signedOutError (): WeappClientError {
    return clientError(current.signOutCode!, 'This device was signed out. Call login(), then try again.')
  }

  refresh()

  return {
    get current () { return current },
    refresh,
    deviceId: () => refresh().deviceId || writeSilently({ deviceId: newId() }).deviceId!,
    signIn (token, isSilent) { (isSilent ? writeSilently : write)({ token }) },
    signOut,
    signOutByServer (code) {
      signOut(code)
      // Runs in a microtask: an error in onSignedOut must not replace the rejection.
      Promise.resolve(code).then(onSignedOut)
    },
    restore ({ token, generation }, signedOut) {
      if (refresh().revision === signedOut.revision) write({ token, generation })
    },
    signedOutError
  }
}

/** Returns about 20 letters and digits. They are unique among the devices of one user. */
function newId (): string {
  return Math.random().toString(36).slice(2) + Date.now().toString(36)
}
