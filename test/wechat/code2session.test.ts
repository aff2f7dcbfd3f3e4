import { setImmediate as nextTurn } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import { test } from 'tap'
import { assertRefused } from '../helpers/assert-refused.js'
import { deferred } from '../helpers/deferred.js'
import { APP_ID } from '../helpers/host.js'
import { startLoginHost } from '../helpers/login-host.js'
import { startWechatClient } from '../helpers/wechat-client.js'

/** Counts the requests that have reached their handlers. */
function countArrivals () {
  const arrived: unknown[] = []
  return {
    before: (app: FastifyInstance) => {
      app.addHook('preHandler', async (request) => { arrived.push(request.id) })
    },
    async arrivals (count: number): Promise<void> {
      while (arrived.length < count) await nextTurn()
      await nextTurn()
    }
  }
}

const OPENID = 'o-of-a-user'
const KEY = 'AAAAAAAAAAAAAAAAAAAAAA=='

/** Replies of code2Session, each with the unionid that onLogin receives. */
const VALID_REPLIES: Record<string, [object, string | null]> = {
  'no unionid': [{ openid: OPENID, session_key: KEY }, null],
  'a unionid': [{ openid: OPENID, session_key: KEY, unionid: 'u' }, 'u'],
  'a unionid of null': [{ openid: OPENID, session_key: KEY, unionid: null }, null],
  'an empty unionid': [{ openid: OPENID, session_key: KEY, unionid: '' }, null],
  'errcode 0': [{ openid: OPENID, session_key: KEY, errcode: 0, errmsg: 'ok' }, null],
  'undocumented fields': [{ openid: OPENID, session_key: KEY, expires_in: 7200, rid: '1' }, null]
}

test('code2Session: accepts a reply with openid and session_key', async (t) => {
  const users: object[] = []
  const { wechat, login } = await startLoginHost(t, {}, {
    options: { onLogin: ({ appId, openid, unionid }) => { users.push({ appId, openid, unionid }) } }
  })
  for (const [name, [reply, unionid]] of Object.entries(VALID_REPLIES)) {
    wechat.fault({ body: JSON.stringify(reply) }, { times: 1 })
    t.equal((await login()).statusCode, 200, name)
    t.strictSame(users.pop(), { appId: APP_ID, openid: OPENID, unionid }, name)
  }
})

test('code2Session: requires non-empty strings; else 502 without onLogin', async (t) => {
  let onLoginCalls = 0
  const { wechat, login } = await startLoginHost(t, {}, { options: { onLogin: () => { onLoginCalls++ } } })
  const wrong = ['', 0, 1, {}, [], ['o'], true, false, null, undefined]
  const replies = [
    ...wrong.map((openid) => ({ openid, session_key: KEY })),
    ...wrong.map((key) => ({ openid: OPENID, session_key: key })),
    ...[0, 1, {}, [], true].map((unionid) => ({ openid: OPENID, session_key: KEY, unionid }))
  ]
  for (const reply of replies) {
    wechat.fault({ body: JSON.stringify(reply) }, { times: 1 })
    const { statusCode, headers } = await login()
    t.strictSame([statusCode, headers['weapp-error']], [502, 'FST_WEAPP_WECHAT_BAD_REPLY'], JSON.stringify(reply))
  }
  t.equal(onLoginCalls, 0)
})

test('code2Session: an errcode takes precedence over openid and session_key', async (t) => {
  const { wechat, login } = await startLoginHost(t)
  wechat.fault({ body: JSON.stringify({ openid: OPENID, session_key: KEY, errcode: 40163 }) })
  assertRefused(t, await login(), 401, 'FST_WEAPP_CODE_USED')
})

test('code2Session: 50 concurrent logins with one code share one exchange', async (t) => {
  const LOGINS = 50
  const { arrivals, before } = countArrivals()
  let onLoginCalls = 0
  const { app, wechat, get, login } = await startLoginHost(t, {}, {
    before,
    options: { session: { limit: false }, onLogin: () => ({ data: { turn: ++onLoginCalls } }) },
    after: (app) => app.get('/turn', { config: { weapp: true } }, async (request) => request.weapp?.session.data)
  })
  const response = deferred()
  wechat.fault({ delay: response.promise }, { times: 1 })
  const code = wechat.login('alice')
  const logins = Array.from({ length: LOGINS }, () => login(code))
  await arrivals(LOGINS)
  response.resolve()

  const responses = await Promise.all(logins)
  t.ok(responses.every(({ statusCode }) => statusCode === 200))
  t.equal(wechat.requests.length, 1)
  const tokens = new Set(responses.map((response) => response.json().token))
  t.equal(tokens.size, LOGINS, 'each login has its own token')
  t.equal(onLoginCalls, LOGINS, 'onLogin is called for each login')
  t.equal((await app.weapp.sessions.list({ appId: APP_ID, openid: wechat.openid('alice') })).length, LOGINS)
  const turns = await Promise.all([...tokens].map(async (token) => (await get('/turn', token)).json().turn))
  t.equal(new Set(turns).size, LOGINS, 'each login has its own session')

  assertRefused(t, await login(code), 401, 'FST_WEAPP_CODE_USED')
  t.equal(wechat.requests.length, 2, 'a later login starts a new exchange')
})

test('code2Session: logins that share an exchange share its failure', async (t) => {
  const { arrivals, before } = countArrivals()
  const { wechat, login } = await startLoginHost(t, {}, { before })
  const response = deferred()
  wechat.fault({ delay: response.promise, errcode: 40226 }, { times: 1 })
  const code = wechat.login('alice')
  const logins = [login(code), login(code), login(code)]
  await arrivals(3)
  response.resolve()
  for (const response of await Promise.all(logins)) assertRefused(t, response, 403, 'FST_WEAPP_LOGIN_BLOCKED')
  t.equal(wechat.requests.length, 1)
  t.equal((await login(code)).statusCode, 200, 'a later login starts a new exchange')
})

test('code2Session: logins with different codes have separate exchanges', async (t) => {
  const { wechat, get, login } = await startLoginHost(t)
  const users = ['alice', 'bob', 'carol']
  const responses = await Promise.all(users.map((user) => login(wechat.login(user))))
  t.equal(wechat.requests.length, 3)
  for (const [i, user] of users.entries()) {
    t.strictSame((await get('/me', responses[i]?.json().token)).json(), { openid: wechat.openid(user) })
  }
})

test('code2Session: one code for two apps has separate exchanges', async (t) => {
  const apps = { [APP_ID]: 'secret-of-one', wxtwo: 'secret-of-two' }
  const { client, wechat } = await startWechatClient(t, { apps }, { apps })
  const code = wechat.login('alice')
  const [one, two] = await Promise.allSettled([
    client.code2Session(code, { appId: APP_ID }), client.code2Session(code, { appId: 'wxtwo' })
  ])
  t.match(one, { status: 'fulfilled', value: { openid: wechat.openid('alice') } })
  t.match(two, { status: 'rejected', reason: { code: 'FST_WEAPP_CODE_INVALID' } })
  t.equal(wechat.requests.length, 2)
})

test('code2Session: rejects an impossible code without a request to WeChat', async (t) => {
  const { app, wechat, login } = await startLoginHost(t, {}, {
    after: (app) => app.post('/own', {
      errorHandler: (error, _request, reply) => reply.code(418).send({ code: (error as { code?: string }).code })
    }, async (request) => app.weapp.login(request, { code: (request.body as { code: string }).code }))
  })
  assertRefused(t, await login('the code is a mock one'), 401, 'FST_WEAPP_CODE_INVALID')
  for (const character of ['\0', '\t', '\n', '\r', '\u001b', '\u007f']) {
    assertRefused(t, await login(`code${character}`), 401, 'FST_WEAPP_CODE_INVALID')
  }
  for (const code of ['', 'a'.repeat(257), 123, true, null, ['a'], { a: 1 }, undefined]) {
    const response = await app.inject({ method: 'POST', url: '/own', payload: { code } })
    t.strictSame([response.statusCode, response.json()], [418, { code: 'FST_WEAPP_CODE_INVALID' }],
      `${JSON.stringify(code)} without a route schema`)
  }
  t.equal(wechat.requests.length, 0)
})

test('code2Session: works without Fastify', async (t) => {
  const { client, wechat, paths } = await startWechatClient(t, {}, { openPlatform: true })
  const code = wechat.login('alice')
  t.strictSame(await client.code2Session(code), {
    openid: wechat.openid('alice'), unionid: wechat.unionid('alice'), sessionKey: wechat.sessionKey('alice')
  })
  await t.rejects(client.code2Session(code), { code: 'FST_WEAPP_CODE_USED', errcode: 40163 })
  await t.rejects(client.code2Session('unknown'), { code: 'FST_WEAPP_CODE_INVALID', errcode: 40029 })
  for (const impossible of ['', undefined, null, 7, {}, 'the code is a mock one']) {
    await t.rejects(client.code2Session(impossible as string), { code: 'FST_WEAPP_CODE_INVALID', errcode: undefined })
  }
  t.strictSame(paths(), Array(3).fill('/sns/jscode2session'), 'no access_token is fetched')
})

test('code2Session: a login of a host fetches no access_token', async (t) => {
  const { wechat, login } = await startLoginHost(t)
  for (let i = 0; i < 3; i++) t.equal((await login()).statusCode, 200)
  t.strictSame(wechat.requests.map(({ path }) => path), Array(3).fill('/sns/jscode2session'))
})
