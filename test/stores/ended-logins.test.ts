import { test } from 'tap'
import { EndedLogins } from '../../src/stores/ended-logins.js'
import { HOUR } from '../helpers/clock.js'

test('EndedLogins: keeps a time for an hour', (t) => {
  const endedLogins = new EndedLogins()
  t.equal(endedLogins.include('alice', 0), false)
  endedLogins.add({ userId: 'alice', now: 10 })
  endedLogins.add({ userId: 'bob', now: 20 })
  t.equal(endedLogins.include('alice', 9), true)
  t.equal(endedLogins.include('alice', 10), false, 'a login of the same millisecond began after it')
  endedLogins.add({ userId: 'carol', now: HOUR + 9 })
  t.equal(endedLogins.include('alice', 9), true)
  endedLogins.add({ userId: 'carol', now: HOUR + 10 })
  t.equal(endedLogins.include('alice', 9), false)
  t.equal(endedLogins.include('bob', 19), true)
  endedLogins.add({ userId: 'bob', now: 2 * HOUR })
  t.equal(endedLogins.include('bob', HOUR + 20), true, 'the later time applies')
  t.end()
})

test('EndedLogins: ignores a time an hour or more after the login', (t) => {
  const endedLogins = new EndedLogins()
  endedLogins.add({ userId: 'alice', now: 6 * HOUR })
  t.equal(endedLogins.include('alice', 5 * HOUR + 1), true)
  t.equal(endedLogins.include('alice', 5 * HOUR), false, 'no login takes an hour, so a clock ran ahead')
  endedLogins.add({ userId: 'bob', now: 0 })
  t.equal(endedLogins.include('alice', 5 * HOUR + 1), false, 'it is dropped, and later times can be dropped')
  t.end()
})
