/** Logins that succeed although a route refuses the token of each. */
import { test, type Test } from 'tap'
import { freezeClock, SECOND } from '../helpers/clock.js'
import { startHost } from '../helpers/host.js'
import { CODES, deferred, PAST_IDLE, startPhone, type Phone } from '../helpers/phone.js'

interface Guarded extends Phone {
  /** Whether the guard refuses a token. */
  isRefused: (token: string) => boolean
  /** Refuses the token that the phone has now. */
  refuseCurrent (): void
}

/** Starts a phone, and a host whose guarded routes refuse tokens with the code. The route /open-news has no guard. */
async function startGuarded (t: Test, code: string = CODES.expired, statusCode = 401): Promise<Guarded> {
  const phone = await startPhone(t, {
    before: (app) => app.addHook('onRequest', async (request, reply) => {
      const token = request.headers.authorization?.slice('Bearer '.length)
      if (!/^\/(me|weapp\/session|orders)/.test(request.url) || token === undefined) return
      if (guarded.isRefused(token)) await reply.code(statusCode).header('Weapp-Error', code).send({ code })
    }),
    after: (app) => {
      app.get('/open-news', () => ({}))
      app.get('/orders/:id', { config: { weapp: true } }, () => ({}))
    }
  })
  const guarded: Guarded = {
    ...phone,
    isRefused: () => false,
    refuseCurrent () {
      const current = phone.client.token
      guarded.isRefused = (token) => token === current
    }
  }
  return guarded
}

/** The times of the logins, in seconds, while every token is refused: the first, one renewal, then delays. */
const TIMES = [0, 0, 1, 3, 7, 15, 31, 63, 95, 127]

for (const url of ['/me', '/weapp/session', '/orders/1?page=1']) {
  test(`refused tokens: polls of ${url} renew them once, then after 1 to 32 seconds`, async (t) => {
    const clock = freezeClock(t)
    const phone = await startGuarded(t)
    phone.isRefused = () => true
    const times: number[] = []
    for (let second = 0; second < 130; second += 0.5) {
      const { login } = phone.mini.calls
      t.match(await phone.client.request({ url }), { statusCode: 401, data: { code: CODES.expired } })
      for (let i = login; i < phone.mini.calls.login; i += 1) times.push(second)
      clock.advance(SECOND / 2)
    }
    t.strictSame(times, TIMES)
    phone.isRefused = () => false
    t.equal((await phone.client.request({ url })).statusCode, 200)
    phone.refuseCurrent()
    t.equal((await phone.client.request({ url })).statusCode, 200, 'a token that was accepted is renewed at once')
    t.equal(phone.mini.calls.login, TIMES.length + 1)
  })
}

test('refused tokens: the stores of two servers in memory', async (t) => {
  const clock = freezeClock(t)
  const { launch } = await startPhone(t)
  const other = await startHost(t)
  const otherUrl = await other.app.listen({ host: '127.0.0.1', port: 0 })
  const { client, mini } = launch({
    platform: (wx) => ({
      ...wx,
      request: (options) => {
        const isLogin = options.url.endsWith('/login')
        return wx.request(isLogin ? options : { ...options, url: options.url.replace(/^http:..[^/]+/, otherUrl) })
      }
    })
  })
  for (let second = 0; second < 60; second += 1) {
    t.match(await client.request({ url: '/me' }), { statusCode: 401 })
    await t.rejects(client.session(), { code: /^FST_WEAPP_/, statusCode: 401 })
    clock.advance(SECOND)
  }
  t.equal(mini.calls.login, TIMES.filter((time) => time < 60).length)
})

test('refused tokens: an open route between two refusals does not end the delay', async (t) => {
  const clock = freezeClock(t)
  const phone = await startGuarded(t)
  phone.isRefused = () => true
  for (let second = 0; second < 60; second += 1) {
    t.equal((await phone.client.request({ url: '/me' })).statusCode, 401)
    t.equal((await phone.client.request({ url: '/open-news' })).statusCode, 200)
    clock.advance(SECOND)
  }
  t.equal(phone.mini.calls.login, TIMES.filter((time) => time < 60).length)
})

test('refused tokens: a route that refuses every token delays no other route', async (t) => {
  freezeClock(t)
  const phone = await startGuarded(t)
  phone.isRefused = () => true
  for (let i = 0; i < 10; i += 1) {
    t.equal((await phone.client.request({ url: '/me' })).statusCode, 401)
    t.equal((await phone.client.request({ url: '/feed' })).statusCode, 200)
    t.equal((await phone.client.request({ url: '/echo/200' })).statusCode, 200)
    await phone.client.ensureSessionKey()
  }
  t.equal(phone.mini.calls.login, 2)
})

test('refused tokens: a token that was accepted is renewed at once, any number of times', async (t) => {
  freezeClock(t)
  const phone = await startGuarded(t)
  for (let logins = 1; logins <= 10; logins += 1) {
    for (const url of ['/me', '/orders/1']) t.equal((await phone.client.request({ url })).statusCode, 200)
    t.equal(phone.mini.calls.login, logins)
    phone.refuseCurrent()
  }
})

test('refused tokens: ten requests at once with an expired session never wait', async (t) => {
  const clock = freezeClock(t)
  const { client, mini } = await startPhone(t)
  for (let logins = 1; logins <= 4; logins += 1) {
    const answers = await Promise.all(Array.from({ length: 10 }, () => client.request({ url: '/me' })))
    t.strictSame(answers.map(({ statusCode }) => statusCode), Array(10).fill(200))
    t.equal(mini.calls.login, logins)
    clock.advance(PAST_IDLE)
  }
})

test('refused tokens: login() is never delayed', async (t) => {
  freezeClock(t)
  const phone = await startGuarded(t)
  phone.isRefused = () => true
  for (let i = 0; i < 5; i += 1) t.equal((await phone.client.request({ url: '/me' })).statusCode, 401)
  const { login } = phone.mini.calls
  for (let i = 1; i <= 3; i += 1) {
    const { token } = await phone.client.login()
    t.strictSame([phone.client.token, phone.mini.calls.login], [token, login + i])
  }
  phone.isRefused = () => false
  t.equal((await phone.client.request({ url: '/me' })).statusCode, 200)
  await phone.client.logout()
  await phone.client.login()
  phone.refuseCurrent()
  t.equal((await phone.client.request({ url: '/me' })).statusCode, 200)
})

test('refused tokens: an optional route that serves a guest each time', async (t) => {
  const clock = freezeClock(t)
  const { client, mini } = await startPhone(t, {
    after: (app) => {
      app.get('/guests', (_request, reply) => reply.header('Weapp-Session', CODES.expired).send({}))
    }
  })
  await client.login()
  for (let second = 0; second < 60; second += 1) {
    t.equal((await client.request({ url: '/guests', auth: 'optional' })).statusCode, 200)
    clock.advance(SECOND)
  }
  t.ok(mini.calls.login <= TIMES.length, `${mini.calls.login} logins`)
})

test('refused tokens: a session_key that is stale after each login', async (t) => {
  const clock = freezeClock(t)
  const phone = await startGuarded(t, CODES.stale, 409)
  phone.isRefused = () => true
  for (let second = 0; second < 60; second += 1) {
    await t.rejects(phone.client.request({ url: '/me' }), { code: CODES.stale, message: /tap again/ })
    clock.advance(SECOND)
  }
  t.equal(phone.mini.calls.login, TIMES.filter((time) => time < 60).length)
  phone.isRefused = () => false
  t.equal((await phone.client.request({ url: '/me' })).statusCode, 200)
})

test('refused tokens: a login that fails keeps to its Retry-After', async (t) => {
  const clock = freezeClock(t)
  const phone = await startGuarded(t)
  await phone.client.login()
  const pause = deferred()
  phone.mini.fault({ answerDelay: pause.promise }, { path: '/me', times: 1 })
  const slow = phone.client.request({ url: '/me' })
  while (phone.mini.requests[1]?.statusCode !== 200) await new Promise(setImmediate)
  phone.refuseCurrent()
  const restore = phone.host.wechat.fault({ errcode: 45011 })
  await t.rejects(phone.client.request({ url: '/me' }), { code: 'FST_WEAPP_WECHAT_LIMITED', retryAfter: 60 })
  pause.resolve()
  t.equal((await slow).statusCode, 200, 'the token was accepted before it was refused')
  clock.advance(59 * SECOND)
  await t.rejects(phone.client.request({ url: '/me' }), { code: 'FST_WEAPP_WECHAT_LIMITED', retryAfter: 1 })
  t.equal(phone.mini.calls.login, 2)
  restore()
  clock.advance(SECOND)
  t.equal((await phone.client.request({ url: '/me' })).statusCode, 200)
})

test('refused tokens: a late refusal of a token whose renewal failed rejects with the failure', async (t) => {
  freezeClock(t)
  const phone = await startGuarded(t)
  await phone.client.login()
  phone.refuseCurrent()
  const pause = deferred()
  phone.mini.fault({ answerDelay: pause.promise }, { path: '/me', times: 1 })
  const slow = phone.client.request({ url: '/me' })
  while (phone.mini.requests[1]?.statusCode !== 401) await new Promise(setImmediate)
  phone.mini.fault({ fail: 'timeout' }, { api: 'login', times: 1 })
  await t.rejects(phone.client.request({ url: '/me' }), { code: 'WEAPP_WX_LOGIN_FAILED' })
  pause.resolve()
  await t.rejects(slow, { code: 'WEAPP_WX_LOGIN_FAILED', retryAfter: 1 })
})

test('refused tokens: a failure of the server between two refusals does not end the delay', async (t) => {
  freezeClock(t)
  let answer = { statusCode: 401, code: CODES.expired as string }
  const { client, mini } = await startPhone(t, {
    after: (app) => {
      app.get('/never', (_request, reply) => reply.code(answer.statusCode).send({ code: answer.code }))
    }
  })
  for (const code of ['FST_WEAPP_STORE_UNAVAILABLE', 'FST_WEAPP_TOKEN_MISSING', 'BUSY']) {
    answer = { statusCode: 401, code: CODES.expired }
    t.equal((await client.request({ url: '/never' })).statusCode, 401)
    answer = { statusCode: 503, code }
    t.equal((await client.request({ url: '/never' })).statusCode, 503)
  }
  t.equal(mini.calls.login, 2)
})

test('refused tokens: a late refusal is sent again with the newer token, although a delay has begun', async (t) => {
  freezeClock(t)
  const phone = await startGuarded(t, CODES.stale, 409)
  const { token: old } = await phone.client.login()
  phone.isRefused = () => true
  const pause = deferred()
  phone.mini.fault({ answerDelay: pause.promise }, { path: '/me', times: 1 })
  const slow = phone.client.request({ url: '/me' })
  while (phone.mini.requests[1]?.statusCode !== 409) await new Promise(setImmediate)
  await t.rejects(phone.client.request({ url: '/orders/1' }), { code: CODES.stale })
  phone.isRefused = (token) => token === old
  pause.resolve()
  t.equal((await slow).statusCode, 200)
  t.equal(phone.mini.calls.login, 2)
})
