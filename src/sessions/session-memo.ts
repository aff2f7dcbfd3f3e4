/** Session state that is remembered with a verified token. */
import type { SessionData } from './session-data.js'
import type { Tokens, VerifiedToken } from '../crypto/tokens.js'
import type { StoredSession } from '../stores/store.js'
import type { LruEntry } from '../utils/lazy-lru.js'

/** A live session of the store, with its data parsed and frozen. */
export interface LoadedSession {
  openid: string
  unionid: string | null
  session: StoredSession
  data: Readonly<SessionData>
  /** The time from which a use moves the idle expiry, in epoch milliseconds. */
  nextTouchAt: number
}

/** A live session in the cache. Shared by reference: clearing an entry invalidates it for every token. */
export interface CacheEntry extends LruEntry {
  /** Null after the entry is cleared. */
  loaded: LoadedSession | null
  /** Time at which the entry is stale, in epoch milliseconds; 0 after it is cleared. */
  staleAt: number
}

/** The parsed data of a record, with the parts of the record that it was checked against. */
export interface ParsedData {
  openid: string
  text: string | null
  data: Readonly<SessionData>
}

export interface SessionMemo {
  /** The data parsed last. The same text is not parsed again. */
  parsed: ParsedData | null
  cached: CacheEntry | null
  /** Whether a request is just moving the idle expiry. */
  isTouching: boolean
}

/** A verified token with the memo of its session. */
export type SessionToken = VerifiedToken<SessionMemo>

export type SessionTokens = Tokens<SessionMemo>

export function newSessionMemo (): SessionMemo {
  return { parsed: null, cached: null, isTouching: false }
}
