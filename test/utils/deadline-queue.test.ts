import { test } from 'tap'
import { isExpired, DeadlineQueue, type Deadline } from '../../src/utils/deadline-queue.js'
import { collectGarbage } from '../helpers/heap.js'

const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

test('what does not end in time expires, in the order in which it began, and once', async (t) => {
  const limit = new DeadlineQueue(50)
  const expired: number[] = []
  const start = performance.now()
  const waits = await new Promise<ReturnType<DeadlineQueue['add']>[]>((resolve) => {
    const waits = [0, 1, 2, 3].map((name) => limit.add(() => {
      expired.push(name)
      if (name === 3) resolve(waits)
    }))
    t.equal(limit.settle(waits[1]!), true, 'in time')
    t.equal(limit.settle(waits[1]!), false, 'and not twice')
  })
  t.strictSame(expired, [0, 2, 3])
  t.ok(performance.now() - start >= 50)
  for (const wait of waits) t.equal(limit.settle(wait), false, 'too late')
})

test('in whatever order they end, there is one timer, and none that keeps the process when nothing waits', async (t) => {
  const limit = new DeadlineQueue(60_000)
  const before = timers()
  const long = limit.add(() => t.fail('it ends in time'))
  const ended = Array.from({ length: 5000 }, () => limit.add(() => t.fail('so do they')))
  for (const wait of ended) t.equal(limit.settle(wait), true)
  t.equal(timers(), before + 1, 'one still waits')
  t.equal(limit.settle(long), true)
  t.equal(timers(), before, 'nothing keeps the process')

  const waits = Array.from({ length: 5000 }, () => limit.add(() => t.fail('nor these')))
  for (let i = 0; i < waits.length; i += 2) t.equal(limit.settle(waits[i]!), true)
  for (let i = waits.length - 1; i > 0; i -= 2) t.equal(limit.settle(waits[i]!), true)
  t.equal(timers(), before)
})

test('thousands that ended are forgotten while a later one waits', async (t) => {
  const limit = new DeadlineQueue(60_000)
  const begun = Array.from({ length: 5000 }, () => limit.add(() => t.fail('ended')))
  const last = limit.add(() => t.fail('ended too'))
  const ended = begun.splice(0).map((wait) => {
    limit.settle(wait)
    return new WeakRef(wait)
  })
  // A WeakRef holds what it was made of until the turn is over.
  await new Promise((resolve) => setImmediate(resolve))
  collectGarbage()
  t.ok(ended.filter((wait) => wait.deref() !== undefined).length <= 1000)
  t.equal(limit.settle(last), true)
})

test('those behind one that was forgotten still expire', async (t) => {
  const limit = new DeadlineQueue(30)
  const early = Array.from({ length: 2500 }, () => limit.add(() => t.fail('ended')))
  const late = new Promise<void>((resolve) => limit.add(resolve))
  for (const wait of early) limit.settle(wait)
  await late
  const next = new Promise<void>((resolve) => limit.add(resolve))
  await next
  t.pass('and it begins anew')
})

test('one whose expiry throws takes nothing from the others', async (t) => {
  const limit = new DeadlineQueue(30)
  const thrown = new Promise<Error>((resolve) => process.once('uncaughtException', resolve))
  const expired: string[] = []
  await new Promise<void>((resolve) => {
    limit.add(() => { throw new Error('of one') })
    limit.add(() => expired.push('second'))
    limit.add(() => {
      // What begins meanwhile has its own time, and shares the timer.
      limit.add(resolve)
      expired.push('third')
    })
  })
  t.match(await thrown, { message: 'of one' })
  t.strictSame(expired, ['second', 'third'])
  t.equal(timers(), 0)
})

test('work in steps has one time for all of them: the step under way expires, and nothing of them is held after the end', async (t) => {
  const limit = new DeadlineQueue(30)
  const expired: string[] = []
  const step = (wait: Deadline, name: string) => new Promise<void>((resolve) => {
    wait.expire = () => {
      expired.push(name)
      resolve()
    }
    if (name === 'quick') resolve()
  })
  const inTime = await limit.run(async (wait) => {
    await step(wait, 'quick')
    return wait
  })
  t.equal(inTime.expire, null)
  t.equal(await limit.run(async (wait) => {
    await step(wait, 'quick')
    t.not(wait.expire, null, 'there is time for another')
    await step(wait, 'slow')
    return isExpired(wait)
  }), true, 'and no time for a third')
  t.strictSame(expired, ['slow'])

  t.equal(await limit.run(async (wait) => {
    await new Promise((resolve) => limit.add(() => resolve(null)))
    return isExpired(wait)
  }), true, 'also between two steps')

  let failed!: Deadline
  await t.rejects(limit.run(async (wait) => {
    failed = wait
    throw new Error('of the work')
  }), { message: 'of the work' })
  t.equal(failed.expire, null)
  t.equal(timers(), 0)
})
