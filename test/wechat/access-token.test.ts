import { test } from 'tap'
import { freezeClock } from '../helpers/clock.js'
import { deferred } from '../helpers/deferred.js'
import { APP_ID, APP_SECRET } from '../helpers/host.js'
import { startWechatClient } from '../helpers/wechat-client.js'

const API = '/wxa/msg_sec_check'
const TOKEN = '/cgi-bin/stable_token'
const CONFIG = 'FST_WEAPP_WECHAT_CONFIG'

type Simulator = Awaited<ReturnType<typeof startWechatClient>>['wechat']

/** Makes the API succeed, once by default. */
function succeed (wechat: Simulator, times = 1): void {
  wechat.fault({ body: '{"errcode":0}' }, { path: API, times })
}

test('T43: access_token: 100 concurrent callers share one fetch', async (t) => {
  const { client, count } = await startWechatClient(t)
  const tokens = await Promise.all(Array.from({ length: 100 }, () => client.getAccessToken()))
  t.equal(new Set(tokens).size, 1)
  t.equal(count(TOKEN), 1)
  t.equal(await client.getAccessToken(), tokens[0])
  t.equal(count(TOKEN), 1, 'the token is cached')
})

test('access_token: every fetch is the documented one, in normal mode', async (t) => {
  const clock = freezeClock(t)
  const { client, wechat } = await startWechatClient(t)
  await client.getAccessToken()
  clock.advance(7200_000)
  await client.getAccessToken()
  wechat.fault({ errcode: 40001 }, { path: API })
  await t.rejects(client.request(API))
  wechat.expireAccessTokens()
  clock.advance(30_000)
  await t.rejects(client.request(API))
  const fetches = wechat.requests.filter(({ path }) => path === TOKEN)
  t.equal(fetches.length, 4)
  for (const { method, query, body } of fetches) {
    t.strictSame({ method, query, body: JSON.parse(body) }, {
      method: 'POST', query: {}, body: { grant_type: 'client_credential', appid: APP_ID, secret: APP_SECRET }
    }, 'no force_refresh, and no secret in the URL')
  }
})

test('T43: access_token: is renewed five minutes before it expires, and not before', async (t) => {
  const clock = freezeClock(t)
  const { client, count } = await startWechatClient(t)
  const first = await client.getAccessToken()
  clock.advance((7200 - 300) * 1000 - 1)
  t.equal(await client.getAccessToken(), first)
  t.equal(count(TOKEN), 1)
  clock.advance(1)
  const second = await client.getAccessToken()
  t.not(second, first)
  t.equal(count(TOKEN), 2)
})

test('access_token: its lifetime counts from the request, not from the response', async (t) => {
  const clock = freezeClock(t)
  const { client, wechat, count } = await startWechatClient(t)
  const response = deferred()
  wechat.fault({ delay: response.promise, body: '{"access_token":"a","expires_in":310}' }, { times: 1 })
  const arrived = wechat.nextRequest()
  const first = client.getAccessToken()
  await arrived
  clock.advance(10_000)
  response.resolve()
  t.equal(await first, 'a')
  t.not(await client.getAccessToken(), 'a')
  t.equal(count(TOKEN), 2)
})

test('access_token: a lifetime up to five minutes is renewed with every call', async (t) => {
  freezeClock(t)
  const { client, wechat, count } = await startWechatClient(t)
  for (const seconds of [300, 1, 0, -5]) {
    wechat.fault({ body: JSON.stringify({ access_token: `of-${seconds}`, expires_in: seconds }) }, { times: 1 })
    t.equal(await client.getAccessToken(), `of-${seconds}`)
  }
  t.equal(count(TOKEN), 4)
})

for (const errcode of [40001, 40014, 42001]) {
  test(`access_token: after ${errcode}, is renewed, and the call repeated, once`, async (t) => {
    const { client, wechat, configErrors, paths } = await startWechatClient(t)
    wechat.fault({ errcode }, { path: API, times: 1 })
    succeed(wechat)
    t.strictSame(await client.request(API, { query: { a: 'b' }, body: { c: 'd' } }), { errcode: 0 })
    t.strictSame(paths(), [TOKEN, API, TOKEN, API])
    const [first, second] = wechat.requests.filter(({ path }) => path === API)
    const { access_token: token, ...query } = first!.query
    t.ok(token)
    t.strictSame(query, { a: 'b' })
    t.strictSame({ ...second!.query, access_token: '' }, { ...first!.query, access_token: '' })
    t.equal(second!.body, first!.body)
    t.strictSame(configErrors, [])
  })

  test(`T43: access_token: after a second ${errcode}, reports a configuration error once`, async (t) => {
    const { client, wechat, configErrors, count } = await startWechatClient(t, { retries: 5 })
    wechat.fault({ errcode }, { path: API })
    await t.rejects(client.request(API), { code: CONFIG, errcode, statusCode: 500 })
    t.strictSame([count(API), count(TOKEN)], [2, 2])
    t.match(configErrors, [[errcode, String]])
    t.equal(configErrors.length, 1)
    await t.rejects(client.request(API), { code: CONFIG, errcode })
    t.strictSame([count(API), count(TOKEN)], [4, 2],
      'the next call repeats with the token that WeChat has just returned again')
  })
}

test('access_token: a token that stays refused is fetched at most twice a minute', async (t) => {
  const clock = freezeClock(t)
  const { client, wechat, count } = await startWechatClient(t)
  wechat.fault({ errcode: 40001 }, { path: API })
  for (let i = 0; i < 10; i++) await t.rejects(client.request(API), { code: CONFIG, errcode: 40001 })
  t.strictSame([count(API), count(TOKEN)], [20, 2])
  clock.advance(30_000)
  for (let i = 0; i < 10; i++) await t.rejects(client.request(API), { code: CONFIG, errcode: 40001 })
  t.strictSame([count(API), count(TOKEN)], [40, 3])
  wechat.clearFaults()
  succeed(wechat)
  t.strictSame(await client.request(API), { errcode: 0 })
})

test('access_token: an expired token is replaced', async (t) => {
  const clock = freezeClock(t)
  const { client, wechat, configErrors, paths } = await startWechatClient(t)
  const first = await client.getAccessToken()
  wechat.expireAccessTokens()
  clock.advance(1)
  t.match(await client.getPhoneNumber(wechat.phoneCode('alice')), { countryCode: '86' })
  t.strictSame(paths(), [TOKEN, '/wxa/business/getuserphonenumber', TOKEN, '/wxa/business/getuserphonenumber'])
  t.not(await client.getAccessToken(), first)
  t.strictSame(configErrors, [])
})

test('access_token: a refused token is replaced although the clock was set back', async (t) => {
  const clock = freezeClock(t)
  const { client, wechat, count } = await startWechatClient(t)
  for (let expected = 2; expected < 4; expected++) {
    await client.getAccessToken()
    wechat.fault({ errcode: 42001 }, { path: API, times: 1 })
    clock.advance(-600_000)
    succeed(wechat)
    t.strictSame(await client.request(API), { errcode: 0 })
    t.equal(count(TOKEN), expected)
  }
})

test('access_token: a late refusal of an old token keeps the newer token', async (t) => {
  const { client, wechat, count } = await startWechatClient(t)
  const old = await client.getAccessToken()
  const responses = [deferred(), deferred(), deferred()] as const
  for (const { promise: delay } of responses) wechat.fault({ delay, errcode: 42001 }, { path: API, times: 1 })
  succeed(wechat, 3)
  const pending: Promise<unknown>[] = []
  for (let i = 0; i < 3; i++) {
    const arrived = wechat.nextRequest()
    pending.push(client.request(API))
    await arrived
  }
  wechat.expireAccessTokens()
  responses[0].resolve()
  await pending[0]
  const newer = await client.getAccessToken()
  t.not(newer, old)
  responses[1].resolve()
  responses[2].resolve()
  await Promise.all(pending)
  t.equal(await client.getAccessToken(), newer)
  t.strictSame([count(TOKEN), count(API)], [2, 6], 'all calls share one renewal')
  for (const { path, query } of wechat.requests.slice(-3)) t.strictSame([path, query.access_token], [API, newer])
})

test('access_token: concurrent refusals share one renewal', async (t) => {
  const CALLS = 50
  const { client, wechat, count } = await startWechatClient(t)
  await client.getAccessToken()
  const response = deferred()
  wechat.fault({ delay: response.promise, errcode: 40001 }, { path: API, times: CALLS })
  succeed(wechat, CALLS)
  const pending = Array.from({ length: CALLS }, () => client.request(API))
  while (count(API) < CALLS) await wechat.nextRequest()
  wechat.expireAccessTokens()
  response.resolve()
  await Promise.all(pending)
  t.strictSame([count(TOKEN), count(API)], [2, CALLS * 2])
})

test('access_token: callers during a slow fetch wait for it', async (t) => {
  const { client, wechat, count } = await startWechatClient(t)
  const response = deferred()
  wechat.fault({ delay: response.promise }, { path: TOKEN, times: 1 })
  const arrived = wechat.nextRequest()
  const early = client.getAccessToken()
  await arrived
  const late = [client.getAccessToken(), client.getAccessToken()]
  response.resolve()
  const token = await early
  for (const other of late) t.equal(await other, token)
  t.equal(count(TOKEN), 1)
})

test('access_token: other errcodes of an API do not renew the token', async (t) => {
  const { client, wechat, count } = await startWechatClient(t)
  for (const errcode of [40003, 40029, 45009, 48001, 87014, 41001]) {
    wechat.fault({ errcode }, { path: API, times: 1 })
    await t.rejects(client.request(API), { code: /^FST_WEAPP_/, errcode })
  }
  t.strictSame([count(TOKEN), count(API)], [1, 6])
})

test('access_token: a failed fetch fails the call, without a retry or a cache entry', async (t) => {
  const failures = [
    [{ errcode: 40001 }, CONFIG], [{ errcode: 40013 }, CONFIG], [{ errcode: 40125 }, CONFIG],
    [{ errcode: 40164 }, CONFIG], [{ errcode: 61004 }, CONFIG], [{ errcode: 42001 }, CONFIG],
    [{ errcode: 45009 }, 'FST_WEAPP_WECHAT_LIMITED'], [{ errcode: 45011 }, 'FST_WEAPP_WECHAT_LIMITED'],
    [{ errcode: 89503 }, CONFIG], [{ errcode: 40099 }, 'FST_WEAPP_WECHAT_BAD_REPLY'], [{ status: 500 }, 'FST_WEAPP_WECHAT_UNAVAILABLE'],
    [{ reset: true }, 'FST_WEAPP_WECHAT_UNAVAILABLE']
  ] as const
  const { client, wechat, configErrors, count } = await startWechatClient(t, { retries: 5 })
  for (const [fault, code] of failures) {
    configErrors.length = 0
    const before = count(TOKEN)
    wechat.fault(fault, { path: TOKEN, times: 1 })
    await t.rejects(client.request(API), { code }, JSON.stringify(fault))
    t.strictSame([count(TOKEN), count(API)], [before + 1, 0])
    const reported = code === CONFIG && 'errcode' in fault ? [fault.errcode] : []
    t.strictSame(configErrors.map(([errcode]) => errcode), reported, 'only configuration errors are reported')
  }
  t.ok(await client.getAccessToken())
})

test('access_token: a failed renewal rejects with its own error', async (t) => {
  const { client, wechat, count } = await startWechatClient(t)
  await client.getAccessToken()
  wechat.fault({ errcode: 42001 }, { path: API, times: 1 })
  wechat.fault({ errcode: 45009 }, { path: TOKEN, times: 1 })
  await t.rejects(client.request(API), { code: 'FST_WEAPP_WECHAT_LIMITED', errcode: 45009 })
  t.equal(count(API), 1)
})

test('access_token: a fetch is retried after system busy', async (t) => {
  const { client, wechat, count } = await startWechatClient(t)
  wechat.fault({ errcode: -1 }, { path: TOKEN, times: 1 })
  t.ok(await client.getAccessToken())
  t.equal(count(TOKEN), 2)
})

test('access_token: rejects a reply without a token or a lifetime', async (t) => {
  const { client, wechat } = await startWechatClient(t)
  const wrong = [
    {}, { access_token: 'a' }, { expires_in: 7200 }, { access_token: '', expires_in: 7200 },
    { access_token: 1, expires_in: 7200 }, { access_token: null, expires_in: 7200 },
    { access_token: ['a'], expires_in: 7200 }, { access_token: 'a', expires_in: '7200' },
    { access_token: 'a', expires_in: null }, { access_token: 'a', expires_in: {} }
  ].map((reply) => JSON.stringify(reply))
  for (const body of [...wrong, '{"access_token":"a","expires_in":1e400}']) {
    wechat.fault({ body }, { times: 1 })
    await t.rejects(client.getAccessToken(), { code: 'FST_WEAPP_WECHAT_BAD_REPLY' }, body)
  }
  t.ok(await client.getAccessToken())
})

test('access_token: each app has its own', async (t) => {
  const apps = { wxone: 'secret-of-one', wxtwo: 'secret-of-two' }
  const { client, wechat, count } = await startWechatClient(t, { apps }, { apps })
  const tokenOf = (appId: string) => client.getAccessToken({ appId })
  const [one, two, again] = await Promise.all([tokenOf('wxone'), tokenOf('wxtwo'), tokenOf('wxone')])
  t.not(one, two)
  t.equal(again, one)
  t.equal(count(TOKEN), 2)

  wechat.fault({ errcode: 40001 }, { path: API, times: 1 })
  succeed(wechat)
  await client.request(API, { appId: 'wxone' })
  t.equal(await tokenOf('wxtwo'), two)
  const bodies = wechat.requests.filter(({ path }) => path === TOKEN).map(({ body }) => JSON.parse(body))
  t.strictSame(bodies.map(({ appid, secret }) => [appid, secret]), [
    ['wxone', 'secret-of-one'], ['wxtwo', 'secret-of-two'], ['wxone', 'secret-of-one']
  ])
})
