/** Requests that an optional route serves without the session. */
import { test, type Test } from 'tap'
import { freezeClock } from '../helpers/clock.js'
import { CODES, PAST_IDLE, deferred, startPhone } from '../helpers/phone.js'

/** Starts a host whose optional route `/vote` counts its calls. */
async function startVoteHost (t: Test) {
  const votes: Array<string | null> = []
  const phone = await startPhone(t, {
    after: (app) => {
      app.post('/vote', { config: { weapp: 'optional' } }, async (request) => {
        votes.push(request.weapp?.openid ?? null)
        return {}
      })
    }
  })
  return { ...phone, votes, openid: phone.host.wechat.openid('alice') }
}

const vote = { url: '/vote', method: 'POST' } as const

for (const auth of ['required', 'optional'] as const) {
  test(`served as a guest, expired: never repeated, and the next request is signed in: ${auth}`, async (t) => {
    const clock = freezeClock(t)
    const { client, mini, sent, votes, openid } = await startVoteHost(t)
    await client.login()
    clock.advance(PAST_IDLE)
    sent()
    t.match(await client.request({ ...vote, auth }), { statusCode: 200, header: Object })
    t.strictSame([sent(), votes], [['POST /vote 200'], [null]])
    t.equal(mini.calls.login, 1, 'the next request renews the session')
    await Promise.all([client.request({ ...vote, auth }), client.request({ ...vote, auth })])
    t.strictSame(sent(), ['POST /weapp/login 200', 'POST /vote 200', 'POST /vote 200'])
    t.strictSame(votes, [null, openid, openid])
  })

  test(`served as a guest, kicked: never repeated, and onSignedOut is called: ${auth}`, async (t) => {
    const { client, kick, sent, votes, signedOut } = await startVoteHost(t)
    await client.login()
    await kick()
    sent()
    t.match(await client.request({ ...vote, auth }), { statusCode: 200 })
    t.strictSame([sent(), votes, signedOut], [['POST /vote 200'], [null], [CODES.kicked]])
    t.equal(client.token, null)
    await t.rejects(client.request({ url: '/me' }), { code: CODES.kicked })
    t.match(await client.request({ ...vote, auth: 'optional' }), { statusCode: 200 })
    t.strictSame(signedOut, [CODES.kicked])
  })
}

test('served as a guest: a failed renewal leaves an optional request a guest', async (t) => {
  const clock = freezeClock(t)
  const { client, mini, votes } = await startVoteHost(t)
  await client.login()
  clock.advance(PAST_IDLE)
  await client.request({ ...vote, auth: 'optional' })
  mini.fault({ fail: 'timeout' }, { api: 'login', times: 1 })
  t.match(await client.request({ ...vote, auth: 'optional' }), { statusCode: 200 })
  t.match(await client.request({ ...vote, auth: 'optional' }), { statusCode: 200 })
  t.strictSame(votes, [null, null, null])
  t.equal(mini.calls.login, 2, 'and is not tried again at once')
})

test('served as a guest: a late answer does not apply to a newer session', async (t) => {
  const { client, mini, kick, signedOut } = await startVoteHost(t)
  for (const meanwhile of ['signed in', 'signing in']) {
    await client.login()
    await kick()
    const pause = deferred()
    mini.fault({ answerDelay: pause.promise }, { path: '/vote', times: 1 })
    const late = client.request({ ...vote, auth: 'optional' })
    while (mini.requests.at(-1)!.statusCode !== 200) await new Promise(setImmediate)
    const login = deferred()
    if (meanwhile === 'signing in') mini.fault({ delay: login.promise }, { api: 'login', times: 1 })
    const next = client.login()
    if (meanwhile === 'signed in') await next
    pause.resolve()
    t.match(await late, { statusCode: 200 })
    login.resolve()
    await next
    t.equal((await client.request({ url: '/me' })).statusCode, 200)
  }
  t.strictSame(signedOut, [])
})

test('a framework that drops the header and the code of a 401: the session route tells them', async (t) => {
  const clock = freezeClock(t)
  const { client, mini, kick, sent, signedOut } = await startPhone(t, {
    before: (app) => app.addHook('onSend', async (request, reply, payload) => {
      if (request.url !== '/me' || reply.statusCode !== 401) return payload
      reply.removeHeader('weapp-error').removeHeader('www-authenticate')
      return JSON.stringify({ statusCode: 401, message: 'Unauthorized' })
    })
  })
  await client.login()
  clock.advance(PAST_IDLE)
  sent()
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
  t.strictSame(sent(), ['GET /me 401', 'GET /weapp/session 401', 'POST /weapp/login 200', 'GET /me 200'])
  await kick()
  await t.rejects(client.request({ url: '/me' }), { code: CODES.kicked })
  t.strictSame(signedOut, [CODES.kicked])
  t.equal(mini.calls.login, 2)
})

test('a 401 without a code: resolves as it is if the host has no session route', async (t) => {
  const { client, sent, mini } = await startPhone(t, { options: { routes: { session: false } } })
  await client.login()
  sent()
  t.equal((await client.request({ url: '/echo/401' })).statusCode, 401)
  t.strictSame(sent(), ['GET /echo/401 401', 'GET /weapp/session 404'])
  mini.fault({ fail: 'timeout' }, { path: '/weapp/session' })
  await t.rejects(client.request({ url: '/echo/401' }), { code: 'WEAPP_NETWORK_FAILED' })
  t.equal(mini.calls.login, 1)
})
