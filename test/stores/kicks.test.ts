import { test } from 'tap'
import { Kicks } from '../../src/stores/kicks.js'

const HOUR = 3_600_000

test('what was ended is remembered for an hour, and then takes no memory', (t) => {
  const kicks = new Kicks()
  t.equal(kicks.haveHit('alice', 0), false)
  kicks.remember({ userId: 'alice', now: 10 })
  kicks.remember({ userId: 'bob', now: 20 })
  t.equal(kicks.haveHit('alice', 9), true)
  t.equal(kicks.haveHit('alice', 10), false, 'what began in the same millisecond came after')
  kicks.remember({ userId: 'carol', now: HOUR + 9 })
  t.equal(kicks.haveHit('alice', 9), true)
  kicks.remember({ userId: 'carol', now: HOUR + 10 })
  t.equal(kicks.haveHit('alice', 9), false)
  t.equal(kicks.haveHit('bob', 19), true)
  kicks.remember({ userId: 'bob', now: 2 * HOUR })
  t.equal(kicks.haveHit('bob', 20), true, 'again is later')
  t.end()
})
