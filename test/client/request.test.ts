import { test } from 'tap'
import { DAY, freezeClock } from '../helpers/clock.js'
import { CODES, deferred, startPhone } from '../helpers/phone.js'

const EIGHT_DAYS = 8 * DAY

test('ten requests that find the session expired cause one login, and each is repeated once', async (t) => {
  const clock = freezeClock(t)
  const { client, mini, sent } = await startPhone(t)
  await client.login()
  sent()
  clock.advance(EIGHT_DAYS)
  const answers = await Promise.all(Array.from({ length: 10 }, () => client.request({ url: '/me' })))
  t.strictSame(answers.map(({ statusCode }) => statusCode), Array(10).fill(200))
  t.equal(mini.calls.login, 2)
  const lines = sent()
  t.equal(lines.filter((line) => line === 'GET /me 401').length, 10)
  t.equal(lines.filter((line) => line === 'POST /weapp/login 200').length, 1)
  t.equal(lines.filter((line) => line === 'GET /me 200').length, 10)
})

test('a late 401 is repeated with the newer token, and nobody signs in for it', async (t) => {
  const clock = freezeClock(t)
  const { client, mini, sent } = await startPhone(t)
  await client.login()
  clock.advance(EIGHT_DAYS)
  const gate = deferred()
  mini.fault({ answerDelay: gate.promise }, { path: '/me', times: 1 })
  const late = client.request({ url: '/me' })
  while (mini.requests.at(-1)!.statusCode !== 401) await new Promise(setImmediate)
  const answer = await client.request({ url: '/me' })
  t.equal(answer.statusCode, 200)
  const { token } = client
  sent()
  gate.resolve()
  t.equal((await late).statusCode, 200)
  t.strictSame(sent(), ['GET /me 200'])
  t.equal(client.token, token)
  t.equal(mini.calls.login, 2)
})

test('a late "signed out" says nothing of a newer session', async (t) => {
  const { client, mini, signedOut, kick, sent } = await startPhone(t)
  await client.login()
  await kick()
  const gate = deferred()
  mini.fault({ answerDelay: gate.promise }, { path: '/me', times: 1 })
  const late = client.request({ url: '/me' })
  while (mini.requests.at(-1)!.statusCode !== 401) await new Promise(setImmediate)
  await client.login()
  sent()
  gate.resolve()
  t.equal((await late).statusCode, 200)
  t.strictSame(signedOut, [])
  t.strictSame(sent(), ['GET /me 200'])
})

test('a "signed out" that arrives while somebody signs in waits for the outcome', async (t) => {
  const { client, mini, signedOut, kick } = await startPhone(t)
  await client.login()
  await kick()
  const gate = deferred()
  mini.fault({ delay: gate.promise }, { api: 'login', times: 1 })
  const login = client.login()
  mini.fault({ delay: gate.promise }, { path: '/weapp/login', times: 1 })
  const request = client.request({ url: '/me' })
  while (mini.requests.at(-1)?.statusCode !== 401) await new Promise(setImmediate)
  gate.resolve()
  await login
  t.equal((await request).statusCode, 200)
  t.strictSame(signedOut, [])
})

test('a token that no login mends: one login, one repetition, and the answer as it is', async (t) => {
  const { client, mini, sent } = await startPhone(t, {
    after: (app) => { app.get('/never', (_request, reply) => reply.code(401).header('Weapp-Error', CODES.expired).send({})) }
  })
  await client.login()
  sent()
  t.match(await client.request({ url: '/never' }), { statusCode: 401 })
  t.strictSame(sent(), ['GET /never 401', 'POST /weapp/login 200', 'GET /never 401'])
  t.equal(mini.calls.login, 2)
})

test('a proxy that takes the token away: no login brings it through, and so there is none', async (t) => {
  const { client, mini, sent } = await startPhone(t, {
    before: (app) => app.addHook('onRequest', async ({ headers }) => { delete headers.authorization })
  })
  for (let i = 0; i < 10; i += 1) {
    t.match(await client.request({ url: '/me' }), { statusCode: 401, data: { code: 'FST_WEAPP_TOKEN_MISSING' } }, 'the answer says why')
  }
  t.equal(mini.calls.login, 1)
  t.strictSame(sent(), ['POST /weapp/login 200', ...Array(10).fill('GET /me 401')])
})

for (const code of [CODES.expired, CODES.kicked]) {
  test(`a request whose token is always outrun gives up: ${code}`, async (t) => {
    const { client, mini } = await startPhone(t, {
      after: (app) => { app.get('/never', (_request, reply) => reply.code(401).header('Weapp-Error', code).send({})) }
    })
    await client.login()
    const gates = [deferred(), deferred(), deferred()]
    for (const { promise } of gates) mini.fault({ answerDelay: promise }, { path: '/never', times: 1 })
    const refused = () => mini.requests.filter(({ statusCode }) => statusCode === 401).length
    const request = client.request({ url: '/never' })
    for (const [i, { resolve }] of gates.entries()) {
      while (refused() <= i) await new Promise(setImmediate)
      await client.login()
      resolve()
    }
    t.match(await request, { statusCode: 401 })
    t.equal(refused(), 3)
    t.type(client.token, 'string')
  })
}

test("the host's own answers resolve untouched, whatever their status", async (t) => {
  const { client, mini, sent } = await startPhone(t)
  await client.login()
  sent()
  for (const status of [401, 403, 404, 409, 429, 500, 503]) {
    t.match(await client.request({ url: `/echo/${status}` }), { statusCode: status, data: { body: null }, header: Object })
  }
  t.equal(sent().length, 7)
  t.equal(mini.calls.login, 1)
})

test('a phone code that is not valid is a 400 of the plugin, and no reason to sign in', async (t) => {
  const { client, mini, host } = await startPhone(t, {
    after: (app) => {
      app.post('/phone', { config: { weapp: true } }, async (request) => {
        return await app.weapp.wechat.getPhoneNumber((request.body as { code: string }).code)
      })
    }
  })
  const right = await client.request({ url: '/phone', method: 'POST', data: { code: host.wechat.phoneCode('alice') } })
  t.match(right, { statusCode: 200, data: { phoneNumber: '13800138000' } })
  const wrong = await client.request({ url: '/phone', method: 'POST', data: { code: 'wrong' } })
  t.match(wrong, { statusCode: 400, data: { code: 'FST_WEAPP_PHONE_CODE_INVALID' } })
  t.equal(mini.calls.login, 1)
})

test('optional: with the token if there is one, and never a login', async (t) => {
  const clock = freezeClock(t)
  const { client, mini, host, sent, kick, signedOut } = await startPhone(t)
  const feed = { url: '/feed', auth: 'optional' } as const
  t.match(await client.request(feed), { statusCode: 200, data: { openid: null } })
  t.match(await client.request({ url: '/me', auth: 'optional' }), { statusCode: 401, data: { code: 'FST_WEAPP_TOKEN_MISSING' } })
  await client.login()
  t.match(await client.request(feed), { data: { openid: host.wechat.openid('alice') } })
  clock.advance(EIGHT_DAYS)
  t.match(await client.request({ url: '/me', auth: 'optional' }), { statusCode: 401, data: { code: CODES.expired } })
  t.match(await client.request(feed), { data: { openid: null } })
  t.equal(mini.calls.login, 1)
  await client.login()
  await kick()
  await t.rejects(client.request({ url: '/me', auth: 'optional' }), { code: CODES.kicked })
  t.strictSame(signedOut, [CODES.kicked])
  sent()
  t.match(await client.request(feed), { data: { openid: null } }, 'a phone that is signed out is a stranger')
  t.strictSame(sent(), ['GET /feed 200'])
})

test('no auth: without the token, and without a look at the answer', async (t) => {
  const { client, mini } = await startPhone(t)
  t.match(await client.request({ url: '/me', auth: false }), { statusCode: 401 })
  await client.login()
  const { data } = await client.request({ url: '/echo/200', auth: false })
  t.notOk('authorization' in data.headers)
  t.equal(mini.calls.login, 1)
})

test('the token goes in the header, to the server and nowhere else', async (t) => {
  const { client, mini, baseUrl } = await startPhone(t)
  const { data } = await client.request({ url: `${baseUrl}/echo/200?a=1`, header: { 'x-mine': 'yes' } })
  t.match(data, { headers: { authorization: `Bearer ${client.token}`, 'x-mine': 'yes' }, query: { a: '1' } })
  for (const { url } of mini.requests) t.notMatch(url, client.token!)
  for (const url of ['https://example.com/me', `${baseUrl}.example.com/me`, '.example.com/me', '@example.com/', 'me']) {
    await t.rejects(client.request({ url }), { code: 'WEAPP_BAD_URL' }, url)
  }
  t.equal(mini.requests.length, 2)
})

test('no dot segment leads the token out of a baseUrl that has a path', async (t) => {
  const { launch, baseUrl } = await startPhone(t, { after: (app) => { app.get('/shop/*', ({ url }) => ({ url })) } })
  const shop = `${baseUrl}/shop`
  const { client, mini } = launch({ client: { baseUrl: shop, prefix: '/../weapp' } })
  await t.rejects(client.login(), { code: 'WEAPP_BAD_URL' }, 'nor does one of the prefix')
  const outside = [
    '/../admin', '/..', '/..?a=1', '/..#a', '/a/../../admin', '/./../admin', '/.%2e/admin', '/%2E./admin', '/%2e%2E/admin', '/..\\admin',
    '/a\\..\\..\\admin', '/a\\..\\../admin', '/a/%2e%2e\\../admin', '/.\t./admin', '/%2\ne%2\re/admin', '/.. ', '/..\0', '/a/..\t/../admin'
  ]
  for (const url of outside) {
    const options = { url, auth: 'optional' } as const
    t.notMatch(new URL(shop + url).pathname, /^\/shop\/./, 'the platform would take it elsewhere')
    await t.rejects(client.request(options), { code: 'WEAPP_BAD_URL' }, JSON.stringify(url))
    await t.rejects(client.request({ ...options, url: shop + url }), { code: 'WEAPP_BAD_URL' }, JSON.stringify(url))
    await t.rejects(client.upload({ ...options, filePath: '/none', name: 'file' }), { code: 'WEAPP_BAD_URL' }, JSON.stringify(url))
  }
  // A proxy that decodes before it looks at the path, such as nginx, takes these elsewhere.
  for (const url of [`/item/${encodeURIComponent('../../admin')}`, '/..%2fadmin', '/%2e%2E%2Fadmin', '/a%2f..%5c..%2F', '/..%5Cadmin', '/a%5c..', '/..\u3000']) {
    await t.rejects(client.request({ url, auth: 'optional' }), { code: 'WEAPP_BAD_URL' }, url)
  }
  for (const url of ['/.', '/a/./b', '/a/%2e', '/a\\.']) await t.rejects(client.request({ url, auth: 'optional' }), { code: 'WEAPP_BAD_URL' }, url)
  t.strictSame(mini.requests, [])

  for (const url of [
    '/a?next=/../admin', '/a?next=\\..\\&b=%2e%2e/', '/a?..', '/.well-known/a', '/..a', '/a..', '/...', '/a.b/c..d/.e.', '/%2e%2ea', '/a%20..', '/a%2fb', '/a%5cb'
  ]) {
    t.match(await client.request({ url, auth: 'optional' }), { statusCode: 200 }, `${url} stays below it`)
  }
  t.match(await client.request({ url: '/a b', auth: 'optional' }), { data: { url: '/shop/a%20b' } })
  t.match(await client.request({ url: '/茶', auth: 'optional' }), { data: { url: '/shop/%E8%8C%B6' } })
})

test('JSON without data is {}; anything else is left alone', async (t) => {
  const { client } = await startPhone(t)
  const echo = async (request: Omit<Parameters<typeof client.request>[0], 'url'>) => (await client.request({ url: '/echo/200', ...request })).data
  for (const method of ['POST', 'PUT', 'DELETE'] as const) t.strictSame((await echo({ method })).body, {}, method)
  t.strictSame((await echo({ method: 'POST', header: { 'Content-Type': 'application/json; charset=utf-8' } })).body, {})
  t.strictSame((await echo({ method: 'POST', data: { a: [1] } })).body, { a: [1] })
  t.equal((await echo({ method: 'POST', header: { 'Content-Type': 'text/plain' } })).body, '')
  t.equal((await echo({ method: 'POST', header: { 'Content-Type': 'text/plain' }, data: 'hi' })).body, 'hi')
  t.match(await echo({ data: { q: 'a b' } }), { query: { q: 'a b' }, body: null })
})

test('a base URL may end with a slash, and the plugin may live elsewhere', async (t) => {
  const { launch, baseUrl } = await startPhone(t, { options: { prefix: '/auth' } })
  const { client, sent } = launch({ client: { baseUrl: `${baseUrl}/`, prefix: '/auth' } })
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
  t.match(await client.session(), { sessions: [{ current: true, label: null }] })
  await client.logout()
  t.strictSame(sent(), ['POST /auth/login 200', 'GET /me 200', 'GET /auth/session 200', 'POST /auth/logout 204'])
})

test('who holds the task of a request can abort it', async (t) => {
  const { client, mini, sent } = await startPhone(t)
  const gate = deferred()
  t.teardown(gate.resolve)
  await client.login()
  sent()
  mini.fault({ delay: gate.promise }, { path: '/me', times: 1 })
  const request = client.request({
    url: '/me',
    onTask (task) {
      task.abort()
      gate.resolve()
    }
  })
  await t.rejects(request, { code: 'WEAPP_NETWORK_FAILED', errMsg: 'request:fail abort' })
  t.strictSame(sent(), ['GET /me null'])
  t.equal((await client.request({ url: '/me' })).statusCode, 200, 'the phone is signed in as before')
})

test('what onTask throws is for its author to hear', async (t) => {
  const { client, mini } = await startPhone(t)
  await client.login()
  for (const fail of [undefined, 'timeout']) {
    if (fail !== undefined) mini.fault({ fail }, { path: '/me', times: 1 })
    await t.rejects(client.request({ url: '/me', onTask () { throw new TypeError('a slip') } }), { name: 'TypeError', message: 'a slip' })
  }
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
})

test('a url that is none', async (t) => {
  const { client } = await startPhone(t)
  for (const url of [undefined, null, 7, '', 'me']) await t.rejects(client.request({ url: url as string, auth: false }), { code: 'WEAPP_BAD_URL' })
})
