import { test } from 'tap'
import { boundStore, createBound } from '../../src/stores/bounded.js'
import { memoryStore } from '../../src/stores/memory.js'
import { storeSuite } from '../../src/testing/store-suite.js'
import { FAILURES, faultyStore, STORE_WORDS, type Verb } from '../fixtures/faulty-store.js'

const VERBS: Verb[] = ['create', 'read', 'touch', 'update', 'revoke', 'revokeAll', 'list', 'readKeys', 'writeKey']
const UNAVAILABLE = { code: 'FST_WEAPP_STORE_UNAVAILABLE', statusCode: 503 }

test('a bound store is a store as any', (t) => storeSuite(t.test, () => boundStore(memoryStore(), createBound(60_000, () => {})), { rounds: 20 }))

for (const [name, failure] of Object.entries(FAILURES)) {
  test(`a store that ${name}: every verb fails in time, in our words, and is reported`, async (t) => {
    const faulty = faultyStore()
    const failures: [string, unknown][] = []
    const store = boundStore(faulty.store, createBound(10, (verb, error) => failures.push([verb, error])))
    for (const verb of VERBS) {
      faulty.instead(verb, failure)
      const outcome: Promise<unknown> = store[verb]({} as never)
      const error = await outcome.then(() => new Error('resolved'), (error: Error) => error)
      t.match(error, UNAVAILABLE, verb)
      t.notMatch(`${error.stack} ${String(error.cause)}`, STORE_WORDS)
    }
    t.same(failures.map(([verb]) => verb), VERBS)
    const isSilent = name === 'hangs' || name === 'rejects with nothing'
    for (const [verb, error] of failures) t.match(error, isSilent ? undefined : { message: STORE_WORDS }, verb)
  })
}

test('a store that answers too late, or fails after that, is not heard', async (t) => {
  const failures: unknown[] = []
  const bound = createBound(1, (_verb, error) => failures.push(error))
  let settle!: { resolve: (value: unknown) => void, reject: (error: Error) => void }
  const late = new Promise((resolve, reject) => { settle = { resolve, reject } })
  await t.rejects(bound('read', () => late), UNAVAILABLE)
  settle.reject(new Error(STORE_WORDS))
  // An unhandled rejection would end the test here.
  await new Promise((resolve) => setImmediate(resolve))
  t.same(failures, [undefined], 'reported once')
})

test('an answer that is no promise is one all the same', async (t) => {
  const bound = createBound(1000, () => t.fail('no failure'))
  t.equal(await bound('read', () => 'at once'), 'at once')
  t.equal(await bound('read', async () => null), null)
})
