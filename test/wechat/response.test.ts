import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { Agent as Agent6 } from 'undici-6'
import { test, type Test } from 'tap'
import { captureLog } from '../helpers/log.js'
import { startHost } from '../helpers/host.js'
import { startRawWechat } from '../helpers/raw-wechat.js'
import { startWechatClient, type TestClientOptions } from '../helpers/wechat-client.js'

const PATH = '/wxa/getwxacodeunlimit'
const PICTURE = Buffer.from([0xff, 0xd8, 0xff, ...Array.from({ length: 100_000 }, (_, i) => i % 256)])

/** Starts a client whose API responds with this body and these headers. */
async function startResponder (t: Test, options: TestClientOptions = {}) {
  const answer = { headers: {} as Record<string, string>, body: Buffer.from('{}') as Buffer | string, status: 200 }
  const wechat = await startRawWechat(t, (request, response) => {
    if (request.url!.startsWith('/cgi-bin/stable_token')) response.end('{"access_token":"token","expires_in":7200}')
    else response.writeHead(answer.status, answer.headers).end(answer.body)
  })
  const { client } = await startWechatClient(t, { baseUrl: wechat.url, ...options })
  return { answer, client, wechat }
}

test('request: returns integers beyond 2^53 as strings on request', async (t) => {
  const { answer, client } = await startResponder(t)
  answer.body = '{"errcode":0,"msgid":2207846823764410369,"n":7}'
  t.strictSame(await client.request('/a', { largeIntegers: 'string' }), {
    errcode: 0, msgid: '2207846823764410369', n: 7
  })
})

test('request: warns once for each path whose reply was rounded', async (t) => {
  const log = captureLog()
  const { app, wechat } = await startHost(t, { server: log.server })
  const warnings: unknown[] = []
  t.intercept(process, 'emitWarning', { value: (message: string, { code }: { code: string }) => { warnings.push([message, code]) } })
  const { client, wechat: other } = await startWechatClient(t)
  for (const simulator of [wechat, other]) {
    for (const path of ['/a', '/b']) simulator.fault({ body: '{"msgid":2207846823764410369}' }, { path })
  }
  for (const path of ['/a', '/a', '/b']) {
    t.type((await app.weapp.wechat.request(path)).msgid, 'number')
    await app.weapp.wechat.request(path, { largeIntegers: 'string' })
    await client.request(path)
  }
  const lines = log.lines().filter(({ weapp }) => weapp?.event === 'integer-rounded')
  t.match(lines, [
    { level: 40, weapp: { path: '/a' }, msg: /largeIntegers: 'string'/ }, { level: 40, weapp: { path: '/b' } }
  ])
  t.equal(lines.length, 2)
  t.match(warnings, [[/^\/a returned/, 'FST_WEAPP_ROUNDED_INTEGER'], [/^\/b returned/, 'FST_WEAPP_ROUNDED_INTEGER']])
})

test('request: does not remember more than 1,000 rounded paths', async (t) => {
  const { answer, client } = await startResponder(t)
  answer.body = '{"msgid":2207846823764410369}'
  let warnings = 0
  t.intercept(process, 'emitWarning', { value: () => { warnings++ } })
  for (let from = 0; from < 1010; from += 101) {
    await Promise.all(Array.from({ length: 101 }, (_, n) => client.request(`/path-${from + n}`)))
  }
  t.equal(warnings, 1000)
})

test('request: accepts raw control characters in strings', async (t) => {
  const { answer, client } = await startResponder(t)
  answer.body = '{"errcode":0,"nickname":"a\u0007b\nc"}'
  t.strictSame(await client.request('/a'), { errcode: 0, nickname: 'a\u0007b\nc' })
})

test('request: accepts more than 64 KiB if the caller allows it', async (t) => {
  const { answer, client } = await startResponder(t)
  const data = 'x'.repeat(100_000)
  answer.body = JSON.stringify({ data })
  await t.rejects(client.request('/a'), { code: 'FST_WEAPP_WECHAT_BAD_REPLY', message: String })
  t.strictSame(await client.request('/a', { maxBytes: 200_000 }), { data })
  t.match(await client.request('/a', { maxBytes: 99_999 }).catch((error) => error), { failure: 'too large' })
})

test('request: a body, query or limit that cannot be sent is a mistake of the host', async (t) => {
  const { client, wechat } = await startResponder(t)
  const circle: { self?: unknown } = {}
  circle.self = circle
  for (const body of [{ n: 1n }, circle, { toJSON: () => undefined }, { toJSON () { throw new Error('of the host') } }]) {
    await t.rejects(client.request('/a', { body }), { code: 'FST_WEAPP_INVALID_OPTION', message: /option body must/ })
  }
  await t.rejects(client.request('/a', { query: { a: Symbol('a') as unknown as string } }), {
    code: 'FST_WEAPP_INVALID_OPTION', message: /option query must/
  })
  for (const maxBytes of [0, 1.5, -1, 2 ** 30 + 1, '1' as unknown as number]) {
    await t.rejects(client.download('/a', { maxBytes }), { code: 'FST_WEAPP_INVALID_OPTION', message: /option maxBytes / })
  }
  await t.rejects(client.request('/a', { largeIntegers: 'bigint' as 'string' }), { code: 'FST_WEAPP_INVALID_OPTION' })
  t.strictSame(wechat.requests, [])
})

for (const [encoding, encode] of Object.entries({
  gzip: gzipSync, 'X-GZIP': gzipSync, deflate: deflateSync, br: brotliCompressSync
})) {
  test(`response: is decoded if a proxy compressed it: ${encoding}`, async (t) => {
    const dispatcher = new Agent6()
    t.teardown(() => dispatcher.destroy())
    for (const options of [{}, { dispatcher }]) {
      const { answer, client } = await startResponder(t, options)
      answer.headers = { 'content-encoding': encoding }
      answer.body = encode('{"errcode":0,"a":1}')
      t.strictSame(await client.request('/a'), { errcode: 0, a: 1 })
      answer.body = encode(JSON.stringify({ data: 'x'.repeat(100_000) }))
      t.match(await client.request('/a').catch((error) => error), {
        code: 'FST_WEAPP_WECHAT_BAD_REPLY', failure: 'too large'
      }, 'the limit counts decompressed bytes')
      answer.body = 'not compressed'
      t.match(await client.request('/a').catch((error) => error), { failure: 'wrong encoding' })
    }
  })
}

test('response: 502 for an unknown encoding, and none for identity', async (t) => {
  const { answer, client } = await startResponder(t)
  answer.headers = { 'content-encoding': 'identity' }
  t.strictSame(await client.request('/a'), {})
  answer.headers = { 'content-encoding': 'compress' }
  t.match(await client.request('/a').catch((error) => error), {
    code: 'FST_WEAPP_WECHAT_BAD_REPLY', failure: 'unknown encoding'
  })
})

test('download: resolves to bytes and content type, up to the limit of the caller', async (t) => {
  const dispatcher = new Agent6()
  t.teardown(() => dispatcher.destroy())
  for (const options of [{}, { dispatcher }]) {
    const { answer, client, wechat } = await startResponder(t, options)
    answer.headers = { 'content-type': 'image/jpeg' }
    answer.body = PICTURE
    const file = await client.download(PATH, { body: { scene: 'a' }, maxBytes: PICTURE.length })
    t.equal(file.contentType, 'image/jpeg')
    t.ok(file.bytes.equals(PICTURE))
    t.strictSame(wechat.requests.at(-1), `POST ${PATH}?access_token=token`)
    const tooLarge = await client.download(PATH, { maxBytes: PICTURE.length - 1 }).catch((error) => error)
    t.match(tooLarge, { code: 'FST_WEAPP_WECHAT_BAD_REPLY', failure: 'too large' })
  }
})

test('download: rejects if WeChat refuses the call or fails', async (t) => {
  const { client, wechat } = await startWechatClient(t, { retries: 0 })
  for (const [errcode, code] of [[45009, 'FST_WEAPP_WECHAT_LIMITED'], [41030, 'FST_WEAPP_WECHAT_BAD_REPLY']] as const) {
    wechat.fault({ errcode }, { path: PATH, times: 1 })
    await t.rejects(client.download(PATH), { code, errcode })
  }
  wechat.fault({ status: 500 }, { path: PATH, times: 1 })
  await t.rejects(client.download(PATH), { code: 'FST_WEAPP_WECHAT_UNAVAILABLE' })
  for (const body of ['{"errcode":0,"a":1}', '{not JSON', 'text']) {
    wechat.fault({ body }, { path: PATH, times: 1 })
    t.equal((await client.download(PATH)).bytes.toString(), body)
  }
})

test('download: renews a refused access_token once', async (t) => {
  const { client, wechat, count } = await startWechatClient(t)
  wechat.fault({ errcode: 42001 }, { path: PATH, times: 1 })
  wechat.fault({ body: 'picture', contentType: '' }, { path: PATH, times: 1 })
  t.strictSame(await client.download(PATH), { bytes: Buffer.from('picture'), contentType: '' })
  t.equal(count('/cgi-bin/stable_token'), 2)
})
