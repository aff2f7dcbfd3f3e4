import t, { type Test } from 'tap'
import { createWechatClient, type AppSecrets, type WechatClientOptions, type WechatOptions } from '../../src/index.js'
import { startWechatSimulator, type WechatSimulatorOptions } from '../../src/testing/simulator/simulator.js'
import { freezeClock } from '../helpers/clock.js'
import { APP_ID, APP_SECRET } from '../helpers/host.js'

const API = '/wxa/msg_sec_check'
const TOKEN = '/cgi-bin/stable_token'
const CONFIG = 'FST_WEAPP_WECHAT_CONFIG'

async function startClient (t: Test, options: WechatOptions & { apps?: AppSecrets } = {}, simulator: WechatSimulatorOptions = {}) {
  const wechat = await startWechatSimulator({ apps: { [APP_ID]: APP_SECRET }, ...simulator })
  const told: [number, string, string][] = []
  const client = createWechatClient({
    ...options.apps === undefined && { appId: APP_ID, appSecret: APP_SECRET },
    baseUrl: wechat.url,
    onConfigError: (...args) => { told.push(args) },
    ...options
  } as WechatClientOptions)
  t.teardown(async () => {
    await client.close()
    await wechat.close()
  })
  const count = (path: string) => wechat.requests.filter((request) => request.path === path).length
  return { client, wechat, told, fetches: () => count(TOKEN), calls: () => count(API), paths: () => wechat.requests.map(({ path }) => path) }
}

/** An answer of the API, once. */
const ok = (wechat: Awaited<ReturnType<typeof startClient>>['wechat'], times = 1) => wechat.fault({ body: '{"errcode":0}' }, { path: API, times })

t.test('100 callers at once are one fetch, and get one token', async (t) => {
  const { client, fetches } = await startClient(t)
  const tokens = await Promise.all(Array.from({ length: 100 }, () => client.getAccessToken()))
  t.equal(new Set(tokens).size, 1)
  t.equal(fetches(), 1)
  t.equal(await client.getAccessToken(), tokens[0])
  t.equal(fetches(), 1, 'and it is kept')
})

t.test('the fetch is the documented one, in normal mode, whatever happens', async (t) => {
  const clock = freezeClock(t)
  const { client, wechat } = await startClient(t)
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

t.test('a token is renewed five minutes before its end, and not before', async (t) => {
  const clock = freezeClock(t)
  const { client, fetches } = await startClient(t)
  const first = await client.getAccessToken()
  clock.advance((7200 - 300) * 1000 - 1)
  t.equal(await client.getAccessToken(), first)
  t.equal(fetches(), 1)
  clock.advance(1)
  const second = await client.getAccessToken()
  t.not(second, first)
  t.equal(fetches(), 2)
})

t.test('the life of a token counts from the question, not from the answer', async (t) => {
  const clock = freezeClock(t)
  const { client, wechat, fetches } = await startClient(t)
  let answer = () => {}
  wechat.fault({ delay: new Promise<void>((resolve) => { answer = resolve }), body: '{"access_token":"a","expires_in":310}' }, { times: 1 })
  const arrived = wechat.nextRequest()
  const first = client.getAccessToken()
  await arrived
  clock.advance(10_000)
  answer()
  t.equal(await first, 'a')
  t.not(await client.getAccessToken(), 'a')
  t.equal(fetches(), 2)
})

t.test('a token that WeChat gives for five minutes is used, and the next one asked for at once', async (t) => {
  freezeClock(t)
  const { client, wechat, fetches } = await startClient(t)
  for (const seconds of [300, 1, 0, -5]) {
    wechat.fault({ body: JSON.stringify({ access_token: `of-${seconds}`, expires_in: seconds }) }, { times: 1 })
    t.equal(await client.getAccessToken(), `of-${seconds}`)
  }
  t.equal(fetches(), 4)
})

for (const errcode of [40001, 40014, 42001]) {
  t.test(`${errcode}: the token is renewed once and the call repeated once, and nobody is told`, async (t) => {
    const { client, wechat, told, paths } = await startClient(t)
    wechat.fault({ errcode }, { path: API, times: 1 })
    ok(wechat)
    t.strictSame(await client.request(API, { query: { a: 'b' }, body: { c: 'd' } }), { errcode: 0 })
    t.strictSame(paths(), [TOKEN, API, TOKEN, API])
    const [first, second] = wechat.requests.filter(({ path }) => path === API)
    const { access_token: token, ...query } = first!.query
    t.ok(token)
    t.strictSame(query, { a: 'b' })
    t.strictSame({ ...second!.query, access_token: '' }, { ...first!.query, access_token: '' })
    t.equal(second!.body, first!.body)
    t.strictSame(told, [])
  })

  t.test(`${errcode} without end: two calls, then it is ours to mend, and told once`, async (t) => {
    const { client, wechat, told, calls, fetches } = await startClient(t, { retries: 5 })
    wechat.fault({ errcode }, { path: API })
    await t.rejects(client.request(API), { code: CONFIG, errcode, statusCode: 500 })
    t.strictSame([calls(), fetches()], [2, 2])
    t.match(told, [[errcode, String]])
    t.equal(told.length, 1)
    await t.rejects(client.request(API), { code: CONFIG, errcode })
    t.strictSame([calls(), fetches()], [4, 2], 'the next call tries again, with the token that WeChat has just given again')
  })
}

t.test('a token that WeChat gives again and refuses again is not fetched for each call, but twice a minute', async (t) => {
  const clock = freezeClock(t)
  const { client, wechat, fetches, calls } = await startClient(t)
  wechat.fault({ errcode: 40001 }, { path: API })
  for (let i = 0; i < 10; i++) await t.rejects(client.request(API), { code: CONFIG, errcode: 40001 })
  t.strictSame([calls(), fetches()], [20, 2])
  clock.advance(30_000)
  for (let i = 0; i < 10; i++) await t.rejects(client.request(API), { code: CONFIG, errcode: 40001 })
  t.strictSame([calls(), fetches()], [40, 3])
  wechat.clearFaults()
  ok(wechat)
  t.strictSame(await client.request(API), { errcode: 0 })
})

t.test('a token that has really expired is replaced by a new one', async (t) => {
  const clock = freezeClock(t)
  const { client, wechat, told, paths } = await startClient(t)
  const first = await client.getAccessToken()
  wechat.expireAccessTokens()
  clock.advance(1)
  t.match(await client.getPhoneNumber(wechat.phoneCode('alice')), { countryCode: '86' })
  t.strictSame(paths(), [TOKEN, '/wxa/business/getuserphonenumber', TOKEN, '/wxa/business/getuserphonenumber'])
  t.not(await client.getAccessToken(), first)
  t.strictSame(told, [])
})

t.test('a token that is refused after the clock was set back is replaced, given once or twice', async (t) => {
  const clock = freezeClock(t)
  const { client, wechat, fetches } = await startClient(t)
  for (let expected = 2; expected < 4; expected++) {
    await client.getAccessToken()
    wechat.fault({ errcode: 42001 }, { path: API, times: 1 })
    clock.advance(-600_000)
    ok(wechat)
    t.strictSame(await client.request(API), { errcode: 0 })
    t.equal(fetches(), expected)
  }
})

t.test('calls that were sent with the old token, and are refused late, leave the newer token alone', async (t) => {
  const { client, wechat, fetches, calls } = await startClient(t)
  const old = await client.getAccessToken()
  const answers: (() => void)[] = []
  const held = () => new Promise<void>((resolve) => { answers.push(resolve) })
  for (let i = 0; i < 3; i++) wechat.fault({ delay: held(), errcode: 42001 }, { path: API, times: 1 })
  ok(wechat, 3)
  const pending: Promise<unknown>[] = []
  for (let i = 0; i < 3; i++) {
    const arrived = wechat.nextRequest()
    pending.push(client.request(API))
    await arrived
  }
  wechat.expireAccessTokens()
  answers[0]!()
  await pending[0]
  const newer = await client.getAccessToken()
  t.not(newer, old)
  answers[1]!()
  answers[2]!()
  await Promise.all(pending)
  t.equal(await client.getAccessToken(), newer)
  t.strictSame([fetches(), calls()], [2, 6], 'one renewal for all')
  for (const { path, query } of wechat.requests.slice(-3)) t.strictSame([path, query.access_token], [API, newer])
})

t.test('many calls that are refused at once renew the token once', async (t) => {
  const CALLS = 50
  const { client, wechat, fetches, calls } = await startClient(t)
  await client.getAccessToken()
  let answer = () => {}
  const delay = new Promise<void>((resolve) => { answer = resolve })
  wechat.fault({ delay, errcode: 40001 }, { path: API, times: CALLS })
  ok(wechat, CALLS)
  const pending = Array.from({ length: CALLS }, () => client.request(API))
  while (calls() < CALLS) await wechat.nextRequest()
  wechat.expireAccessTokens()
  answer()
  await Promise.all(pending)
  t.strictSame([fetches(), calls()], [2, CALLS * 2])
})

t.test('one fetch at a time: who asks while an answer is late waits for it', async (t) => {
  const { client, wechat, fetches } = await startClient(t)
  let answer = () => {}
  wechat.fault({ delay: new Promise<void>((resolve) => { answer = resolve }) }, { path: TOKEN, times: 1 })
  const arrived = wechat.nextRequest()
  const early = client.getAccessToken()
  await arrived
  const late = [client.getAccessToken(), client.getAccessToken()]
  answer()
  const token = await early
  for (const other of late) t.equal(await other, token)
  t.equal(fetches(), 1)
})

t.test('other errcodes of an API are not for the token to mend', async (t) => {
  const { client, wechat, fetches, calls } = await startClient(t)
  for (const errcode of [40003, 40029, 45009, 48001, 87014, 41001]) {
    wechat.fault({ errcode }, { path: API, times: 1 })
    await t.rejects(client.request(API), { code: /^FST_WEAPP_/, errcode })
  }
  t.strictSame([fetches(), calls()], [1, 6])
})

t.test('a fetch that fails is not repeated, fails the call, and is not remembered', async (t) => {
  const failures = [
    [{ errcode: 40001 }, CONFIG], [{ errcode: 40013 }, CONFIG], [{ errcode: 40125 }, CONFIG], [{ errcode: 40164 }, CONFIG], [{ errcode: 61004 }, CONFIG],
    [{ errcode: 42001 }, CONFIG], [{ errcode: 45009 }, 'FST_WEAPP_WECHAT_LIMITED'], [{ errcode: 45011 }, 'FST_WEAPP_WECHAT_LIMITED'],
    [{ errcode: 89503 }, 'FST_WEAPP_WECHAT_BAD_REPLY'], [{ status: 500 }, 'FST_WEAPP_WECHAT_UNAVAILABLE'], [{ reset: true }, 'FST_WEAPP_WECHAT_UNAVAILABLE']
  ] as const
  const { client, wechat, told, fetches, calls } = await startClient(t, { retries: 5 })
  for (const [fault, code] of failures) {
    told.length = 0
    const before = fetches()
    wechat.fault(fault, { path: TOKEN, times: 1 })
    await t.rejects(client.request(API), { code }, JSON.stringify(fault))
    t.strictSame([fetches(), calls()], [before + 1, 0])
    t.strictSame(told.map(([errcode]) => errcode), code === CONFIG && 'errcode' in fault ? [fault.errcode] : [], 'told when it is ours to mend')
  }
  t.ok(await client.getAccessToken())
})

t.test('the renewal may fail, and that is the error then', async (t) => {
  const { client, wechat, calls } = await startClient(t)
  await client.getAccessToken()
  wechat.fault({ errcode: 42001 }, { path: API, times: 1 })
  wechat.fault({ errcode: 45009 }, { path: TOKEN, times: 1 })
  await t.rejects(client.request(API), { code: 'FST_WEAPP_WECHAT_LIMITED', errcode: 45009 })
  t.equal(calls(), 1)
})

t.test('system busy is asked again for, as everywhere', async (t) => {
  const { client, wechat, fetches } = await startClient(t)
  wechat.fault({ errcode: -1 }, { path: TOKEN, times: 1 })
  t.ok(await client.getAccessToken())
  t.equal(fetches(), 2)
})

t.test('an answer without a token, or without its life, is none', async (t) => {
  const { client, wechat } = await startClient(t)
  const wrong = [
    {}, { access_token: 'a' }, { expires_in: 7200 }, { access_token: '', expires_in: 7200 }, { access_token: 1, expires_in: 7200 },
    { access_token: null, expires_in: 7200 }, { access_token: ['a'], expires_in: 7200 }, { access_token: 'a', expires_in: '7200' },
    { access_token: 'a', expires_in: null }, { access_token: 'a', expires_in: {} }
  ].map((answer) => JSON.stringify(answer))
  for (const body of [...wrong, '{"access_token":"a","expires_in":1e400}']) {
    wechat.fault({ body }, { times: 1 })
    await t.rejects(client.getAccessToken(), { code: 'FST_WEAPP_WECHAT_BAD_REPLY' }, body)
  }
  t.ok(await client.getAccessToken())
})

t.test('each app has a token of its own', async (t) => {
  const apps = { wxone: 'secret-of-one', wxtwo: 'secret-of-two' }
  const { client, wechat, fetches } = await startClient(t, { apps }, { apps })
  const ask = (appId: string) => client.getAccessToken({ appId })
  const [one, two, again] = await Promise.all([ask('wxone'), ask('wxtwo'), ask('wxone')])
  t.not(one, two)
  t.equal(again, one)
  t.equal(fetches(), 2)

  wechat.fault({ errcode: 40001 }, { path: API, times: 1 })
  ok(wechat)
  await client.request(API, { appId: 'wxone' })
  t.equal(await ask('wxtwo'), two)
  const secrets = wechat.requests.filter(({ path }) => path === TOKEN).map(({ body }) => JSON.parse(body)).map(({ appid, secret }) => [appid, secret])
  t.strictSame(secrets, [['wxone', 'secret-of-one'], ['wxtwo', 'secret-of-two'], ['wxone', 'secret-of-one']])
})
