import { join } from 'node:path'
import { test } from 'tap'
import {
  createMiniProgram, type WxFailure, type WxRequestOptions, type WxUploadOptions, type WxUploadResult
} from '../../../src/testing/index.js'
import { deferred } from '../../helpers/deferred.js'
import { failureOf, startMiniProgram } from '../../helpers/mini-program.js'

test('wx.login and wx.checkSession: use the session_key of the simulator', async (t) => {
  const { phone, wechat } = await startMiniProgram(t)
  t.match(await failureOf(phone.wx.checkSession()), { errMsg: /^checkSession:fail/, errno: Number })
  t.match(await phone.wx.login(), { code: /^\w{32}$/, errMsg: 'login:ok' })
  t.strictSame(await phone.wx.checkSession(), { errMsg: 'checkSession:ok' })
  wechat.rotateKey('alice')
  const failed = await new Promise<WxFailure>((resolve) => phone.wx.checkSession({ fail: resolve }))
  t.match(failed, { errMsg: /^checkSession:fail/ })
  t.match(phone.calls, { login: 1, checkSession: 3, request: 0 })
})

test('callbacks: called instead of a promise', async (t) => {
  const { phone } = await startMiniProgram(t)
  let returned: unknown = 'nothing yet'
  const events: string[] = []
  await new Promise<void>((resolve) => {
    returned = phone.wx.login({
      success: ({ errMsg }) => events.push(`success ${errMsg}`), complete: () => { events.push('complete'); resolve() }
    })
    events.push('returned')
  })
  t.equal(returned, undefined)
  t.strictSame(events, ['returned', 'success login:ok', 'complete'])
  phone.fault({ fail: 'no' }, { api: 'login' })
  await new Promise<void>((resolve) => {
    phone.wx.login({ fail: ({ errMsg }) => events.push(`fail ${errMsg}`), complete: () => resolve() })
  })
  t.equal(events.at(-1), 'fail login:fail no')
})

test('appId: defaults to the first app of the simulator', async (t) => {
  const { phone, wechat, request } = await startMiniProgram(t)
  t.strictSame(phone.wx.getAccountInfoSync(), { miniProgram: { appId: 'wx1', envVersion: 'develop', version: '' } })
  const other = createMiniProgram(wechat, { user: 'alice', appId: 'wx2' })
  t.equal(
    (await request({ header: { Referer: 'https://example.com/' } }, other)).data.headers.referer,
    'https://servicewechat.com/wx2/devtools/page-frame.html'
  )
  await other.wx.login()
  t.notOk(wechat.checkSession('alice'))
  t.ok(wechat.checkSession('alice', { appId: 'wx2' }))
  t.throws(() => createMiniProgram(wechat, { user: 'alice', appId: 'wx3' }), /no app 'wx3'/)
  t.throws(() => createMiniProgram({ ...wechat, apps: {} }, { user: 'alice' }), /no app ''/)
})

test('wx.request: sends the query, the body and the headers', async (t) => {
  const { request, phone, url } = await startMiniProgram(t)
  const echo = async (options: Partial<WxRequestOptions>) => (await request(options)).data
  t.match(await echo({ data: { q: 'a b', n: 1 }, header: { 'X-Mine': 5 } }), {
    query: { q: 'a b', n: '1' },
    body: null,
    headers: {
      'content-type': 'application/json',
      'x-mine': '5',
      referer: 'https://servicewechat.com/wx1/devtools/page-frame.html'
    }
  })
  const post = (data: unknown, type = 'application/json') => echo({
    method: 'POST', data, header: { 'Content-Type': type }
  })
  t.strictSame((await post({ a: [1] })).body, { a: [1] })
  t.strictSame((await post('{"a":1}')).body, { a: 1 })
  t.strictSame((await post({ a: '1 2' }, 'application/x-www-form-urlencoded')).body, { a: '1 2' })
  t.equal((await post(new Uint8Array([1, 255]).buffer, 'application/octet-stream')).body, '01ff')
  t.match(
    await echo({ method: 'POST' }), { statusCode: 400, code: 'FST_ERR_CTP_EMPTY_JSON_BODY' },
    'WeChat sends an empty body too'
  )
  t.equal(phone.calls.request, 6)
  t.match(phone.requests[1], { method: 'POST', path: '/echo', url: `${url}/echo`, data: { a: [1] }, statusCode: 200 })
})

test('wx.request: refuses PATCH, as WeChat does', async (t) => {
  const { request, phone } = await startMiniProgram(t, {}, (app) => {
    app.patch('/echo', () => t.fail('the request arrives'))
  })
  for (const method of ['PATCH', 'post']) {
    t.strictSame(await failureOf(request({ method })), { errMsg: 'request:fail method is invalid', errno: 1001 })
  }
  t.match(phone.requests, [{ method: 'PATCH', statusCode: null }, { method: 'post', statusCode: null }])
})

test('wx.request, wx.uploadFile: send the User-Agent of WeChat', async (t) => {
  const { request, phone, url } = await startMiniProgram(t, {}, (app) => {
    app.addContentTypeParser('multipart/form-data', (_request, payload, done) => {
      payload.resume().on('end', () => done(null))
    })
  })
  const userAgent = /^Mozilla\/5\.0 .* MicroMessenger\/8\.[\d.]+\(0x\w+\) NetType\/WIFI Language\/zh_CN$/
  t.match((await request({})).data.headers, { 'user-agent': userAgent })
  const { data } = await new Promise<WxUploadResult>((resolve, reject) => {
    const filePath = join(t.testdir({ 'a.txt': '' }), 'a.txt')
    phone.wx.uploadFile({ url: `${url}/echo`, filePath, name: 'file', success: resolve, fail: reject })
  })
  t.match(JSON.parse(data).headers, { 'user-agent': userAgent })
  t.match((await request({ header: { 'User-Agent': 'mine' } })).data.headers, { 'user-agent': 'mine' })
})

test('wx.request, wx.uploadFile: ten run at a time, further ones wait in order', async (t) => {
  const replies: Array<() => void> = []
  const { request, phone, url } = await startMiniProgram(t, {}, (app) => {
    app.addContentTypeParser('multipart/form-data', (_request, payload, done) => {
      payload.resume().on('end', () => done(null))
    })
    app.route({
      method: ['GET', 'POST'],
      url: '/slow',
      handler: async () => await new Promise<string>((resolve) => { replies.push(() => resolve('done')) })
    })
  })
  const arrived = async (count: number) => { while (replies.length < count) await new Promise(setImmediate) }
  const slow = { url: `${url}/slow` }
  const filePath = join(t.testdir({ 'a.txt': '' }), 'a.txt')
  const upload = new Promise((resolve, reject) => {
    phone.wx.uploadFile({ ...slow, filePath, name: 'file', success: resolve, fail: reject })
  })
  const running = [upload, ...Array.from({ length: 9 }, () => request(slow))]
  const aborted = new Promise<WxFailure>((resolve) => { phone.wx.request({ ...slow, fail: resolve }).abort() })
  const ended: string[] = []
  const waiting = ['first', 'second'].map((name) => {
    return request({ ...slow, data: { name } }).then(() => { ended.push(name) })
  })
  await arrived(10)
  t.match(await aborted, { errMsg: 'request:fail abort' }, 'a waiting request can be aborted')
  t.equal(replies.length, 10)
  replies[0]!()
  await arrived(11)
  replies[10]!()
  await arrived(12)
  t.strictSame(ended, ['first'])
  for (const reply of replies) reply()
  await Promise.all([...running, ...waiting])
  t.equal(phone.calls.request + phone.calls.uploadFile, 13)
})

test('wx.request: resolves with the status, the headers and the parsed body', async (t) => {
  const { request, url } = await startMiniProgram(t, {}, (app) => {
    app.get(
      '/status/:code', (request, reply) => reply.code(Number((request.params as { code: string }).code)).send('no')
    )
    app.get('/cookies', (_request, reply) => reply.header('set-cookie', ['a=1', 'b=2']).send('{"json": true}'))
    app.get('/raw', (_request, reply) => {
      reply.hijack()
      reply.raw.writeHead(204, { 'X-Odd-Case': 'yes' }).end()
    })
  })
  for (const code of [201, 302, 401, 403, 500]) {
    t.match(await request({ url: `${url}/status/${code}` }), { statusCode: code, data: 'no', errMsg: 'request:ok' })
  }
  t.match(
    await request({ url: `${url}/cookies` }),
    { cookies: ['a=1', 'b=2'], header: { 'set-cookie': 'a=1,b=2' }, data: { json: true } }
  )
  t.equal((await request({ url: `${url}/cookies`, dataType: 'text' })).data, '{"json": true}')
  const { data } = await request({ url: `${url}/cookies`, responseType: 'arraybuffer' })
  t.equal(Buffer.from(data).toString(), '{"json": true}')
  t.match(await request({ url: `${url}/raw` }), { statusCode: 204, data: '', header: { 'X-Odd-Case': 'yes' } })
})

test('wx.request: fails without a response', async (t) => {
  const { request, phone, url } = await startMiniProgram(t, {}, (app) => {
    app.get('/never', (_request, reply) => { reply.hijack() })
  })
  t.match(
    await failureOf(request({ url: 'http://127.0.0.1:1/' })), { errMsg: /^request:fail .*ECONNREFUSED/, errno: 600001 }
  )
  t.strictSame(
    await failureOf(request({ url: 'nowhere' })), { errMsg: 'request:fail invalid url "nowhere"', errno: 600009 }
  )
  t.match(await failureOf(request({ url: `${url}/never`, timeout: 1 })), { errMsg: 'request:fail timeout', errno: 5 })
  const failed = new Promise<WxFailure>((resolve) => {
    phone.wx.request({ url: `${url}/never`, fail: resolve }).abort()
  })
  t.match(await failed, { errMsg: 'request:fail abort' })
  phone.wx.request({ url: `${url}/never` }).abort()
})

test('timeout, abort: end a call that a fault delays', async (t) => {
  const { request, phone, url } = await startMiniProgram(t, {}, (app) => {
    app.get('/late', () => t.fail('an aborted request is not sent'))
  })
  const delay = deferred()
  phone.fault({ delay: delay.promise }, { times: 2, path: '/late' })
  phone.fault({ answerDelay: new Promise(() => {}) }, { times: 1 })
  phone.fault({ delay: new Promise(() => {}) }, { times: 1, api: 'login' })
  const late = { url: `${url}/late` }
  t.match(await failureOf(request({ ...late, timeout: 1 })), { errMsg: 'request:fail timeout', errno: 5 })
  const failed = new Promise<WxFailure>((resolve) => { phone.wx.request({ ...late, fail: resolve }).abort() })
  t.match(await failed, { errMsg: 'request:fail abort' })
  delay.resolve()
  t.match(await failureOf(request({ timeout: 100 })), { errMsg: 'request:fail timeout' }, 'the answer is late')
  t.match(await failureOf(phone.wx.login({ timeout: 1 })), { errMsg: 'login:fail timeout', errno: 5 })
  t.match(await phone.wx.login({ timeout: 60_000 }), { errMsg: 'login:ok' })
})

test('wx.uploadFile: sends a form, and resolves without headers', async (t) => {
  const filePath = join(t.testdir({ 'a.txt': 'a file' }), 'a.txt')
  const { phone, url } = await startMiniProgram(t, {}, (app) => {
    app.addContentTypeParser(
      'multipart/form-data', { parseAs: 'string' }, async (_request: unknown, body: string) => body
    )
  })
  const upload = (options: Partial<WxUploadOptions> = {}) => new Promise<WxUploadResult>((resolve, reject) => {
    const header = { 'X-Page': 1, 'Content-Type': 'text/plain' }
    phone.wx.uploadFile({
      url: `${url}/echo`,
      filePath,
      name: 'file',
      formData: { page: 2 },
      header,
      ...options,
      success: resolve,
      fail: reject
    })
  })
  const { data, ...result } = await upload()
  t.strictSame(result, { errMsg: 'uploadFile:ok', statusCode: 200 })
  const { headers, body } = JSON.parse(data)
  t.match(headers, {
    'x-page': '1',
    'content-type': /^multipart\/form-data; boundary=/,
    referer: 'https://servicewechat.com/wx1/devtools/page-frame.html'
  })
  t.match(body, /name="page"\r\n\r\n2\r\n[^]*name="file"; filename="a.txt"\r\nContent-Type: text\/plain\r\n\r\na file\r\n/)
  t.strictSame(
    await failureOf(upload({ filePath: `${filePath}.gone` })),
    { errMsg: 'uploadFile:fail file not found', errno: 600003 }
  )
  phone.fault({ fail: 'timeout' }, { api: 'uploadFile', path: '/echo', times: 1 })
  t.match(await failureOf(upload()), { errMsg: 'uploadFile:fail timeout' })
  t.equal(phone.calls.uploadFile, 3)
  t.match(phone.requests, [
    { method: 'POST', path: '/echo', data: { page: 2 }, statusCode: 200 }, { statusCode: null }, { statusCode: null }
  ])
  t.match(JSON.parse((await upload({ formData: {} })).data).body, /a file/)
  t.match(await failureOf(upload({ url: 'nowhere' })), { errMsg: 'uploadFile:fail invalid url "nowhere"' })
})

test('wx.uploadFile: sends the content type of the extension', async (t) => {
  const { phone, url } = await startMiniProgram(t, {}, (app) => {
    app.addContentTypeParser(
      'multipart/form-data', { parseAs: 'string' }, async (_request: unknown, body: string) => body
    )
  })
  const folder = t.testdir({ 'a.PNG': '', 'b.jpg': '', 'c.mp3': '', d: '', 'e.unknown': '' })
  const types: Record<string, string> = {
    'a.PNG': 'image/png',
    'b.jpg': 'image/jpeg',
    'c.mp3': 'audio/mpeg',
    d: 'application/octet-stream',
    'e.unknown': 'application/octet-stream'
  }
  for (const [file, type] of Object.entries(types)) {
    const { data } = await new Promise<WxUploadResult>((resolve, reject) => {
      const filePath = join(folder, file)
      phone.wx.uploadFile({ url: `${url}/echo`, filePath, name: 'file', success: resolve, fail: reject })
    })
    t.equal(JSON.parse(data).body.match(/Content-Type: (.*)\r\n/)[1], type, file)
  }
})

test('unauthorizedAs: a 401 succeeds as on a phone, or fails as on a PC', async (t) => {
  const { request, wechat, url } = await startMiniProgram(t, {}, (app) => {
    app.get('/401', (_request, reply) => reply.code(401).header('weapp-error', 'X').send({ code: 'X' }))
  })
  const on = (unauthorizedAs: 'answer' | 'failure' | 'bare failure') => createMiniProgram(wechat, {
    user: 'alice', unauthorizedAs
  })
  t.match(await request({ url: `${url}/401` }, on('answer')), { statusCode: 401, errMsg: 'request:ok' })
  t.match(
    await failureOf(request({ url: `${url}/401` }, on('failure'))),
    { errMsg: 'request:fail 401 Unauthorized', statusCode: 401, data: { code: 'X' }, header: { 'weapp-error': 'X' } }
  )
  const bare = on('bare failure')
  t.strictSame(Object.keys(await failureOf(request({ url: `${url}/401` }, bare))), ['errMsg', 'errno'])
  t.match(bare.requests, [{ statusCode: 401 }])
  t.equal((await request({}, bare)).statusCode, 200)
})

test('storage: stores copies, and survives a launch', async (t) => {
  const { phone, wechat } = await startMiniProgram(t)
  const { wx } = phone
  const value = { list: [1] }
  t.equal(wx.getStorageSync('key'), '')
  wx.setStorageSync('key', value)
  value.list.push(2)
  wx.getStorageSync('key').list.push(3)
  t.strictSame(wx.getStorageSync('key'), { list: [1] })
  t.strictSame([...phone.storage], [['key', { list: [1] }]])
  const next = createMiniProgram(wechat, { user: 'alice', storage: phone.storage }).wx
  t.strictSame(next.getStorageSync('key'), { list: [1] })
  next.removeStorageSync('key')
  t.equal(wx.getStorageSync('key'), '')

  t.strictSame(await wx.setStorage({ key: 'later', data: 1 }), { errMsg: 'setStorage:ok' })
  t.strictSame(await wx.getStorage({ key: 'later' }), { data: 1, errMsg: 'getStorage:ok' })
  t.strictSame(await wx.removeStorage({ key: 'later' }), { errMsg: 'removeStorage:ok' })
  t.match(await failureOf(wx.getStorage({ key: 'later' })), { errMsg: 'getStorage:fail data not found' })
  t.throws(() => wx.setStorageSync('key', () => {}), { name: 'DataCloneError' })
})
