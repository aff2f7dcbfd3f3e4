import { test } from 'tap'
import { freezeClock, SECOND } from '../helpers/clock.js'
import { CODES, deferred, startPhone } from '../helpers/phone.js'

const open = (data: object) => ({ url: '/open', method: 'POST', data } as const)

test('ensureSessionKey: replaces an expired key before WeChat encrypts with it', async (t) => {
  const { client, mini, host } = await startPhone(t)
  await client.login()
  host.wechat.rotateKey('alice')
  await Promise.all(Array.from({ length: 5 }, () => client.ensureSessionKey()))
  t.match(mini.calls, { checkSession: 1, login: 2 })
  t.match(
    await client.request(open(host.wechat.encrypt('alice', { nickName: 'Alice' }))),
    { statusCode: 200, data: { nickName: 'Alice' } }
  )
  t.equal(mini.calls.login, 2)
})

test('ensureSessionKey: checks a live key once per launch', async (t) => {
  const { client, mini, launch } = await startPhone(t)
  await client.login()
  await client.ensureSessionKey()
  await client.ensureSessionKey()
  t.match(mini.calls, { checkSession: 1, login: 1 })
  const next = launch()
  await next.client.ensureSessionKey()
  t.match(next.mini.calls, { checkSession: 1, login: 0 })
})

test('ensureSessionKey: signs in if there is no session', async (t) => {
  const { client, mini } = await startPhone(t)
  await client.ensureSessionKey()
  t.type(client.token, 'string')
  t.match(mini.calls, { checkSession: 0, login: 1 })
})

test('ensureSessionKey: checks again after a failure', async (t) => {
  const clock = freezeClock(t)
  const { client, mini, host } = await startPhone(t)
  await client.login()
  host.wechat.rotateKey('alice')
  mini.fault({ fail: 'no' }, { api: 'login', times: 1 })
  await t.rejects(client.ensureSessionKey(), { code: 'WEAPP_WX_LOGIN_FAILED' })
  clock.advance(SECOND)
  await client.ensureSessionKey()
  t.match(mini.calls, { checkSession: 2, login: 3 })
})

for (const meanwhile of ['login', 'logout'] as const) {
  test(`ensureSessionKey: a ${meanwhile} during the check decides the outcome`, async (t) => {
    const { client, mini, host } = await startPhone(t)
    await client.login()
    host.wechat.rotateKey('alice')
    const pause = deferred()
    mini.fault({ delay: pause.promise, fail: 'session time out' }, { api: 'checkSession', times: 1 })
    const check = client.ensureSessionKey()
    await client[meanwhile]()
    pause.resolve()
    if (meanwhile === 'login') await check
    else await t.rejects(check, { code: CODES.revoked })
    t.equal(mini.calls.login, meanwhile === 'login' ? 2 : 1)
  })
}

test('409: ten requests with a key new to the server share one login and succeed', async (t) => {
  const { client, mini, host, sent } = await startPhone(t, { simulator: { keyChanges: 'never' } })
  await client.login()
  host.wechat.rotateKey('alice')
  sent()
  const answers = await Promise.all(Array.from({ length: 10 }, () => {
    return client.request(open(host.wechat.encrypt('alice', { nickName: 'Alice' })))
  }))
  for (const answer of answers) t.match(answer, { statusCode: 200, data: { nickName: 'Alice' } })
  t.equal(mini.calls.login, 2)
  t.equal(sent().filter((line) => line === 'POST /open 409').length, 10)
})

test('409: rejects data that no login can decrypt', async (t) => {
  const { client, host, sent } = await startPhone(t)
  await client.login()
  host.wechat.rotateKey('alice')
  const data = host.wechat.encrypt('alice', { nickName: 'Alice' })
  sent()
  await t.rejects(
    client.request(open(data)), { code: CODES.stale, statusCode: 409, message: /Ask the user to tap again/ }
  )
  t.strictSame(sent(), ['POST /open 409', 'POST /weapp/login 200', 'POST /open 409'])
  t.match(
    await client.request(open(host.wechat.encrypt('alice', { nickName: 'Alice' }))), { statusCode: 200 },
    'the next tap succeeds'
  )
})

test('409: sent again without a login if another caller has signed in', async (t) => {
  const { client, mini, host, sent } = await startPhone(t, { simulator: { keyChanges: 'never' } })
  await client.login()
  host.wechat.rotateKey('alice')
  const pause = deferred()
  mini.fault({ answerDelay: pause.promise }, { path: '/open', times: 1 })
  const request = client.request(open(host.wechat.encrypt('alice', { nickName: 'Alice' })))
  while (mini.requests.at(-1)!.statusCode !== 409) await new Promise(setImmediate)
  await client.login()
  sent()
  pause.resolve()
  t.match(await request, { statusCode: 200 })
  t.strictSame(sent(), ['POST /open 200'])
})

test('409: rejects if the server stores no session_key', async (t) => {
  const { client, host, mini, sent } = await startPhone(t, { options: { keepSessionKey: false } })
  await client.login()
  sent()
  const data = host.wechat.encrypt('alice', {})
  await t.rejects(client.request(open(data)), { code: 'FST_WEAPP_SESSION_KEY_MISSING', statusCode: 409 })
  t.equal(mini.calls.login, 2)
  sent()
  await t.rejects(
    client.request({ ...open(data), auth: 'optional' }),
    { code: 'FST_WEAPP_SESSION_KEY_MISSING', message: /The session has no session_key/ }
  )
  t.strictSame(sent(), ['POST /open 409'], 'optional does not sign in')
})

test('409: ten requests with data that no login can decrypt share one login', async (t) => {
  const { client, host, mini } = await startPhone(t)
  await client.login()
  host.wechat.rotateKey('alice')
  const data = host.wechat.encrypt('alice', { nickName: 'Alice' })
  await Promise.all(Array.from({ length: 10 }, () => {
    return t.rejects(client.request(open(data)), { code: CODES.stale, message: /Ask the user to tap again/ })
  }))
  t.equal(mini.calls.login, 2)
})
