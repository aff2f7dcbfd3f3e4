import { test } from 'tap'
import { Deadline, withDeadline } from '../../src/utils/deadline.js'
import { LONGEST_TIMER } from '../../src/utils/duration.js'
import { deferred } from '../helpers/deferred.js'
import { activeTimers } from '../helpers/processes.js'

test('Deadline: expires once and in time, and not after it was settled', async (t) => {
  const expired: number[] = []
  const start = performance.now()
  const deadlines = await new Promise<Deadline[]>((resolve) => {
    const deadlines = [0, 1, 2, 3].map((name) => new Deadline(50, () => {
      expired.push(name)
      if (name === 3) resolve(deadlines)
    }))
    t.equal(deadlines[1]!.settle(), true, 'in time')
    t.equal(deadlines[1]!.settle(), false, 'only once')
  })
  t.strictSame(expired, [0, 2, 3], 'in the order of their start')
  for (const { until } of deadlines) t.ok(until >= start + 50 && until <= performance.now(), 'never early')
  for (const deadline of deadlines) t.equal(deadline.settle(), false, 'too late')
})

test('Deadline: deadlines with different starts expire separately', async (t) => {
  const times: number[] = []
  for (let i = 0; i < 3; i++) {
    const start = performance.now()
    new Deadline(100, () => times.push(performance.now() - start)) // eslint-disable-line no-new
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  await new Promise<void>((resolve) => { new Deadline(100, resolve) }) // eslint-disable-line no-new
  t.equal(times.length, 3)
  for (const ms of times) t.ok(ms >= 100, `after ${ms.toFixed(1)} ms`)
})

test('Deadline: keeps the process alive until it is settled, in any order', (t) => {
  const before = activeTimers()
  const deadlines = Array.from({ length: 1000 }, () => new Deadline(60_000, () => t.fail('it was settled')))
  t.equal(activeTimers(), before + 1000)
  for (let i = 0; i < deadlines.length; i += 2) t.equal(deadlines[i]!.settle(), true)
  t.equal(activeTimers(), before + 500)
  for (let i = deadlines.length - 1; i > 0; i -= 2) t.equal(deadlines[i]!.settle(), true)
  t.equal(activeTimers(), before)
  t.end()
})

test('Deadline: the longest timer of Node.js does not overflow', async (t) => {
  const deadline = new Deadline(LONGEST_TIMER, () => t.fail('it was settled'))
  await new Promise((resolve) => setTimeout(resolve, 5))
  t.equal(deadline.settle(), true)
})

test('Deadline: an expiry that throws does not stop the others', async (t) => {
  const thrown = new Promise<Error>((resolve) => process.once('uncaughtException', resolve))
  const expired: string[] = []
  await new Promise<void>((resolve) => {
    const deadlines = [
      new Deadline(30, () => { throw new Error('of one') }),
      new Deadline(30, () => expired.push('second')),
      new Deadline(30, () => {
        expired.push('third')
        deadlines.push(new Deadline(30, resolve))
      })
    ]
  })
  t.match(await thrown, { message: 'of one' })
  t.strictSame(expired, ['second', 'third'])
  t.equal(activeTimers(), 0)
})

test('Deadline: race settles as the promise does, or rejects when the time is over', async (t) => {
  const createError = () => new Error('too late')
  const { resolve, promise } = deferred()
  const deadline = new Deadline(30)
  t.equal(await deadline.race(Promise.resolve('value'), createError), 'value')
  await t.rejects(deadline.race(Promise.reject(new Error('of the work')), createError), { message: 'of the work' })
  await t.rejects(deadline.race(promise, createError), { message: 'too late' })
  t.equal(deadline.isExpired, true)
  resolve()
})

test('withDeadline: all steps share one deadline, and the current step expires', async (t) => {
  const expired: string[] = []
  const step = (deadline: Deadline, name: string) => new Promise<void>((resolve) => {
    deadline.expire = () => {
      expired.push(name)
      resolve()
    }
    if (name === 'quick') resolve()
  })
  const inTime = await withDeadline(30, async (deadline) => {
    await step(deadline, 'quick')
    return deadline
  })
  t.equal(inTime.expire, null, 'no step stays referenced')
  t.equal(await withDeadline(30, async (deadline) => {
    await step(deadline, 'quick')
    t.equal(deadline.isExpired, false, 'time is left for another step')
    await step(deadline, 'slow')
    return deadline.isExpired
  }), true, 'no time is left for a third')
  t.strictSame(expired, ['slow'])

  t.equal(await withDeadline(30, async (deadline) => {
    await new Promise((resolve) => setTimeout(resolve, 60))
    return deadline.isExpired
  }), true, 'between two steps as well')
})

test('withDeadline: a rejection settles the deadline', async (t) => {
  let rejected!: Deadline
  await t.rejects(withDeadline(60_000, async (deadline) => {
    rejected = deadline
    throw new Error('of the work')
  }), { message: 'of the work' })
  t.equal(rejected.expire, null)
  t.equal(activeTimers(), 0)
})
