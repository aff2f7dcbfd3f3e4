import { test } from 'tap'
import { isWithin } from '../../src/utils/is-within.js'

test('isWithin: includes the start of the period and excludes its end', async (t) => {
  t.equal(isWithin(1000, 1000, 50), true)
  t.equal(isWithin(1049, 1000, 50), true)
  t.equal(isWithin(1050, 1000, 50), false)
})

test('isWithin: returns false before the start, when the clock was set back', async (t) => {
  t.equal(isWithin(999, 1000, 50), false)
})
