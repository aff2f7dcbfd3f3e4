import { test } from 'tap'
import { EndedUsers } from '../../src/stores/ended-users.js'
import { HOUR } from '../helpers/clock.js'
import { CLOCK, ended, NOW, recordOf } from '../helpers/user-record.js'

const RECORD = recordOf({ ended: [ended('a', { until: NOW + HOUR })] })

function kept (users: EndedUsers, count: number): number[] {
  return Array.from({ length: count }, (_, i) => i).filter((i) => users.get(`${i}`) !== undefined)
}

test('EndedUsers: returns the latest record of a user', async (t) => {
  const users = new EndedUsers(10)
  t.equal(users.get('0'), undefined)
  const later = recordOf({ loginsEnd: { reason: 'kicked', at: CLOCK } })
  for (const record of [RECORD, later]) {
    users.set('0', record, NOW, CLOCK)
    t.equal(users.get('0'), record)
  }
  users.delete('0')
  t.equal(users.get('0'), undefined)
})

test('EndedUsers: beyond max, the least recently changed user is dropped', async (t) => {
  const users = new EndedUsers(3)
  for (const id of ['0', '1', '2', '0', '3', '4']) users.set(id, RECORD, NOW, CLOCK)
  t.strictSame(kept(users, 5), [0, 3, 4])
})

test('EndedUsers: changes drop the records that have expired', async (t) => {
  const users = new EndedUsers(1000)
  for (let i = 0; i < 100; i++) users.set(`${i}`, RECORD, NOW, CLOCK)
  const marked = recordOf({ loginsEnd: { reason: 'kicked', at: CLOCK } })
  users.set('100', marked, NOW, CLOCK)
  for (let i = 0; i < 60; i++) users.set('x', marked, NOW + HOUR, CLOCK)
  t.strictSame(kept(users, 101), [100], 'although each looks at two records only')
  for (let i = 0; i < 4; i++) users.set('x', RECORD, NOW, CLOCK + HOUR)
  t.strictSame(kept(users, 101), [])
  t.equal(users.get('x'), RECORD)
})
