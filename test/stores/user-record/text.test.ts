import { test } from 'tap'
import {
  create, list, readKeys, revoke, revokeAll, touch, update, writeKey, type Operation
} from '../../../src/stores/user-record/operations.js'
import { lineStart } from '../../../src/stores/user-record/codec.js'
import { changeText, queryText, readText } from '../../../src/stores/user-record/text.js'
import type { SessionRecord, SessionRef } from '../../../src/stores/store.js'
import { HOUR } from '../../helpers/clock.js'
import { login, NOW, REF, session } from '../../helpers/user-record.js'

const A = { ...REF, sessionId: 'a' }
const KEY = { sealed: 's', fingerprints: ['f'] as [string] }
const KICK = { ...REF, reason: 'kicked', except: null } as const
const DAMAGED = '{"version":1'
const NEWER = '{"version":2}'

const REJECTED = { code: 'WEAPP_RECORD_NEWER', message: /newer version/ }

/** A database's clock is an epoch clock. */
const CLOCK = NOW

const readSession = (text: string | null, ref: SessionRef): SessionRecord | null => {
  return readText(text, ref, lineStart(ref.sessionId))
}

test('changeText: returns text, expiry and result', async (t) => {
  const added = changeText(null, create, login('a', { key: KEY, startedAt: CLOCK }), CLOCK)
  t.equal(added.result, null)
  t.equal(added.expiresAt, NOW + HOUR)
  t.strictSame(readSession(added.text, A), { status: 'live', openid: 'openid', unionid: null, session: session('a') })
  t.strictSame(queryText(added.text, list, REF), [session('a')])
  t.strictSame(queryText(added.text, readKeys, REF), ['s'])
  const ended = changeText(added.text, revokeAll, { ...KICK, pendingLogins: true }, CLOCK + 1)
  t.strictSame([ended.result, ended.expiresAt], [1, NOW + 1 + HOUR])
  t.strictSame(readSession(ended.text, A), { status: 'ended', reason: 'kicked' })
})

test('changeText: the same text means that nothing changed', async (t) => {
  t.strictSame(changeText(null, revoke, { ...A, reason: 'kicked', pendingLogins: true }, CLOCK), {
    text: null, expiresAt: null, result: false
  })
  const { text } = changeText(null, create, login('a'), CLOCK)
  const touched = changeText(text, touch, { ...A, idleExpiresAt: NOW }, CLOCK)
  t.strictSame(touched, { text, expiresAt: null, result: true })
})

for (const [name, text] of Object.entries({ damaged: DAMAGED, newer: NEWER })) {
  test(`${name} text: reads as unreadable, and no session is live`, async (t) => {
    t.strictSame(readSession(text, A), { status: 'unreadable' })
    t.strictSame(queryText(text, list, REF), [])
    t.strictSame(queryText(text, readKeys, REF), [])
    const unchanged = <Input>(operation: Operation<Input, unknown>, input: Input, result: unknown) => {
      t.strictSame(changeText(text, operation, input, CLOCK), { text, expiresAt: null, result })
    }
    unchanged(touch, { ...A, idleExpiresAt: NOW + HOUR }, false)
    unchanged(update, { ...A, data: null }, false)
    unchanged(revoke, { ...A, reason: 'kicked', pendingLogins: true }, false)
    unchanged(revokeAll, { ...KICK, pendingLogins: false }, 0)
    unchanged(writeKey, { ...REF, key: KEY }, false)
  })
}

test('damaged text: a login and an end of pending logins replace it', async (t) => {
  const { text, result } = changeText(DAMAGED, create, login('a'), CLOCK)
  t.equal(result, null)
  t.strictSame(queryText(text, list, REF), [session('a')])
  const ended = changeText(DAMAGED, revokeAll, { ...KICK, pendingLogins: true }, CLOCK)
  t.equal(changeText(ended.text, create, login('a', { startedAt: CLOCK - 1 }), CLOCK).result, 'kicked')
})

test('newer text: a login and an end of pending logins reject', async (t) => {
  t.throws(() => changeText(NEWER, create, login('a'), CLOCK), REJECTED)
  t.throws(() => changeText(NEWER, revokeAll, { ...KICK, pendingLogins: true }, CLOCK), REJECTED)
})

test('damaged text of one session: the others can be ended, and count as signed in', async (t) => {
  const first = changeText(null, create, login('a', { key: KEY, startedAt: CLOCK }), CLOCK)
  const { text } = changeText(first.text, create, login('b', { key: KEY, startedAt: CLOCK }), CLOCK)
  const cutOff = text!.slice(0, -1)
  t.strictSame(readSession(cutOff, { ...REF, sessionId: 'b' }), { status: 'unreadable' })
  t.equal(readSession(cutOff, A)?.status, 'live')
  t.equal(changeText(cutOff, update, { ...A, data: '{}' }, CLOCK).result, true)
  const kicked = changeText(cutOff, revoke, { ...A, reason: 'kicked', pendingLogins: true }, CLOCK)
  t.equal(kicked.result, true)
  t.strictSame(readSession(kicked.text, A), { status: 'ended', reason: 'kicked' })
})

test('damaged text of all sessions: a login drops the keys', async (t) => {
  const { text } = changeText(null, create, login('a', { key: KEY, startedAt: CLOCK }), CLOCK)
  const other = { sealed: 's2', fingerprints: ['f2'] as [string] }
  const after = changeText(text!.slice(0, -1), create, login('b', { key: other, startedAt: CLOCK }), CLOCK)
  t.strictSame(queryText(after.text, list, REF), [session('b')])
  t.strictSame(queryText(after.text, readKeys, REF), ['s2'])
})
