import { test } from 'tap'
import { createSessionLoader } from '../../src/sessions/loader.js'
import { newSessionMemo, type SessionToken } from '../../src/sessions/session-memo.js'
import { userIdOf } from '../../src/crypto/tokens.js'
import type { LiveRecord, SessionRecord, StoredSession } from '../../src/stores/store.js'
import { APP_ID } from '../helpers/host.js'

const OPENID = 'openid'
const SESSION_ID = 's'.repeat(22)

const newToken = (): SessionToken => ({ appId: APP_ID, userId: userIdOf(APP_ID, OPENID), sessionId: SESSION_ID, memo: newSessionMemo() })

function liveRecord (changes: Partial<StoredSession> = {}, openid = OPENID): LiveRecord {
  const session = { id: SESSION_ID, createdAt: 0, expiresAt: 1000, idleExpiresAt: 500, label: null, data: null, ...changes }
  return { status: 'live', openid, unionid: null, session }
}

function newLoader () {
  const unreadable: string[] = []
  const load = createSessionLoader({ policy: { nextTouchAt: () => 42 }, onUnreadable: (sessionId) => { unreadable.push(sessionId) } })
  return { load, unreadable }
}

test('load: a live record of the token becomes a session', async (t) => {
  const { load, unreadable } = newLoader()
  const record = liveRecord({ data: '{"a":[1]}' })
  const loaded = load(newToken(), record)
  t.strictSame(loaded, { openid: OPENID, unionid: null, session: record.session, data: { a: [1] }, nextTouchAt: 42 })
  t.equal(Object.isFrozen(loaded.data), true)
  t.strictSame(unreadable, [])
})

test('load: a missing or ended session throws the error that says why', async (t) => {
  const { load, unreadable } = newLoader()
  for (const [record, code] of [
    [null, 'FST_WEAPP_SESSION_EXPIRED'],
    [{ status: 'ended', reason: 'revoked' }, 'FST_WEAPP_SESSION_REVOKED'],
    [{ status: 'ended', reason: 'kicked' }, 'FST_WEAPP_SESSION_KICKED'],
    [{ status: 'ended', reason: 'replaced' }, 'FST_WEAPP_SESSION_REPLACED']
  ] as const) {
    t.throws(() => load(newToken(), record), { code, statusCode: 401 })
  }
  t.strictSame(unreadable, [])
})

test('load: a record that the plugin did not write is reported and counts as expired', async (t) => {
  const records: Record<string, unknown> = {
    unreadable: { status: 'unreadable' },
    undefined,
    'unknown reason': { status: 'ended', reason: 'toString' },
    'another session': liveRecord({ id: 'x'.repeat(22) }),
    'another user': liveRecord({}, 'another openid'),
    'damaged data': liveRecord({ data: '{' }),
    'data that is no object': liveRecord({ data: '[]' })
  }
  for (const [name, record] of Object.entries(records)) {
    const { load, unreadable } = newLoader()
    const token = newToken()
    t.throws(() => load(token, record as SessionRecord), { code: 'FST_WEAPP_SESSION_EXPIRED' }, name)
    t.strictSame(unreadable, [SESSION_ID], name)
    t.equal(token.memo.parsed, null, name)
  }
})

test('load: data of at most 256 characters is parsed once per token', async (t) => {
  const { load } = newLoader()
  const textOf = (length: number) => JSON.stringify({ a: 'x'.repeat(length - '{"a":""}'.length) })
  for (const [length, isRemembered] of [[256, true], [257, false]] as const) {
    const token = newToken()
    const first = load(token, liveRecord({ data: textOf(length) })).data
    t.equal(load(token, liveRecord({ data: textOf(length) })).data === first, isRemembered, `${length} characters`)
    t.strictSame(load(token, liveRecord({ data: '{"b":1}' })).data, { b: 1 }, 'other text is parsed')
    t.throws(() => load(token, liveRecord({ data: '{"b":1}' }, 'another openid')), { code: 'FST_WEAPP_SESSION_EXPIRED' }, 'another user')
  }
})
