import { test } from 'tap'
import type { WeappRequest } from '../../src/client/index.js'
import { freezeClock } from '../helpers/clock.js'
import { CODES, PAST_IDLE, deferred, startPhone } from '../helpers/phone.js'

test("request: resolves with the host's responses, whatever their status", async (t) => {
  const { client, mini, sent } = await startPhone(t)
  await client.login()
  sent()
  for (const status of [401, 403, 404, 409, 429, 500, 503]) {
    t.match(
      await client.request({ url: `/echo/${status}` }), { statusCode: status, data: { body: null }, header: Object }
    )
  }
  t.strictSame(sent().filter((line) => !line.startsWith('GET /echo')), ['GET /weapp/session 200'])
  t.equal(mini.calls.login, 1)
})

test('invalid phone code: a 400 of the plugin, without a login', async (t) => {
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

test('auth optional: sends the token if there is one, and signs no guest in', async (t) => {
  const clock = freezeClock(t)
  const { client, mini, host, sent, kick, signedOut } = await startPhone(t)
  const feed = { url: '/feed', auth: 'optional' } as const
  t.match(await client.request(feed), { statusCode: 200, data: { openid: null } })
  t.match(
    await client.request({ url: '/me', auth: 'optional' }),
    { statusCode: 401, data: { code: 'FST_WEAPP_TOKEN_MISSING' } }
  )
  await client.login()
  t.match(await client.request(feed), { data: { openid: host.wechat.openid('alice') } })
  clock.advance(PAST_IDLE)
  t.match(await client.request({ url: '/me', auth: 'optional' }), { statusCode: 401, data: { code: CODES.expired } })
  t.equal(mini.calls.login, 1)
  t.match(
    await client.request(feed), { data: { openid: host.wechat.openid('alice') } },
    'the next request renews a session that was found expired'
  )
  t.equal(mini.calls.login, 2)
  await kick()
  await t.rejects(client.request({ url: '/me', auth: 'optional' }), { code: CODES.kicked })
  t.strictSame(signedOut, [CODES.kicked])
  sent()
  t.match(
    await client.request(feed), { data: { openid: null } }, 'a signed-out device sends an unauthenticated request'
  )
  t.strictSame(sent(), ['GET /feed 200'])
})

test('auth false: sends no token, and does not recover', async (t) => {
  const { client, mini } = await startPhone(t)
  t.match(await client.request({ url: '/me', auth: false }), { statusCode: 401 })
  await client.login()
  const { data } = await client.request({ url: '/echo/200', auth: false })
  t.notOk('authorization' in data.headers)
  t.equal(mini.calls.login, 1)
})

test('token: sent in the header, to the server only', async (t) => {
  const { client, mini, baseUrl } = await startPhone(t)
  const { data } = await client.request({ url: `${baseUrl}/echo/200?a=1`, header: { 'x-mine': 'yes' } })
  t.match(data, { headers: { authorization: `Bearer ${client.token}`, 'x-mine': 'yes' }, query: { a: '1' } })
  for (const { url } of mini.requests) t.notMatch(url, client.token!)
  for (const url of ['https://example.com/me', `${baseUrl}.example.com/me`, '.example.com/me', '@example.com/', 'me']) {
    await t.rejects(client.request({ url }), { code: 'WEAPP_BAD_URL' }, url)
  }
  t.equal(mini.requests.length, 2)
})

test("token: replaces a caller's authorization, whatever its case", async (t) => {
  const { client, mini } = await startPhone(t)
  const { token } = await client.login()
  const header = { authorization: 'mine', AUTHORIZATION: 'mine', 'x-mine': 'yes' }
  const { data } = await client.request({ url: '/echo/200', header })
  t.match(data, { headers: { authorization: `Bearer ${token}`, 'x-mine': 'yes' } })
  t.strictSame(mini.requests.at(-1)!.header, { 'x-mine': 'yes', Authorization: `Bearer ${token}` })
  t.strictSame(Object.keys(header), ['authorization', 'AUTHORIZATION', 'x-mine'], "the caller's object is unchanged")
  t.match(
    (await client.request({ url: '/echo/200', auth: false, header: { authorization: 'mine' } })).data,
    { headers: { authorization: 'mine' } }
  )
})

test('token: no dot segment leads out of a baseUrl with a path', async (t) => {
  const { launch, baseUrl } = await startPhone(t, { after: (app) => { app.get('/shop/*', ({ url }) => ({ url })) } })
  const shop = `${baseUrl}/shop`
  const { client, mini } = launch({ client: { baseUrl: shop, prefix: '/../weapp' } })
  await t.rejects(client.login(), { code: 'WEAPP_BAD_URL' }, 'the prefix has no dot segment either')
  const outside = [
    '/../admin', '/..', '/..?a=1', '/..#a', '/a/../../admin', '/./../admin',
    '/.%2e/admin', '/%2E./admin', '/%2e%2E/admin', '/..\\admin',
    '/a\\..\\..\\admin', '/a\\..\\../admin', '/a/%2e%2e\\../admin', '/.\t./admin', '/%2\ne%2\re/admin', '/.. ',
    '/..\0', '/a/..\t/../admin'
  ]
  for (const url of outside) {
    const options = { url, auth: 'optional' } as const
    t.notMatch(new URL(shop + url).pathname, /^\/shop\/./, 'the platform would resolve it to a path outside')
    await t.rejects(client.request(options), { code: 'WEAPP_BAD_URL' }, JSON.stringify(url))
    await t.rejects(client.request({ ...options, url: shop + url }), { code: 'WEAPP_BAD_URL' }, JSON.stringify(url))
    await t.rejects(
      client.upload({ ...options, filePath: '/none', name: 'file' }), { code: 'WEAPP_BAD_URL' }, JSON.stringify(url)
    )
  }
  // A proxy that decodes the path before it resolves it, such as nginx, would route these outside.
  for (const url of [
    `/item/${encodeURIComponent('../../admin')}`, '/..%2fadmin', '/%2e%2E%2Fadmin', '/a%2f..%5c..%2F', '/..%5Cadmin',
    '/a%5c..', '/..\u3000'
  ]) {
    await t.rejects(client.request({ url, auth: 'optional' }), { code: 'WEAPP_BAD_URL' }, url)
  }
  for (const url of ['/.', '/a/./b', '/a/%2e', '/a\\.']) {
    await t.rejects(client.request({ url, auth: 'optional' }), { code: 'WEAPP_BAD_URL' }, url)
  }
  t.strictSame(mini.requests, [])

  for (const url of [
    '/a?next=/../admin', '/a?next=\\..\\&b=%2e%2e/', '/a?..', '/.well-known/a', '/..a', '/a..', '/...',
    '/a.b/c..d/.e.', '/%2e%2ea', '/a%20..', '/a%2fb', '/a%5cb'
  ]) {
    t.match(await client.request({ url, auth: 'optional' }), { statusCode: 200 }, `${url} stays below it`)
  }
  t.match(await client.request({ url: '/a b', auth: 'optional' }), { data: { url: '/shop/a%20b' } })
  t.match(await client.request({ url: '/茶', auth: 'optional' }), { data: { url: '/shop/%E8%8C%B6' } })
})

test('JSON without data: sent as {}, other bodies stay as they are', async (t) => {
  const { client } = await startPhone(t)
  const echo = async (request: Omit<WeappRequest, 'url'>) => {
    return (await client.request({ url: '/echo/200', ...request })).data
  }
  for (const method of ['POST', 'PUT', 'DELETE'] as const) t.strictSame((await echo({ method })).body, {}, method)
  t.strictSame((await echo({ method: 'POST', header: { 'Content-Type': 'application/json; charset=utf-8' } })).body, {})
  t.strictSame((await echo({ method: 'POST', data: { a: [1] } })).body, { a: [1] })
  t.equal((await echo({ method: 'POST', header: { 'Content-Type': 'text/plain' } })).body, '')
  t.equal((await echo({ method: 'POST', header: { 'Content-Type': 'text/plain' }, data: 'hi' })).body, 'hi')
  t.match(await echo({ data: { q: 'a b' } }), { query: { q: 'a b' }, body: null })
})

test('baseUrl: may end with a slash, and prefix may differ', async (t) => {
  const { launch, baseUrl } = await startPhone(t, { options: { prefix: '/auth' } })
  const { client, sent } = launch({ client: { baseUrl: `${baseUrl}/`, prefix: '/auth' } })
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
  t.match(await client.session(), { sessions: [{ current: true, label: null }] })
  await client.logout()
  t.strictSame(sent(), ['POST /auth/login 200', 'GET /me 200', 'GET /auth/session 200', 'POST /auth/logout 204'])
})

test('onTask: the task can abort the request', async (t) => {
  const { client, mini, sent } = await startPhone(t)
  const pause = deferred()
  t.teardown(pause.resolve)
  await client.login()
  sent()
  mini.fault({ delay: pause.promise }, { path: '/me', times: 1 })
  const request = client.request({
    url: '/me',
    onTask (task) {
      task.abort()
      pause.resolve()
    }
  })
  await t.rejects(request, { code: 'WEAPP_NETWORK_FAILED', errMsg: 'request:fail abort' })
  t.strictSame(sent(), ['GET /me null'])
  t.equal((await client.request({ url: '/me' })).statusCode, 200, 'the device is still signed in')
})

test('onTask: its error rejects the request unchanged', async (t) => {
  const { client, mini } = await startPhone(t)
  await client.login()
  for (const fail of [undefined, 'timeout']) {
    if (fail !== undefined) mini.fault({ fail }, { path: '/me', times: 1 })
    await t.rejects(
      client.request({ url: '/me', onTask () { throw new TypeError('a slip') } }),
      { name: 'TypeError', message: 'a slip' }
    )
  }
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
})

test('url: rejects values that are no path', async (t) => {
  const { client } = await startPhone(t)
  for (const url of [undefined, null, 7, '', 'me']) {
    await t.rejects(client.request({ url: url as string, auth: false }), { code: 'WEAPP_BAD_URL' })
  }
})
