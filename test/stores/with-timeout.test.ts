import { test } from 'tap'
import { storeWithTimeout, createTimeout } from '../../src/stores/with-timeout.js'
import { memoryStore } from '../../src/stores/memory.js'
import { storeSuite } from '../../src/testing/store-suite/store-suite.js'
import { FAILURES, faultyStore, STORE_WORDS, type Operation } from '../helpers/faulty-store.js'

const OPERATIONS: Operation[] = ['create', 'read', 'touch', 'update', 'revoke', 'revokeAll', 'list', 'readKeys', 'writeKey']
const UNAVAILABLE = { code: 'FST_WEAPP_STORE_UNAVAILABLE', statusCode: 503 }

test('a bound store is a store as any', (t) => storeSuite(t.test, () => storeWithTimeout(memoryStore(), createTimeout(60_000, () => {})), { rounds: 20 }))

for (const [name, failure] of Object.entries(FAILURES)) {
  test(`a store that ${name}: every operation fails in time, in our words, and is reported`, async (t) => {
    const faulty = faultyStore()
    const failures: [string, unknown][] = []
    const store = storeWithTimeout(faulty.store, createTimeout(10, (operation, error) => failures.push([operation, error])))
    for (const operation of OPERATIONS) {
      faulty.instead(operation, failure)
      // A read that fails at once may throw at once.
      const outcome = async (): Promise<unknown> => await store[operation]({} as never)
      const error = await outcome().then(() => new Error('resolved'), (error: Error) => error)
      t.match(error, UNAVAILABLE, operation)
      t.notMatch(`${error.stack} ${String(error.cause)}`, STORE_WORDS)
    }
    t.strictSame(failures.map(([operation]) => operation), OPERATIONS)
    const isSilent = name === 'hangs' || name === 'rejects with nothing'
    for (const [operation, error] of failures) t.match(error, isSilent ? undefined : { message: STORE_WORDS }, operation)
  })
}

test('a store whose lists are none has failed', async (t) => {
  for (const operation of ['list', 'readKeys'] as const) {
    for (const answer of [null, undefined, {}, 'x', 0, [null], [1], [undefined], [{}], [{ id: 'x', createdAt: 1, expiresAt: '2', idleExpiresAt: 3 }]]) {
      const faulty = faultyStore()
      const failures: [string, unknown][] = []
      const store = storeWithTimeout(faulty.store, createTimeout(60_000, (operation, error) => failures.push([operation, error])))
      faulty.instead(operation, async () => answer)
      await t.rejects(store[operation]({} as never) as Promise<unknown>, UNAVAILABLE, `${operation}: ${answer}`)
      t.match(failures, [[operation, { name: 'TypeError' }]])
    }
  }
})

for (const outcome of ['answers', 'fails'] as const) {
  test(`a store that ${outcome} too late is not heard`, async (t) => {
    const failures: unknown[] = []
    const bound = createTimeout(1, (_verb, error) => failures.push(error))
    const { promise, resolve, reject } = held()
    await t.rejects(waitFor(bound('read', () => promise, null)), UNAVAILABLE)
    if (outcome === 'answers') resolve('late')
    else reject(new Error(STORE_WORDS))
    // An unhandled rejection would end the test here.
    await new Promise((resolve) => setImmediate(resolve))
    t.strictSame(failures, [undefined], 'reported once')
  })
}

test('what needs no time is there at once', async (t) => {
  const bound = createTimeout(1000, () => t.fail('no failure'))
  const timers = activeTimers()
  t.equal(bound('read', () => 'at once', null), 'at once')
  t.equal(bound('read', () => null, null), null)
  t.equal(activeTimers(), timers, 'and no timer runs for it')
  t.equal(await bound('read', async () => 'soon', null), 'soon')
  t.equal(await bound('read', async () => null, null), null)
})

test("another library's promise is waited for as any", async (t) => {
  const bound = createTimeout(60_000, () => {})
  const thenable = (settle: (resolve: (value: string) => void, reject: (error: Error) => void) => void) => {
    return { then: settle } as unknown as Promise<string>
  }
  t.equal(await bound('read', () => thenable((resolve) => resolve('soon')), null), 'soon')
  await t.rejects(waitFor(bound('read', () => thenable((_resolve, reject) => reject(new Error(STORE_WORDS))), null)), UNAVAILABLE)
})

test('those that began at different times each fail in their own, and those that are answered do not', async (t) => {
  // Long, so that a busy machine does not let it pass before the answer comes.
  const TIMEOUT = 1500
  const failures: string[] = []
  const bound = createTimeout(TIMEOUT, (operation) => failures.push(operation))
  const first = held()

  async function failing (name: string, pending: Promise<unknown>): Promise<void> {
    const start = performance.now()
    await t.rejects(waitFor(bound(name, () => pending, null)), UNAVAILABLE, name)
    const ms = performance.now() - start
    t.ok(ms >= TIMEOUT && ms < 20_000, `${name} after ${ms.toFixed(1)} ms`)
  }

  // Its time is what the shared timer is set for, and it is answered: the timer finds the others.
  const answered = waitFor(bound('answered', () => first.promise, null))
  const outcomes: Promise<void>[] = []
  for (const name of ['one', 'two', 'three']) {
    outcomes.push(failing(name, new Promise(() => {})))
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  first.resolve('in time')
  t.equal(await answered, 'in time')
  await Promise.all(outcomes)
  t.strictSame(failures, ['one', 'two', 'three'])

  const timers = activeTimers()
  const late = failing('much later', new Promise(() => {}))
  t.equal(activeTimers(), timers + 1)
  await late
  t.strictSame(failures.slice(3), ['much later'], 'and it begins anew when nothing waits')
})

test('all that wait share a timer, and nothing keeps the process when none waits', async (t) => {
  const bound = createTimeout(60_000, () => t.fail('no failure'))
  const timers = activeTimers()
  for (let round = 0; round < 3; round++) {
    const reads = Array.from({ length: 100 }, () => held())
    const outcomes = reads.map(({ promise }, index) => bound(`read ${index}`, () => promise, null))
    t.equal(activeTimers(), timers + 1, 'one')
    reads.slice(1).forEach(({ resolve }) => resolve('answered'))
    await Promise.all(outcomes.slice(1))
    t.equal(activeTimers(), timers + 1, 'one still waits')
    reads[0]!.resolve('answered')
    await outcomes[0]
    t.equal(activeTimers(), timers, 'none')
  }
})

interface Held {
  promise: Promise<unknown>
  resolve (value: unknown): void
  reject (error: Error): void
}

/** A promise that the test settles. */
function held (): Held {
  let settle!: Pick<Held, 'resolve' | 'reject'>
  const promise = new Promise((resolve, reject) => { settle = { resolve, reject } })
  return { promise, ...settle }
}

async function waitFor<T> (outcome: T | Promise<T>): Promise<T> {
  return await outcome
}

/** Timers that keep this process alive. */
function activeTimers (): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
}
