import { test } from 'tap'
import { expiresAt, isEmpty, withoutExpired } from '../../../src/stores/user-record/record.js'
import { DAY, HOUR, MINUTE } from '../../helpers/clock.js'
import { CLOCK, ended, live, NOW, recordOf } from '../../helpers/user-record.js'

test('expiresAt: the latest expiry of anything in the record', async (t) => {
  t.equal(expiresAt(recordOf()), 0)
  t.equal(expiresAt(recordOf({ live: [live('a'), live('b', { idleExpiresAt: NOW + DAY })] })), NOW + DAY)
  t.equal(expiresAt(recordOf({ ended: [ended('a', { until: NOW + DAY }), ended('b')] })), NOW + DAY)
  t.equal(expiresAt(recordOf({ ended: [ended('a', { until: NOW, endedAt: NOW - MINUTE })] })), NOW - MINUTE + HOUR)
  t.equal(expiresAt(recordOf({ loginsEnd: { reason: 'kicked', at: NOW + 0.25 } })), NOW + HOUR + 1, 'a whole number')
  t.equal(expiresAt(recordOf({ live: [live('a')], loginsEnd: { reason: 'kicked', at: NOW + 1 } })), NOW + HOUR + 1)
})

test('withoutExpired: keeps an end for an hour of the store, also of a set clock', async (t) => {
  const record = recordOf({ loginsEnd: { reason: 'kicked', at: CLOCK } })
  for (const clock of [CLOCK - HOUR + 1, CLOCK, CLOCK + HOUR - 1]) t.equal(withoutExpired(record, NOW, clock), record)
  for (const clock of [CLOCK - HOUR, CLOCK + HOUR]) {
    t.strictSame(withoutExpired(record, NOW, clock), recordOf())
  }
})

test('withoutExpired: without a live session, no user and no key remain', async (t) => {
  const keys = { sealed: 's', fingerprint: 'f', previous: null }
  const record = recordOf({ unionid: 'u', live: [live('a')], ended: [ended('b', { until: NOW + DAY })], keys })
  t.equal(withoutExpired(record, NOW + HOUR - 1, CLOCK), record)
  t.strictSame(withoutExpired(record, NOW + HOUR, CLOCK), recordOf({ ended: record.ended }))
})

test('isEmpty: true if nothing is live, ended or refused', async (t) => {
  t.equal(isEmpty(recordOf()), true)
  t.equal(isEmpty(recordOf({ live: [live('a')] })), false)
  t.equal(isEmpty(recordOf({ ended: [ended('a')] })), false)
  t.equal(isEmpty(recordOf({ loginsEnd: { reason: 'kicked', at: CLOCK } })), false)
})
