import { tracingChannel } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import { memoryStore, type WeappEvents } from '../../src/index.js'
import { traced } from '../../src/diagnostics/tracing.js'
import { faultyStore } from '../helpers/faulty-store.js'
import { APP_ID, APP_SECRET, SECRET, startHost, type HostOptions } from '../helpers/host.js'

type Kind = 'start' | 'end' | 'asyncStart' | 'asyncEnd' | 'error'
type Message = Record<string, unknown>

/** Every channel; the type demands that none is left out. */
const CHANNELS: Record<keyof WeappEvents, true> = {
  'fastify-weapp.login': true,
  'fastify-weapp.wechat': true,
  'fastify-weapp.authenticate': true,
  'fastify-weapp.decrypt': true,
  'fastify-weapp.store': true
}
const NAMES = Object.keys(CHANNELS) as (keyof WeappEvents)[]

interface Heard {
  name: keyof WeappEvents
  kind: Kind
  /** As it was then; the object itself goes through all messages of one piece of work. */
  message: Message
}

/** Listens until the test's end. */
function listen (t: Test, names = NAMES) {
  const heard: Heard[] = []
  const leave = names.map((name) => {
    const on = (kind: Kind) => (message: object) => { heard.push({ name, kind, message: { ...message } }) }
    const subscribers = { start: on('start'), end: on('end'), asyncStart: on('asyncStart'), asyncEnd: on('asyncEnd'), error: on('error') }
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
    heard,
    stop,
    of: (name: keyof WeappEvents) => heard.filter((event) => event.name === name),
    /** What was heard since the last time. */
    news: () => heard.splice(0)
  }
}

const WHOLE: Kind[] = ['start', 'end', 'asyncStart', 'asyncEnd']
const FAILED: Kind[] = ['start', 'end', 'error', 'asyncStart', 'asyncEnd']

/** One piece of work: its messages in order, the context in each, and the error (and nothing else) where it failed. */
function checkWork (t: Test, events: Heard[], context: object, code?: string): void {
  t.strictSame(events.map(({ kind }) => kind), code === undefined ? WHOLE : FAILED)
  for (const { kind, message } of events) {
    const { error, result, ...rest } = message
    t.strictSame(rest, context, kind)
    t.equal(result, undefined, 'no result')
    const hasFailed = code !== undefined && ['error', 'asyncStart', 'asyncEnd'].includes(kind)
    t.equal((error as { code?: string } | undefined)?.code, hasFailed ? code : undefined, `${kind}: error`)
  }
}

async function startEventHost (t: Test, { options, ...rest }: HostOptions = {}) {
  const host = await startHost(t, {
    ...rest,
    options: { session: { limit: false }, ...options },
    after (app) {
      const mine = { config: { weapp: true } }
      app.post<{ Body: { encryptedData: string, iv: string } }>('/decrypt', mine, async ({ weapp, body }) => {
        return await weapp!.session.decrypt(body.encryptedData, body.iv)
      })
      app.post<{ Body: { rawData: string, signature: string } }>('/verify', mine, async ({ weapp, body }) => {
        return { good: await weapp!.session.verifySignature(body.rawData, body.signature) }
      })
      app.post('/check', mine, async ({ weapp }) => ({ alive: await weapp!.session.checkSessionKey() }))
      app.post('/reset', mine, async ({ weapp }) => { await weapp!.session.resetSessionKey(); return {} })
      app.post('/update', mine, async ({ weapp }) => { await weapp!.session.update({ n: 1 }); return {} })
      app.post<{ Body: { code: string } }>('/phone', mine, async ({ body }) => await app.weapp.wechat.getPhoneNumber(body.code))
    }
  })
  return { ...host, login: (code: unknown = host.wechat.login('alice')) => host.post('/weapp/login', { code }) }
}

t.test('login: told from the code to the token, with what is done within', async (t) => {
  const { login } = await startEventHost(t)
  const { heard, of } = listen(t)
  t.equal((await login()).statusCode, 200)
  checkWork(t, of('fastify-weapp.login'), { appId: APP_ID })
  checkWork(t, of('fastify-weapp.wechat'), { appId: APP_ID, path: '/sns/jscode2session' })
  checkWork(t, of('fastify-weapp.store'), { operation: 'create' })
  t.equal(heard.length, 3 * 4, 'and nothing else')
  t.strictSame([heard[0]?.name, heard.at(-1)?.name], ['fastify-weapp.login', 'fastify-weapp.login'])
})

t.test('login: a refusal is told with its error', async (t) => {
  const { wechat, login } = await startEventHost(t, { options: { onLogin: ({ openid }) => { if (openid === wechat.openid('mallory')) throw new Error('no') } } })
  const { of, news } = listen(t)
  await login('unknown')
  checkWork(t, of('fastify-weapp.login'), { appId: APP_ID }, 'FST_WEAPP_CODE_INVALID')
  checkWork(t, of('fastify-weapp.wechat'), { appId: APP_ID, path: '/sns/jscode2session' }, 'FST_WEAPP_CODE_INVALID')
  t.match(of('fastify-weapp.wechat').at(-1)?.message.error, { errcode: 40029 })
  news()

  await login(wechat.login('mallory'))
  t.strictSame(of('fastify-weapp.login').map(({ kind }) => kind), FAILED)
  t.match(of('fastify-weapp.login').at(-1)?.message.error, { message: 'no' }, "the host's own, as it threw it")
  t.strictSame(of('fastify-weapp.wechat').map(({ kind }) => kind), WHOLE, 'the exchange was good')
})

t.test('exchange: one call, its repeats included; calls with an access_token too', async (t) => {
  const { wechat, signIn, post } = await startEventHost(t)
  const { token } = await signIn()
  const { of, news } = listen(t, ['fastify-weapp.wechat'])
  wechat.fault({ errcode: -1 }, { path: '/cgi-bin/stable_token', times: 1 })
  await post('/phone', { code: wechat.phoneCode('alice') }, token)
  const events = of('fastify-weapp.wechat')
  checkWork(t, events.slice(0, 4), { appId: APP_ID, path: '/cgi-bin/stable_token' })
  checkWork(t, events.slice(4), { appId: APP_ID, path: '/wxa/business/getuserphonenumber' })
  for (const [url, path] of [['/check', '/wxa/checksession'], ['/reset', '/wxa/resetusersessionkey']] as const) {
    news()
    await post(url, {}, token)
    checkWork(t, of('fastify-weapp.wechat'), { appId: APP_ID, path })
  }
  news()
  wechat.fault({ errcode: 42001 }, { path: '/wxa/checksession', times: 1 })
  await post('/check', {}, token)
  const repeated = of('fastify-weapp.wechat')
  checkWork(t, repeated.slice(0, 5), { appId: APP_ID, path: '/wxa/checksession' }, 'FST_WEAPP_WECHAT_CONFIG')
  checkWork(t, repeated.slice(5, 9), { appId: APP_ID, path: '/cgi-bin/stable_token' })
  checkWork(t, repeated.slice(9), { appId: APP_ID, path: '/wxa/checksession' })
})

t.test('authenticate: each request that is asked for a session, and why it had none', async (t) => {
  const { app, signIn, get } = await startEventHost(t)
  const { token } = await signIn()
  const { of, news } = listen(t, ['fastify-weapp.authenticate'])
  const told = async (url: string, token: string | undefined, code?: string) => {
    await get(url, token)
    checkWork(t, of('fastify-weapp.authenticate'), {}, code)
    news()
  }
  await told('/me', token)
  await told('/me', undefined, 'FST_WEAPP_TOKEN_MISSING')
  await told('/me', 'nonsense', 'FST_WEAPP_TOKEN_INVALID')
  await told('/feed', token)
  await told('/feed', undefined, 'FST_WEAPP_TOKEN_MISSING')
  await app.inject('/nowhere')
  t.strictSame(news(), [], 'a route that asks nobody')
})

t.test('decrypt: encrypted data and signatures', async (t) => {
  const { wechat, signIn, post } = await startEventHost(t)
  const { token } = await signIn()
  const { of, news } = listen(t, ['fastify-weapp.decrypt'])
  const told = async (url: string, body: object, code?: string) => {
    await post(url, body, token)
    checkWork(t, of('fastify-weapp.decrypt'), { appId: APP_ID }, code)
    news()
  }
  await told('/decrypt', wechat.encrypt('alice', { n: 1 }))
  await told('/decrypt', { encryptedData: 'x', iv: 'x' }, 'FST_WEAPP_SESSION_KEY_STALE')
  await told('/verify', { rawData: '{}', signature: wechat.sign('alice', '{}') })
  await told('/verify', { rawData: '{}', signature: 'x' }, 'FST_WEAPP_SESSION_KEY_STALE')
})

t.test('decrypt: also without a key, and within a login', async (t) => {
  const host = await startEventHost(t, {
    options: { keepSessionKey: false, onLogin: async ({ openid, decrypt }) => { await decrypt('x', openid) } }
  })
  const { of } = listen(t, ['fastify-weapp.decrypt', 'fastify-weapp.login'])
  await host.login()
  checkWork(t, of('fastify-weapp.decrypt'), { appId: APP_ID }, 'FST_WEAPP_SESSION_KEY_STALE')
  checkWork(t, of('fastify-weapp.login'), { appId: APP_ID }, 'FST_WEAPP_SESSION_KEY_STALE')
  const keyless = await startEventHost(t, { options: { keepSessionKey: false } })
  const { token } = await keyless.signIn()
  const { of: later } = listen(t, ['fastify-weapp.decrypt'])
  await keyless.post('/decrypt', {}, token)
  checkWork(t, later('fastify-weapp.decrypt'), { appId: APP_ID }, 'FST_WEAPP_SESSION_KEY_MISSING')
})

t.test('store: every operation by its name, and our error in place of the store\'s', async (t) => {
  const { store, instead, heal } = faultyStore()
  const { app, wechat, signIn, get, post } = await startEventHost(t, { options: { store, storeTimeout: 20 } })
  const openid = wechat.openid('alice')
  const { of, news } = listen(t, ['fastify-weapp.store'])
  const operations = () => news().filter(({ kind }) => kind === 'start').map(({ message }) => message.operation)
  const { token } = await signIn()
  await get('/weapp/session', token)
  await post('/decrypt', wechat.encrypt('alice', {}), token)
  await post('/reset', {}, token)
  await post('/update', {}, token)
  await app.weapp.sessions.revokeAll({ appId: APP_ID, openid })
  await post('/weapp/logout', undefined, (await signIn()).token)
  t.strictSame(new Set(operations()), new Set(['create', 'read', 'list', 'readKeys', 'writeKey', 'update', 'revokeAll', 'revoke']))

  const { token: next } = await signIn()
  for (const failure of [async () => { throw new Error('canary') }, () => new Promise(() => {})]) {
    news()
    instead('read', failure)
    await get('/me', next)
    checkWork(t, of('fastify-weapp.store'), { operation: 'read' }, 'FST_WEAPP_STORE_UNAVAILABLE')
  }
  heal()
})

t.test('store: a session of a memoryStore is read once, whatever the size of its data', async (t) => {
  let data = {}
  const { app, wechat, signIn, get } = await startEventHost(t, { options: { onLogin: async () => ({ data }) } })
  const { news } = listen(t, ['fastify-weapp.store'])
  const reads = () => news().filter(({ kind, message }) => kind === 'start' && message.operation === 'read').length
  for (const [what, length, expected] of [['short', 10, 1], ['long', 300, 1]] as const) {
    data = { text: 'x'.repeat(length) }
    const { token } = await signIn()
    news()
    for (let i = 0; i < 3; i++) t.equal((await get('/me', token)).statusCode, 200)
    t.equal(reads(), expected, what)
  }
  const { token } = await signIn()
  await get('/me', token)
  await app.weapp.sessions.revokeAll({ appId: APP_ID, openid: wechat.openid('alice') })
  t.equal((await get('/me', token)).json().code, 'FST_WEAPP_SESSION_KICKED')
})

t.test('nothing secret is told, whatever happens', async (t) => {
  const { store, instead, heal } = faultyStore()
  const { app, wechat, post, get } = await startEventHost(t, {
    simulator: { openPlatform: true },
    options: { store, storeTimeout: 20, onLogin: async ({ unionid }) => ({ data: { unionid } }) }
  })
  const { heard } = listen(t)
  const canaries: Record<string, string[]> = {
    'app secret': [APP_SECRET],
    'secret of ours': [SECRET],
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
  for (const fault of [{ errcode: 40125 }, { errcode: 40029, errmsg: 'canary-of-errmsg' }, { status: 500 }, { reset: true }, { body: 'canary-of-errmsg' }] as const) {
    wechat.fault(fault)
    await work()
    wechat.clearFaults()
  }
  for (const operation of ['read', 'readKeys', 'create'] as const) {
    instead(operation, (input) => { throw Object.assign(new Error(`canary-of-data ${JSON.stringify(input)}`), { input }) })
    await work()
    heal()
  }
  const accessTokens = new Set(wechat.requests.flatMap(({ query: { access_token: token } }) => token ?? []))
  canaries['access token'] = [...accessTokens, await app.weapp.wechat.getAccessToken()]

  t.strictSame(new Set(heard.map(({ name }) => name)), new Set(NAMES))
  t.ok(heard.filter(({ kind }) => kind === 'error').length > 30, 'much went wrong')
  for (const { name, kind, message } of heard) {
    const { error } = message as { error?: Error }
    const shown = inspect(message, { depth: Infinity, showHidden: true }) + JSON.stringify(message) + String(error?.stack)
    for (const [what, values] of Object.entries(canaries)) {
      if (values.some((value) => shown.includes(value))) t.fail(`${name}:${kind} tells a ${what}`)
    }
    t.notOk(message.result, 'no result')
    t.strictSame(Object.keys(message).filter((key) => !['appId', 'path', 'operation', 'error', 'result'].includes(key)), [])
    t.equal(error?.cause, undefined)
  }
})

t.test('without a listener the work is all there is, and the outcome is what it gave', async (t) => {
  const context = { appId: 'app' }
  const promise = Promise.resolve('later')
  t.equal(traced('fastify-weapp.login', context, () => 'at once'), 'at once')
  t.equal(traced('fastify-weapp.login', context, () => promise), promise, 'the very same promise')
  t.throws(() => traced('fastify-weapp.login', context, () => { throw new Error('at once') }), { message: 'at once' })
  t.strictSame(context, { appId: 'app' })

  const other = listen(t, ['fastify-weapp.store'])
  t.equal(traced('fastify-weapp.login', context, () => 'at once'), 'at once')
  t.equal(other.heard.length, 0, 'a listener elsewhere is none here')

  const { heard, stop } = listen(t, ['fastify-weapp.login'])
  t.equal(await traced('fastify-weapp.login', context, () => 'at once'), 'at once')
  t.equal(await traced('fastify-weapp.login', context, () => promise), 'later')
  const error = new Error('at once')
  await t.rejects(async () => await traced('fastify-weapp.login', context, () => { throw error }), error)
  t.strictSame([heard.filter(({ kind }) => kind === 'asyncEnd').length, heard.filter(({ kind }) => kind === 'error').length], [3, 1])

  stop()
  t.equal(traced('fastify-weapp.login', context, () => 'at once'), 'at once', 'and nothing again when the last one leaves')
  t.equal(heard.filter(({ kind }) => kind === 'start').length, 3)
})

for (const subscribers of [{ asyncEnd () {} }, { error () {} }, { start () {} }]) {
  t.test(`who wants ${Object.keys(subscribers)} alone may have that`, async (t) => {
    const channel = tracingChannel<unknown, Message>('fastify-weapp.login')
    const heard: Message[] = []
    const [[kind]] = Object.entries(subscribers) as [[Kind, () => void]]
    const subscriber = { [kind]: (message: Message) => { heard.push(message) } } as unknown as Parameters<typeof channel.subscribe>[0]
    channel.subscribe(subscriber)
    t.teardown(() => channel.unsubscribe(subscriber))
    const { login } = await startEventHost(t)
    t.equal((await login('unknown')).statusCode, 401)
    t.match(heard, [{ appId: APP_ID }])
  })
}

t.test('listening changes no answer', async (t) => {
  async function answers (): Promise<string[]> {
    const seen: string[] = []
    const { store, instead, heal } = faultyStore()
    const { wechat, post, get } = await startEventHost(t, { options: { store, storeTimeout: 20 } })
    const keep = async (response: ReturnType<typeof post>) => {
      const { statusCode, headers: { date, 'content-length': length, ...headers }, body } = await response
      seen.push(JSON.stringify([statusCode, headers, body.replace(/"token":"[^"]+"|"(expires|created|idleExpires)At":\d+|"timestamp":\d+|"id":"[^"]+"/g, '')]))
      return body
    }
    const login = async (user: string) => JSON.parse(await keep(post('/weapp/login', { code: wechat.login(user) }))).token as string
    const token = await login('alice')
    await keep(post('/weapp/login', { code: 'unknown' }))
    for (const bearer of [token, undefined, 'nonsense', `${token}x`]) {
      for (const url of ['/me', '/feed', '/weapp/session']) await keep(get(url, bearer))
    }
    await keep(post('/decrypt', wechat.encrypt('alice', { n: 1 }), token))
    await keep(post('/decrypt', {}, token))
    await keep(post('/check', {}, token))
    await keep(post('/reset', {}, token))
    for (const fault of [{ errcode: 45009 }, { reset: true }, { status: 500 }] as const) {
      wechat.fault(fault, { times: 1 })
      await login('alice')
      wechat.clearFaults()
    }
    instead('read', async () => { throw new Error('down') })
    await keep(get('/me', token))
    heal()
    await keep(post('/weapp/logout', undefined, token))
    await keep(get('/me', token))
    return seen
  }
  const silent = await answers()
  const { heard, stop } = listen(t)
  const told = await answers()
  t.ok(heard.length > 100)
  t.strictSame(told, silent)
  t.ok(new Set(silent).size > 10, 'of many kinds')
  stop()
})

t.test('a guard that answers at once from the cache is told of all the same', async (t) => {
  const { signIn, get, wechat } = await startEventHost(t, { options: { store: memoryStore(), cache: {} } })
  const { token } = await signIn()
  await get('/me', token)
  const { of, heard } = listen(t)
  t.strictSame((await get('/me', token)).json(), { openid: wechat.openid('alice') })
  checkWork(t, of('fastify-weapp.authenticate'), {})
  t.equal(heard.length, 4, 'and no store was asked')
})
