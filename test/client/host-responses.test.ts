/** Hosts that change the responses of the plugin. */
import { test } from 'tap'
import { freezeClock } from '../helpers/clock.js'
import { CODES, PAST_IDLE, startPhone } from '../helpers/phone.js'

test('error handler without the code: the client reads the header', async (t) => {
  const clock = freezeClock(t)
  const { client, mini, kick } = await startPhone(t, {
    before: (app) => app.setErrorHandler((_error, _request, reply) => reply.code(200).send({ success: false }))
  })
  await client.login()
  clock.advance(PAST_IDLE)
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
  t.equal(mini.calls.login, 2)
  await kick()
  await t.rejects(client.request({ url: '/me' }), { code: CODES.kicked, statusCode: 200 })
  mini.fault({ fail: 'no' }, { api: 'login', times: 1 })
  await t.rejects(client.login(), { code: 'WEAPP_WX_LOGIN_FAILED' })
})

test('login: rejects a refusal with status 200', async (t) => {
  const { client, host } = await startPhone(t, {
    before: (app) => app.setErrorHandler((_error, _request, reply) => reply.code(200).send({ success: false }))
  })
  host.wechat.fault({ errcode: 40029 })
  await t.rejects(client.login(), { code: 'FST_WEAPP_CODE_INVALID', statusCode: 200 })
})

test('proxy that drops the header: the client reads the code in the body', async (t) => {
  const clock = freezeClock(t)
  const { client, mini } = await startPhone(t, {
    before: (app) => app.addHook('onSend', async (_request, reply) => { reply.removeHeader('weapp-error') })
  })
  await client.login()
  clock.advance(PAST_IDLE)
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
  t.equal(mini.calls.login, 2)
})

test("request: returns a 401 with a code of the host's unchanged", async (t) => {
  const bodies = [{ code: 'HOST_401' }, { code: 401 }, { code: null }, ['code'], 'FST_WEAPP_SESSION_EXPIRED', null]
  const { client, mini, sent } = await startPhone(t, {
    after: (app) => {
      app.get(
        '/host',
        (_request, reply) => reply.code(401).type('application/json').serializer(JSON.stringify).send(bodies[0])
      )
    }
  })
  await client.login()
  for (; bodies.length > 0; bodies.shift()) {
    sent()
    t.strictSame((await client.request({ url: '/host' })).data, bodies[0])
    const hasCode = typeof bodies[0] === 'object' && typeof (bodies[0] as { code?: unknown } | null)?.code === 'string'
    t.strictSame(sent(), ['GET /host 401', ...hasCode ? [] : ['GET /weapp/session 200']])
  }
  t.equal(mini.calls.login, 1)
})

test('request: ignores a plugin code in the body of a successful response', async (t) => {
  const { client, mini, sent } = await startPhone(t, {
    after: (app) => { app.post('/coupon', async (request) => ({ code: (request.body as { name: string }).name })) }
  })
  await client.login()
  for (const name of [CODES.expired, CODES.kicked, CODES.stale]) {
    sent()
    t.match(
      await client.request({ url: '/coupon', method: 'POST', data: { name } }),
      { statusCode: 200, data: { code: name } }
    )
    t.strictSame(sent(), ['POST /coupon 200'], 'once')
  }
  t.equal(mini.calls.login, 1)
})

test('unwrap: reads the responses of a host that wraps every response', async (t) => {
  const clock = freezeClock(t)
  const { client, launch, mini } = await startPhone(t, {
    before: (app) => app.addHook('preSerialization', async (_request, _reply, payload) => ({ data: payload }))
  })
  await t.rejects(client.login(), { code: 'WEAPP_BAD_ANSWER', message: /unwrap/ })
  const { client: unwrapping } = launch({ client: { unwrap: (body) => body.data } })
  t.match(await unwrapping.login(), { token: String, tokenType: 'Bearer' })
  t.match(await unwrapping.session(), { id: String, sessions: Array })
  t.match(
    (await unwrapping.request({ url: '/me' })).data, { data: { openid: String } },
    "request does not unwrap the host's responses"
  )
  clock.advance(PAST_IDLE)
  t.equal((await unwrapping.request({ url: '/me' })).statusCode, 200)
  await unwrapping.logout()
  t.equal(unwrapping.token, null)
  t.equal(mini.calls.login, 1)
})

test('session: rejects if the host has no session route', async (t) => {
  const { client } = await startPhone(t, { options: { routes: { session: false } } })
  await t.rejects(client.session(), { statusCode: 404, code: 'WEAPP_REFUSED', message: /not found/ })
})
