import { test } from 'tap'
import { EndedLogins } from '../../src/stores/ended-logins.js'
import { HOUR } from '../helpers/clock.js'

test('what was ended is remembered for an hour, and then takes no memory', (t) => {
  const endedLogins = new EndedLogins()
  t.equal(endedLogins.include('alice', 0), false)
  endedLogins.add({ userId: 'alice', now: 10 })
  endedLogins.add({ userId: 'bob', now: 20 })
  t.equal(endedLogins.include('alice', 9), true)
  t.equal(endedLogins.include('alice', 10), false, 'what began in the same millisecond came after')
  endedLogins.add({ userId: 'carol', now: HOUR + 9 })
  t.equal(endedLogins.include('alice', 9), true)
  endedLogins.add({ userId: 'carol', now: HOUR + 10 })
  t.equal(endedLogins.include('alice', 9), false)
  t.equal(endedLogins.include('bob', 19), true)
  endedLogins.add({ userId: 'bob', now: 2 * HOUR })
  t.equal(endedLogins.include('bob', HOUR + 20), true, 'again is later')
  t.end()
})

test('a time that a clock told which ran ahead keeps nobody out once it is right again', (t) => {
  const endedLogins = new EndedLogins()
  endedLogins.add({ userId: 'alice', now: 6 * HOUR })
  t.equal(endedLogins.include('alice', 5 * HOUR + 1), true)
  t.equal(endedLogins.include('alice', 5 * HOUR), false, 'no login takes an hour')
  endedLogins.add({ userId: 'bob', now: 0 })
  t.equal(endedLogins.include('alice', 5 * HOUR + 1), false, 'and it takes no memory, nor keeps what comes after in it')
  t.end()
})
