import { test } from 'tap'
import type { CreateSession, EndReason } from '../../../src/stores/store.js'
import { create } from '../../../src/stores/user-record/operations.js'
import type { UserRecord } from '../../../src/stores/user-record/record.js'
import { HOUR, MINUTE, SECOND } from '../../helpers/clock.js'
import { CLOCK, device, ended, live, login, NOW, recordOf, session } from '../../helpers/user-record.js'

const KEYS = { sealed: 'sealed', fingerprint: 'f', previous: 'older' }
const OVER = { idleExpiresAt: NOW }

interface Row {
  before?: Partial<UserRecord>
  input?: Partial<CreateSession>
  clock?: number
  /** The record after a login with the id 'new'. Undefined if the login is refused. */
  after?: Partial<UserRecord>
  result?: EndReason
}

const ADDED: Record<string, Row> = {
  'an unknown user': { after: { live: [live('new')] } },
  'openid and unionid of the login apply': {
    before: { openid: 'other', unionid: 'u', live: [live('a')] },
    input: { unionid: 'v' },
    after: { unionid: 'v', live: [live('a'), live('new')] }
  },
  'device and start of the login are stored': {
    input: { device: 'd', startedAt: CLOCK - 7 },
    after: { live: [live('new', { device: device('d', CLOCK - 7) })] }
  },
  'sorted by createdAt, then by creation': {
    before: { live: [live('a'), live('b', { createdAt: NOW + 1 })] },
    after: { live: [live('a'), live('new'), live('b', { createdAt: NOW + 1 })] }
  },
  'what has expired is dropped': {
    before: {
      live: [live('a', OVER), live('b')],
      ended: [ended('c', { until: NOW }), ended('d')],
      loginsEnd: { reason: 'kicked', at: CLOCK - HOUR }
    },
    after: { live: [live('b'), live('new')], ended: [ended('d')] }
  },
  'replaces removes a live session': {
    before: { live: [live('a'), live('b')] },
    input: { replaces: 'a', limit: 2 },
    after: { live: [live('b'), live('new')] }
  },
  'replaces removes a reason': {
    before: { ended: [ended('a'), ended('b')] },
    input: { replaces: 'a' },
    after: { live: [live('new')], ended: [ended('b')] }
  },
  'replaces of an unknown session': {
    before: { live: [live('a')] },
    input: { replaces: 'x' },
    after: { live: [live('a'), live('new')] }
  },
  'limit ends the oldest, at the time of the store': {
    before: { live: [live('a'), live('b'), live('c')] },
    input: { limit: 2 },
    after: {
      live: [live('c'), live('new')],
      ended: [ended('a', { reason: 'replaced', endedAt: CLOCK }), ended('b', { reason: 'replaced', endedAt: CLOCK })]
    }
  },
  'limit does not end the new session, even if it is the oldest': {
    before: { live: [live('a', { createdAt: NOW + 1 })] },
    input: { limit: 1 },
    after: { live: [live('new')], ended: [ended('a', { reason: 'replaced', endedAt: CLOCK })] }
  },
  'device replaces its earlier session before the limit applies': {
    before: { live: [live('a', { device: device('d', CLOCK - 1) }), live('b', { device: device('e') }), live('c')] },
    input: { device: 'd', limit: 3 },
    after: { live: [live('b', { device: device('e') }), live('c'), live('new', { device: device('d') })] }
  },
  'device does not replace a session whose login began later or then': {
    before: { live: [live('a', { device: device('d', CLOCK + 1) }), live('b', { device: device('d') })] },
    input: { device: 'd' },
    after: {
      live: [live('a', { device: device('d', CLOCK + 1) }), live('b', { device: device('d') }), live('new', { device: device('d') })]
    }
  },
  'no device replaces no session': {
    before: { live: [live('a'), live('b', { device: device('d', 0) })] },
    after: { live: [live('a'), live('b', { device: device('d', 0) }), live('new')] }
  },
  'the newest key becomes the previous one': {
    before: { live: [live('a')], keys: KEYS },
    input: { key: { sealed: 's', fingerprints: ['g'] } },
    after: { live: [live('a'), live('new')], keys: { sealed: 's', fingerprint: 'g', previous: 'sealed' } }
  },
  'the same key under a new seal keeps the previous one': {
    before: { live: [live('a')], keys: KEYS },
    input: { key: { sealed: 's', fingerprints: ['g', 'f'] } },
    after: { live: [live('a'), live('new')], keys: { sealed: 's', fingerprint: 'g', previous: 'older' } }
  },
  'the previous key is kept if the only session is replaced': {
    before: { live: [live('a')], keys: KEYS },
    input: { key: { sealed: 's', fingerprints: ['g'] }, replaces: 'a' },
    after: { live: [live('new')], keys: { sealed: 's', fingerprint: 'g', previous: 'sealed' } }
  },
  'the previous key is kept if the device replaces the only session': {
    before: { live: [live('a', { device: device('d', 0) })], keys: KEYS },
    input: { key: { sealed: 's', fingerprints: ['g'] }, device: 'd' },
    after: { live: [live('new', { device: device('d') })], keys: { sealed: 's', fingerprint: 'g', previous: 'sealed' } }
  },
  'keys are dropped if no session was live': {
    before: { live: [live('a', OVER)], keys: KEYS },
    input: { key: { sealed: 's', fingerprints: ['g'] } },
    after: { live: [live('new')], keys: { sealed: 's', fingerprint: 'g', previous: null } }
  },
  'no key removes all keys': {
    before: { live: [live('a')], keys: KEYS },
    after: { live: [live('a'), live('new')] }
  },
  'a session that was added before is not added again': {
    before: { live: [live('new', { data: 'newer' })] },
    after: { live: [live('new', { data: 'newer' })] }
  },
  'a session that has ended is not added again': {
    before: { ended: [ended('new')] },
    after: { ended: [ended('new')] }
  },
  'a login that begins when all logins end': {
    before: { loginsEnd: { reason: 'kicked', at: CLOCK } },
    after: { live: [live('new')], loginsEnd: { reason: 'kicked', at: CLOCK } }
  },
  'a login that begins when its old session ends': {
    before: { ended: [ended('a', { endedAt: CLOCK })] },
    input: { replaces: 'a' },
    after: { live: [live('new')] }
  },
  'an end without pendingLogins refuses no login': {
    before: { ended: [ended('a')] },
    input: { replaces: 'a', startedAt: CLOCK - MINUTE },
    after: { live: [live('new')] }
  },
  'the end of a session of another device refuses no login': {
    before: { ended: [ended('a', { endedAt: CLOCK + 1, device: 'd' }), ended('b', { endedAt: CLOCK + 1 })] },
    input: { device: 'e' },
    after: {
      live: [live('new', { device: device('e') })],
      ended: [ended('a', { endedAt: CLOCK + 1, device: 'd' }), ended('b', { endedAt: CLOCK + 1 })]
    }
  },
  'an end without pendingLogins refuses no login of the device': {
    before: { ended: [ended('a', { device: 'd' })] },
    input: { device: 'd', startedAt: CLOCK - MINUTE },
    after: { live: [live('new', { device: device('d', CLOCK - MINUTE) })], ended: [ended('a', { device: 'd' })] }
  },
  'the limit keeps the device of a session that it ends': {
    before: { live: [live('a', { device: device('d') })] },
    input: { limit: 1 },
    after: { live: [live('new')], ended: [ended('a', { reason: 'replaced', endedAt: CLOCK, device: 'd' })] }
  },
  'the end of another session refuses no login': {
    before: { ended: [ended('a', { endedAt: CLOCK })] },
    input: { replaces: 'b', startedAt: CLOCK - MINUTE },
    after: { live: [live('new')], ended: [ended('a', { endedAt: CLOCK })] }
  },
  'an end an hour or more after the start is ignored': {
    before: { ended: [ended('a', { endedAt: CLOCK })], loginsEnd: { reason: 'kicked', at: CLOCK } },
    input: { replaces: 'a', startedAt: CLOCK - HOUR },
    after: { live: [live('new')], loginsEnd: { reason: 'kicked', at: CLOCK } }
  }
}

const REFUSED: Record<string, Row> = {
  'all logins ended after it began': {
    before: { live: [live('a')], loginsEnd: { reason: 'revoked', at: CLOCK + 0.1 } },
    input: { unionid: 'v', limit: 1, key: { sealed: 's', fingerprints: ['g'] } },
    result: 'revoked'
  },
  'the end is less than an hour later': {
    before: { loginsEnd: { reason: 'kicked', at: CLOCK } },
    input: { startedAt: CLOCK - HOUR + 1 },
    result: 'kicked'
  },
  'its old session ended after it began': {
    before: { live: [live('b')], ended: [ended('a', { reason: 'replaced', endedAt: CLOCK + 1 })] },
    input: { replaces: 'a', limit: 1 },
    result: 'replaced'
  },
  'a session of its device ended after it began': {
    before: { ended: [ended('a', { endedAt: CLOCK + 1, device: 'd' })] },
    input: { device: 'd' },
    result: 'kicked'
  },
  'the end of all logins counts before that of the session': {
    before: { ended: [ended('a', { endedAt: CLOCK + 1 })], loginsEnd: { reason: 'revoked', at: CLOCK + 1 } },
    input: { replaces: 'a' },
    result: 'revoked'
  },
  'the session has expired by the clock of the caller': {
    before: { ended: [ended('a', { until: NOW, endedAt: CLOCK + 1 })] },
    input: { replaces: 'a', now: NOW + HOUR },
    result: 'kicked'
  }
}

for (const [name, { before, input, clock = CLOCK, after }] of Object.entries(ADDED)) {
  test(`create: ${name}`, async (t) => {
    const record = before === undefined ? null : recordOf(before)
    const outcome = create(record, login('new', input), clock)
    t.strictSame(outcome, { record: recordOf(after), result: null })
    t.strictSame(record, before === undefined ? null : recordOf(before), 'the record before is unchanged')
  })
}

for (const [name, { before, input, clock = CLOCK, result }] of Object.entries(REFUSED)) {
  test(`create: refused if ${name}`, async (t) => {
    const record = recordOf(before)
    const outcome = create(record, login('new', input), clock)
    t.equal(outcome.result, result)
    t.equal(outcome.record, record)
  })
}

test('create: copies the known fields of the session', async (t) => {
  const given = { ...session('new'), extra: 1 }
  const { record } = create(null, login('new', { session: given }), CLOCK)
  given.data = 'changed'
  t.strictSame(record!.live, [live('new')])
})

test('create: keeps an end that may refuse logins, although a caller is ahead', async (t) => {
  const marked = ended('a', { until: NOW, endedAt: CLOCK - SECOND })
  const { record } = create(recordOf({ ended: [marked] }), login('b', { now: NOW + MINUTE }), CLOCK)
  t.strictSame(record!.ended, [marked])
  t.equal(create(record, login('c', { replaces: 'a', startedAt: CLOCK - MINUTE }), CLOCK).result, 'kicked')
  t.strictSame(create(record, login('c'), CLOCK + HOUR).record!.ended, [])
})
