import { test } from 'tap'
import { randomId, TestUser } from '../../../src/testing/store-suite/test-user.js'
import { openDatabaseStore } from '../../helpers/host-database.js'

const TIMEOUT = { code: 'WEAPP_DATABASE_TIMEOUT' }
const TOO_MANY_WAITING = { code: 'WEAPP_DATABASE_TOO_MANY_WAITING' }
const INVALID_REPLY = { code: 'WEAPP_DATABASE_INVALID_REPLY' }
const NEVER = new Promise<never>(() => {})

/** Returns a function that fails the first time. */
function failingOnce (error: unknown): <Request, Reply>(request: Request, next: (request: Request) => Reply) => Reply {
  let calls = 0
  return (request, next) => {
    if (calls++ === 0) throw error
    return next(request)
  }
}

test('failure: an operation rejects with the error, without another attempt', async (t) => {
  const error = new Error('connection lost')
  for (const method of ['read', 'write'] as const) {
    for (const fail of [() => { throw error }, async () => { throw error }]) {
      const { user, calls } = openDatabaseStore({ [method]: fail })
      await t.rejects(user.signIn(), error)
      t.equal(calls.filter((name) => name === method).length, 1)
      if (method === 'read') await t.rejects(user.read(randomId()), error)
    }
  }
})

test('failure: one that is retryable is repeated', async (t) => {
  const error = new Error('deadlock')
  const isRetryable = (candidate: unknown): boolean => candidate === error
  for (const method of ['read', 'write'] as const) {
    const { user, calls } = openDatabaseStore({ [method]: failingOnce(error), isRetryable })
    const { id } = await user.signIn()
    t.strictSame(calls, method === 'read' ? ['read', 'read', 'write'] : ['read', 'write', 'read', 'write'])
    t.equal(await user.isLive(id), true)
  }
  const { user, calls } = openDatabaseStore({ read: failingOnce(error), isRetryable })
  t.equal(await user.read(randomId()), null)
  t.strictSame(calls, ['read', 'read'])
})

test('failure: of readLines, likewise', async (t) => {
  const error = new Error('overloaded')
  const failing = openDatabaseStore({ readLines: () => { throw error } })
  await t.rejects(failing.user.read(randomId()), error)
  const { user, calls } = openDatabaseStore({ readLines: failingOnce(error), isRetryable: () => true })
  t.equal(await user.read(randomId()), null)
  t.strictSame(calls, ['readLines', 'readLines'])
  await t.rejects(openDatabaseStore({ timeout: 50, readLines: () => NEVER }).user.read(randomId()), TIMEOUT)
  for (const reply of [undefined, 1, { record: null, time: 0 }]) {
    for (const answer of [reply, Promise.resolve(reply)]) {
      await t.rejects(openDatabaseStore({ readLines: () => answer }).user.read(randomId()), INVALID_REPLY)
    }
  }
})

test('timeout: every operation rejects in time, whatever hangs', async (t) => {
  const error = new Error('deadlock')
  for (const faults of [
    { read: () => NEVER }, { write: () => NEVER }, { write: async () => false },
    { write: async () => { throw error }, isRetryable: () => true }
  ]) {
    const { user } = openDatabaseStore({ timeout: 50, ...faults })
    await t.rejects(user.signIn(), TIMEOUT)
  }
  const { user } = openDatabaseStore({ timeout: 50, read: () => NEVER })
  await t.rejects(user.read(randomId()), TIMEOUT)
  await t.rejects(user.list(), TIMEOUT)
})

test('timeout: an operation that waits for another one of its user is never started', async (t) => {
  let hangs = true
  const { user, calls } = openDatabaseStore({ timeout: 50, write: (request, next) => hangs ? NEVER : next(request) })
  const results = await Promise.allSettled([user.signIn(), user.signIn(), user.signIn()])
  for (const result of results) t.match(result, { status: 'rejected', reason: TIMEOUT })
  t.strictSame(calls.filter((name) => name === 'write').length, 1)
  hangs = false
  const { id } = await user.signIn()
  t.strictSame(await user.liveIds(), [id])
})

test('timeout: after it the database receives no call', async (t) => {
  const { user, calls } = openDatabaseStore({ timeout: 30, write: async () => false })
  await t.rejects(user.signIn(), TIMEOUT)
  const before = calls.length
  await new Promise((resolve) => setTimeout(resolve, 100))
  t.equal(calls.length, before)
})

test('clock: a write after the end of its time does not happen', async (t) => {
  const { user, table } = openDatabaseStore({
    timeout: 100,
    write (request, next) {
      // As if the request arrived late.
      table.clockOffset += 1000
      return next(request)
    }
  })
  await t.rejects(user.signIn(), TIMEOUT)
  t.equal(table.items.size, 0)
})

test('limit: 1,000 calls may be unanswered, in time or not', async (t) => {
  const { user, store } = openDatabaseStore({ timeout: 50, read: () => NEVER })
  const reads = Array.from({ length: 1000 }, () => user.read(randomId()))
  await t.rejects(user.read(randomId()), TOO_MANY_WAITING)
  await t.rejects(new TestUser(store).signIn(), TOO_MANY_WAITING)
  for (const result of await Promise.allSettled(reads)) t.match(result, { reason: TIMEOUT })
  await t.rejects(user.read(randomId()), TOO_MANY_WAITING, 'the database still has them')
})

test('limit: a promise whose method fails is answered', async (t) => {
  const error = new Error('not a promise')
  const { user } = openDatabaseStore({ read: () => ({ then () { throw error } }) })
  for (let i = 0; i < 1001; i++) await t.rejects(user.read(randomId()), error)
})

test('limit: 1,000 operations may wait for others of their users', async (t) => {
  const { user } = openDatabaseStore({ timeout: 500, read: () => NEVER })
  const logins = Promise.allSettled(Array.from({ length: 1001 }, () => user.signIn()))
  await t.rejects(user.signIn(), TOO_MANY_WAITING)
  for (const result of await logins) t.match(result, { reason: TIMEOUT })
})

test('reply: one of another shape rejects', async (t) => {
  for (const reply of [undefined, null, 'text', { record: null }, { record: 1, time: 0 }, { record: null, time: '0' }]) {
    for (const answer of [reply, Promise.resolve(reply)]) {
      const { user } = openDatabaseStore({ read: () => answer })
      await t.rejects(user.read(randomId()), INVALID_REPLY)
      await t.rejects(user.signIn(), INVALID_REPLY)
    }
  }
  for (const reply of [undefined, 1, { rowCount: 1 }]) {
    await t.rejects(openDatabaseStore({ write: async () => reply }).user.signIn(), INVALID_REPLY)
  }
})
