import { test } from 'tap'
import { MAX_END_REASONS } from '../../../src/stores/store.js'
import {
  list, read, readKeys, revoke, revokeAll, touch, update, writeKey, type Outcome
} from '../../../src/stores/user-record/operations.js'
import type { UserRecord } from '../../../src/stores/user-record/record.js'
import { HOUR } from '../../helpers/clock.js'
import { CLOCK, device, ended, live, NOW, recordOf, REF, session } from '../../helpers/user-record.js'

const KEYS = { sealed: 'sealed', fingerprint: 'f', previous: 'older' }
const OVER = { idleExpiresAt: NOW }
const A = { ...REF, sessionId: 'a' }
const KICK = { reason: 'kicked', pendingLogins: false } as const
const KEY = { sealed: 's', fingerprints: ['g'] as [string] }

interface Row {
  before: Partial<UserRecord> | null
  change: (record: UserRecord | null) => Outcome<unknown>
  result: unknown
  /** The record afterwards. Undefined if it is the same object. */
  after?: Partial<UserRecord>
}

const TABLE: Record<string, Row> = {
  'touch: moves the idle expiry later': {
    before: { live: [live('a'), live('b')], keys: KEYS },
    change: (record) => touch(record, { ...A, idleExpiresAt: NOW + 2 * HOUR }, CLOCK),
    result: true,
    after: { live: [live('a', { idleExpiresAt: NOW + 2 * HOUR }), live('b')], keys: KEYS }
  },
  'touch: never moves the idle expiry earlier': {
    before: { live: [live('a')] },
    change: (record) => touch(record, { ...A, idleExpiresAt: NOW + HOUR }, CLOCK),
    result: true
  },
  'touch: drops what has expired': {
    before: { live: [live('a'), live('b', OVER)], ended: [ended('c', { until: NOW })] },
    change: (record) => touch(record, { ...A, idleExpiresAt: NOW + 2 * HOUR }, CLOCK),
    result: true,
    after: { live: [live('a', { idleExpiresAt: NOW + 2 * HOUR })] }
  },
  'touch: an expired session': {
    before: { live: [live('a', OVER)] },
    change: (record) => touch(record, { ...A, idleExpiresAt: NOW + HOUR }, CLOCK),
    result: false
  },
  'update: replaces the data': {
    before: { live: [live('a', { label: 'l', data: '{}', device: device('d') })] },
    change: (record) => update(record, { ...A, data: null }, CLOCK),
    result: true,
    after: { live: [live('a', { label: 'l', device: device('d') })] }
  },
  'update: the same data': {
    before: { live: [live('a', { data: '{}' })] },
    change: (record) => update(record, { ...A, data: '{}' }, CLOCK),
    result: true
  },
  'update: an ended session': {
    before: { live: [live('b')], ended: [ended('a')] },
    change: (record) => update(record, { ...A, data: '{}' }, CLOCK),
    result: false
  },
  'update: an unknown user': {
    before: null,
    change: (record) => update(record, { ...A, data: '{}' }, CLOCK),
    result: false
  },
  'revoke: ends the session until its idle expiry': {
    before: { live: [live('b'), live('a', { idleExpiresAt: NOW + 7 })], ended: [ended('c')], keys: KEYS },
    change: (record) => revoke(record, { ...A, ...KICK }, CLOCK),
    result: true,
    after: { live: [live('b')], ended: [ended('c'), ended('a', { until: NOW + 7 })], keys: KEYS }
  },
  'revoke: with pendingLogins, keeps the time of the store': {
    before: { live: [live('a')] },
    change: (record) => revoke(record, { ...A, reason: 'revoked', pendingLogins: true }, CLOCK),
    result: true,
    after: { ended: [ended('a', { reason: 'revoked', endedAt: CLOCK })] }
  },
  'revoke: the last session takes openid, unionid and keys with it': {
    before: { unionid: 'u', live: [live('a'), live('b', OVER)], keys: KEYS },
    change: (record) => revoke(record, { ...A, ...KICK }, CLOCK),
    result: true,
    after: { ended: [ended('a')] }
  },
  'revoke: an ended session keeps its first reason': {
    before: { ended: [ended('a')] },
    change: (record) => revoke(record, { ...A, reason: 'revoked', pendingLogins: true }, CLOCK),
    result: false
  },
  'revoke: an expired session': {
    before: { live: [live('a', OVER), live('b')] },
    change: (record) => revoke(record, { ...A, ...KICK }, CLOCK),
    result: false
  },
  'revoke: an unknown user': {
    before: null,
    change: (record) => revoke(record, { ...A, ...KICK }, CLOCK),
    result: false
  },
  'revokeAll: ends all sessions except one': {
    before: { live: [live('a'), live('b'), live('c'), live('d', OVER)], ended: [ended('e')] },
    change: (record) => revokeAll(record, { ...REF, ...KICK, except: 'b' }, CLOCK),
    result: 2,
    after: { live: [live('b')], ended: [ended('e'), ended('a'), ended('c')] }
  },
  'revokeAll: with pendingLogins, keeps the time of the store with all reasons': {
    before: { live: [live('a'), live('b')], loginsEnd: { reason: 'revoked', at: CLOCK - 1 } },
    change: (record) => revokeAll(record, { ...REF, reason: 'kicked', except: 'b', pendingLogins: true }, CLOCK),
    result: 1,
    after: { live: [live('b')], ended: [ended('a', { endedAt: CLOCK })], loginsEnd: { reason: 'kicked', at: CLOCK } }
  },
  'revokeAll: with pendingLogins, a user without live sessions': {
    before: { live: [live('a', OVER)], ended: [ended('b', { until: NOW })] },
    change: (record) => revokeAll(record, { ...REF, reason: 'kicked', except: null, pendingLogins: true }, CLOCK),
    result: 0,
    after: { loginsEnd: { reason: 'kicked', at: CLOCK } }
  },
  'revokeAll: with pendingLogins, an unknown user': {
    before: null,
    change: (record) => revokeAll(record, { ...REF, reason: 'kicked', except: null, pendingLogins: true }, CLOCK),
    result: 0,
    after: { loginsEnd: { reason: 'kicked', at: CLOCK } }
  },
  'revokeAll: no session': {
    before: { live: [live('a', OVER)], ended: [ended('b')] },
    change: (record) => revokeAll(record, { ...REF, ...KICK, except: null }, CLOCK),
    result: 0
  },
  'writeKey: makes a key the newest': {
    before: { live: [live('a'), live('b', OVER)], keys: KEYS },
    change: (record) => writeKey(record, { ...REF, key: KEY }, CLOCK),
    result: true,
    after: { live: [live('a')], keys: { sealed: 's', fingerprint: 'g', previous: 'sealed' } }
  },
  'writeKey: the first key': {
    before: { live: [live('a')] },
    change: (record) => writeKey(record, { ...REF, key: { ...KEY, fingerprints: ['g', 'h'] } }, CLOCK),
    result: true,
    after: { live: [live('a')], keys: { sealed: 's', fingerprint: 'g', previous: null } }
  },
  'writeKey: no live session': {
    before: { live: [live('a', OVER)], keys: KEYS },
    change: (record) => writeKey(record, { ...REF, key: KEY }, CLOCK),
    result: false
  },
  'writeKey: an unknown user': {
    before: null,
    change: (record) => writeKey(record, { ...REF, key: KEY }, CLOCK),
    result: false
  }
}

for (const [name, { before, change, result, after }] of Object.entries(TABLE)) {
  test(name, async (t) => {
    const record = before === null ? null : recordOf(before)
    const outcome = change(record)
    t.strictSame(outcome.result, result)
    if (after === undefined) t.equal(outcome.record, record, 'the same object')
    else t.strictSame(outcome.record, recordOf(after))
    t.strictSame(record, before === null ? null : recordOf(before), 'the record before is unchanged')
  })
}

test(`reasons: the newest ${MAX_END_REASONS} are kept`, async (t) => {
  const ids = Array.from({ length: MAX_END_REASONS + 4 }, (_, i) => `s${i}`)
  const before = recordOf({ live: ids.map((id) => live(id)), ended: [ended('older')] })
  const { record, result } = revokeAll(before, { ...REF, ...KICK, except: null }, CLOCK)
  t.equal(result, ids.length)
  t.strictSame(record!.ended.map(({ id }) => id), ids.slice(4))
})

test('read: a live session, or why it ended, or null', async (t) => {
  const record = recordOf({
    unionid: 'u',
    live: [live('a', { device: device('d'), data: '{}' }), live('b', OVER)],
    ended: [ended('c', { endedAt: CLOCK }), ended('d', { until: NOW, endedAt: CLOCK })]
  })
  const reading = (sessionId: string) => read(record, { ...REF, sessionId })
  t.strictSame(reading('a'), {
    status: 'live', openid: 'openid', unionid: 'u', session: session('a', { data: '{}' })
  }, 'without the device and the start of the login')
  t.strictSame(reading('b'), null, 'expired')
  t.strictSame(reading('c'), { status: 'ended', reason: 'kicked' })
  t.strictSame(reading('d'), null, 'a reason that is kept for pending logins only')
  t.strictSame(reading('x'), null)
  t.strictSame(read(null, A), null)
})

test('list: copies of the live sessions', async (t) => {
  const record = recordOf({ live: [live('a', OVER), live('b', { device: device('d') }), live('c')] })
  t.strictSame(list(record, REF), [session('b'), session('c')], 'without the device and the start of the login')
  t.not(list(record, REF)[0], record.live[1])
  t.strictSame(list(null, REF), [])
})

test('readKeys: newest first, and none without a live session', async (t) => {
  t.strictSame(readKeys(recordOf({ live: [live('a')], keys: KEYS }), REF), ['sealed', 'older'])
  t.strictSame(readKeys(recordOf({ live: [live('a')], keys: { ...KEYS, previous: null } }), REF), ['sealed'])
  t.strictSame(readKeys(recordOf({ live: [live('a')] }), REF), [])
  t.strictSame(readKeys(recordOf({ live: [live('a', OVER)], keys: KEYS }), REF), [])
  t.strictSame(readKeys(null, REF), [])
})
