/** What is found behind a token, by whoever read it last. */
import type { LruEntry } from '../utils/lazy-lru.js'
import type { SessionData } from './session-data.js'
import type { StoredSession } from '../stores/store.js'

/** A live session as the store knows it, its data read and frozen. */
export interface LoadedSession {
  openid: string
  unionid: string | null
  session: StoredSession
  data: Readonly<SessionData>
  /** From when on a use is worth a write that moves the idle end, in epoch milliseconds. */
  touchDue: number
}

/** A live session in the cache. It is shared by all who hold it: what is forgotten is forgotten for them all. */
export interface CacheEntry extends LruEntry {
  /** Null once it is forgotten. */
  live: LoadedSession | null
  /** From when on the store must be asked again, in epoch milliseconds; 0 once it is forgotten. */
  until: number
}

/** What of a record was parsed and found to be good, and what came of it. */
export interface ParsedData {
  openid: string
  text: string | null
  data: Readonly<SessionData>
}
