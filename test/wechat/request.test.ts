import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { Agent, buildConnector, errors, request, type Dispatcher } from 'undici'
import { Agent as Agent6 } from 'undici-6'
import { test, type Test } from 'tap'
import { assertRefused } from '../helpers/assert-refused.js'
import { skipBackoff } from '../helpers/backoff.js'
import { startRawWechat } from '../helpers/raw-wechat.js'
import { APP_ID, APP_SECRET, startHost } from '../helpers/host.js'
import { startLoginHost } from '../helpers/login-host.js'
import { until } from '../helpers/processes.js'

const USER = JSON.stringify({ openid: 'o-of-a-user', session_key: 'AAAAAAAAAAAAAAAAAAAAAA==' })
const MAX_BYTES = 64 * 1024

test('request: is the documented one, whatever the code', async (t) => {
  const wechat = await startRawWechat(t, (_request, response) => response.end(USER))
  const { post } = await startHost(t, { options: { wechat: { baseUrl: wechat.url } } })
  t.equal((await post('/weapp/login', { code: 'a&appid=evil#%00' })).statusCode, 200)
  t.strictSame(wechat.requests, [
    `GET /sns/jscode2session?appid=${APP_ID}&secret=${APP_SECRET}` +
      '&js_code=a%26appid%3Devil%23%2500&grant_type=authorization_code'
  ])
})

test('request: has no question mark without a query', async (t) => {
  const wechat = await startRawWechat(t, (_request, response) => {
    response.end('{"access_token":"token","expires_in":7200}')
  })
  const { app } = await startHost(t, { options: { wechat: { baseUrl: wechat.url } } })
  t.equal(await app.weapp.wechat.getAccessToken(), 'token')
  t.strictSame(wechat.requests, ['POST /cgi-bin/stable_token'])
})

test('request: any code arrives unchanged, as one parameter', async (t) => {
  const { wechat, login } = await startLoginHost(t)
  const codes = [
    '&secret=x', '=', '?', '/../../cgi-bin/token', '+', ' ', '%', '%2', '%26', '#', '\\', '"', '微信', '😀', '\u00a0',
    'a'.repeat(256)
  ]
  for (const code of codes) {
    wechat.clearRequests()
    t.equal((await login(code)).statusCode, 401)
    t.match(wechat.requests, { length: 1 })
    t.match(wechat.requests[0], { method: 'GET', path: '/sns/jscode2session', body: '' })
    t.strictSame(wechat.requests[0]?.query, {
      appid: APP_ID, secret: APP_SECRET, js_code: code, grant_type: 'authorization_code'
    }, code)
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
  test(`response: is parsed whatever its content-type: ${name}`, async (t) => {
    const wechat = await startRawWechat(t, (_request, response) => {
      response.writeHead(200, headers).end(before + USER)
    })
    const { post, get } = await startHost(t, { options: { wechat: { baseUrl: wechat.url } } })
    const response = await post('/weapp/login', { code: 'code' })
    t.equal(response.statusCode, 200)
    t.strictSame((await get('/me', response.json().token)).json(), { openid: 'o-of-a-user' })
  })
}

test('response: may arrive in chunks that split a character', async (t) => {
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
  'truncated JSON': USER.slice(0, -3),
  'an array': `[${USER}]`,
  null: 'null',
  'a string': '"ok"',
  'a number': '0',
  'an empty object': '{}',
  'two JSON objects': `${USER}${USER}`
}

test('response: 502 without a retry unless it is a valid JSON object', async (t) => {
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

test('response: may have 64 KiB, and no byte more', async (t) => {
  const { wechat, login } = await startLoginHost(t, { retries: 5 })
  wechat.fault({ body: USER.padEnd(MAX_BYTES) }, { times: 1 })
  t.equal((await login()).statusCode, 200)
  wechat.fault({ body: USER.padEnd(MAX_BYTES + 1) }, { times: 1 })
  assertRefused(t, await login(), 502, 'FST_WEAPP_WECHAT_BAD_REPLY')
  wechat.fault({ huge: 500_000_000 }, { times: 1 })
  assertRefused(t, await login(), 502, 'FST_WEAPP_WECHAT_BAD_REPLY')
  t.equal(wechat.requests.length, 3)
  t.equal((await login()).statusCode, 200, 'the next login succeeds')
})

test('response: a redirect is not followed', async (t) => {
  const elsewhere = await startRawWechat(t, (_request, response) => response.end(USER))
  const { wechat, login } = await startLoginHost(t, { retries: 5 })
  for (const status of [301, 302, 303, 307, 308]) {
    wechat.clearFaults()
    wechat.clearRequests()
    wechat.fault({ status, headers: { location: `${elsewhere.url}/sns/jscode2session` } })
    assertRefused(t, await login(), 502, 'FST_WEAPP_WECHAT_BAD_REPLY')
    t.equal(wechat.requests.length, 1)
  }
  t.strictSame(elsewhere.requests, [])
})

test('response: a status other than 200 is an error, whatever the body', async (t) => {
  const { wechat, login } = await startLoginHost(t, { retries: 5 })
  for (const status of [201, 203, 206, 304, 400, 401, 403, 404, 418, 429, 499]) {
    wechat.fault({ status, body: status === 304 ? '' : USER }, { times: 1 })
    assertRefused(t, await login(), 502, 'FST_WEAPP_WECHAT_BAD_REPLY')
  }
  for (const status of [500, 502, 503, 504, 599]) {
    wechat.fault({ status, body: USER }, { times: 1 })
    assertRefused(t, await login(), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
  }
  t.equal(wechat.requests.length, 16, 'none was retried')
})

test('response: an error page of any size is discarded', async (t) => {
  const page = Buffer.alloc(5_000_000, 'x')
  for (const headers of [{ 'content-length': page.length }, {}]) {
    const wechat = await startRawWechat(t, (_request, response) => {
      response.writeHead(500, headers).end(page)
    })
    const { post } = await startHost(t, { options: { wechat: { baseUrl: wechat.url, retries: 5 } } })
    assertRefused(t, await post('/weapp/login', { code: 'code' }), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
    t.equal(wechat.requests.length, 1)
  }
})

test('retry: none if the connection breaks after the request was sent', async (t) => {
  for (const fault of [{ reset: true }, { truncate: true }] as const) {
    const { wechat, login } = await startLoginHost(t, { retries: 5 })
    wechat.fault(fault, { times: 1 })
    assertRefused(t, await login(), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
    t.equal(wechat.requests.length, 1, 'on a new connection')
    t.equal((await login()).statusCode, 200)
    wechat.fault(fault, { times: 1 })
    assertRefused(t, await login(), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
    t.equal(wechat.requests.length, 3, 'on a connection that was in use')
  }
})

/** Creates an agent that counts its connection attempts. */
function countingAgent (t: Test, connect: buildConnector.connector = buildConnector({})) {
  const agent = {
    attempts: 0,
    dispatcher: new Agent({
      connect (options, callback) {
        agent.attempts++
        connect(options, callback)
      }
    })
  }
  t.teardown(() => agent.dispatcher.destroy())
  return agent
}

/** Returns a port that refuses connections. */
async function closedPort (): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

for (const retries of [0, 1, 3]) {
  test(`retry: ${retries} after a refused connection, then 503`, async (t) => {
    const delays = skipBackoff(t)
    const agent = countingAgent(t)
    const baseUrl = `http://127.0.0.1:${await closedPort()}`
    const { login } = await startLoginHost(t, { baseUrl, retries, dispatcher: agent.dispatcher })
    assertRefused(t, await login('code'), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
    t.equal(agent.attempts, retries + 1)
    t.equal(delays.length, retries)
  })
}

test('retry: after any failure to connect', async (t) => {
  skipBackoff(t)
  const failures = {
    'unknown host name': Object.assign(new Error(), { code: 'ENOTFOUND', syscall: 'getaddrinfo' }),
    'no route to the host': Object.assign(new Error(), { code: 'EHOSTUNREACH', syscall: 'connect' }),
    'none of several addresses': Object.assign(new AggregateError([
      Object.assign(new Error(), { code: 'ETIMEDOUT', syscall: 'connect' }),
      Object.assign(new Error(), { code: 'EHOSTUNREACH', syscall: 'connect' })
    ]), { code: 'ETIMEDOUT' }),
    'connect timeout': new errors.ConnectTimeoutError()
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

test('retry: `retries` times after system busy, then 503', async (t) => {
  skipBackoff(t)
  for (const retries of [0, 2]) {
    const { wechat, login } = await startLoginHost(t, { retries })
    wechat.fault({ errcode: -1 })
    assertRefused(t, await login(), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
    t.equal(wechat.requests.length, retries + 1)
  }
})

test('retry: a login succeeds after system busy', async (t) => {
  skipBackoff(t)
  const { wechat, login } = await startLoginHost(t)
  wechat.fault({ errcode: -1 }, { times: 1 })
  t.equal((await login()).statusCode, 200)
  t.equal(wechat.requests.length, 2)
  t.strictSame(wechat.requests[0]?.query, wechat.requests[1]?.query)
})

test('retry: another errcode after system busy is final', async (t) => {
  skipBackoff(t)
  const { wechat, login } = await startLoginHost(t, { retries: 5 })
  wechat.fault({ errcode: -1, processed: true }, { times: 1 })
  assertRefused(t, await login(), 401, 'FST_WEAPP_CODE_USED')
  t.equal(wechat.requests.length, 2)
})

for (const errcode of [40029, 40163, 40226, 45011, 45009, 40125, 12345]) {
  test(`retry: none after errcode ${errcode}`, async (t) => {
    const { wechat, login } = await startLoginHost(t, { retries: 5 })
    wechat.fault({ errcode })
    t.not((await login()).statusCode, 200)
    t.equal(wechat.requests.length, 1)
  })
}

for (const stall of ['headers', 'body'] as const) {
  test(`timeout: 504 without a retry if the response stalls at its ${stall}`, async (t) => {
    const { app, wechat, login } = await startLoginHost(t, { timeout: 50, retries: 5 })
    wechat.fault({ stall, processed: true }, { times: 1 })
    assertRefused(t, await login(), 504, 'FST_WEAPP_WECHAT_TIMEOUT')
    t.equal(wechat.requests.length, 1)
    await app.close()
  })
}

test('timeout: 504 if an error page stalls', async (t) => {
  const wechat = await startRawWechat(t, (_request, response) => response.writeHead(500).write('half'))
  const { app, post } = await startHost(t, { options: { wechat: { baseUrl: wechat.url, timeout: 50 } } })
  assertRefused(t, await post('/weapp/login', { code: 'code' }), 504, 'FST_WEAPP_WECHAT_TIMEOUT')
  await app.close()
})

test('timeout: 504 if the last byte is late, although bytes keep arriving', async (t) => {
  const wechat = await startRawWechat(t, (_request, response) => {
    response.writeHead(200).write(USER.slice(0, -1))
    const trickle = setInterval(() => response.write(' '), 5)
    response.once('close', () => clearInterval(trickle))
  })
  const { app, post } = await startHost(t, { options: { wechat: { baseUrl: wechat.url, timeout: 100 } } })
  assertRefused(t, await post('/weapp/login', { code: 'code' }), 504, 'FST_WEAPP_WECHAT_TIMEOUT')
  await app.close()
})

test('timeout: 504 if connecting is slow, and nothing is sent later', async (t) => {
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

test('retry: each delay is twice the one before', async (t) => {
  const { wechat, login } = await startLoginHost(t, { retries: 4 })
  wechat.fault({ errcode: -1 }, { times: 4 })
  const code = wechat.login('alice')
  const delays = skipBackoff(t)
  t.equal((await login(code)).statusCode, 200)
  t.strictSame(delays, [100, 200, 400, 800])
})

test('timeout: includes retries', async (t) => {
  const { wechat, login } = await startLoginHost(t, { timeout: 150, retries: 5 })
  wechat.fault({ errcode: -1 })
  assertRefused(t, await login(), 504, 'FST_WEAPP_WECHAT_TIMEOUT')
  t.ok(wechat.requests.length < 6, `${wechat.requests.length} requests`)
})

test('timeout: no timer keeps the process alive after a call', async (t) => {
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

test('dispatcher: is used, and stays open when the plugin closes', async (t) => {
  const agent = countingAgent(t)
  const { app, wechat, login } = await startLoginHost(t, { dispatcher: agent.dispatcher })
  t.equal((await login()).statusCode, 200)
  t.equal(agent.attempts, 1)
  await app.close()
  const { statusCode } = await request(`${wechat.url}/simulator/login?user=bob`, { dispatcher: agent.dispatcher })
  t.equal(statusCode, 200, 'it still works')
})

test('dispatcher: one of undici 6, or a composed one, works like the own agent', async (t) => {
  const unchanged = (dispatch: any) => dispatch
  for (const dispatcher of [new Agent6(), new Agent6().compose(unchanged), new Agent().compose(unchanged)]) {
    t.teardown(() => dispatcher.close())
    const { wechat, login } = await startLoginHost(t, { dispatcher, retries: 0 })
    t.equal((await login()).statusCode, 200)
    for (const [fault, status, code, retryAfter] of [
      [{ body: 'x'.repeat(MAX_BYTES + 1) }, 502, 'FST_WEAPP_WECHAT_BAD_REPLY', undefined],
      [{ status: 500 }, 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5],
      [{ reset: true }, 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5]
    ] as const) {
      wechat.fault(fault, { times: 1 })
      assertRefused(t, await login(), status, code, retryAfter)
    }

    const impatient = await startLoginHost(t, { baseUrl: wechat.url, dispatcher, timeout: 50, retries: 0 })
    for (const stall of ['headers', 'body'] as const) {
      wechat.fault({ stall }, { times: 1 })
      assertRefused(t, await impatient.login(wechat.login('alice')), 504, 'FST_WEAPP_WECHAT_TIMEOUT')
    }
    wechat.clearFaults()
    t.equal((await login()).statusCode, 200)
  }
})

test('dispatcher: its own errors do not delay other calls or reach a response', async (t) => {
  const agent = new Agent()
  t.teardown(() => agent.destroy())
  const throwing = agent.compose((dispatch) => (options, handler) => dispatch(options, {
    ...handler,
    onRequestStart: (_controller, context) => {
      const controller = { abort () { throw new Error('of the dispatcher') } }
      handler.onRequestStart!(controller as unknown as Dispatcher.DispatchController, context)
    },
    onResponseStart: (...args) => handler.onResponseStart!(...args),
    onResponseData: (...args) => handler.onResponseData!(...args),
    onResponseEnd: (...args) => handler.onResponseEnd!(...args),
    onResponseError: (...args) => handler.onResponseError!(...args)
  }))
  const { wechat, login } = await startLoginHost(t, { dispatcher: throwing, timeout: 100, retries: 0 })
  wechat.fault({ stall: 'headers' })
  const uncaught: unknown[] = []
  const onUncaught = (error: Error) => uncaught.push(error.message)
  process.on('uncaughtException', onUncaught)
  const responses = await Promise.all([login(), login(), login()])
  process.off('uncaughtException', onUncaught)
  for (const response of responses) assertRefused(t, response, 504, 'FST_WEAPP_WECHAT_TIMEOUT')
  t.strictSame(new Set(uncaught), new Set(['of the dispatcher']))

  for (const thrown of [null, undefined, new Error('of the dispatcher')]) {
    // The first dispatch validates the option.
    let isValidated = false
    const dispatch = () => {
      if (isValidated) throw thrown
      isValidated = true
      return true
    }
    const host = await startLoginHost(t, { dispatcher: { dispatch } as unknown as Dispatcher, retries: 0 })
    assertRefused(t, await host.login(), 503, 'FST_WEAPP_WECHAT_UNAVAILABLE', 5)
  }
})

test('agent: uses a connection for one call, and closes it', async (t) => {
  let connections = 0
  const sockets = new Set<object>()
  const wechat = await startRawWechat(t, ({ socket }, response) => {
    connections++
    sockets.add(socket)
    socket.once('close', () => { connections-- })
    response.end(USER)
  })
  const { app, post } = await startHost(t, { options: { wechat: { baseUrl: wechat.url } } })
  for (const code of ['a', 'b', 'c']) await post('/weapp/login', { code })
  t.equal(sockets.size, 3, 'three logins, three connections')
  await app.close()
  await until('every connection is closed', () => connections === 0)
})
