import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'tap'
import { startWechatSimulator } from '../../../src/testing/simulator/simulator.js'
import { MINUTE } from '../../helpers/clock.js'
import { APPS, LOGIN, call, code2Session, post, simulate } from '../../helpers/simulator.js'

test('code2Session: the response has WeChat\'s format', async (t) => {
  const { wechat } = await simulate(t)
  const answer = await code2Session(wechat, wechat.login('alice'))

  const expected = JSON.stringify({ session_key: wechat.sessionKey('alice'), openid: wechat.openid('alice') })
  t.equal(answer.status, 200)
  t.equal(answer.contentType, 'text/plain')
  t.equal(answer.text, expected.replaceAll('/', '\\/'), 'slashes escaped, no errcode, no unionid')
})

test('codes, openids, session keys: have WeChat\'s formats', async (t) => {
  const { wechat } = await simulate(t)
  t.match(wechat.login('alice'), /^[0-9A-Za-z]{32}$/)
  t.match(wechat.phoneCode('alice'), /^[\da-f]{64}$/)
  t.match(wechat.openid('alice'), /^o[\w-]{27}$/)
  t.equal(Buffer.from(wechat.sessionKey('alice'), 'base64').length, 16)
})

test('openPlatform: logins return a unionid that is the same in all apps', async (t) => {
  const { wechat } = await simulate(t, { openPlatform: true })
  const first = await code2Session(wechat, wechat.login('alice'))
  const second = await code2Session(wechat, wechat.login('alice', { appId: 'wx2' }), { appid: 'wx2', secret: APPS.wx2 })

  t.equal(first.json.unionid, wechat.unionid('alice'))
  t.equal(second.json.unionid, wechat.unionid('alice'))
  t.not(first.json.openid, second.json.openid)
  t.not(wechat.unionid('alice'), wechat.unionid('bob'))
})

test('openid: is the same after a restart', async (t) => {
  const { wechat: first } = await simulate(t)
  const { wechat: second } = await simulate(t)
  t.equal(first.openid('alice'), second.openid('alice'))
  t.not(first.sessionKey('alice'), second.sessionKey('alice'))
})

test('login code: valid once', async (t) => {
  const { wechat } = await simulate(t)
  const code = wechat.login('alice')
  await code2Session(wechat, code)
  t.equal((await code2Session(wechat, code)).json.errcode, 40163)
})

test('login code: valid for five minutes', async (t) => {
  const { wechat, clock } = await simulate(t)
  const early = wechat.login('alice')
  clock.now += MINUTE
  const late = wechat.login('alice')

  clock.now += 4 * MINUTE
  t.equal((await code2Session(wechat, early)).json.errcode, 40029)
  t.ok((await code2Session(wechat, late)).json.openid)
})

test('login code: stays valid after a refused exchange', async (t) => {
  const { wechat } = await simulate(t)
  const code = wechat.login('alice')
  for (const [query, errcode] of [
    [{ appid: '' }, 41002],
    [{ secret: '' }, 41004],
    [{ js_code: '' }, 41008],
    [{ grant_type: 'client_credential' }, 40002],
    [{ appid: 'constructor' }, 40013],
    [{ secret: 'wrong' }, 40125],
    [{ js_code: 'the code is a mock one' }, 40029],
    [{ js_code: wechat.phoneCode('alice') }, 40029],
    [{ appid: 'wx2', secret: APPS.wx2 }, 40029]
  ] as Array<[Record<string, string>, number]>) {
    const answer = await code2Session(wechat, code, query)
    t.equal(answer.json.errcode, errcode, JSON.stringify(query))
    t.equal(answer.status, 200)
    t.equal(answer.contentType, 'text/plain')
  }
  t.equal((await post(wechat, LOGIN, {})).json.errcode, 41002, 'WeChat ignores the parameters of a POST')
  t.ok((await code2Session(wechat, code)).json.openid)
})

test('errmsg: is different in every refusal', async (t) => {
  const { wechat } = await simulate(t)
  const older = /^invalid code, hints: \[ req_id: [\w-]{11} \]$/
  const newer = /^invalid code, rid: [\da-f]{8}-[\da-f]{8}-[\da-f]{8}$/
  const texts = []
  for (let i = 0; i < 4; i++) texts.push((await code2Session(wechat, 'unknown')).json.errmsg)

  t.equal(new Set(texts).size, 4)
  t.equal(texts.filter((text) => older.test(text)).length, 2)
  t.equal(texts.filter((text) => newer.test(text)).length, 2)
})

test('apps: a changed secret applies at once', async (t) => {
  const { wechat } = await simulate(t)
  wechat.apps.wx1 = 'renewed'
  t.equal((await code2Session(wechat, wechat.login('alice'))).json.errcode, 40125)
  t.ok((await code2Session(wechat, wechat.login('alice'), { secret: 'renewed' })).json.openid)
  t.equal(APPS.wx1, 'first-secret', 'the caller\'s object is unchanged')
})

test('login: creates a new session_key for that app only', async (t) => {
  const { wechat } = await simulate(t)
  const [before, elsewhere] = [wechat.sessionKey('alice'), wechat.sessionKey('alice', { appId: 'wx2' })]
  wechat.login('alice')
  t.not(wechat.sessionKey('alice'), before)
  t.equal(wechat.sessionKey('alice', { appId: 'wx2' }), elsewhere)
})

test('keyChanges never: only rotateKey changes the session_key', async (t) => {
  const { wechat } = await simulate(t, { keyChanges: 'never' })
  const before = wechat.sessionKey('alice')
  wechat.login('alice')
  t.equal(wechat.sessionKey('alice'), before)
  wechat.rotateKey('alice')
  t.not(wechat.sessionKey('alice'), before)
})

test('checkSession: false unless the key of the latest login is valid', async (t) => {
  const { wechat } = await simulate(t)
  t.equal(wechat.checkSession('alice'), false, 'no login yet')
  wechat.login('alice')
  t.equal(wechat.checkSession('alice'), true)
  t.equal(wechat.checkSession('alice', { appId: 'wx2' }), false)
  wechat.rotateKey('alice')
  t.equal(wechat.checkSession('alice'), false)
  wechat.login('alice')
  t.equal(wechat.checkSession('alice'), true)
})

test('login: an unknown app throws', async (t) => {
  const { wechat } = await simulate(t)
  t.throws(() => wechat.login('alice', { appId: 'wx3' }), { message: "The simulator has no app 'wx3'. Add it to its apps." })

  const { wechat: empty } = await simulate(t, { apps: {} })
  t.throws(() => empty.login('alice'), { message: "The simulator has no app ''. Add it to its apps." })
})

test('/simulator/login, /simulator/phone-code: issue codes over HTTP', async (t) => {
  const { wechat } = await simulate(t)
  wechat.fault({ errcode: -1 }, { path: '/simulator/login' })

  const { json: { code } } = await call(wechat, '/simulator/login', { user: 'alice', appid: 'wx2' })
  t.equal(wechat.requests.length, 0, 'it is not a request to WeChat')
  const answer = await code2Session(wechat, code, { appid: 'wx2', secret: APPS.wx2 })
  t.equal(answer.json.openid, wechat.openid('alice', { appId: 'wx2' }))

  t.match((await call(wechat, '/simulator/login', { user: 'alice' })).json.code, /^\w{32}$/, 'by default the first app')
  const { json: { code: phoneCode } } = await call(wechat, '/simulator/phone-code', { user: 'alice' })
  t.match(phoneCode, /^[0-9a-f]{64}$/, 'a code of the phone number button')
  t.match(await call(wechat, '/simulator/login'), { status: 400, json: { error: /user=alice/ } })
  t.match(await call(wechat, '/simulator/login', { user: 'a', appid: 'wx3' }), { status: 400, json: { error: /wx3/ } })
})

test('unknown path: 404', async (t) => {
  const { wechat } = await simulate(t)
  t.match(await call(wechat, '/sns/oauth2'), { status: 404, contentType: 'text/html' })
})

test('requests: recorded in the order of arrival', async (t) => {
  const { wechat, clock } = await simulate(t)
  const next = wechat.nextRequest()
  await call(wechat, LOGIN, { js_code: 'a&b' })
  clock.now += 1
  await post(wechat, '/nowhere', 'body', { q: '1' })

  t.strictSame(wechat.requests, [
    { method: 'GET', path: LOGIN, query: { js_code: 'a&b' }, body: '', at: clock.now - 1 },
    { method: 'POST', path: '/nowhere', query: { q: '1' }, body: 'body', at: clock.now }
  ])
  t.equal(await next, wechat.requests[0])
  wechat.clearRequests()
  t.strictSame(wechat.requests, [])
})

test('requests: the last 10,000 are recorded', async (t) => {
  const { wechat } = await simulate(t)
  const socket = connect(Number(new URL(wechat.url).port))
  socket.end(Array.from({ length: 10_001 }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: simulator\r\n\r\n`).join(''))
  await once(socket.resume(), 'close')
  t.equal(wechat.requests.length, 10_000)
  t.equal(wechat.requests[0]?.path, '/1')
})

test('options: one app by default', async (t) => {
  await using wechat = await startWechatSimulator()
  const [[appid, secret]] = Object.entries(wechat.apps) as [[string, string]]
  t.match(appid, /^wx[\da-f]{16}$/)
  t.ok((await code2Session(wechat, wechat.login('alice'), { appid, secret })).json.openid)
})

test('port: a port in use rejects', async (t) => {
  const { wechat } = await simulate(t)
  await t.rejects(startWechatSimulator({ port: Number(new URL(wechat.url).port) }), { code: 'EADDRINUSE' })
})

test('close: aborts requests in flight, and may be called again', async (t) => {
  const { wechat } = await simulate(t)
  const silent = connect(Number(new URL(wechat.url).port))
  await once(silent, 'connect')
  wechat.fault({ stall: 'headers' }, { times: 1 })
  wechat.fault({ delay: 60 * MINUTE }, { times: 1 })
  wechat.fault({ delay: new Promise(() => {}) }, { times: 1 })
  const calls = []
  for (let i = 0; i < 3; i++) {
    const arrived = wechat.nextRequest()
    calls.push(t.rejects(code2Session(wechat, 'code')))
    await arrived
  }

  await Promise.all([wechat.close(), wechat.close(), ...calls, once(silent.resume(), 'close')])
  await wechat.close()
})

test('requests: an aborted request does not affect later ones', async (t) => {
  const { wechat } = await simulate(t)
  const socket = connect(Number(new URL(wechat.url).port))
  socket.end('POST /nowhere HTTP/1.1\r\nHost: simulator\r\nContent-Length: 9\r\n\r\nhalf')
  await once(socket.resume(), 'close')
  t.equal((await code2Session(wechat, 'code')).json.errcode, 40029)
})
