import { test } from 'tap'
import * as everything from '../src/index.js'

const errors = Object.entries(everything).filter(([name]) => name.startsWith('FST_WEAPP_')).map(([, Constructor]) => {
  return new (Constructor as everything.WeappErrorConstructor)()
})

test('errors: each message states what is wrong, then what to do', async (t) => {
  // The parameters of the others name the option or the value.
  const fixed = errors.filter(({ message }) => !message.includes('%s'))
  t.ok(fixed.length >= 24, `${fixed.length} messages`)
  for (const { code, message } of fixed) t.match(message, /^\w.{8,}\. [A-Z].{8,}\.$/, code)
})
