import { tracingChannel } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { test, type Test } from 'tap'
import { memoryStore, type WeappEvents } from '../../src/index.js'
import { traced } from '../../src/diagnostics/tracing.js'
import { faultyStore } from '../helpers/faulty-store.js'
import { APP_ID, APP_SECRET, SECRET, startHost, type HostOptions } from '../helpers/host.js'

type Kind = 'start' | 'end' | 'asyncStart' | 'asyncEnd' | 'error'
type Message = Record<string, unknown>

/** Every channel. The type requires all of them. */
const CHANNELS: Record<keyof WeappEvents, true> = {
  'fastify-weapp.login': true,
  'fastify-weapp.wechat': true,
  'fastify-weapp.authenticate': true,
  'fastify-weapp.decrypt': true,
  'fastify-weapp.store': true
}
const NAMES = Object.keys(CHANNELS) as (keyof WeappEvents)[]

interface PublishedEvent {
  name: keyof WeappEvents
  kind: Kind
  /** A copy, because all messages of one piece of work share one object. */
  message: Message
}

/** Subscribes to channels until the test ends. */
function subscribe (t: Test, names = NAMES) {
  const events: PublishedEvent[] = []
  const leave = names.map((name) => {
    const on = (kind: Kind) => (message: object) => { events.push({ name, kind, message: { ...message } }) }
    const subscribers = {
      start: on('start'), end: on('end'), asyncStart: on('asyncStart'), asyncEnd: on('asyncEnd'), error: on('error')
    }
    tracingChannel(name).subscribe(subscribers)
    return () => tracingChannel(name).unsubscribe(subscribers)
  })
  let isOver = false
  const stop = () => {
    if (!isOver) for (const end of leave) end()
    isOver = true
  }
  t.teardown(stop)
  return {
    events,
    stop,
    of: (name: keyof WeappEvents) => events.filter((event) => event.name === name),
    /** Removes and returns the events so far. */
    take: () => events.splice(0)
  }
}

const WHOLE: Kind[] = ['start', 'end', 'asyncStart', 'asyncEnd']
const FAILED: Kind[] = ['start', 'end', 'error', 'asyncStart', 'asyncEnd']

/** Asserts the messages of one piece of work: their order, their context and the error of a failure. */
function checkWork (t: Test, events: PublishedEvent[], context: object, code?: string, reason?: string): void {
  t.strictSame(events.map(({ kind }) => kind), code === undefined ? WHOLE : FAILED)
  for (const { kind, message } of events) {
    const { error, result, ...rest } = message
    const hasFailed = code !== undefined && ['error', 'asyncStart', 'asyncEnd'].includes(kind)
    t.strictSame(rest, { ...context, ...hasFailed && reason !== undefined && { reason } }, kind)
    t.equal(result, undefined, 'no result')
    t.equal((error as { code?: string } | undefined)?.code, hasFailed ? code : undefined, `${kind}: error`)
  }
}

async function startEventHost (t: Test, { options, ...rest }: HostOptions = {}) {
  const host = await startHost(t, {
    ...rest,
    options: { session: { limit: false }, ...options },
    after (app) {
      const guarded = { config: { weapp: true } }
      app.post<{ Body: { encryptedData: string, iv: string } }>('/decrypt', guarded, async ({ weapp, body }) => {
        return await weapp!.session.decrypt(body.encryptedData, body.iv)
      })
      app.post<{ Body: { rawData: string, signature: string } }>('/verify', guarded, async ({ weapp, body }) => {
        return { good: await weapp!.session.verifySignature(body.rawData, body.signature) }
      })
      app.post('/check', guarded, async ({ weapp }) => ({ alive: await weapp!.session.checkSessionKey() }))
      app.post('/reset', guarded, async ({ weapp }) => { await weapp!.session.resetSessionKey(); return {} })
      app.post('/update', guarded, async ({ weapp }) => { await weapp!.session.update({ n: 1 }); return {} })
      app.post<{ Body: { code: string } }>('/phone', guarded, async ({ body }) => {
        return await app.weapp.wechat.getPhoneNumber(body.code)
      })
    }
  })
  return { ...host, login: (code: unknown = host.wechat.login('alice')) => host.post('/weapp/login', { code }) }
}

test('login: publishes the work from the code to the token', async (t) => {
  const { login } = await startEventHost(t)
  const { events, of } = subscribe(t)
  t.equal((await login()).statusCode, 200)
  checkWork(t, of('fastify-weapp.login'), { appId: APP_ID })
  checkWork(t, of('fastify-weapp.wechat'), { appId: APP_ID, path: '/sns/jscode2session' })
  checkWork(t, of('fastify-weapp.store'), { operation: 'create' })
  t.equal(events.length, 3 * 4, 'no other event')
  t.strictSame([events[0]?.name, events.at(-1)?.name], ['fastify-weapp.login', 'fastify-weapp.login'])
})

test('login: publishes the error of a failure', async (t) => {
  const { wechat, login } = await startEventHost(t, {
    options: { onLogin ({ openid }) { if (openid === wechat.openid('mallory')) throw new Error('no') } }
  })
  const { of, take } = subscribe(t)
  await login('unknown')
  checkWork(t, of('fastify-weapp.login'), { appId: APP_ID }, 'FST_WEAPP_CODE_INVALID')
  checkWork(t, of('fastify-weapp.wechat'), { appId: APP_ID, path: '/sns/jscode2session' }, 'FST_WEAPP_CODE_INVALID')
  t.match(of('fastify-weapp.wechat').at(-1)?.message.error, { errcode: 40029 })
  take()

  await login(wechat.login('mallory'))
  t.strictSame(of('fastify-weapp.login').map(({ kind }) => kind), FAILED)
  t.match(of('fastify-weapp.login').at(-1)?.message.error, { message: 'no' }, 'the error of the host')
  t.strictSame(of('fastify-weapp.wechat').map(({ kind }) => kind), WHOLE, 'the call to WeChat succeeded')
})

test('wechat: publishes each call once, including its retries', async (t) => {
  const { wechat, signIn, post } = await startEventHost(t)
  const { token } = await signIn()
  const { of, take } = subscribe(t, ['fastify-weapp.wechat'])
  wechat.fault({ errcode: -1 }, { path: '/cgi-bin/stable_token', times: 1 })
  await post('/phone', { code: wechat.phoneCode('alice') }, token)
  const events = of('fastify-weapp.wechat')
  checkWork(t, events.slice(0, 4), { appId: APP_ID, path: '/cgi-bin/stable_token' })
  checkWork(t, events.slice(4), { appId: APP_ID, path: '/wxa/business/getuserphonenumber' })
  for (const [url, path] of [['/check', '/wxa/checksession'], ['/reset', '/wxa/resetusersessionkey']] as const) {
    take()
    await post(url, {}, token)
    checkWork(t, of('fastify-weapp.wechat'), { appId: APP_ID, path })
  }
  take()
  wechat.fault({ errcode: 42001 }, { path: '/wxa/checksession', times: 1 })
  await post('/check', {}, token)
  const repeated = of('fastify-weapp.wechat')
  checkWork(t, repeated.slice(0, 5), { appId: APP_ID, path: '/wxa/checksession' }, 'FST_WEAPP_WECHAT_CONFIG')
  checkWork(t, repeated.slice(5, 9), { appId: APP_ID, path: '/cgi-bin/stable_token' })
  checkWork(t, repeated.slice(9), { appId: APP_ID, path: '/wxa/checksession' })
})

test('authenticate: publishes each guarded request and its error', async (t) => {
  const { app, signIn, get } = await startEventHost(t)
  const { token } = await signIn()
  const { of, take } = subscribe(t, ['fastify-weapp.authenticate'])
  const checkRequest = async (url: string, token: string | undefined, code?: string) => {
    await get(url, token)
    checkWork(t, of('fastify-weapp.authenticate'), {}, code)
    take()
  }
  await checkRequest('/me', token)
  await checkRequest('/me', undefined, 'FST_WEAPP_TOKEN_MISSING')
  await checkRequest('/me', 'nonsense', 'FST_WEAPP_TOKEN_INVALID')
  await checkRequest('/feed', token)
  await checkRequest('/feed', undefined, 'FST_WEAPP_TOKEN_MISSING')
  await app.inject('/nowhere')
  t.strictSame(take(), [], 'an unguarded route')
})

test('decrypt: publishes decryption and checks of signatures', async (t) => {
  const { wechat, signIn, post } = await startEventHost(t)
  const { token } = await signIn()
  const { of, take } = subscribe(t, ['fastify-weapp.decrypt'])
  const checkRequest = async (url: string, body: object, code?: string, reason?: string) => {
    await post(url, body, token)
    checkWork(t, of('fastify-weapp.decrypt'), { appId: APP_ID }, code, reason)
    take()
  }
  await checkRequest('/decrypt', wechat.encrypt('alice', { n: 1 }))
  await checkRequest('/decrypt', { encryptedData: 'x', iv: 'x' }, 'FST_WEAPP_SESSION_KEY_STALE', 'malformed')
  await checkRequest('/verify', { rawData: '{}', signature: wechat.sign('alice', '{}') })
  await checkRequest('/verify', { rawData: '{}', signature: 'x' }, 'FST_WEAPP_SESSION_KEY_STALE', 'wrong-signature')
})

test('decrypt: publishes work without a key and work in a login', async (t) => {
  const host = await startEventHost(t, {
    options: { keepSessionKey: false, onLogin: async ({ openid, decrypt }) => { await decrypt('x', openid) } }
  })
  const { of } = subscribe(t, ['fastify-weapp.decrypt', 'fastify-weapp.login'])
  await host.login()
  checkWork(t, of('fastify-weapp.decrypt'), { appId: APP_ID }, 'FST_WEAPP_SESSION_KEY_STALE', 'malformed')
  checkWork(t, of('fastify-weapp.login'), { appId: APP_ID }, 'FST_WEAPP_SESSION_KEY_STALE')
  const keyless = await startEventHost(t, { options: { keepSessionKey: false } })
  const { token } = await keyless.signIn()
  const { of: later } = subscribe(t, ['fastify-weapp.decrypt'])
  await keyless.post('/decrypt', {}, token)
  checkWork(t, later('fastify-weapp.decrypt'), { appId: APP_ID }, 'FST_WEAPP_SESSION_KEY_MISSING')
})

test('store: publishes every operation, with the error of the plugin', async (t) => {
  const { store, instead, heal } = faultyStore()
  const { app, wechat, signIn, get, post } = await startEventHost(t, { options: { store, storeTimeout: 20 } })
  const openid = wechat.openid('alice')
  const { of, take } = subscribe(t, ['fastify-weapp.store'])
  const operations = () => take().filter(({ kind }) => kind === 'start').map(({ message }) => message.operation)
  const { token } = await signIn()
  await get('/weapp/session', token)
  await post('/decrypt', wechat.encrypt('alice', {}), token)
  await post('/reset', {}, token)
  await post('/update', {}, token)
  await app.weapp.sessions.revokeAll({ appId: APP_ID, openid })
  await post('/weapp/logout', undefined, (await signIn()).token)
  t.strictSame(new Set(operations()), new Set([
    'create', 'read', 'list', 'readKeys', 'writeKey', 'update', 'revokeAll', 'revoke'
  ]))

  const { token: next } = await signIn()
  for (const failure of [async () => { throw new Error('canary') }, () => new Promise(() => {})]) {
    take()
    instead('read', failure)
    await get('/me', next)
    checkWork(t, of('fastify-weapp.store'), { operation: 'read' }, 'FST_WEAPP_STORE_UNAVAILABLE')
  }
  heal()
})

test('store: a session of a memoryStore is read once, whatever the size of its data', async (t) => {
  let data = {}
  const { app, wechat, signIn, get } = await startEventHost(t, { options: { onLogin: async () => ({ data }) } })
  const { take } = subscribe(t, ['fastify-weapp.store'])
  const reads = () => take().filter(({ kind, message }) => kind === 'start' && message.operation === 'read').length
  for (const [what, length, expected] of [['short', 10, 1], ['long', 300, 1]] as const) {
    data = { text: 'x'.repeat(length) }
    const { token } = await signIn()
    take()
    for (let i = 0; i < 3; i++) t.equal((await get('/me', token)).statusCode, 200)
    t.equal(reads(), expected, what)
  }
  const { token } = await signIn()
  await get('/me', token)
  await app.weapp.sessions.revokeAll({ appId: APP_ID, openid: wechat.openid('alice') })
  t.equal((await get('/me', token)).json().code, 'FST_WEAPP_SESSION_KICKED')
})

test('events: contain no secret, whatever happens', async (t) => {
  const { store, instead, heal } = faultyStore()
  const { app, wechat, post, get } = await startEventHost(t, {
    simulator: { openPlatform: true },
    options: { store, storeTimeout: 20, onLogin: async ({ unionid }) => ({ data: { unionid } }) }
  })
  const { events } = subscribe(t)
  const canaries: Record<string, string[]> = {
    'app secret': [APP_SECRET],
    'plugin secret': [SECRET],
    openid: [wechat.openid('alice')],
    unionid: [wechat.unionid('alice')],
    code: [],
    token: [],
    'session key': [],
    data: ['canary-of-data', 'canary-of-errmsg', '13800138000']
  }
  const login = async () => {
    const code = wechat.login('alice')
    canaries.code!.push(code)
    canaries['session key']!.push(wechat.sessionKey('alice'))
    const { token } = (await post('/weapp/login', { code })).json()
    if (token !== undefined) canaries.token!.push(token)
    return token as string
  }
  const token = await login()
  const work = async () => {
    await get('/me', token)
    await get('/me', `${token}x`)
    await post('/decrypt', wechat.encrypt('alice', { note: 'canary-of-data' }), token)
    await post('/decrypt', { encryptedData: 'canary-of-data', iv: 'canary-of-data' }, token)
    await post('/verify', { rawData: 'canary-of-data', signature: wechat.sign('alice', 'canary-of-data') }, token)
    await post('/phone', { code: wechat.phoneCode('alice') }, token)
    await post('/check', {}, token)
    await post('/reset', {}, token)
    canaries['session key']!.push(wechat.sessionKey('alice'))
    await login()
  }
  await work()
  for (const fault of [
    { errcode: 40125 }, { errcode: 40029, errmsg: 'canary-of-errmsg' }, { status: 500 }, { reset: true },
    { body: 'canary-of-errmsg' }
  ] as const) {
    wechat.fault(fault)
    await work()
    wechat.clearFaults()
  }
  for (const operation of ['read', 'readKeys', 'create'] as const) {
    instead(operation, (input) => {
      throw Object.assign(new Error(`canary-of-data ${JSON.stringify(input)}`), { input })
    })
    await work()
    heal()
  }
  const accessTokens = new Set(wechat.requests.flatMap(({ query: { access_token: token } }) => token ?? []))
  canaries['access token'] = [...accessTokens, await app.weapp.wechat.getAccessToken()]

  t.strictSame(new Set(events.map(({ name }) => name)), new Set(NAMES))
  t.ok(events.filter(({ kind }) => kind === 'error').length > 30, 'many failures')
  for (const { name, kind, message } of events) {
    const { error } = message as { error?: Error }
    const inspected = inspect(message, { depth: Infinity, showHidden: true })
    const shown = inspected + JSON.stringify(message) + String(error?.stack)
    for (const [what, values] of Object.entries(canaries)) {
      if (values.some((value) => shown.includes(value))) t.fail(`${name}:${kind} contains a ${what}`)
    }
    t.notOk(message.result, 'no result')
    const allowed = ['appId', 'path', 'operation', 'reason', 'error', 'result']
    t.strictSame(Object.keys(message).filter((key) => !allowed.includes(key)), [])
    t.equal(error?.cause, undefined)
  }
})

test('traced: without a subscriber, only runs the work', async (t) => {
  const context = { appId: 'app' }
  const promise = Promise.resolve('later')
  t.equal(traced('fastify-weapp.login', context, () => 'at once'), 'at once')
  t.equal(traced('fastify-weapp.login', context, () => promise), promise, 'the same promise')
  t.throws(() => traced('fastify-weapp.login', context, () => { throw new Error('at once') }), { message: 'at once' })
  t.strictSame(context, { appId: 'app' })

  const other = subscribe(t, ['fastify-weapp.store'])
  t.equal(traced('fastify-weapp.login', context, () => 'at once'), 'at once')
  t.equal(other.events.length, 0, 'no event on another channel')

  const { events, stop } = subscribe(t, ['fastify-weapp.login'])
  t.equal(await traced('fastify-weapp.login', context, () => 'at once'), 'at once')
  t.equal(await traced('fastify-weapp.login', context, () => promise), 'later')
  const error = new Error('at once')
  await t.rejects(async () => await traced('fastify-weapp.login', context, () => { throw error }), error)
  const count = (kind: Kind) => events.filter((event) => event.kind === kind).length
  t.strictSame([count('asyncEnd'), count('error')], [3, 1])

  stop()
  t.equal(traced('fastify-weapp.login', context, () => 'at once'), 'at once', 'no event after the last subscriber left')
  t.equal(count('start'), 3)
})

for (const subscribers of [{ asyncEnd () {} }, { error () {} }, { start () {} }]) {
  test(`traced: supports a subscriber to ${Object.keys(subscribers)} only`, async (t) => {
    const channel = tracingChannel<unknown, Message>('fastify-weapp.login')
    const events: Message[] = []
    const [[kind]] = Object.entries(subscribers) as [[Kind, () => void]]
    const subscriber = { [kind]: (message: Message) => { events.push(message) } }
    channel.subscribe(subscriber as never)
    t.teardown(() => channel.unsubscribe(subscriber as never))
    const { login } = await startEventHost(t)
    t.equal((await login('unknown')).statusCode, 401)
    t.match(events, [{ appId: APP_ID }])
  })
}

test('tracing: changes no response', async (t) => {
  async function responses (): Promise<string[]> {
    const recorded: string[] = []
    const { store, instead, heal } = faultyStore()
    const { wechat, post, get } = await startEventHost(t, { options: { store, storeTimeout: 20 } })
    const record = async (response: ReturnType<typeof post>) => {
      const { statusCode, headers: { date, 'content-length': length, ...headers }, body } = await response
      const volatile = /"token":"[^"]+"|"(expires|created|idleExpires)At":\d+|"timestamp":\d+|"id":"[^"]+"/g
      recorded.push(JSON.stringify([statusCode, headers, body.replace(volatile, '')]))
      return body
    }
    const login = async (user: string): Promise<string> => {
      return JSON.parse(await record(post('/weapp/login', { code: wechat.login(user) }))).token
    }
    const token = await login('alice')
    await record(post('/weapp/login', { code: 'unknown' }))
    for (const bearer of [token, undefined, 'nonsense', `${token}x`]) {
      for (const url of ['/me', '/feed', '/weapp/session']) await record(get(url, bearer))
    }
    await record(post('/decrypt', wechat.encrypt('alice', { n: 1 }), token))
    await record(post('/decrypt', {}, token))
    await record(post('/check', {}, token))
    await record(post('/reset', {}, token))
    for (const fault of [{ errcode: 45009 }, { reset: true }, { status: 500 }] as const) {
      wechat.fault(fault, { times: 1 })
      await login('alice')
      wechat.clearFaults()
    }
    instead('read', async () => { throw new Error('down') })
    await record(get('/me', token))
    heal()
    await record(post('/weapp/logout', undefined, token))
    await record(get('/me', token))
    return recorded
  }
  const untraced = await responses()
  const { events, stop } = subscribe(t)
  const whileTraced = await responses()
  t.ok(events.length > 100)
  t.strictSame(whileTraced, untraced)
  t.ok(new Set(untraced).size > 10, 'many kinds of responses')
  stop()
})

test('authenticate: publishes a request that the cache answers', async (t) => {
  const { signIn, get, wechat } = await startEventHost(t, { options: { store: memoryStore(), cache: {} } })
  const { token } = await signIn()
  await get('/me', token)
  const { of, events } = subscribe(t)
  t.strictSame((await get('/me', token)).json(), { openid: wechat.openid('alice') })
  checkWork(t, of('fastify-weapp.authenticate'), {})
  t.equal(events.length, 4, 'no read of the store')
})
