import { test } from 'tap'
import { isOver, TimeLimit, type Wait } from '../../src/utils/deadline-queue.js'
import { collectGarbage } from '../helpers/heap.js'

const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length

test('what does not end in time expires, in the order in which it began, and once', async (t) => {
  const limit = new TimeLimit(50)
  const expired: number[] = []
  const start = performance.now()
  const waits = await new Promise<ReturnType<TimeLimit['begin']>[]>((resolve) => {
    const waits = [0, 1, 2, 3].map((name) => limit.begin(() => {
      expired.push(name)
      if (name === 3) resolve(waits)
    }))
    t.equal(limit.end(waits[1]!), true, 'in time')
    t.equal(limit.end(waits[1]!), false, 'and not twice')
  })
  t.same(expired, [0, 2, 3])
  t.ok(performance.now() - start >= 50)
  for (const wait of waits) t.equal(limit.end(wait), false, 'too late')
})

test('in whatever order they end, there is one timer, and none that keeps the process when nothing waits', async (t) => {
  const limit = new TimeLimit(60_000)
  const before = timers()
  const long = limit.begin(() => t.fail('it ends in time'))
  const ended = Array.from({ length: 5000 }, () => limit.begin(() => t.fail('so do they')))
  for (const wait of ended) t.equal(limit.end(wait), true)
  t.equal(timers(), before + 1, 'one still waits')
  t.equal(limit.end(long), true)
  t.equal(timers(), before, 'nothing keeps the process')

  const waits = Array.from({ length: 5000 }, () => limit.begin(() => t.fail('nor these')))
  for (let i = 0; i < waits.length; i += 2) t.equal(limit.end(waits[i]!), true)
  for (let i = waits.length - 1; i > 0; i -= 2) t.equal(limit.end(waits[i]!), true)
  t.equal(timers(), before)
})

test('thousands that ended are forgotten while a later one waits', async (t) => {
  const limit = new TimeLimit(60_000)
  const begun = Array.from({ length: 5000 }, () => limit.begin(() => t.fail('ended')))
  const last = limit.begin(() => t.fail('ended too'))
  const ended = begun.splice(0).map((wait) => {
    limit.end(wait)
    return new WeakRef(wait)
  })
  // A WeakRef holds what it was made of until the turn is over.
  await new Promise((resolve) => setImmediate(resolve))
  collectGarbage()
  t.ok(ended.filter((wait) => wait.deref() !== undefined).length <= 1000)
  t.equal(limit.end(last), true)
})

test('those behind one that was forgotten still expire', async (t) => {
  const limit = new TimeLimit(30)
  const early = Array.from({ length: 2500 }, () => limit.begin(() => t.fail('ended')))
  const late = new Promise<void>((resolve) => limit.begin(resolve))
  for (const wait of early) limit.end(wait)
  await late
  const next = new Promise<void>((resolve) => limit.begin(resolve))
  await next
  t.pass('and it begins anew')
})

test('one whose expiry throws takes nothing from the others', async (t) => {
  const limit = new TimeLimit(30)
  const thrown = new Promise<Error>((resolve) => process.once('uncaughtException', resolve))
  const expired: string[] = []
  await new Promise<void>((resolve) => {
    limit.begin(() => { throw new Error('of one') })
    limit.begin(() => expired.push('second'))
    limit.begin(() => {
      // What begins meanwhile has its own time, and shares the timer.
      limit.begin(resolve)
      expired.push('third')
    })
  })
  t.match(await thrown, { message: 'of one' })
  t.same(expired, ['second', 'third'])
  t.equal(timers(), 0)
})

test('work in steps has one time for all of them: the step under way expires, and nothing of them is held after the end', async (t) => {
  const limit = new TimeLimit(30)
  const expired: string[] = []
  const step = (wait: Wait, name: string) => new Promise<void>((resolve) => {
    wait.expire = () => {
      expired.push(name)
      resolve()
    }
    if (name === 'quick') resolve()
  })
  const inTime = await limit.within(async (wait) => {
    await step(wait, 'quick')
    return wait
  })
  t.equal(inTime.expire, null)
  t.equal(await limit.within(async (wait) => {
    await step(wait, 'quick')
    t.not(wait.expire, null, 'there is time for another')
    await step(wait, 'slow')
    return isOver(wait)
  }), true, 'and no time for a third')
  t.same(expired, ['slow'])

  t.equal(await limit.within(async (wait) => {
    await new Promise((resolve) => limit.begin(() => resolve(null)))
    return isOver(wait)
  }), true, 'also between two steps')

  let failed!: Wait
  await t.rejects(limit.within(async (wait) => {
    failed = wait
    throw new Error('of the work')
  }), { message: 'of the work' })
  t.equal(failed.expire, null)
  t.equal(timers(), 0)
})
