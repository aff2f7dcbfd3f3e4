import { test } from 'tap'
import { failureOf, startMiniProgram } from '../../helpers/mini-program.js'
import { deferred } from '../../helpers/phone.js'

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
  t.throws(() => phone.wx.setStorageSync('a', 1), /setStorageSync:fail full/)
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
