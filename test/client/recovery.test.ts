/** Requests that the guard refuses, and the recovery of the client. */
import { test } from 'tap'
import { freezeClock } from '../helpers/clock.js'
import { CODES, PAST_IDLE, deferred, startPhone } from '../helpers/phone.js'

test('expired session: ten requests share one login, and each is sent again once', async (t) => {
  const clock = freezeClock(t)
  const { client, mini, sent } = await startPhone(t)
  await client.login()
  sent()
  clock.advance(PAST_IDLE)
  const answers = await Promise.all(Array.from({ length: 10 }, () => client.request({ url: '/me' })))
  t.strictSame(answers.map(({ statusCode }) => statusCode), Array(10).fill(200))
  t.equal(mini.calls.login, 2)
  const lines = sent()
  t.equal(lines.filter((line) => line === 'GET /me 401').length, 10)
  t.equal(lines.filter((line) => line === 'POST /weapp/login 200').length, 1)
  t.equal(lines.filter((line) => line === 'GET /me 200').length, 10)
})

test('late 401: sent again with the newer token, without a login', async (t) => {
  const clock = freezeClock(t)
  const { client, mini, sent } = await startPhone(t)
  await client.login()
  clock.advance(PAST_IDLE)
  const pause = deferred()
  mini.fault({ answerDelay: pause.promise }, { path: '/me', times: 1 })
  const late = client.request({ url: '/me' })
  while (mini.requests.at(-1)!.statusCode !== 401) await new Promise(setImmediate)
  const answer = await client.request({ url: '/me' })
  t.equal(answer.statusCode, 200)
  const { token } = client
  sent()
  pause.resolve()
  t.equal((await late).statusCode, 200)
  t.strictSame(sent(), ['GET /me 200'])
  t.equal(client.token, token)
  t.equal(mini.calls.login, 2)
})

test('late sign-out: does not apply to a newer session', async (t) => {
  const { client, mini, signedOut, kick, sent } = await startPhone(t)
  await client.login()
  await kick()
  const pause = deferred()
  mini.fault({ answerDelay: pause.promise }, { path: '/me', times: 1 })
  const late = client.request({ url: '/me' })
  while (mini.requests.at(-1)!.statusCode !== 401) await new Promise(setImmediate)
  await client.login()
  sent()
  pause.resolve()
  t.equal((await late).statusCode, 200)
  t.strictSame(signedOut, [])
  t.strictSame(sent(), ['GET /me 200'])
})

test('late sign-out: waits for a pending login', async (t) => {
  const { client, mini, signedOut, kick } = await startPhone(t)
  await client.login()
  await kick()
  const pause = deferred()
  mini.fault({ delay: pause.promise }, { api: 'login', times: 1 })
  const login = client.login()
  mini.fault({ delay: pause.promise }, { path: '/weapp/login', times: 1 })
  const request = client.request({ url: '/me' })
  while (mini.requests.at(-1)?.statusCode !== 401) await new Promise(setImmediate)
  pause.resolve()
  await login
  t.equal((await request).statusCode, 200)
  t.strictSame(signedOut, [])
})

test('persistent 401: one login, one more attempt, then the response', async (t) => {
  const { client, mini, sent } = await startPhone(t, {
    after: (app) => {
      app.get(
        '/never', (_request, reply) => reply.code(401).header('Weapp-Error', CODES.expired).send({})
      )
    }
  })
  await client.login()
  sent()
  t.match(await client.request({ url: '/never' }), { statusCode: 401 })
  t.strictSame(sent(), ['GET /never 401', 'POST /weapp/login 200', 'GET /never 401'])
  t.equal(mini.calls.login, 2)
})

test('proxy that drops the token: no further login', async (t) => {
  const { client, mini, sent } = await startPhone(t, {
    before: (app) => app.addHook('onRequest', async ({ headers }) => { delete headers.authorization })
  })
  for (let i = 0; i < 10; i += 1) {
    t.match(
      await client.request({ url: '/me' }), { statusCode: 401, data: { code: 'FST_WEAPP_TOKEN_MISSING' } },
      'the response contains the reason'
    )
  }
  t.equal(mini.calls.login, 1)
  t.strictSame(sent(), ['POST /weapp/login 200', ...Array(10).fill('GET /me 401')])
})

for (const code of [CODES.expired, CODES.kicked]) {
  test(`token that is always outdated: gives up after three attempts: ${code}`, async (t) => {
    const { client, mini } = await startPhone(t, {
      after: (app) => { app.get('/never', (_request, reply) => reply.code(401).header('Weapp-Error', code).send({})) }
    })
    await client.login()
    const pauses = [deferred(), deferred(), deferred()]
    for (const { promise } of pauses) mini.fault({ answerDelay: promise }, { path: '/never', times: 1 })
    const refused = () => mini.requests.filter(({ statusCode }) => statusCode === 401).length
    const request = client.request({ url: '/never' })
    for (const [i, { resolve }] of pauses.entries()) {
      while (refused() <= i) await new Promise(setImmediate)
      await client.login()
      resolve()
    }
    t.match(await request, { statusCode: 401 })
    t.equal(refused(), 3)
    t.type(client.token, 'string')
  })
}
