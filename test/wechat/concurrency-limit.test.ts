import { setImmediate as nextTurn } from 'node:timers/promises'
import { test, type Test } from 'tap'
import { createConcurrencyLimit } from '../../src/wechat/concurrency-limit.js'
import { startRawWechat } from '../helpers/raw-wechat.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { deferred } from '../helpers/deferred.js'
import { startHost } from '../helpers/host.js'
import { startLoginHost } from '../helpers/login-host.js'
import { sessionKeyProof, startWechatClient } from '../helpers/wechat-client.js'

const MAX_QUEUE_WAIT_MS = 1000
const BUSY = 'FST_WEAPP_BUSY'

/** Creates numbered work that the test ends, and records in which order it started. */
function controlledWork () {
  const started: number[] = []
  const endings = new Map<number, (error?: Error) => void>()
  return {
    started,
    start: (n: number) => () => new Promise<number>((resolve, reject) => {
      started.push(n)
      endings.set(n, (error) => error === undefined ? resolve(n) : reject(error))
    }),
    async end (n: number, error?: Error) {
      endings.get(n)!(error)
      await nextTurn()
    }
  }
}

/** Captures the timers of waiting work, which then fire only when the test expires them. */
function captureQueueTimers (t: Test) {
  const waiting = new Set<() => void>()
  const { setTimeout, clearTimeout } = globalThis
  t.intercept(globalThis, 'setTimeout', {
    value: (run: (...args: unknown[]) => void, ms?: number, ...rest: unknown[]) => {
      if (ms !== MAX_QUEUE_WAIT_MS) return setTimeout(run, ms, ...rest as [])
      waiting.add(run)
      return run
    }
  })
  t.intercept(globalThis, 'clearTimeout', {
    value: (timer: any) => { if (!waiting.delete(timer)) clearTimeout(timer) }
  })
  return {
    get waiting () { return waiting.size },
    /** Fires the oldest timers, all by default. */
    expire (count = waiting.size) {
      for (const run of [...waiting].slice(0, count)) {
        waiting.delete(run)
        run()
      }
    }
  }
}

test('concurrency limit: excess work waits, first come, first served', async (t) => {
  const limit = createConcurrencyLimit(2)
  const { started, start, end } = controlledWork()
  const runs = [0, 1, 2, 3, 4].map((n) => limit.run(start(n)))
  await nextTurn()
  t.strictSame(started, [0, 1])
  await end(1)
  t.strictSame(started, [0, 1, 2])
  await end(0)
  await end(2)
  t.strictSame(started, [0, 1, 2, 3, 4])
  await end(4)
  await end(3)
  t.strictSame(await Promise.all(runs), [0, 1, 2, 3, 4])
  const again = [5, 6, 7].map((n) => limit.run(start(n)))
  await nextTurn()
  t.strictSame(started.slice(5), [5, 6], 'the limit is unchanged')
  for (const n of [5, 6, 7]) await end(n)
  await Promise.all(again)
})

test('concurrency limit: new work does not take a slot that is being handed over', async (t) => {
  const limit = createConcurrencyLimit(1)
  const { started, start, end } = controlledWork()
  const runs = [limit.run(start(0)), limit.run(start(1))]
  await nextTurn()
  const ending = end(0)
  runs.push(limit.run(start(2)))
  await ending
  t.strictSame(started, [0, 1])
  await end(1)
  await end(2)
  t.strictSame(await Promise.all(runs), [0, 1, 2])
})

test('concurrency limit: work that rejects or throws frees its slot', async (t) => {
  const limit = createConcurrencyLimit(1)
  const { started, start, end } = controlledWork()
  const failing = limit.run(start(0))
  const next = limit.run(start(1))
  await nextTurn()
  await Promise.all([t.rejects(failing, { message: 'no' }), end(0, new Error('no'))])
  t.strictSame(started, [0, 1])
  await end(1)
  await next
  await t.rejects(limit.run(() => { throw new Error('at once') }), { message: 'at once' })
  const more = [2, 3].map((n) => limit.run(start(n)))
  await nextTurn()
  t.strictSame(started.slice(2), [2], 'one slot is free, not two')
  for (const n of [2, 3]) await end(n)
  await Promise.all(more)
})

test('concurrency limit: work that waits for a second rejects and never starts', async (t) => {
  const timers = captureQueueTimers(t)
  const limit = createConcurrencyLimit(1)
  const { started, start, end } = controlledWork()
  const runs = [0, 1, 2, 3].map((n) => limit.run(start(n)))
  for (const run of runs) run.catch(() => {})
  await nextTurn()
  t.equal(timers.waiting, 3)
  timers.expire(2)
  await t.rejects(runs[1]!, { code: BUSY, statusCode: 503 })
  await t.rejects(runs[2]!, { code: BUSY })
  await end(0)
  t.strictSame(started, [0, 3], 'the slot goes to the work that still waits')
  t.equal(timers.waiting, 0, 'its timer is cleared')
  await end(3)
  t.equal(await limit.run(async () => 'free'), 'free')
})

test('concurrency limit: 16 may wait for each slot, and one more rejects at once', async (t) => {
  for (const concurrency of [1, 3]) {
    const timers = captureQueueTimers(t)
    const limit = createConcurrencyLimit(concurrency)
    const { started, start, end } = controlledWork()
    const runs = Array.from({ length: concurrency * 17 }, (_, n) => limit.run(start(n)))
    await nextTurn()
    t.strictSame([started.length, timers.waiting], [concurrency, concurrency * 16])
    await t.rejects(limit.run(start(-1)), { code: BUSY })
    t.equal(timers.waiting, concurrency * 16, 'it did not wait')
    await end(0)
    runs.push(limit.run(start(runs.length)))
    for (let n = 1; n < runs.length; n++) await end(n)
    await Promise.all(runs)
    t.strictSame(started, runs.map((_, n) => n))
  }
})

test('concurrency limit: the work of others overtakes a user who has every slot of theirs', async (t) => {
  const limit = createConcurrencyLimit(3, { slotsPerUser: 2 })
  const { started, start, end } = controlledWork()
  const runs = [
    ...[0, 1, 2, 3].map((n) => limit.run(start(n), 'alice')),
    ...[4, 5].map((n) => limit.run(start(n), 'bob')),
    limit.run(start(6))
  ]
  await nextTurn()
  t.strictSame(started, [0, 1, 4], 'one slot stays free of alice')
  await end(4)
  t.strictSame(started, [0, 1, 4, 5], 'bob has waited less, and alice has her share')
  await end(5)
  t.strictSame(started, [0, 1, 4, 5, 6], 'work without a user has no share')
  await end(0)
  t.strictSame(started, [0, 1, 4, 5, 6, 2])
  for (const n of [6, 1, 2, 3]) await end(n)
  await Promise.all(runs)
  t.strictSame(started, [0, 1, 4, 5, 6, 2, 3])
})

test('concurrency limit: 16 of a user may wait for each slot of theirs', async (t) => {
  const timers = captureQueueTimers(t)
  const limit = createConcurrencyLimit(4, { slotsPerUser: 1 })
  const { start, end } = controlledWork()
  const runs = Array.from({ length: 17 }, (_, n) => limit.run(start(n), 'alice'))
  await t.rejects(limit.run(start(17), 'alice'), { code: BUSY })
  runs.push(limit.run(start(17), 'bob'))
  await nextTurn()
  t.equal(timers.waiting, 16)
  timers.expire(1)
  await t.rejects(runs[1]!, { code: BUSY })
  runs[1] = limit.run(start(1), 'alice')
  t.equal(timers.waiting, 16, 'the place in the queue is free again')
  for (const n of [17, 0, ...Array.from({ length: 15 }, (_, i) => i + 2), 1]) await end(n)
  t.strictSame((await Promise.all(runs)).length, 18)
})

test('T58: concurrency limit: calls of one user delay neither logins nor calls of others', async (t) => {
  const { client, wechat } = await startWechatClient(t, { concurrency: 16, timeout: '5m' })
  await client.getAccessToken()
  const answer = deferred()
  const clearDelay = wechat.fault({ delay: answer.promise }, { path: '/wxa/business/getuserphonenumber' })
  const flood = (user: object) => Array.from({ length: 200 }, (_, n) => client.getPhoneNumber(`made-up-${n}`, user))
    .map((call) => call.catch((error) => error.code))
  const ofAlice = flood({ openid: 'alice' })
  t.equal((await client.code2Session(wechat.login('bob'))).openid, wechat.openid('bob'))
  const sent = () => wechat.requests.filter(({ path }) => path === '/wxa/business/getuserphonenumber').length
  while (sent() < 2) await nextTurn()
  t.equal(sent(), 2, 'an eighth of 16')
  const codes = await Promise.all(ofAlice.slice(2 + 32))
  t.strictSame(new Set(codes), new Set([BUSY]), 'beyond the queue of one user')
  const ofUser = client.request('/cgi-bin/stable_token', { user: 'alice', body: {} })
  await t.rejects(ofUser, { code: BUSY }, 'whatever the API')
  t.equal(await client.checkSessionKey(await sessionKeyProof(client, wechat.login('bob'))), true)

  const ofUnknown = flood({})
  while (sent() < 16) await nextTurn()
  t.equal(sent(), 16, 'every slot')
  t.equal((await client.code2Session(wechat.login('bob'))).openid, wechat.openid('bob'), 'logins have their own slots')
  clearDelay()
  answer.resolve()
  await Promise.all([...ofAlice, ...ofUnknown])
})

test('concurrency limit: refuses logins beyond `concurrency` and its queue at once', async (t) => {
  const timers = captureQueueTimers(t)
  const { wechat, login } = await startLoginHost(t, { concurrency: 2 })
  const response = deferred()
  const clearDelay = wechat.fault({ delay: response.promise })
  const logins = Array.from({ length: 40 }, async (_, n) => await login(wechat.login(`user-${n}`)))
  // The last six exceed the queue, and are answered first.
  const busy = await Promise.all(Array.from({ length: 6 }, (_, n) => logins[34 + n]!))
  for (const response of busy) assertRefused(t, response, 503, BUSY, 1)
  while (wechat.requests.length < 2) await nextTurn()
  t.strictSame([wechat.requests.length, timers.waiting], [2, 32])

  timers.expire(30)
  for (const response of await Promise.all(logins.slice(2, 32))) assertRefused(t, response, 503, BUSY, 1)
  t.equal(wechat.requests.length, 2, 'WeChat received no request for them')
  clearDelay()
  response.resolve()
  for (const { statusCode } of await Promise.all([...logins.slice(0, 2), ...logins.slice(32, 34)])) {
    t.equal(statusCode, 200)
  }
  t.equal(wechat.requests.length, 4)
})

test('concurrency limit: 5,000 concurrent logins do not exceed it', async (t) => {
  const LOGINS = 5000
  const CONCURRENCY = 8
  const timers = captureQueueTimers(t)
  let inFlight = 0
  let maxInFlight = 0
  const pendingResponses: (() => void)[] = []
  const wechat = await startRawWechat(t, (request, response) => {
    maxInFlight = Math.max(maxInFlight, ++inFlight)
    const openid = new URL(request.url!, 'http://wechat').searchParams.get('js_code')
    pendingResponses.push(() => {
      inFlight--
      response.end(JSON.stringify({ openid, session_key: 'AAAAAAAAAAAAAAAAAAAAAA==' }))
    })
  })
  const { post } = await startHost(t, {
    options: { wechat: { baseUrl: wechat.url, concurrency: CONCURRENCY, timeout: '5m' } }
  })
  const counts: Record<string, number> = {}
  const logins = Promise.all(Array.from({ length: LOGINS }, async (_, n) => {
    const { statusCode, headers } = await post('/weapp/login', { code: `code-${n}` })
    const outcome = `${statusCode} ${headers['weapp-error'] ?? ''}`
    counts[outcome] = (counts[outcome] ?? 0) + 1
  }))
  const served = CONCURRENCY * 17
  const answered = () => Object.values(counts).reduce((sum, count) => sum + count, 0)
  while (answered() < LOGINS - served || pendingResponses.length < CONCURRENCY) await nextTurn()
  t.strictSame(counts, { [`503 ${BUSY}`]: LOGINS - served }, 'most are refused at once')
  t.strictSame([inFlight, timers.waiting], [CONCURRENCY, CONCURRENCY * 16])
  for (let done = 0; done < served; done++) {
    while (pendingResponses.length === 0) await nextTurn()
    pendingResponses.shift()!()
  }
  await logins
  t.equal(counts['200 '], served)
  t.equal(wechat.requests.length, served)
  t.equal(maxInFlight, CONCURRENCY)
  t.equal(timers.waiting, 0)
})
