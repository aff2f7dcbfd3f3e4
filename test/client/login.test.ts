import { Type } from '@sinclair/typebox'
import { test } from 'tap'
import { deferred, startPhone } from '../helpers/phone.js'

test('signs in, and the host\'s reply comes along', async (t) => {
  const { client, mini, host, sent } = await startPhone(t, { options: { onLogin: () => ({ reply: { user: { name: 'Alice' } } }) } })
  t.equal(client.token, null)
  const answer = await client.login()
  t.match(answer, { token: String, tokenType: 'Bearer', expiresIn: 2_592_000, expiresAt: Number, user: { name: 'Alice' } })
  t.equal(client.token, answer.token)
  const { data, statusCode } = await client.request<{ openid: string }>({ url: '/me' })
  t.match({ data, statusCode }, { data: { openid: host.wechat.openid('alice') }, statusCode: 200 })
  t.equal(mini.calls.login, 1)
  t.strictSame(sent(), ['POST /weapp/login 200', 'GET /me 200'])
})

test('ten pages that ask at once share one login', async (t) => {
  const { client, mini, sent } = await startPhone(t)
  const answers = await Promise.all(Array.from({ length: 10 }, () => client.request({ url: '/me' })))
  t.strictSame(answers.map(({ statusCode }) => statusCode), Array(10).fill(200))
  t.equal(mini.calls.login, 1)
  t.equal(sent().filter((line) => line === 'POST /weapp/login 200').length, 1)
})

test('what goes along with a login reaches the host, and waits for its turn', async (t) => {
  const bodies: unknown[] = []
  const { client, mini } = await startPhone(t, {
    options: {
      routes: { login: { body: Type.Object({ invite: Type.Optional(Type.String()) }) } },
      onLogin: ({ body: { code, ...extra } }) => { bodies.push(extra) }
    }
  })
  await Promise.all([client.login(), client.login({ invite: 'a' }), client.login({ invite: 'b' }), client.login({ invite: 'a' }), client.login()])
  t.strictSame(bodies, [{}, { invite: 'a' }, { invite: 'b' }])
  bodies.length = 0
  await Promise.all([client.login({ invite: 'a' }), client.login({ invite: 'a' }), client.request({ url: '/me' })])
  t.strictSame(bodies, [{ invite: 'a' }], 'the same twice is one')
  t.equal(mini.calls.login, 4)
})

test('the old token goes along, so that its session is replaced', async (t) => {
  const { client } = await startPhone(t)
  await client.login()
  await client.login()
  const { sessions } = await client.session()
  t.equal(sessions.length, 1)
  t.equal(sessions[0]!.current, true)
})

test('a failing wx.login rejects all who wait, and the next one is free to succeed', async (t) => {
  const { client, mini, sent } = await startPhone(t)
  mini.fault({ fail: 'timeout' }, { api: 'login', times: 1 })
  const all = await Promise.allSettled([client.login(), client.request({ url: '/me' }), client.session(), client.ensureSessionKey()])
  for (const outcome of all) t.match(outcome, { reason: { code: 'WEAPP_WX_LOGIN_FAILED', errMsg: 'login:fail timeout', errno: Number } })
  t.equal(mini.calls.login, 1)
  t.strictSame(sent(), [])
  await client.login()
  t.strictSame(sent(), ['POST /weapp/login 200'])
})

for (const [errcode, logins, statusCode, code, retryAfter] of [
  [-1, 1, 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5],
  [45011, 1, 429, 'FST_WEAPP_WECHAT_LIMITED', 60],
  [40163, 2, 401, 'FST_WEAPP_CODE_USED', undefined],
  [40029, 2, 401, 'FST_WEAPP_CODE_INVALID', undefined]
] as const) {
  test(`WeChat answers ${errcode}`, async (t) => {
    const { client, host, mini, sent } = await startPhone(t)
    host.wechat.fault({ errcode })
    const error = await client.request({ url: '/me' }).catch((error) => error)
    t.match(error, { statusCode, code, message: String, data: { code } })
    t.equal(error.retryAfter, retryAfter)
    t.equal(mini.calls.login, logins, 'only a code that is spent is worth another, once')
    t.strictSame(sent(), Array(logins).fill(`POST /weapp/login ${statusCode}`))
  })
}

test('a code that was used', async (t) => {
  let code: string | undefined
  const { client, mini } = await startPhone(t, {}, {
    platform: (wx) => ({
      ...wx,
      login: (options) => wx.login({
        ...options,
        success (result) {
          code ??= result.code
          options.success({ code })
        }
      })
    })
  })
  await client.login()
  await t.rejects(client.login(), { statusCode: 401, code: 'FST_WEAPP_CODE_USED' })
  t.equal(mini.calls.login, 3)
  code = undefined
  t.ok(await client.login())
})

test('a code that is spent is followed by a new one, with what else was to be said', async (t) => {
  const { client, host, mini } = await startPhone(t, {
    options: {
      routes: { login: { body: { type: 'object', properties: { inviteCode: { type: 'string' } } } } },
      onLogin: ({ body }) => ({ reply: { body } })
    }
  })
  host.wechat.fault({ errcode: 40163 }, { times: 1 })
  t.match(await client.login({ inviteCode: 'abc' }), { body: { inviteCode: 'abc' } })
  t.equal(mini.calls.login, 2)
  host.wechat.fault({ errcode: 40029 }, { times: 1 })
  t.ok(await client.login())
  t.equal(mini.calls.login, 4)
  host.wechat.fault({ errcode: 40029 }, { times: 1 })
  t.match(await client.login({ inviteCode: 'abc' }), { body: { inviteCode: 'abc' } })
  t.equal(mini.calls.login, 6)
})

test('the platform is told how long wx.login may take, for all wait for it', async (t) => {
  const { launch } = await startPhone(t)
  const times: unknown[] = []
  const { client } = launch({ platform: (wx) => ({ ...wx, login: (options) => { times.push(options.timeout); return wx.login(options) } }) })
  await client.login()
  t.strictSame(times, [10_000])
})

test('wx.login that gives no code has failed', async (t) => {
  const { client, sent } = await startPhone(t, {}, { platform: (wx) => ({ ...wx, login: ({ success }) => success({ code: '' }) }) })
  await t.rejects(client.login(), { code: 'WEAPP_WX_LOGIN_FAILED' })
  t.strictSame(sent(), [])
})

test('a host that refuses', async (t) => {
  let refuse: object | null = { statusCode: 403, code: 'BANNED', message: 'You are banned.' }
  const { client } = await startPhone(t, {
    options: { onLogin: () => { if (refuse !== null) throw Object.assign(new Error(), refuse) } },
    before: (app) => app.setErrorHandler<Error & { statusCode?: number, code?: string }>((error, _request, reply) => {
      return reply.code(error.statusCode ?? 500).send(error.code === undefined ? 'No.' : { code: error.code, message: error.message })
    })
  })
  await t.rejects(client.login(), { statusCode: 403, code: 'BANNED', message: 'You are banned.', data: { code: 'BANNED' } })
  refuse = { statusCode: 418 }
  await t.rejects(client.login(), { statusCode: 418, code: 'WEAPP_REFUSED', message: 'The server returned status 418.' })
  refuse = null
  t.ok(await client.login())
})

test('no network', async (t) => {
  const { client, mini } = await startPhone(t)
  mini.fault({ fail: 'timeout' }, { path: '/weapp/login', times: 1 })
  await t.rejects(client.login(), { code: 'WEAPP_NETWORK_FAILED', errMsg: 'request:fail timeout', message: /timeout/ })
  await client.login()
  mini.offline = true
  await t.rejects(client.request({ url: '/me' }), { code: 'WEAPP_NETWORK_FAILED', errno: 600003 })
  t.type(client.token, 'string', 'and is signed in all the same')
  mini.offline = false
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
})

test('an answer that is not one of the plugin', async (t) => {
  const answers: unknown[] = ['<html>', null, {}, { token: 5 }, { data: { token: 'wrapped' } }]
  const { client } = await startPhone(t, {
    options: { routes: { login: false } },
    after: (app) => { app.post('/weapp/login', (_request, reply) => reply.type('application/json').serializer(JSON.stringify).send(answers.shift())) }
  })
  while (answers.length > 0) await t.rejects(client.login(), { code: 'WEAPP_BAD_ANSWER', message: /unwrap/ })
  t.equal(client.token, null)
})

test('a request made while somebody signs in waits for it', async (t) => {
  const { client, mini } = await startPhone(t)
  const gate = deferred()
  await client.logout()
  mini.fault({ delay: gate.promise }, { api: 'login', times: 1 })
  const login = client.login()
  const request = client.request({ url: '/me' })
  gate.resolve()
  t.equal((await request).statusCode, 200)
  await login
  t.equal(mini.calls.login, 1)
})
