import { test } from 'tap'
import { createMiniProgram, type WxRequestResult, type WxTask } from '../../../src/testing/index.js'
import { deferred } from '../../helpers/deferred.js'
import { failureOf, startMiniProgram } from '../../helpers/mini-program.js'

test('faults: first in, first out, limited by api, path and times', async (t) => {
  const { phone, request, url } = await startMiniProgram(t)
  phone.fault({ fail: 'once' }, { times: 1 })
  const clear = phone.fault({ fail: 'here' }, { path: '/echo' })
  phone.fault({ fail: 'full' }, { api: 'setStorageSync', times: 1 })
  t.match(await failureOf(request({})), { errMsg: 'request:fail once' })
  t.match(await failureOf(request({})), { errMsg: 'request:fail here' })
  t.match(await request({ url: `${url}/other` }), { statusCode: 404 })
  clear()
  t.match(await request({}), { statusCode: 200 })
  t.throws(() => phone.wx.setStorageSync('a', 1), { errMsg: 'setStorageSync:fail full', message: /full/ })
  phone.wx.setStorageSync('a', 1)
  t.equal(phone.storage.get('a'), 1)
  t.match(phone.requests.map(({ statusCode }) => statusCode), [null, null, 404, 200])

  phone.offline = true
  t.match(await failureOf(request({})), { errMsg: /^request:fail/, errno: 600003 })
  t.match(await failureOf(phone.wx.login()), { errMsg: /^login:fail/ })
  t.match(await failureOf(phone.wx.checkSession()), { errMsg: /^checkSession:fail/ })
})

test('faults: delay before the request reaches the server, and after', async (t) => {
  const { phone, request } = await startMiniProgram(t)
  const pause = deferred()
  phone.fault({ delay: pause.promise }, { times: 1 })
  phone.fault({ answerDelay: pause.promise }, { times: 1 })
  phone.fault({ delay: 1 }, { times: 1 })
  const order: string[] = []
  const note = (name: string) => () => { order.push(name) }
  const paused = [request({}).then(note('before')), request({}).then(note('after'))]
  await request({}).then(note('soon'))
  while (phone.requests[1]!.statusCode === null) await new Promise(setImmediate)
  t.equal(phone.requests[0]!.statusCode, null)
  t.strictSame(order, ['soon'])
  pause.resolve()
  await Promise.all(paused)
  t.strictSame(order.slice(1).sort(), ['after', 'before'])
})

test('processed: the server answers, and the answer is lost', async (t) => {
  const arrived: string[] = []
  const { phone, request, url, wechat } = await startMiniProgram(t, {}, (app) => {
    app.get('/pay', async ({ id }) => { arrived.push(id) })
  })
  const pay = { url: `${url}/pay` }
  phone.fault({ fail: 'interrupted', processed: true }, { path: '/pay', times: 1 })
  t.strictSame(await failureOf(request(pay)), { errMsg: 'request:fail interrupted', errno: 600003 })
  t.equal(arrived.length, 1)
  t.match(phone.requests, [{ statusCode: 200 }])
  phone.fault({ processed: true }, { times: 1 })
  t.match(await request(pay), { statusCode: 200 })

  const before = wechat.sessionKey('alice')
  phone.fault({ fail: 'no', processed: true }, { api: 'login', times: 1 })
  t.match(await failureOf(phone.wx.login()), { errMsg: 'login:fail no' })
  t.not(wechat.sessionKey('alice'), before)

  phone.fault({ fail: 'no', processed: true }, { api: 'setStorageSync', times: 1 })
  t.throws(() => phone.wx.setStorageSync('key', 1))
  t.equal(phone.storage.get('key'), 1)
})

test('silent: the call never calls back, not even after its timeout or abort', async (t) => {
  const arrived: string[] = []
  const { phone, request, url, wechat } = await startMiniProgram(t, {}, (app) => {
    app.get('/pay', async ({ id }) => { arrived.push(id) })
  })
  const never = () => t.fail('no callback is called')
  const callbacks = { success: never, fail: never, complete: never }
  for (const api of ['login', 'checkSession', 'request', 'getStorageSync'] as const) phone.fault({ silent: true }, { api })
  t.equal(phone.wx.login(callbacks), undefined)
  phone.wx.login({ timeout: 1 })!.finally(never)
  phone.wx.checkSession(callbacks)
  phone.wx.getStorage({ key: 'key' })!.finally(never)
  phone.wx.request({ ...callbacks, url: `${url}/pay`, timeout: 1 })
  phone.wx.request({ ...callbacks, url: `${url}/pay` }).abort()
  t.equal(phone.wx.getStorageSync('key'), '')

  const other = createMiniProgram(wechat, { user: 'alice' })
  other.fault({ silent: true, processed: true }, { times: 1 })
  other.wx.request({ ...callbacks, url: `${url}/pay` })
  while (arrived.length === 0) await request({}, other)
  t.equal(arrived.length, 1, 'only the processed request arrives')
})

test('promiseOnly: the call settles its promise, and calls no callback', async (t) => {
  const { phone, url } = await startMiniProgram(t)
  const never = () => t.fail('no callback is called')
  const callbacks = { success: never, fail: never, complete: never }
  for (const api of ['login', 'checkSession', 'request', 'setStorageSync'] as const) {
    phone.fault({ promiseOnly: true, fail: 'refused' }, { api, times: 1 })
    phone.fault({ promiseOnly: true }, { api })
  }
  const request = () => phone.wx.request({ ...callbacks, url: `${url}/echo` }) as WxTask & Promise<WxRequestResult>
  t.match(await failureOf(request()), { errMsg: 'request:fail refused' })
  t.match(await request(), { statusCode: 200 })
  const aborted = request()
  aborted.abort()
  t.match(await failureOf(aborted), { errMsg: 'request:fail abort' })
  t.match(await failureOf(phone.wx.login(callbacks)), { errMsg: 'login:fail refused' })
  t.match(await phone.wx.login(callbacks), { errMsg: 'login:ok' })
  t.match(await failureOf(phone.wx.checkSession(callbacks)), { errMsg: 'checkSession:fail refused' })
  const store = () => phone.wx.setStorage({ ...callbacks, key: 'key', data: 1 })
  t.strictSame(await failureOf(store()), { errMsg: 'setStorage:fail refused', errno: 600003 })
  t.equal(phone.storage.size, 0)
  t.match(await store(), { errMsg: 'setStorage:ok' })
})
