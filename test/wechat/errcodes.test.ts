import { randomInt } from 'node:crypto'
import { test } from 'tap'
import { freezeClock } from '../helpers/clock.js'
import { captureLog } from '../helpers/log.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { APP_ID } from '../helpers/host.js'
import { startLoginHost } from '../helpers/login-host.js'

const CONFIG = [40013, 40125, 40001, 41002, 41004, 41008, 40164, 61004, 43001, 43002, 43003, 48001]

/** errcode, HTTP status, code, Retry-After. */
const ROWS: [number, number, string, number?][] = [
  [-1, 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5],
  [40029, 401, 'FST_WEAPP_CODE_INVALID'],
  [42003, 401, 'FST_WEAPP_CODE_INVALID'],
  [40163, 401, 'FST_WEAPP_CODE_USED'],
  [40226, 403, 'FST_WEAPP_LOGIN_BLOCKED'],
  [50002, 403, 'FST_WEAPP_LOGIN_BLOCKED'],
  [50004, 403, 'FST_WEAPP_LOGIN_BLOCKED'],
  [45011, 429, 'FST_WEAPP_WECHAT_LIMITED', 60],
  [45009, 429, 'FST_WEAPP_WECHAT_LIMITED', 3600],
  ...CONFIG.map((errcode): [number, number, string] => [errcode, 500, 'FST_WEAPP_WECHAT_CONFIG'])
]

for (const [errcode, status, code, retryAfter] of ROWS) {
  test(`errcode ${errcode}: ${status} ${code}`, async (t) => {
    const { wechat, login } = await startLoginHost(t, { retries: 0 })
    wechat.fault({ errcode })
    assertRefused(t, await login(), status, code, retryAfter)
    t.equal(wechat.requests.length, 1)
  })
}

test('an errcode that nobody documents: 502', async (t) => {
  const { wechat, login } = await startLoginHost(t)
  const known = new Set([0, ...ROWS.map(([errcode]) => errcode)])
  const unknown = [1, -2, 40028, 40030, 45010, 99999, 2 ** 31 - 1, -(2 ** 31)]
  while (unknown.length < 300) unknown.push(randomInt(-(2 ** 31), 2 ** 31), randomInt(40000, 62000))
  for (const errcode of unknown) {
    if (known.has(errcode) || [40014, 42001].includes(errcode)) continue
    wechat.fault({ errcode }, { times: 1 })
    const { statusCode, headers } = await login()
    t.strictSame([statusCode, headers['weapp-error']], [502, 'FST_WEAPP_WECHAT_BAD_REPLY'], `errcode ${errcode}`)
  }
})

test('an errcode that is not a whole number: 502', async (t) => {
  const { wechat, login } = await startLoginHost(t)
  for (const errcode of ['"40029"', '"-1"', '"0"', '40029.5', 'true', 'false', 'null', '{}', '[]', '[40029]', '""', '1e400']) {
    const requests = wechat.requests.length
    wechat.fault({ body: `{"errcode":${errcode},"openid":"o","session_key":"k"}` }, { times: 1 })
    assertRefused(t, await login(), 502, 'FST_WEAPP_WECHAT_BAD_REPLY')
    t.equal(wechat.requests.length, requests + 1, `${errcode} is not asked again for`)
  }
})

test('what is ours to mend is logged at error level, once a minute for each errcode, and nothing of what WeChat says', async (t) => {
  const clock = freezeClock(t)
  const log = captureLog()
  const { wechat, login } = await startLoginHost(t, {}, { server: log.server })
  // Fastify logs the error of each answer besides.
  const errors = () => log.lines().filter(({ level, weapp }) => level === 50 && weapp !== undefined)
  wechat.fault({ errcode: 40125, errmsg: 'canary-of-errmsg' }, { times: 4 })

  await login()
  await login()
  clock.advance(59_999)
  await login()
  t.equal(errors().length, 1, 'once a minute')
  t.strictSame(errors()[0]?.weapp, { event: 'wechat-config', appId: APP_ID, errcode: 40125 })
  t.match(errors()[0]?.msg, /app secret is wrong/, 'and what to do about it')

  clock.advance(1)
  await login()
  t.equal(errors().length, 2, 'and again after it')

  wechat.fault({ errcode: 40164 }, { times: 1 })
  await login()
  t.strictSame(errors()[2]?.weapp, { event: 'wechat-config', appId: APP_ID, errcode: 40164 }, 'another errcode counts by itself')
  t.notMatch(log.text(), 'canary-of-errmsg')
})

for (const errcode of [-1, 40029, 40163, 40226, 45011, 45009, 77777]) {
  test(`errcode ${errcode} is nothing for an operator to mend`, async (t) => {
    const log = captureLog()
    const { wechat, login } = await startLoginHost(t, { retries: 0 }, { server: log.server })
    wechat.fault({ errcode })
    await login()
    t.notOk(log.events().some(({ event }) => event === 'wechat-config'))
  })
}
