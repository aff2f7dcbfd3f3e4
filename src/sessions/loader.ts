/** Turns a record of the store into a session, or into the error that says why there is none. */
import {
  FST_WEAPP_SESSION_EXPIRED, FST_WEAPP_SESSION_KICKED, FST_WEAPP_SESSION_REPLACED, FST_WEAPP_SESSION_REVOKED,
  type WeappError, type WeappErrorConstructor
} from '../errors.js'
import { decodeData, type SessionData } from './session-data.js'
import type { LoadedSession, SessionToken } from './session-memo.js'
import type { SessionPolicy } from './policy.js'
import { isEndReason, isLive, type EndReason, type SessionRecord } from '../stores/store.js'
import { userIdOf } from '../crypto/tokens.js'

export interface SessionLoaderDependencies {
  policy: Pick<SessionPolicy, 'nextTouchAt'>
  /** Called for a record that this plugin did not write. */
  onUnreadable: (sessionId: string) => void
}

/**
 * @throws FST_WEAPP_SESSION_EXPIRED, FST_WEAPP_SESSION_REVOKED, FST_WEAPP_SESSION_KICKED, FST_WEAPP_SESSION_REPLACED
 */
export type LoadSession = (token: SessionToken, record: SessionRecord | null) => LoadedSession

const ENDED: Record<EndReason, WeappErrorConstructor> = {
  revoked: FST_WEAPP_SESSION_REVOKED,
  kicked: FST_WEAPP_SESSION_KICKED,
  replaced: FST_WEAPP_SESSION_REPLACED
}

/** Longest data, in characters, that is remembered with a token. Longer data is parsed for every read. */
const MAX_REMEMBERED_DATA = 256

export function createSessionLoader ({ policy, onUnreadable }: SessionLoaderDependencies): LoadSession {
  function unreadable (sessionId: string): Error {
    onUnreadable(sessionId)
    return new FST_WEAPP_SESSION_EXPIRED()
  }

  function loadData (token: SessionToken, openid: string, text: string | null): Readonly<SessionData> {
    const { parsed } = token.memo
    if (parsed !== null && parsed.openid === openid && parsed.text === text) return parsed.data
    const data = decodeData(text)
    // The token's signature covers a digest of the openid. A program that can write to the store can therefore not
    // impersonate another user. It can change unionid and data, which nothing binds to the token.
    if (data === null || userIdOf(token.appId, openid) !== token.userId) throw unreadable(token.sessionId)
    if (text === null || text.length <= MAX_REMEMBERED_DATA) token.memo.parsed = { openid, text, data }
    return data
  }

  return (token, record) => {
    if (record === null) throw new FST_WEAPP_SESSION_EXPIRED()
    if (isEnded(record)) throw endedError(record.reason)
    if (!isLive(record, token.sessionId)) throw unreadable(token.sessionId)
    const { openid, unionid, session } = record
    const data = loadData(token, openid, session.data)
    return { openid, unionid, session, data, nextTouchAt: policy.nextTouchAt(session) }
  }
}

/** Returns the error of a session, or of a login, that was ended. */
export function endedError (reason: EndReason): WeappError {
  return new ENDED[reason]()
}

/** Returns false if the store reports an unknown reason. */
function isEnded (record: SessionRecord): record is Extract<SessionRecord, { status: 'ended' }> {
  return record?.status === 'ended' && isEndReason(record.reason)
}
