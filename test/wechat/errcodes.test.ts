import { randomInt } from 'node:crypto'
import { test } from 'tap'
import { errorOf } from '../../src/wechat/errcodes.js'
import { freezeClock } from '../helpers/clock.js'
import { captureLog } from '../helpers/log.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { APP_ID } from '../helpers/host.js'
import { startLoginHost } from '../helpers/login-host.js'

const CONFIG = [
  40001, 40002, 40013, 40125, 40164, 40243, 41002, 41004, 41008, 43001, 43002, 43003, 48001, 48004, 50002, 50004, 50007,
  61004, 89501, 89503, 89506, 89507
]

const ERRORS: [errcode: number, status: number, code: string, retryAfter?: number][] = [
  [-1, 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5],
  [40029, 401, 'FST_WEAPP_CODE_INVALID'],
  [42003, 401, 'FST_WEAPP_CODE_INVALID'],
  [40163, 401, 'FST_WEAPP_CODE_USED'],
  [40226, 403, 'FST_WEAPP_LOGIN_BLOCKED'],
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

  wechat.fault({ errcode: 40164, errmsg: 'canary-of-errmsg' }, { times: 1 })
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

test('wechat-config: each errcode has a hint in the log, with what to do', async (t) => {
  const log = captureLog()
  const { wechat, login } = await startLoginHost(t, {}, { server: log.server })
  for (const errcode of CONFIG) {
    wechat.fault({ errcode }, { times: 1 })
    await login()
  }
  const lines = log.lines().filter(({ weapp }) => weapp?.event === 'wechat-config')
  t.strictSame(lines.map(({ weapp }) => weapp?.errcode), CONFIG)
  for (const { msg } of lines) t.match(msg, /^weapp: WeChat refused this server: \S.{16,}\. [A-Z].{8,}[^.]$/)
})

test('errmsg: rid and refused address are logged and on the error, and not in a response', async (t) => {
  const log = captureLog()
  const errors: any[] = []
  const { wechat, login } = await startLoginHost(t, {}, {
    server: log.server,
    before: (app) => app.addHook('onError', async (_request, _reply, error) => { errors.push(error) })
  })
  const rid = '5f8e1d2a-0b6d5c3e-6a1f0b2c'
  const errmsg = `invalid ip 192.0.2.1 ipv6 ::ffff:192.0.2.1, not in whitelist, canary-of-errmsg rid: ${rid}`
  wechat.fault({ errcode: 40164, errmsg }, { times: 1 })
  const response = await login()
  assertRefused(t, response, 500, 'FST_WEAPP_WECHAT_CONFIG')
  t.match(errors, [{ errcode: 40164, rid, ip: '192.0.2.1' }])
  for (const shown of [response.body, JSON.stringify(response.headers), JSON.stringify({ ...errors[0] })]) {
    t.notMatch(shown, /5f8e1d2a|192\.0\.2\.1|canary/)
  }
  for (const event of ['wechat-config', 'login-failed']) {
    t.match(log.events().filter((line) => line.event === event), [{ errcode: 40164, rid, ip: '192.0.2.1' }])
  }
  t.notMatch(log.text(), 'canary-of-errmsg')
})

test('errmsg: only a valid rid and a valid address are taken', async (t) => {
  const rid = '5f8e1d2a-0b6d5c3e-6a1f0b2c'
  for (const [errmsg, expected] of [
    [`invalid code, rid: ${rid}`, { rid }],
    [`invalid code rid:${rid} `, { rid }],
    ['invalid ip 2001:db8::1, not in whitelist', { ip: '2001:db8::1' }],
    ['invalid ip: 192.0.2.1', { ip: '192.0.2.1' }],
    ['invalid ip 999.0.2.1, not in whitelist', {}],
    ['invalid ip secret, rid: secret', {}],
    [`rid: ${rid}x, ip 192.0.2.1`, {}],
    ['rid: 5f8e1d2a', {}],
    [`rid: ${'a'.repeat(17)}-b-c`, {}],
    [`${' '.repeat(600)}rid: ${rid}`, {}],
    [{ rid }, {}],
    [undefined, {}]
  ] as const) {
    const { rid, ip } = errorOf(40164, errmsg)
    t.strictSame({ ...rid !== undefined && { rid }, ...ip !== undefined && { ip } }, expected, String(errmsg))
  }
})
