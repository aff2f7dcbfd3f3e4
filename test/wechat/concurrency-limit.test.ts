import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { createConcurrencyLimit } from '../../src/wechat/concurrency-limit.js'
import { startRawWechat } from '../helpers/raw-wechat.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { startHost } from '../helpers/host.js'
import { startLoginHost } from '../helpers/login-host.js'

const PATIENCE = 1000
const BUSY = 'FST_WEAPP_BUSY'

/** Work that ends when the test says so, and tells who has begun. */
function work () {
  const begun: number[] = []
  const endings = new Map<number, (error?: Error) => void>()
  return {
    begun,
    begin: (n: number) => () => new Promise<number>((resolve, reject) => {
      begun.push(n)
      endings.set(n, (error) => error === undefined ? resolve(n) : reject(error))
    }),
    async end (n: number, error?: Error) {
      endings.get(n)!(error)
      await nextTurn()
    }
  }
}

/** The timers of those who wait: they fire when the test says so, and never by themselves. */
function holdPatience (t: Test) {
  const waiting = new Set<() => void>()
  const { setTimeout: start, clearTimeout: stop } = globalThis
  t.intercept(globalThis, 'setTimeout', {
    value: (run: (...args: unknown[]) => void, ms?: number, ...rest: unknown[]) => {
      if (ms !== PATIENCE) return start(run, ms, ...rest as [])
      waiting.add(run)
      return run
    }
  })
  t.intercept(globalThis, 'clearTimeout', {
    value: (timer: any) => { if (!waiting.delete(timer)) stop(timer) }
  })
  return {
    get waiting () { return waiting.size },
    /** A second is over for so many of them, the first who came. */
    lose (count = waiting.size) {
      for (const run of [...waiting].slice(0, count)) {
        waiting.delete(run)
        run()
      }
    }
  }
}

t.test('so many at once, the rest wait in order', async (t) => {
  const gate = createConcurrencyLimit(2)
  const { begun, begin, end } = work()
  const passes = [0, 1, 2, 3, 4].map((n) => gate.run(begin(n)))
  await nextTurn()
  t.strictSame(begun, [0, 1])
  await end(1)
  t.strictSame(begun, [0, 1, 2])
  await end(0)
  await end(2)
  t.strictSame(begun, [0, 1, 2, 3, 4])
  await end(4)
  await end(3)
  t.strictSame(await Promise.all(passes), [0, 1, 2, 3, 4])
  const again = [5, 6, 7].map((n) => gate.run(begin(n)))
  await nextTurn()
  t.strictSame(begun.slice(5), [5, 6], 'as many places as before')
  for (const n of [5, 6, 7]) await end(n)
  await Promise.all(again)
})

t.test('who comes while a place is being handed over does not take it', async (t) => {
  const gate = createConcurrencyLimit(1)
  const { begun, begin, end } = work()
  const passes = [gate.run(begin(0)), gate.run(begin(1))]
  await nextTurn()
  const ending = end(0)
  passes.push(gate.run(begin(2)))
  await ending
  t.strictSame(begun, [0, 1])
  await end(1)
  await end(2)
  t.strictSame(await Promise.all(passes), [0, 1, 2])
})

t.test('work that fails, or throws at once, gives its place up', async (t) => {
  const gate = createConcurrencyLimit(1)
  const { begun, begin, end } = work()
  const failing = gate.run(begin(0))
  const next = gate.run(begin(1))
  await nextTurn()
  await Promise.all([t.rejects(failing, { message: 'no' }), end(0, new Error('no'))])
  t.strictSame(begun, [0, 1])
  await end(1)
  await next
  await t.rejects(gate.run(() => { throw new Error('at once') }), { message: 'at once' })
  const places = [2, 3].map((n) => gate.run(begin(n)))
  await nextTurn()
  t.strictSame(begun.slice(2), [2], 'and no other')
  for (const n of [2, 3]) await end(n)
  await Promise.all(places)
})

t.test('who has waited a second is told that we are busy, and never begins', async (t) => {
  const patience = holdPatience(t)
  const gate = createConcurrencyLimit(1)
  const { begun, begin, end } = work()
  const passes = [0, 1, 2, 3].map((n) => gate.run(begin(n)))
  for (const pass of passes) pass.catch(() => {})
  await nextTurn()
  t.equal(patience.waiting, 3)
  patience.lose(2)
  await t.rejects(passes[1]!, { code: BUSY, statusCode: 503 })
  await t.rejects(passes[2]!, { code: BUSY })
  await end(0)
  t.strictSame(begun, [0, 3], 'the place goes to who still waits')
  t.equal(patience.waiting, 0, 'whose timer is cleared')
  await end(3)
  t.equal(await gate.run(async () => 'free'), 'free')
})

t.test('16 may wait for each place; one more is told at once', async (t) => {
  for (const concurrency of [1, 3]) {
    const patience = holdPatience(t)
    const gate = createConcurrencyLimit(concurrency)
    const { begun, begin, end } = work()
    const passes = Array.from({ length: concurrency * 17 }, (_, n) => gate.run(begin(n)))
    await nextTurn()
    t.strictSame([begun.length, patience.waiting], [concurrency, concurrency * 16])
    await t.rejects(gate.run(begin(-1)), { code: BUSY })
    t.equal(patience.waiting, concurrency * 16, 'without a wait')
    await end(0)
    passes.push(gate.run(begin(passes.length)))
    for (let n = 1; n < passes.length; n++) await end(n)
    await Promise.all(passes)
    t.strictSame(begun, passes.map((_, n) => n))
  }
})

t.test('logins: `concurrency` at WeChat, 16 times as many wait, the rest are told at once', async (t) => {
  const patience = holdPatience(t)
  const { wechat, login } = await startLoginHost(t, { concurrency: 2 })
  let answer = () => {}
  const unhold = wechat.fault({ delay: new Promise<void>((resolve) => { answer = resolve }) })
  const logins = Array.from({ length: 40 }, async (_, n) => await login(wechat.login(`user-${n}`)))
  // The six that are too many are answered before anything else is.
  const busy = await Promise.all(Array.from({ length: 6 }, (_, n) => logins[34 + n]!))
  for (const response of busy) assertRefused(t, response, 503, BUSY, 1)
  while (wechat.requests.length < 2) await nextTurn()
  t.strictSame([wechat.requests.length, patience.waiting], [2, 32])

  patience.lose(30)
  for (const response of await Promise.all(logins.slice(2, 32))) assertRefused(t, response, 503, BUSY, 1)
  t.equal(wechat.requests.length, 2, 'WeChat is not asked for them')
  unhold()
  answer()
  for (const response of await Promise.all([...logins.slice(0, 2), ...logins.slice(32, 34)])) t.equal(response.statusCode, 200)
  t.equal(wechat.requests.length, 4)
})

t.test('5,000 logins at once stay bounded', async (t) => {
  const LOGINS = 5000
  const CONCURRENCY = 8
  const patience = holdPatience(t)
  let underWay = 0
  let most = 0
  const held: (() => void)[] = []
  const wechat = await startRawWechat(t, (request, response) => {
    most = Math.max(most, ++underWay)
    const openid = new URL(request.url!, 'http://wechat').searchParams.get('js_code')
    held.push(() => {
      underWay--
      response.end(JSON.stringify({ openid, session_key: 'AAAAAAAAAAAAAAAAAAAAAA==' }))
    })
  })
  const { post } = await startHost(t, { options: { wechat: { baseUrl: wechat.url, concurrency: CONCURRENCY, timeout: '5m' } } })
  const counts: Record<string, number> = {}
  const logins = Promise.all(Array.from({ length: LOGINS }, async (_, n) => {
    const { statusCode, headers } = await post('/weapp/login', { code: `code-${n}` })
    const outcome = `${statusCode} ${headers['weapp-error'] ?? ''}`
    counts[outcome] = (counts[outcome] ?? 0) + 1
  }))
  const served = CONCURRENCY * 17
  const answered = () => Object.values(counts).reduce((sum, count) => sum + count, 0)
  while (answered() < LOGINS - served || held.length < CONCURRENCY) await nextTurn()
  t.strictSame(counts, { [`503 ${BUSY}`]: LOGINS - served }, 'most of them are told at once')
  t.strictSame([underWay, patience.waiting], [CONCURRENCY, CONCURRENCY * 16])
  for (let done = 0; done < served; done++) {
    while (held.length === 0) await nextTurn()
    held.shift()!()
  }
  await logins
  t.equal(counts['200 '], served)
  t.equal(wechat.requests.length, served)
  t.equal(most, CONCURRENCY)
  t.equal(patience.waiting, 0)
})
