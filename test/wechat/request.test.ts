import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { Agent, buildConnector, errors, request, type Dispatcher } from 'undici'
import { Agent as Agent6 } from 'undici-6'
import t, { type Test } from 'tap'
import { assertRefused } from '../helpers/assert-refused.js'
import { startRawWechat } from '../helpers/raw-wechat.js'
import { APP_ID, APP_SECRET, startHost } from '../helpers/host.js'
import { startLoginHost } from '../helpers/login-host.js'

const USER = JSON.stringify({ openid: 'o-of-a-user', session_key: 'AAAAAAAAAAAAAAAAAAAAAA==' })
const MAX_BYTES = 64 * 1024

t.test('the request is the documented one, whatever the code', async (t) => {
  const wechat = await startRawWechat(t, (_request, response) => response.end(USER))
  const { post } = await startHost(t, { options: { wechat: { baseUrl: wechat.url } } })
  t.equal((await post('/weapp/login', { code: 'a&appid=evil#%00' })).statusCode, 200)
  t.strictSame(wechat.requests, [
    `GET /sns/jscode2session?appid=${APP_ID}&secret=${APP_SECRET}&js_code=a%26appid%3Devil%23%2500&grant_type=authorization_code`
  ])
})

t.test('a call without a query has no question mark', async (t) => {
  const wechat = await startRawWechat(t, (_request, response) => response.end('{"access_token":"token","expires_in":7200}'))
  const { app } = await startHost(t, { options: { wechat: { baseUrl: wechat.url } } })
  t.equal(await app.weapp.wechat.getAccessToken(), 'token')
  t.strictSame(wechat.requests, ['POST /cgi-bin/stable_token'])
})

t.test('any code arrives as it was sent, and as nothing else', async (t) => {
  const { wechat, login } = await startLoginHost(t)
  const codes = ['&secret=x', '=', '?', '/../../cgi-bin/token', '+', ' ', '%', '%2', '%26', '#', '\\', '"', '微信', '😀', '\u00a0', 'a'.repeat(256)]
  for (const code of codes) {
    wechat.clearRequests()
    t.equal((await login(code)).statusCode, 401)
    t.match(wechat.requests, { length: 1 })
    t.match(wechat.requests[0], { method: 'GET', path: '/sns/jscode2session', body: '' })
    t.strictSame(wechat.requests[0]?.query, { appid: APP_ID, secret: APP_SECRET, js_code: code, grant_type: 'authorization_code' }, code)
  }
})

const TYPES: [string, Record<string, string>, string?][] = [
  ['text/plain', { 'content-type': 'text/plain' }],
  ['application/json', { 'content-type': 'application/json; encoding=utf-8' }],
  ['text/html', { 'content-type': 'text/html' }],
  ['no content-type', {}],
  ['a byte order mark', { 'content-type': 'text/plain' }, '\uFEFF'],
  ['white space', { 'content-type': 'text/plain' }, ' \r\n\t']
]

for (const [name, headers, before = ''] of TYPES) {
  t.test(`the text decides, not its label: ${name}`, async (t) => {
    const wechat = await startRawWechat(t, (_request, response) => response.writeHead(200, headers).end(before + USER))
    const { post, get } = await startHost(t, { options: { wechat: { baseUrl: wechat.url } } })
    const response = await post('/weapp/login', { code: 'code' })
    t.equal(response.statusCode, 200)
    t.strictSame((await get('/me', response.json().token)).json(), { openid: 'o-of-a-user' })
  })
}

t.test('an answer that comes in pieces, even of a character', async (t) => {
  const bytes = Buffer.from(JSON.stringify({ openid: 'o-微信', session_key: 'k' }))
  const wechat = await startRawWechat(t, (_request, response) => {
    const write = (from: number): void => {
      if (from === bytes.length) response.end()
      else response.write(bytes.subarray(from, from + 1), () => setImmediate(write, from + 1))
    }
    write(0)
  })
  const { post, get } = await startHost(t, { options: { wechat: { baseUrl: wechat.url } } })
  const { token } = (await post('/weapp/login', { code: 'code' })).json()
  t.strictSame((await get('/me', token)).json(), { openid: 'o-微信' })
})

const BODIES: Record<string, string> = {
  empty: '',
  HTML: '<html><body>Bad Gateway</body></html>',
  'JSON that breaks off': USER.slice(0, -3),
  'an array': `[${USER}]`,
  null: 'null',
  'a string': '"ok"',
  'a number': '0',
  'an empty object': '{}',
  'JSON and more': `${USER}${USER}`
}

t.test('an answer that is no JSON object of the documented shape: 502, asked once', async (t) => {
  const { wechat, login } = await startLoginHost(t, { retries: 5 })
  for (const [name, body] of Object.entries(BODIES)) {
    await t.test(name, async (t) => {
      wechat.clearRequests()
      wechat.fault({ body }, { times: 1 })
      assertRefused(t, await login(), 502, 'FST_WEAPP_WECHAT_BAD_REPLY')
      t.equal(wechat.requests.length, 1)
    })
  }
})

t.test('an answer may have 64 KiB and no byte more', async (t) => {
  const { wechat, login } = await startLoginHost(t, { retries: 5 })
  wechat.fault({ body: USER.padEnd(MAX_BYTES) }, { times: 1 })
  t.equal((await login()).statusCode, 200)
  wechat.fault({ body: USER.padEnd(MAX_BYTES + 1) }, { times: 1 })
  assertRefused(t, await login(), 502, 'FST_WEAPP_WECHAT_BAD_REPLY')
  wechat.fault({ huge: 500_000_000 }, { times: 1 })
  assertRefused(t, await login(), 502, 'FST_WEAPP_WECHAT_BAD_REPLY')
  t.equal(wechat.requests.length, 3)
  t.equal((await login()).statusCode, 200, 'and the next one is fine')
})

t.test('a redirect is not followed', async (t) => {
  const elsewhere = await startRawWechat(t, (_request, response) => response.end(USER))
  for (const status of [301, 302, 303, 307, 308]) {
    const { wechat, login } = await startLoginHost(t, { retries: 5 })
    wechat.fault({ status, headers: { location: `${elsewhere.url}/sns/jscode2session` } })
    assertRefused(t, await login(), 502, 'FST_WEAPP_WECHAT_BAD_REPLY')
    t.equal(wechat.requests.length, 1)
  }
  t.strictSame(elsewhere.requests, [])
})

t.test('a status that is not 200 is no answer, whatever its body', async (t) => {
  const { wechat, login } = await startLoginHost(t, { retries: 5 })
  for (const status of [201, 203, 206, 304, 400, 401, 403, 404, 418, 429, 499]) {
    wechat.fault({ status, body: status === 304 ? '' : USER }, { times: 1 })
    assertRefused(t, await login(), 502, 'FST_WEAPP_WECHAT_BAD_REPLY')
  }
  for (const status of [500, 502, 503, 504, 599]) {
    wechat.fault({ status, body: USER }, { times: 1 })
    assertRefused(t, await login(), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
  }
  t.equal(wechat.requests.length, 16, 'each was asked once')
})

t.test('an error page of any size is given up', async (t) => {
  const page = Buffer.alloc(5_000_000, 'x')
  for (const headers of [{ 'content-length': page.length }, {}]) {
    const wechat = await startRawWechat(t, (_request, response) => response.writeHead(500, headers).end(page))
    const { post } = await startHost(t, { options: { wechat: { baseUrl: wechat.url, retries: 5 } } })
    assertRefused(t, await post('/weapp/login', { code: 'code' }), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
    t.equal(wechat.requests.length, 1)
  }
})

t.test('a connection that breaks after the request was sent: 503, and never a second request', async (t) => {
  for (const fault of [{ reset: true }, { truncate: true }] as const) {
    const { wechat, login } = await startLoginHost(t, { retries: 5 })
    wechat.fault(fault, { times: 1 })
    assertRefused(t, await login(), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
    t.equal(wechat.requests.length, 1, 'on a new connection')
    t.equal((await login()).statusCode, 200)
    wechat.fault(fault, { times: 1 })
    assertRefused(t, await login(), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
    t.equal(wechat.requests.length, 3, 'on one that was in use')
  }
})

/** An agent that counts how often it connects. */
function countingAgent (t: Test, connect: buildConnector.connector = buildConnector({})) {
  const agent = { attempts: 0, dispatcher: new Agent({ connect (options, callback) { agent.attempts++; connect(options, callback) } }) }
  t.teardown(() => agent.dispatcher.destroy())
  return agent
}

async function closedPort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

for (const retries of [0, 1, 3]) {
  t.test(`a connection that is refused is tried ${retries} times more, then 503`, async (t) => {
    const agent = countingAgent(t)
    const baseUrl = `http://127.0.0.1:${await closedPort()}`
    const { login } = await startLoginHost(t, { baseUrl, retries, dispatcher: agent.dispatcher })
    assertRefused(t, await login('code'), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
    t.equal(agent.attempts, retries + 1)
  })
}

t.test('whatever fails before there is a connection is tried again', async (t) => {
  const failures = {
    'the name is not known': Object.assign(new Error(), { code: 'ENOTFOUND', syscall: 'getaddrinfo' }),
    'no route': Object.assign(new Error(), { code: 'EHOSTUNREACH', syscall: 'connect' }),
    'none of several addresses': Object.assign(new AggregateError([
      Object.assign(new Error(), { code: 'ETIMEDOUT', syscall: 'connect' }), Object.assign(new Error(), { code: 'EHOSTUNREACH', syscall: 'connect' })
    ]), { code: 'ETIMEDOUT' }),
    'connecting takes too long': new errors.ConnectTimeoutError()
  }
  for (const [name, failure] of Object.entries(failures)) {
    let fails = 1
    const connect = buildConnector({})
    const agent = countingAgent(t, (options, callback) => {
      if (fails-- > 0) callback(failure, null)
      else connect(options, callback)
    })
    const { wechat, login } = await startLoginHost(t, { dispatcher: agent.dispatcher })
    t.equal((await login()).statusCode, 200, name)
    t.equal(agent.attempts, 2)
    t.equal(wechat.requests.length, 1)
  }
})

t.test('system busy is asked again `retries` times, then 503', async (t) => {
  for (const retries of [0, 2]) {
    const { wechat, login } = await startLoginHost(t, { retries })
    wechat.fault({ errcode: -1 })
    assertRefused(t, await login(), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
    t.equal(wechat.requests.length, retries + 1)
  }
})

t.test('system busy once: the login succeeds', async (t) => {
  const { wechat, login } = await startLoginHost(t)
  wechat.fault({ errcode: -1 }, { times: 1 })
  t.equal((await login()).statusCode, 200)
  t.equal(wechat.requests.length, 2)
  t.strictSame(wechat.requests[0]?.query, wechat.requests[1]?.query)
})

t.test('system busy once, and then another errcode: that one counts', async (t) => {
  const { wechat, login } = await startLoginHost(t, { retries: 5 })
  wechat.fault({ errcode: -1, processed: true }, { times: 1 })
  assertRefused(t, await login(), 401, 'FST_WEAPP_CODE_USED')
  t.equal(wechat.requests.length, 2)
})

for (const errcode of [40029, 40163, 40226, 45011, 45009, 40125, 12345]) {
  t.test(`errcode ${errcode} is asked once`, async (t) => {
    const { wechat, login } = await startLoginHost(t, { retries: 5 })
    wechat.fault({ errcode })
    t.not((await login()).statusCode, 200)
    t.equal(wechat.requests.length, 1)
  })
}

for (const stall of ['headers', 'body'] as const) {
  t.test(`an answer that stalls (${stall}): 504, asked once, and nothing is left open`, async (t) => {
    const { app, wechat, login } = await startLoginHost(t, { timeout: 50, retries: 5 })
    wechat.fault({ stall, processed: true }, { times: 1 })
    assertRefused(t, await login(), 504, 'FST_WEAPP_WECHAT_TIMEOUT')
    t.equal(wechat.requests.length, 1)
    await app.close()
  })
}

t.test('an error page that stalls: 504', async (t) => {
  const wechat = await startRawWechat(t, (_request, response) => response.writeHead(500).write('half'))
  const { app, post } = await startHost(t, { options: { wechat: { baseUrl: wechat.url, timeout: 50 } } })
  assertRefused(t, await post('/weapp/login', { code: 'code' }), 504, 'FST_WEAPP_WECHAT_TIMEOUT')
  await app.close()
})

t.test('an answer that trickles: 504, for every byte must be there in time', async (t) => {
  const wechat = await startRawWechat(t, (_request, response) => {
    response.writeHead(200).write(USER.slice(0, -1))
    const trickle = setInterval(() => response.write(' '), 5)
    response.once('close', () => clearInterval(trickle))
  })
  const { app, post } = await startHost(t, { options: { wechat: { baseUrl: wechat.url, timeout: 100 } } })
  assertRefused(t, await post('/weapp/login', { code: 'code' }), 504, 'FST_WEAPP_WECHAT_TIMEOUT')
  await app.close()
})

t.test('a connection that takes too long: 504, and nothing is sent when it is made later', async (t) => {
  let connectNow = () => {}
  const connect = buildConnector({})
  const agent = countingAgent(t, (options, callback) => { connectNow = () => connect(options, callback) })
  const { wechat, login } = await startLoginHost(t, { timeout: 50, retries: 5, dispatcher: agent.dispatcher })
  assertRefused(t, await login(), 504, 'FST_WEAPP_WECHAT_TIMEOUT')
  t.equal(agent.attempts, 1)
  connectNow()
  await agent.dispatcher.close()
  t.equal(wechat.requests.length, 0)
})

t.test('each repeat waits twice as long as the one before, so that who is busy is left alone', async (t) => {
  const { wechat, login } = await startLoginHost(t, { retries: 4 })
  wechat.fault({ errcode: -1 }, { times: 4 })
  const code = wechat.login('alice')
  const { setTimeout } = globalThis
  const pauses: number[] = []
  t.intercept(globalThis, 'setTimeout', {
    value: (callback: () => void, ms: number) => {
      if (![100, 200, 400, 800].includes(ms)) return setTimeout(callback, ms)
      pauses.push(ms)
      return setTimeout(callback, 0)
    }
  })
  t.equal((await login(code)).statusCode, 200)
  t.strictSame(pauses, [100, 200, 400, 800])
})

t.test('the timeout bounds repeats too', async (t) => {
  const { wechat, login } = await startLoginHost(t, { timeout: 150, retries: 5 })
  wechat.fault({ errcode: -1 })
  assertRefused(t, await login(), 504, 'FST_WEAPP_WECHAT_TIMEOUT')
  t.ok(wechat.requests.length < 6, `${wechat.requests.length} requests`)
})

t.test('no timer keeps the process when an exchange is over, however it ends', async (t) => {
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const { wechat, login } = await startLoginHost(t, { timeout: '10m', retries: 0 })
  const before = timers()
  t.equal((await login()).statusCode, 200)
  t.ok(timers() <= before, 'after success')
  for (const fault of [{ errcode: 40029 }, { errcode: -1 }, { reset: true }, { status: 500 }, { body: '' }] as const) {
    wechat.fault(fault, { times: 1 })
    t.not((await login()).statusCode, 200)
    t.ok(timers() <= before, `after ${JSON.stringify(fault)}`)
  }
})

t.test("a host's own dispatcher is used, and is the host's to close", async (t) => {
  const agent = countingAgent(t)
  const { app, wechat, login } = await startLoginHost(t, { dispatcher: agent.dispatcher })
  t.equal((await login()).statusCode, 200)
  t.equal(agent.attempts, 1)
  await app.close()
  const { statusCode } = await request(`${wechat.url}/simulator/login?user=bob`, { dispatcher: agent.dispatcher })
  t.equal(statusCode, 200, 'it still works after the plugin is closed')
})

t.test("a dispatcher of undici 6, and one that is composed, speak to us as the plugin's own does", async (t) => {
  for (const dispatcher of [new Agent6(), new Agent6().compose((dispatch) => dispatch), new Agent().compose((dispatch) => dispatch)]) {
    t.teardown(() => dispatcher.close())
    const { wechat, login } = await startLoginHost(t, { dispatcher, timeout: 500, retries: 0 })
    t.equal((await login()).statusCode, 200)
    for (const [fault, code, name] of [
      [{ body: 'x'.repeat(MAX_BYTES + 1) }, 502, 'BAD_REPLY'], [{ status: 500 }, 503, 'UNAVAILABLE'], [{ reset: true }, 503, 'UNAVAILABLE'],
      [{ stall: 'headers' }, 504, 'TIMEOUT'], [{ stall: 'body' }, 504, 'TIMEOUT']
    ] as const) {
      wechat.fault(fault, { times: 1 })
      assertRefused(t, await login(), code, `FST_WEAPP_WECHAT_${name}`, name === 'UNAVAILABLE' ? 5 : undefined)
    }
    t.equal((await login()).statusCode, 200)
  }
})

t.test('a dispatcher that fails in ways of its own takes no time from others, and says nothing', async (t) => {
  const agent = new Agent()
  t.teardown(() => agent.destroy())
  const throwing = agent.compose((dispatch) => (options, handler) => dispatch(options, {
    ...handler,
    onRequestStart: (_controller, context) => handler.onRequestStart!({ abort () { throw new Error('of the dispatcher') } } as unknown as Dispatcher.DispatchController, context),
    onResponseStart: (...args) => handler.onResponseStart!(...args),
    onResponseData: (...args) => handler.onResponseData!(...args),
    onResponseEnd: (...args) => handler.onResponseEnd!(...args),
    onResponseError: (...args) => handler.onResponseError!(...args)
  }))
  const { wechat, login } = await startLoginHost(t, { dispatcher: throwing, timeout: 100, retries: 0 })
  wechat.fault({ stall: 'headers' })
  const heard: unknown[] = []
  const hear = (error: Error) => heard.push(error.message)
  process.on('uncaughtException', hear)
  const answers = await Promise.all([login(), login(), login()])
  process.off('uncaughtException', hear)
  for (const answer of answers) assertRefused(t, answer, 504, 'FST_WEAPP_WECHAT_TIMEOUT')
  t.strictSame(new Set(heard), new Set(['of the dispatcher']))

  for (const thrown of [null, undefined, new Error('of the dispatcher')]) {
    let isAsked = false
    const dispatch = () => {
      if (isAsked) throw thrown
      isAsked = true
      return true
    }
    const host = await startLoginHost(t, { dispatcher: { dispatch } as unknown as Dispatcher, retries: 0 })
    assertRefused(t, await host.login(), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
  }
})

t.test('our own connections are kept between logins and gone when the host closes', async (t) => {
  let connections = 0
  const sockets = new Set<object>()
  const wechat = await startRawWechat(t, ({ socket }, response) => {
    if (!sockets.has(socket)) socket.once('close', () => { connections-- })
    if (!sockets.has(socket)) connections++
    sockets.add(socket)
    response.end(USER)
  })
  const { app, post } = await startHost(t, { options: { wechat: { baseUrl: wechat.url } } })
  for (const code of ['a', 'b', 'c']) await post('/weapp/login', { code })
  t.equal(sockets.size, 1, 'three logins, one connection')
  const [socket] = sockets as Set<NodeJS.EventEmitter>
  const closed = connections === 0 ? null : once(socket!, 'close')
  await app.close()
  await closed
  t.equal(connections, 0)
})
