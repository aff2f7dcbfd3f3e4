import { randomInt } from 'node:crypto'
import { test } from 'tap'
import { freezeClock } from '../helpers/clock.js'
import { captureLog } from '../helpers/log.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { APP_ID } from '../helpers/host.js'
import { startLoginHost } from '../helpers/login-host.js'

const CONFIG = [40013, 40125, 40001, 41002, 41004, 41008, 40164, 61004, 43001, 43002, 43003, 48001]

const ERRORS: [errcode: number, status: number, code: string, retryAfter?: number][] = [
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

for (const [errcode, status, code, retryAfter] of ERRORS) {
  test(`errcode ${errcode}: answers ${status} ${code}`, async (t) => {
    const { wechat, login } = await startLoginHost(t, { retries: 0 })
    wechat.fault({ errcode })
    assertRefused(t, await login(), status, code, retryAfter)
    t.equal(wechat.requests.length, 1)
  })
}

test('errcode: an undocumented errcode answers 502', async (t) => {
  const { wechat, login } = await startLoginHost(t)
  const known = new Set([0, ...ERRORS.map(([errcode]) => errcode)])
  const unknown = [1, -2, 40028, 40030, 45010, 99999, 2 ** 31 - 1, -(2 ** 31)]
  while (unknown.length < 300) unknown.push(randomInt(-(2 ** 31), 2 ** 31), randomInt(40000, 62000))
  for (const errcode of unknown) {
    if (known.has(errcode) || [40014, 42001].includes(errcode)) continue
    wechat.fault({ errcode }, { times: 1 })
    const { statusCode, headers } = await login()
    t.strictSame([statusCode, headers['weapp-error']], [502, 'FST_WEAPP_WECHAT_BAD_REPLY'], `errcode ${errcode}`)
  }
})

test('errcode: anything but an integer answers 502', async (t) => {
  const { wechat, login } = await startLoginHost(t)
  const wrong = [
    '"40029"', '"-1"', '"0"', '40029.5', 'true', 'false', 'null', '{}', '[]', '[40029]', '""', '1e400'
  ]
  for (const errcode of wrong) {
    const requests = wechat.requests.length
    wechat.fault({ body: `{"errcode":${errcode},"openid":"o","session_key":"k"}` }, { times: 1 })
    assertRefused(t, await login(), 502, 'FST_WEAPP_WECHAT_BAD_REPLY')
    t.equal(wechat.requests.length, requests + 1, `${errcode} is not retried`)
  }
})

test('wechat-config: is logged once a minute for each errcode, without errmsg', async (t) => {
  const clock = freezeClock(t)
  const log = captureLog()
  const { wechat, login } = await startLoginHost(t, {}, { server: log.server })
  // Fastify also logs the error of each response.
  const errors = () => log.lines().filter(({ level, weapp }) => level === 50 && weapp !== undefined)
  wechat.fault({ errcode: 40125, errmsg: 'canary-of-errmsg' }, { times: 4 })

  await login()
  await login()
  clock.advance(59_999)
  await login()
  t.equal(errors().length, 1, 'once a minute')
  t.strictSame(errors()[0]?.weapp, { event: 'wechat-config', appId: APP_ID, errcode: 40125 })
  t.match(errors()[0]?.msg, /app secret is wrong/, 'the message contains the hint')

  clock.advance(1)
  await login()
  t.equal(errors().length, 2, 'and again after a minute')

  wechat.fault({ errcode: 40164 }, { times: 1 })
  await login()
  t.strictSame(errors()[2]?.weapp, { event: 'wechat-config', appId: APP_ID, errcode: 40164 },
    'each errcode has its own minute')
  t.notMatch(log.text(), 'canary-of-errmsg')
})

for (const errcode of [-1, 40029, 40163, 40226, 45011, 45009, 77777]) {
  test(`wechat-config: errcode ${errcode} is not logged`, async (t) => {
    const log = captureLog()
    const { wechat, login } = await startLoginHost(t, { retries: 0 }, { server: log.server })
    wechat.fault({ errcode })
    await login()
    t.notOk(log.events().some(({ event }) => event === 'wechat-config'))
  })
}
