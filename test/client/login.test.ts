import { Type } from '@sinclair/typebox'
import { test } from 'tap'
import { deferred, startPhone } from '../helpers/phone.js'

test("login: returns the fields of the host's reply", async (t) => {
  const { client, mini, host, sent } = await startPhone(t, {
    options: { onLogin: () => ({ reply: { user: { name: 'Alice' } } }) }
  })
  t.equal(client.token, null)
  const answer = await client.login()
  t.match(answer, {
    token: String, tokenType: 'Bearer', expiresIn: 2_592_000, expiresAt: Number, user: { name: 'Alice' }
  })
  t.equal(client.token, answer.token)
  const { data, statusCode } = await client.request<{ openid: string }>({ url: '/me' })
  t.match({ data, statusCode }, { data: { openid: host.wechat.openid('alice') }, statusCode: 200 })
  t.equal(mini.calls.login, 1)
  t.strictSame(sent(), ['POST /weapp/login 200', 'GET /me 200'])
})

test('login: ten concurrent requests share one login', async (t) => {
  const { client, mini, sent } = await startPhone(t)
  const answers = await Promise.all(Array.from({ length: 10 }, () => client.request({ url: '/me' })))
  t.strictSame(answers.map(({ statusCode }) => statusCode), Array(10).fill(200))
  t.equal(mini.calls.login, 1)
  t.equal(sent().filter((line) => line === 'POST /weapp/login 200').length, 1)
})

test('login: extra reaches the host, and a different extra waits for its turn', async (t) => {
  const bodies: unknown[] = []
  const { client, mini } = await startPhone(t, {
    options: {
      routes: { login: { body: Type.Object({ invite: Type.Optional(Type.String()) }) } },
      onLogin: ({ body: { code, ...extra } }) => { bodies.push(extra) }
    }
  })
  const extras = [undefined, { invite: 'a' }, { invite: 'b' }, { invite: 'a' }, undefined]
  await Promise.all(extras.map((extra) => client.login(extra)))
  t.strictSame(bodies, [{}, { invite: 'a' }, { invite: 'b' }])
  bodies.length = 0
  await Promise.all([client.login({ invite: 'a' }), client.login({ invite: 'a' }), client.request({ url: '/me' })])
  t.strictSame(bodies, [{ invite: 'a' }], 'logins with the same extra are shared')
  t.equal(mini.calls.login, 4)
})

test('login: sends the old token, so that the server replaces its session', async (t) => {
  const { client } = await startPhone(t)
  await client.login()
  await client.login()
  const { sessions } = await client.session()
  t.equal(sessions.length, 1)
  t.equal(sessions[0]!.current, true)
})

test('login: a failing wx.login rejects all waiting callers, and the next succeeds', async (t) => {
  const { client, mini, sent } = await startPhone(t)
  mini.fault({ fail: 'timeout' }, { api: 'login', times: 1 })
  const all = await Promise.allSettled([
    client.login(), client.request({ url: '/me' }), client.session(), client.ensureSessionKey()
  ])
  for (const outcome of all) {
    t.match(outcome, { reason: { code: 'WEAPP_WX_LOGIN_FAILED', errMsg: 'login:fail timeout', errno: Number } })
  }
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
  test(`login: WeChat returns ${errcode}`, async (t) => {
    const { client, host, mini, sent } = await startPhone(t)
    host.wechat.fault({ errcode })
    const error = await client.request({ url: '/me' }).catch((error) => error)
    t.match(error, { statusCode, code, message: String, data: { code } })
    t.equal(error.retryAfter, retryAfter)
    t.equal(mini.calls.login, logins, 'only a spent code is retried, once')
    t.strictSame(sent(), Array(logins).fill(`POST /weapp/login ${statusCode}`))
  })
}

test('login: rejects if the retry has a used code too', async (t) => {
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

test('login: retries a spent code with the same extra', async (t) => {
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

test('login: does not retry a phone code that onLogin refused', async (t) => {
  const { client, mini } = await startPhone(t, {
    options: {
      onLogin: () => { throw Object.assign(new Error(), { statusCode: 400, code: 'FST_WEAPP_PHONE_CODE_INVALID' }) }
    }
  })
  await t.rejects(client.login({ phoneCode: 'a' }), { code: 'FST_WEAPP_PHONE_CODE_INVALID' })
  t.equal(mini.calls.login, 1)
})

test('login: rejects an extra that is not JSON', async (t) => {
  const { client, mini } = await startPhone(t)
  const circle: Record<string, unknown> = {}
  circle['circle'] = circle
  for (const extra of [circle, { big: 1n }]) {
    await t.rejects(client.login(extra), { code: 'WEAPP_BAD_EXTRA', message: /^The extra is not JSON: /, cause: TypeError })
  }
  t.equal(mini.calls.login, 0)
})

test('login: sends the id of the device, and none of another client', async (t) => {
  const { client, mini, launch, baseUrl } = await startPhone(t)
  const ids = () => mini.requests.filter(({ path }) => path === '/weapp/login').map(({ header }) => header['Weapp-Device'])
  await client.login()
  await client.login()
  await client.logout()
  const next = launch()
  await next.client.login()
  const [id] = ids()
  t.match(id, /^[a-z0-9]{12,64}$/)
  t.strictSame([...ids(), next.mini.requests.at(-1)!.header['Weapp-Device']], [id, id, id])
  const other = launch({ client: { storageKey: 'other' } })
  await other.client.login()
  t.not(other.mini.requests.at(-1)!.header['Weapp-Device'], id)
  mini.storage.delete(`weapp ${baseUrl}/weapp`)
  await client.login()
  t.equal(ids().at(-1), id, 'the id in memory outlives the storage')
  await client.request({ url: '/me' })
  t.notOk('Weapp-Device' in mini.requests.at(-1)!.header, 'only a login sends it')
})

test('login: passes a timeout to wx.login', async (t) => {
  const { launch } = await startPhone(t)
  const times: unknown[] = []
  const { client } = launch({
    platform: (wx) => ({ ...wx, login: (options) => { times.push(options.timeout); return wx.login(options) } })
  })
  await client.login()
  t.strictSame(times, [10_000])
})

test('login: rejects if wx.login returns no code', async (t) => {
  const { client, sent } = await startPhone(t, {}, {
    platform: (wx) => ({ ...wx, login: ({ success }) => success({ code: '' }) })
  })
  await t.rejects(client.login(), { code: 'WEAPP_WX_LOGIN_FAILED' })
  t.strictSame(sent(), [])
})

test('login: rejects with the code and message of the host', async (t) => {
  let refuse: object | null = { statusCode: 403, code: 'BANNED', message: 'You are banned.' }
  const { client } = await startPhone(t, {
    options: { onLogin: () => { if (refuse !== null) throw Object.assign(new Error(), refuse) } },
    before: (app) => app.setErrorHandler<Error & { statusCode?: number, code?: string }>((error, _request, reply) => {
      return reply.code(error.statusCode ?? 500).send(
        error.code === undefined ? 'No.' : { code: error.code, message: error.message }
      )
    })
  })
  await t.rejects(
    client.login(), { statusCode: 403, code: 'BANNED', message: 'You are banned.', data: { code: 'BANNED' } }
  )
  refuse = { statusCode: 418 }
  await t.rejects(
    client.login(), { statusCode: 418, code: 'WEAPP_REFUSED', message: 'The server returned status 418.' }
  )
  refuse = null
  t.ok(await client.login())
})

test('login and request: reject without a network', async (t) => {
  const { client, mini } = await startPhone(t)
  mini.fault({ fail: 'timeout' }, { path: '/weapp/login', times: 1 })
  await t.rejects(client.login(), { code: 'WEAPP_NETWORK_FAILED', errMsg: 'request:fail timeout', message: /timeout/ })
  await client.login()
  mini.offline = true
  await t.rejects(client.request({ url: '/me' }), { code: 'WEAPP_NETWORK_FAILED', errno: 600003 })
  t.type(client.token, 'string', 'the device stays signed in')
  mini.offline = false
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
})

test('login: rejects a response without a token', async (t) => {
  const answers: unknown[] = ['<html>', null, {}, { token: 5 }, { data: { token: 'wrapped' } }]
  const { client } = await startPhone(t, {
    options: { routes: { login: false } },
    after: (app) => {
      app.post(
        '/weapp/login',
        (_request, reply) => reply.type('application/json').serializer(JSON.stringify).send(answers.shift())
      )
    }
  })
  while (answers.length > 0) await t.rejects(client.login(), { code: 'WEAPP_BAD_ANSWER', message: /unwrap/ })
  t.equal(client.token, null)
})

test('request: waits for a pending login', async (t) => {
  const { client, mini } = await startPhone(t)
  const pause = deferred()
  await client.logout()
  mini.fault({ delay: pause.promise }, { api: 'login', times: 1 })
  const login = client.login()
  const request = client.request({ url: '/me' })
  pause.resolve()
  t.equal((await request).statusCode, 200)
  await login
  t.equal(mini.calls.login, 1)
})
