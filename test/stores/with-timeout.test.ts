import { test } from 'tap'
import { storeWithTimeout, createTimeout } from '../../src/stores/with-timeout.js'
import { memoryStore } from '../../src/stores/memory.js'
import { storeSuite } from '../../src/testing/store-suite/store-suite.js'
import { activeTimers } from '../helpers/processes.js'
import { FAILURES, faultyStore, OPERATIONS, STORE_WORDS } from '../helpers/faulty-store.js'

const UNAVAILABLE = { code: 'FST_WEAPP_STORE_UNAVAILABLE', statusCode: 503 }

test('storeWithTimeout: conforms to the store contract', (t) => {
  return storeSuite(t.test, () => storeWithTimeout(memoryStore(), createTimeout(60_000, () => {})), { rounds: 20 })
})

for (const [name, failure] of Object.entries(FAILURES)) {
  test(`storeWithTimeout: a store that ${name} fails in time, without its own error`, async (t) => {
    const faulty = faultyStore()
    const failures: [string, unknown][] = []
    const onFailure = (operation: string, error: unknown) => failures.push([operation, error])
    const store = storeWithTimeout(faulty.store, createTimeout(10, onFailure))
    for (const operation of OPERATIONS) {
      faulty.instead(operation, failure)
      // A read that fails synchronously may throw synchronously.
      const call = async (): Promise<unknown> => await store[operation]({} as never)
      const error = await call().then(() => new Error('resolved'), (error: Error) => error)
      t.match(error, UNAVAILABLE, operation)
      t.notMatch(`${error.stack} ${String(error.cause)}`, STORE_WORDS)
    }
    t.strictSame(failures.map(([operation]) => operation), OPERATIONS)
    const isSilent = name === 'hangs' || name === 'rejects with nothing'
    const reported = isSilent ? undefined : { message: STORE_WORDS }
    for (const [operation, error] of failures) t.match(error, reported, operation)
  })
}

test('storeWithTimeout: a result that is not an array of items is a failure', async (t) => {
  const badSession = { id: 'x', createdAt: 1, expiresAt: '2', idleExpiresAt: 3 }
  for (const operation of ['list', 'readKeys'] as const) {
    for (const result of [null, undefined, {}, 'x', 0, [null], [1], [undefined], [{}], [badSession]]) {
      const faulty = faultyStore()
      const failures: [string, unknown][] = []
      const onFailure = (operation: string, error: unknown) => failures.push([operation, error])
      const store = storeWithTimeout(faulty.store, createTimeout(60_000, onFailure))
      faulty.instead(operation, async () => result)
      await t.rejects(store[operation]({} as never) as Promise<unknown>, UNAVAILABLE, `${operation}: ${result}`)
      t.match(failures, [[operation, { name: 'TypeError' }]])
    }
  }
})

test('storeWithTimeout: a result of create is null or an end reason', async (t) => {
  const faulty = faultyStore()
  const failures: [string, unknown][] = []
  const onFailure = (operation: string, error: unknown) => failures.push([operation, error])
  const store = storeWithTimeout(faulty.store, createTimeout(60_000, onFailure))
  for (const result of [null, 'revoked', 'kicked', 'replaced']) {
    faulty.instead('create', async () => result)
    t.equal(await store.create({} as never), result)
  }
  t.strictSame(failures, [])
  for (const result of [undefined, true, false, 0, '', 'banned', {}, []]) {
    faulty.instead('create', async () => result)
    await t.rejects(store.create({} as never), UNAVAILABLE, String(result))
    t.match(failures.at(-1), ['create', { name: 'TypeError' }])
  }
})

for (const outcome of ['resolves', 'rejects'] as const) {
  test(`createTimeout: an operation that ${outcome} too late is ignored`, async (t) => {
    const failures: unknown[] = []
    const withTimeout = createTimeout(1, (_operation, error) => failures.push(error))
    const { promise, resolve, reject } = deferred()
    await t.rejects(settled(withTimeout('read', () => promise, null)), UNAVAILABLE)
    if (outcome === 'resolves') resolve('late')
    else reject(new Error(STORE_WORDS))
    // An unhandled rejection would end the test here.
    await new Promise((resolve) => setImmediate(resolve))
    t.strictSame(failures, [undefined], 'reported once')
  })
}

test('createTimeout: a synchronous result stays synchronous', async (t) => {
  const withTimeout = createTimeout(1000, () => t.fail('no failure'))
  const timers = activeTimers()
  t.equal(withTimeout('read', () => 'at once', null), 'at once')
  t.equal(withTimeout('read', () => null, null), null)
  t.equal(activeTimers(), timers, 'no timer runs for it')
  t.equal(await withTimeout('read', async () => 'soon', null), 'soon')
  t.equal(await withTimeout('read', async () => null, null), null)
})

test("createTimeout: another library's promise is awaited", async (t) => {
  const withTimeout = createTimeout(60_000, () => {})
  const thenable = (settle: (resolve: (value: string) => void, reject: (error: Error) => void) => void) => {
    return { then: settle } as unknown as Promise<string>
  }
  t.equal(await withTimeout('read', () => thenable((resolve) => resolve('soon')), null), 'soon')
  const failing = () => thenable((_resolve, reject) => reject(new Error(STORE_WORDS)))
  await t.rejects(settled(withTimeout('read', failing, null)), UNAVAILABLE)
})

test('createTimeout: each operation has its own time', async (t) => {
  // Long enough for a busy machine to settle the first operation before.
  const TIMEOUT = 500
  const failures: string[] = []
  const withTimeout = createTimeout(TIMEOUT, (operation) => failures.push(operation))
  const first = deferred()

  async function failing (name: string): Promise<void> {
    const start = performance.now()
    await t.rejects(settled(withTimeout(name, () => new Promise(() => {}), null)), UNAVAILABLE, name)
    const ms = performance.now() - start
    t.ok(ms >= TIMEOUT && ms < 20_000, `${name} after ${ms.toFixed(1)} ms`)
  }

  const answered = settled(withTimeout('answered', () => first.promise, null))
  const outcomes: Promise<void>[] = []
  for (const name of ['one', 'two', 'three']) {
    outcomes.push(failing(name))
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
  first.resolve('in time')
  t.equal(await answered, 'in time')
  await Promise.all(outcomes)
  t.strictSame(failures, ['one', 'two', 'three'])

  const timers = activeTimers()
  const late = failing('much later')
  t.equal(activeTimers(), timers + 1)
  await late
  t.strictSame(failures.slice(3), ['much later'])
})

test('createTimeout: only a pending operation keeps the process alive', async (t) => {
  const withTimeout = createTimeout(60_000, () => t.fail('no failure'))
  const timers = activeTimers()
  for (let round = 0; round < 3; round++) {
    const reads = Array.from({ length: 100 }, () => deferred())
    const outcomes = reads.map(({ promise }, index) => withTimeout(`read ${index}`, () => promise, null))
    t.ok(activeTimers() > timers)
    reads.slice(1).forEach(({ resolve }) => resolve('answered'))
    await Promise.all(outcomes.slice(1))
    t.equal(activeTimers(), timers + 1, 'one is pending')
    reads[0]!.resolve('answered')
    await outcomes[0]
    t.equal(activeTimers(), timers, 'none is pending')
  }
})

interface Deferred {
  promise: Promise<unknown>
  resolve (value: unknown): void
  reject (error: Error): void
}

/** Returns a promise that the test settles. */
function deferred (): Deferred {
  let settle!: Pick<Deferred, 'resolve' | 'reject'>
  const promise = new Promise((resolve, reject) => { settle = { resolve, reject } })
  return { promise, ...settle }
}

async function settled<T> (outcome: T | Promise<T>): Promise<T> {
  return await outcome
}
