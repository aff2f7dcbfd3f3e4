import { once } from 'node:events'
import { createServer as createTlsServer } from 'node:https'
import net, { createServer, type AddressInfo } from 'node:net'
import { Agent } from 'undici'
import { Agent as Agent6 } from 'undici-6'
import { test, type Test } from 'tap'
import { createWechatClient, type WechatClientOptions } from '../../src/index.js'
import { createAgent, loadUndici } from '../../src/wechat/agent.js'
import { HttpExchange, type HttpResponse } from '../../src/wechat/http-exchange.js'
import { deferred } from '../helpers/deferred.js'
import { selfSignedCertificate } from '../helpers/self-signed.js'
import { APP_ID, APP_SECRET } from '../helpers/host.js'

function startClient (t: Test, options: Partial<WechatClientOptions>) {
  const client = createWechatClient({ appId: APP_ID, appSecret: APP_SECRET, ...options } as WechatClientOptions)
  t.teardown(() => client.close())
  return client
}

/**
 * Starts a server in place of a faulty proxy before WeChat. It answers each request twice: at once, or the second time
 * after a delay. The answer names the code of the request.
 */
async function startTwice (t: Test, delays: readonly number[]): Promise<string> {
  let requests = 0
  const sockets = new Set<net.Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk
      if (!received.includes('\r\n\r\n')) return
      const code = /js_code=([^&\s]+)|"code":"([^"]+)"/.exec(received)
      if (code === null && !received.includes('stable_token')) return
      received = ''
      const answer = answerTo(code?.[1] ?? code?.[2] ?? null)
      const delay = delays[requests++ % delays.length]!
      if (delay === 0) {
        socket.write(answer + answer)
      } else {
        socket.write(answer)
        setTimeout(() => socket.destroyed || socket.write(answer), delay)
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function answerTo (code: string | null): string {
  const body = JSON.stringify(code === null
    ? { access_token: 'token', expires_in: 7200 }
    : {
        openid: `o-${code}`,
        session_key: 'k',
        phone_info: {
          phoneNumber: code, purePhoneNumber: code, countryCode: '86', watermark: { appid: APP_ID, timestamp: 1 }
        }
      })
  return `HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: ${body.length}\r\n\r\n${body}`
}

const DISPATCHERS = {
  'own agent': () => undefined,
  'a dispatcher of undici 7': () => new Agent({ connections: 2 }),
  'a dispatcher of undici 6': () => new Agent6({ connections: 2 })
}

for (const [name, create] of Object.entries(DISPATCHERS)) {
  test(`T53: agent: no call receives the answer of another, ${name}`, async (t) => {
    const dispatcher = create()
    if (dispatcher !== undefined) t.teardown(() => dispatcher.destroy())
    const baseUrl = await startTwice(t, [0, 30, 5, 30])
    const client = startClient(t, { baseUrl, concurrency: 8, ...dispatcher !== undefined && { dispatcher } })
    const wrong: string[] = []
    const call = async (code: string): Promise<void> => {
      const { openid } = await client.code2Session(code)
      if (openid !== `o-${code}`) wrong.push(`${code} received ${openid}`)
      const { phoneNumber } = await client.getPhoneNumber(code)
      if (phoneNumber !== code) wrong.push(`${code} received the phone number ${phoneNumber}`)
    }
    for (let n = 0; n < 300; n += 10) {
      await Promise.all(Array.from({ length: 10 }, (_, i) => call(String(1000 + n + i))))
    }
    t.strictSame(wrong, [])
  })
}

test('T57: agent: verifies certificates under NODE_TLS_REJECT_UNAUTHORIZED=0 as well', async (t) => {
  const requests: unknown[] = []
  const server = createTlsServer(selfSignedCertificate(t), (request, response) => {
    requests.push(request.url)
    response.end('{"openid":"of-an-attacker","session_key":"k"}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const baseUrl = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  t.intercept(process, 'emitWarning', { value: () => {} })
  t.intercept(process, 'env', { value: { ...process.env, NODE_TLS_REJECT_UNAUTHORIZED: '0' } })
  await t.rejects(startClient(t, { baseUrl }).code2Session('code'), {
    code: 'FST_WEAPP_WECHAT_UNAVAILABLE', failure: 'DEPTH_ZERO_SELF_SIGNED_CERT'
  })
  t.strictSame(requests, [])
})

test('agent: an attempt to connect may take half the timeout, whatever the default of Node.js', async (t) => {
  const attempts = t.capture(net, 'connect', net.connect)
  await t.rejects(startClient(t, { baseUrl: 'http://127.0.0.1:1', timeout: '9s', retries: 0 }).code2Session('code'), {
    code: 'FST_WEAPP_WECHAT_UNAVAILABLE'
  })
  t.match(attempts(), [{ args: [{ autoSelectFamilyAttemptTimeout: 4500 }] }])
})

const GET = { path: '/?js_code=a', method: 'GET' as const }

test('agent: close waits for a request that came while undici was loading', async (t) => {
  const origin = await startTwice(t, [0])
  const loading = deferred()
  const agent = createAgent(1000, async () => {
    await loading.promise
    return await import('undici')
  })
  let dispatched!: Promise<boolean>
  const response = new Promise<HttpResponse>((resolve, reject) => {
    dispatched = agent.dispatch({ ...GET, origin }, new HttpExchange({ resolve, reject }, 1024))
  })
  const closed = Promise.all([agent.close(), agent.close()])
  loading.resolve()
  t.equal(await dispatched, true)
  t.match(await response, { statusCode: 200 })
  await closed
})

test('agent: a call after close is refused, and undici is not loaded', async (t) => {
  const client = startClient(t, {})
  await client.close()
  await t.rejects(client.code2Session('code'), { code: 'FST_WEAPP_WECHAT_UNAVAILABLE' })
  await client.close()
})

const FAILURE = Object.assign(new Error('too many open files'), { code: 'EMFILE' })

test('agent: requests are refused if undici cannot be loaded, and close succeeds', async (t) => {
  const agent = createAgent(1000, () => Promise.reject(FAILURE))
  const handler = new HttpExchange({ resolve () {}, reject () {} }, 1024)
  await t.rejects(agent.dispatch({ ...GET, origin: 'http://127.0.0.1:1' }, handler), FAILURE)
  await agent.close()
})

test('agent: a request after a failed load of undici loads it again, once', async (t) => {
  const origin = await startTwice(t, [0])
  let loads = 0
  const agent = createAgent(1000, async () => {
    if (++loads === 1) throw FAILURE
    return await import('undici')
  })
  t.teardown(() => agent.close())
  const request = (): Promise<HttpResponse> => new Promise((resolve, reject) => {
    agent.dispatch({ ...GET, origin }, new HttpExchange({ resolve, reject }, 1024)).catch(reject)
  })
  t.match(await Promise.allSettled([request(), request()]), [{ reason: FAILURE }, { reason: FAILURE }])
  t.match(await Promise.all([request(), request()]), [{ statusCode: 200 }, { statusCode: 200 }])
  t.equal(loads, 2)
})

test('agent: undici is loaded by require after its import failed', async (t) => {
  t.equal((await loadUndici(() => Promise.reject(FAILURE))).Agent, Agent)
})
