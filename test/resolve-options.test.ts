import { Type } from '@sinclair/typebox'
import Fastify from 'fastify'
import { Redis } from 'ioredis'
import { test } from 'tap'
import { Agent } from 'undici'
import weapp, { memoryStore, redisStore, type WeappOptions } from '../src/index.js'
import { resolveOptions } from '../src/resolve-options.js'
import { DAY } from './helpers/clock.js'
import { captureLog } from './helpers/log.js'
import { APP_ID, APP_SECRET, SECRET, startHost } from './helpers/host.js'

const VALID: WeappOptions = { appId: APP_ID, appSecret: APP_SECRET, secret: SECRET }
const SHORT = 'short-canary-secret'
const LONG = 'long canary secret, of more than 32 bytes'

async function boot (options: unknown): Promise<void> {
  const app = Fastify()
  try {
    await app.register(weapp, options as WeappOptions)
    await app.ready()
  } finally {
    await app.close()
  }
}

const STORE_OPERATIONS = ['create', 'read', 'touch', 'update', 'revoke', 'revokeAll', 'list', 'readKeys', 'writeKey']

const TWO_APPS = { appId: undefined, appSecret: undefined, apps: { wx1: 'a', wx2: 'b' }, selectApp: () => 'wx1' }

const DURATIONS = [0, -1, 1.5, NaN, Infinity, 2 ** 31 * 1000, null, '', 'soon', '3600', '-1s', ['1s'], {}, true]

/** Options with the reason in the message and with invalid values. */
const INVALID: [option: string, reason: RegExp, make: (value: unknown) => object, values: unknown[]][] = [
  ['appId', /white space/, (appId) => ({ appId }), [`${APP_ID} `, `\t${APP_ID}`]],
  ['appSecret', /white space/, (appSecret) => ({ appSecret }), [`${APP_SECRET}\n`]],
  ['apps', /white space/, (apps) => ({ appId: undefined, appSecret: undefined, apps }), [
    { [`${APP_ID} `]: APP_SECRET }, { [APP_ID]: `${APP_SECRET}\n` }
  ]],
  ['appId', /blank/, (appId) => ({ appId }), [undefined, null, '', ' \t', 1, ['wx1'], {}]],
  ['appSecret', /blank/, (appSecret) => ({ appSecret }), [undefined, null, '', ' ', 1, [APP_SECRET]]],
  ['secret', /blank/, (secret) => ({ secret }), [
    undefined, null, '', ' '.repeat(40), 32, {}, Buffer.alloc(32), [LONG, 1], [null]
  ]],
  ['secret', /at least 32 bytes/, (secret) => ({ secret }), [SHORT, `${SHORT}${' '.repeat(40)}`, [], [LONG, SHORT]]],
  ['secret', /must not contain duplicates/, (secret) => ({ secret }), [[LONG, LONG]]],
  ['apps', /cannot be combined/, (apps) => ({ apps }), [{ [APP_ID]: APP_SECRET }, {}, null, () => APP_SECRET]],
  ['apps', /must be an object/, (apps) => ({ appId: undefined, appSecret: undefined, apps }), [null, {}, [], 'wx1', 1]],
  ['apps', /blank/, (apps) => ({ appId: undefined, appSecret: undefined, apps }), [
    { wx1: '' }, { wx1: APP_SECRET, wx2: 1 }, { '': APP_SECRET }
  ]],
  ['selectApp', /is required/, (apps) => ({ appId: undefined, appSecret: undefined, apps }), [
    { wx1: 'a', wx2: 'b' }, () => 'a'
  ]],
  ['selectApp', /function/, (selectApp) => ({ selectApp }), [null, 'wx1', {}]],
  ['store', /must be an object/, (store) => ({ store }), [null, [], 'redis', memoryStore]],
  ['store', /method create$/, (store) => ({ store }), [{}, new Map()]],
  ...STORE_OPERATIONS.map((operation): typeof INVALID[number] => [
    'store', new RegExp(`method ${operation}$`), (value) => ({ store: { ...memoryStore(), [operation]: value } }),
    [undefined, true]
  ]),
  ['storeTimeout', /duration/, (storeTimeout) => ({ storeTimeout }), [...DURATIONS, 2 ** 31, false]],
  ['storeTimeout', /longer than the store's own timeout of 500 ms/, (storeTimeout) => ({
    storeTimeout, store: { ...memoryStore(), timeout: 500 }
  }), [500, '0.2s', 1]],
  ['storeTimeout', /longer than the store's own timeout/, (timeout) => ({ store: { ...memoryStore(), timeout } }), [
    2000, 3000
  ]],
  ['storeTimeout', /timeout of 1000 ms/, (storeTimeout) => ({
    storeTimeout, store: redisStore({ client: new Redis({ lazyConnect: true }) })
  }), [1000]],
  ['store.timeout', /whole number/, (timeout) => ({ store: { ...memoryStore(), timeout } }), [-1, NaN, 'soon', null]],
  ['prefix', /begins with '\/'/, (prefix) => ({ prefix }), [
    null, 1, 'weapp', ' /weapp', '/we app', '/weapp?', '/weapp#', {}
  ]],
  ['protect', /one of marked, all/, (protect) => ({ protect }), [null, true, 'none', 'ALL', ['all']]],
  ['hook', /one of preHandler, onRequest/, (hook) => ({ hook }), [null, 'preParsing', 'onrequest', false]],
  ['session', /object/, (session) => ({ session }), [null, '30d', []]],
  ['session.ttl', /duration/, (ttl) => ({ session: { ttl } }), [...DURATIONS, false]],
  ['session.ttl', /one second/, (ttl) => ({ session: { ttl } }), [999, '1ms']],
  ['session.idle', /duration/, (idle) => ({ session: { idle } }), DURATIONS],
  ['session.idle', /longer than session\.ttl/, (idle) => ({ session: { ttl: '1d', idle } }), [DAY + 1, '2d']],
  ['session.idle', /longer than session\.ttl/, (idle) => ({ session: { idle } }), ['31d']],
  ['session.limit', /whole number from 1/, (limit) => ({ session: { limit } }), [
    0, -1, 1.5, NaN, Infinity, '10', true, {}, null
  ]],
  ['session.timeout', /not a valid option/, (timeout) => ({ session: { timeout } }), ['1d']],
  ['keepSessionKey', /true or false/, (keepSessionKey) => ({ keepSessionKey }), [null, 1, 0, 'false', {}]],
  ['onLogin', /function/, (onLogin) => ({ onLogin }), [null, 'function', {}, true]],
  ['cache', /object/, (cache) => ({ cache }), [null, true, 1000, '30s', []]],
  ['cache', /store with the method watch/, (store) => ({ cache: {}, store }), [{ ...memoryStore(), watch: undefined }]],
  ['cache.max', /whole number from 1/, (max) => ({ cache: { max } }), [
    0, -1, 1.5, NaN, Infinity, 2 ** 24 + 1, '10', null
  ]],
  ['cache.maxAge', /duration/, (maxAge) => ({ cache: { maxAge } }), DURATIONS],
  ['cache.ttl', /not a valid option/, (ttl) => ({ cache: { ttl } }), ['30s']],
  ['wechat', /object/, (wechat) => ({ wechat }), [null, 'https://api.weixin.qq.com', []]],
  ['wechat.baseUrl', /https origin/, (baseUrl) => ({ wechat: { baseUrl } }), [
    null, '', 'api.weixin.qq.com', 'http://api.weixin.qq.com', 'http://127.0.0.1.example', 'http://localhost.example',
    'http://10.0.0.1', 'ftp://localhost', 'https://api.weixin.qq.com/path', 'https://api.weixin.qq.com/?a=b',
    'https://api.weixin.qq.com/#a', `https://user:${SHORT}@api.weixin.qq.com`,
    1, {}, new URL('https://api.weixin.qq.com')
  ]],
  ['wechat.timeout', /duration/, (timeout) => ({ wechat: { timeout } }), [...DURATIONS, 2 ** 31]],
  ['wechat.retries', /whole number from 0 to 5/, (retries) => ({ wechat: { retries } }), [
    -1, 6, 0.5, NaN, Infinity, '1', false, null
  ]],
  ['wechat.concurrency', /whole number from 1/, (concurrency) => ({ wechat: { concurrency } }), [
    0, -1, 0.5, NaN, Infinity, '1', false, null
  ]],
  ['wechat.dispatcher', /undici dispatcher/, (dispatcher) => ({ wechat: { dispatcher } }), [
    null, 'http://proxy', {}, { dispatch: true },
    { dispatch () { throw new TypeError(`unsupported handler: ${SHORT}`) } }
  ]],
  ['wechat.proxy', /not a valid option/, (proxy) => ({ wechat: { proxy } }), ['http://proxy']],
  ['virtualPayment', /must be an object/, (virtualPayment) => ({ virtualPayment }), [null, SHORT, [], () => null]],
  ['virtualPayment', /requires keepSessionKey/, (virtualPayment) => ({ virtualPayment, keepSessionKey: false }), [
    { offerId: '1', appKey: SHORT }, {}
  ]],
  ['virtualPayment.offerId', /blank/, (offerId) => ({ virtualPayment: { offerId, appKey: SHORT } }), [
    undefined, null, '', 123
  ]],
  ['virtualPayment.offerId', /blank/, (virtualPayment) => ({ virtualPayment }), [{}]],
  ['virtualPayment.appKey', /blank/, (appKey) => ({ virtualPayment: { offerId: '1', appKey } }), [
    undefined, null, ' ', () => SHORT
  ]],
  ['virtualPayment.appKey', /white space/, (appKey) => ({ virtualPayment: { offerId: '1', appKey } }), [`${SHORT}\n`]],
  ['virtualPayment.sandbox', /true or false/, (sandbox) => ({
    virtualPayment: { offerId: '1', appKey: SHORT, sandbox }
  }), [null, 1, 'true']],
  ['virtualPayment.sandboxAppKey', /not a valid option/, (sandboxAppKey) => ({ virtualPayment: { sandboxAppKey } }), [
    SHORT
  ]],
  ['virtualPayment', /object of app ids and credentials/, (virtualPayment) => ({ ...TWO_APPS, virtualPayment }), [
    null, SHORT, []
  ]],
  ['virtualPayment', /not in apps/, (virtualPayment) => ({ ...TWO_APPS, virtualPayment }), [
    { wx3: { offerId: '1', appKey: SHORT } }, { toString: { offerId: '1', appKey: SHORT } }
  ]],
  ['virtualPayment.appKey', /blank/, (appKey) => ({ ...TWO_APPS, virtualPayment: { wx1: { offerId: '1', appKey } } }), [
    undefined, ''
  ]],
  ['routes', /object/, (routes) => ({ routes }), [null, false, []]],
  ['routes.refresh', /not a valid option/, (refresh) => ({ routes: { refresh } }), [{}]],
  ...['login', 'logout', 'session'].flatMap((name): typeof INVALID => [
    [`routes.${name}`, /must be an object/, (route) => ({ routes: { [name]: route } }), [null, true, '/login', []]],
    [`routes.${name}.path`, /begins with '\/'/, (path) => ({ routes: { [name]: { path } } }), [
      null, 'login', 1, '/a b'
    ]],
    ...['method', 'url', 'handler', 'validatorCompiler', 'serializerCompiler'].map((key): typeof INVALID[number] => [
      `routes.${name}.${key}`, /is not a valid option/, (value) => ({ routes: { [name]: { [key]: value } } }),
      ['GET', () => {}, undefined]
    ])
  ]),
  ['routes.login.body', /schema of an object/, (body) => ({ routes: { login: { body } } }), [
    null, {}, { inviteCode: 'string' }, Type.String(), Type.Array(Type.Object({})), { type: 'object' },
    { type: 'object', properties: [] }, [], 'body'
  ]],
  ['routes.login.body', /must not declare the field code/, (body) => ({ routes: { login: { body } } }), [
    Type.Object({ code: Type.String() })
  ]],
  ...['body', 'querystring', 'response'].map((part): typeof INVALID[number] => [
    `routes.login.schema.${part}`, part === 'body' ? /Declare extra login fields in routes\.login\.body/ : /is reserved\. The plugin defines it/,
    (schema) => ({ routes: { login: { schema: { [part]: schema } } } }), [Type.Object({}), undefined]
  ]),
  ['routes.session.schema', /must be an object/, (schema) => ({ routes: { session: { schema } } }), [null, 'body', []]],
  ['secret', /white space/, (secret) => ({ secret }), [`${LONG}\n`, [LONG, ` ${SECRET}`]]],
  ['appid', /not a valid option/, (appid) => ({ appid }), ['wx1']],
  ['Prefix', /not a valid option/, (Prefix) => ({ Prefix }), ['/weapp']]
]

for (const [option, reason, make, values] of INVALID) {
  test(`${option}: ${reason.source}`, async (t) => {
    for (const value of values) {
      const label = `${typeof value} ${String(JSON.stringify(value)).slice(0, 60)}`
      const error: { code?: string, message: string } = await boot({ ...VALID, ...make(value) })
        .then(() => ({ message: 'the boot succeeds' }), (error) => error)
      t.equal(error.code, 'FST_WEAPP_INVALID_OPTION', label)
      t.ok(error.message.startsWith(`fastify-weapp: option ${option} `), error.message)
      t.match(error.message, reason)
      for (const canary of [SHORT, LONG, SECRET, APP_SECRET]) t.notOk(error.message.includes(canary))
    }
  })
}

test('options: are required', async (t) => {
  await t.rejects(boot(undefined), { code: 'FST_WEAPP_INVALID_OPTION', message: /option appId / })
})

test('options: must be an object', async (t) => {
  for (const options of [null, [], 'wx1', 1]) {
    t.throws(() => resolveOptions(options as unknown as WeappOptions), {
      code: 'FST_WEAPP_INVALID_OPTION', message: 'fastify-weapp: option options must be an object'
    })
  }
})

test('options: the defaults', async (t) => {
  t.match(resolveOptions(VALID), {
    apps: { [APP_ID]: APP_SECRET },
    secrets: [SECRET],
    storeTimeout: 2000,
    routes: { login: {}, logout: {}, session: {} },
    protect: 'marked',
    hook: 'preHandler',
    session: { ttl: 30 * DAY, idle: 7 * DAY, limit: 10 },
    keepSessionKey: true,
    cache: { max: 100_000, maxAge: 30_000 },
    wechat: { baseUrl: 'https://api.weixin.qq.com', timeout: 5000, retries: 1, dispatcher: undefined },
    scope: { prefix: '/weapp' }
  })
  t.equal(await resolveOptions(VALID).onLogin({} as never), undefined)
})

test('cache: on by default over a memoryStore, and over no other store', async (t) => {
  const cacheOver = (store: WeappOptions['store'], cache?: WeappOptions['cache']) => {
    return resolveOptions({ ...VALID, store, cache }).cache
  }
  const defaults = { max: 100_000, maxAge: 30_000 }
  t.strictSame(cacheOver(undefined), defaults)
  t.strictSame(cacheOver(memoryStore()), defaults)
  t.equal(cacheOver({ ...memoryStore() }), null)
  t.strictSame(cacheOver({ ...memoryStore() }, {}), defaults)
  t.equal(cacheOver(memoryStore(), false), null)
  t.equal(cacheOver(undefined, false), null)
})

test('session.ttl: caps the default idle time', async (t) => {
  const session = (session: WeappOptions['session']) => resolveOptions({ ...VALID, ...session && { session } }).session
  t.strictSame(session({ ttl: '1h' }), { ttl: 3_600_000, idle: 3_600_000, limit: 10 })
  t.strictSame(session({ ttl: '8d' }), { ttl: 8 * DAY, idle: 7 * DAY, limit: 10 })
  t.strictSame(session({ ttl: '1h', idle: '1h', limit: 1 }), {
    ttl: 3_600_000, idle: 3_600_000, limit: 1
  }, 'an idle time equal to ttl')
  t.strictSame(session({ idle: false, limit: false }), { ttl: 30 * DAY, idle: false, limit: null })
})

test('options: valid values pass', async (t) => {
  const dispatcher = new Agent()
  t.teardown(() => dispatcher.close())
  for (const options of [
    { secret: [LONG, SECRET] },
    { secret: 'x'.repeat(32) },
    { secret: '密'.repeat(11) },
    { store: memoryStore(), storeTimeout: '500ms' },
    { store: { ...memoryStore(), timeout: 500 }, storeTimeout: 501 },
    { wechat: { baseUrl: 'https://proxy.example:8443', timeout: '2s', retries: 0, dispatcher } },
    { wechat: { baseUrl: 'http://localhost:1/' } },
    { wechat: { baseUrl: 'http://[::1]:1' } },
    { wechat: {}, session: {}, routes: {}, cache: {} },
    { cache: false },
    { cache: { max: 1, maxAge: 1 } },
    { appId: undefined, appSecret: undefined, apps: { [APP_ID]: APP_SECRET } }
  ]) {
    const shown = { ...options, ...options.wechat && { wechat: Object.keys(options.wechat) } }
    await t.resolves(boot({ ...VALID, ...options }), JSON.stringify(shown))
  }
})

test('options: undefined means the default', (t) => {
  // The types must allow undefined under exactOptionalPropertyTypes. The type of `prefix` is Fastify's and does not.
  const undecided: WeappOptions = {
    ...VALID,
    apps: undefined,
    selectApp: undefined,
    store: undefined,
    storeTimeout: undefined,
    routes: {
      login: { path: undefined, body: undefined, schema: { tags: undefined } }, logout: undefined, session: undefined
    },
    protect: undefined,
    hook: undefined,
    session: { ttl: undefined, idle: undefined, limit: undefined },
    keepSessionKey: undefined,
    onLogin: undefined,
    cache: undefined,
    wechat: {
      baseUrl: undefined, timeout: undefined, retries: undefined, concurrency: undefined, dispatcher: undefined
    }
  }
  const plain = ({ store, apps, selectApp, onLogin, routes, ...rest }: ReturnType<typeof resolveOptions>) => rest
  t.strictSame(plain(resolveOptions(undecided)), plain(resolveOptions(VALID)))
  const { routes } = resolveOptions({ ...VALID, routes: undefined, session: undefined, wechat: undefined })
  t.strictSame(routes, resolveOptions(VALID).routes)
  t.end()
})

const ADVICE = "Numbers are milliseconds. Write '2s' or '30d' for a longer time."

test('suspicious-duration: warns of a number that looks like seconds', async (t) => {
  const warnings = async (options: Partial<WeappOptions>) => {
    const log = captureLog()
    await startHost(t, { server: log.server, options })
    const lines = log.lines().filter(({ weapp }) => weapp?.event === 'suspicious-duration')
    return lines.map(({ level, msg }) => `${level} ${msg}`)
  }
  t.strictSame(await warnings({
    session: { ttl: 7200, idle: 1800 }, storeTimeout: 2, cache: { maxAge: 30 }, wechat: { timeout: 5 }
  }), [
    `40 weapp: session.ttl is 7200 ms. ${ADVICE}`,
    `40 weapp: session.idle is 1800 ms. ${ADVICE}`,
    `40 weapp: storeTimeout is 2 ms. ${ADVICE}`,
    `40 weapp: cache.maxAge is 30 ms. ${ADVICE}`,
    `40 weapp: wechat.timeout is 5 ms. ${ADVICE}`
  ])
  for (const session of [
    undefined, {}, { ttl: '2s' }, { ttl: 3_600_000, idle: 3_600_000 }, { idle: false as const, limit: 5 }
  ]) t.strictSame(await warnings({ session }), [])
  t.strictSame(await warnings({ store: { ...memoryStore(), timeout: 1 } }), [
    `40 weapp: store.timeout is 1 ms. ${ADVICE}`
  ])
  t.strictSame(await warnings({ storeTimeout: 100, cache: { maxAge: 1000 }, wechat: { timeout: 100 } }), [])
  t.strictSame(await warnings({ storeTimeout: '50ms', cache: false, wechat: {} }), [])
})

test('store: may be an instance of a class', async (t) => {
  class Store {}
  for (const operation of STORE_OPERATIONS) Object.assign(Store.prototype, { [operation]: async () => null })
  await t.resolves(boot({ ...VALID, store: new Store() }))
})

test('prefix, routes.*.path: define the URLs of the routes', async (t) => {
  for (const [prefix, path, url] of [
    ['', undefined, '/login'], ['/', undefined, '/login'], ['/api/v1', undefined, '/api/v1/login'],
    ['/api', '/sign-in', '/api/sign-in'], ['', '/sign-in', '/sign-in'], ['/sign-in', '', '/sign-in'],
    ['/:tenant', '/in', '/any/in']
  ] as const) {
    const routes = { login: { ...path !== undefined && { path } } }
    const { app, wechat } = await startHost(t, { options: { prefix, routes } })
    const login = await app.inject({ method: 'POST', url, payload: { code: wechat.login('alice') } })
    t.equal(login.statusCode, 200, `'${prefix}' and '${path}'`)
    t.equal((await app.inject({ method: 'POST', url: '/weapp/login' })).statusCode, 404, 'no route at the default URL')
  }
})

test('routes: false removes one route', async (t) => {
  for (const off of ['login', 'logout', 'session'] as const) {
    const { app } = await startHost(t, { options: { routes: { [off]: false } } })
    for (const [name, method] of [['login', 'POST'], ['logout', 'POST'], ['session', 'GET']] as const) {
      t.equal(app.hasRoute({ method, url: `/weapp/${name}` }), name !== off, `${name} without ${off}`)
    }
  }
})

test('logLevel, logSerializers: apply to the routes of the plugin only', async (t) => {
  const lines: { url?: string, req?: unknown, msg: string }[] = []
  const host = await startHost(t, {
    server: { logger: { level: 'info', stream: { write: (line: string) => { lines.push(JSON.parse(line)) } } } },
    options: { logLevel: 'warn', logSerializers: { weapp: () => 'serialized' } }
  })
  const { token } = await host.signIn()
  t.strictSame(lines.filter(({ msg }) => msg === 'incoming request'), [], 'no line for a login')
  await host.get('/me', token)
  t.equal(lines.filter(({ msg }) => msg === 'incoming request').length, 1)
  await host.post('/weapp/login', { code: 'unknown' })
  t.match(lines.at(-1), { msg: 'weapp: login failed', weapp: 'serialized' })
})

test('routes: accept the route options of Fastify, but stay guarded', async (t) => {
  const seen: string[] = []
  const host = await startHost(t, {
    options: {
      routes: {
        login: { bodyLimit: 100, preHandler: async (request) => { seen.push(request.url) } },
        session: {
          config: { weapp: false, mark: 'of the host' } as object,
          onRequest: async (request) => { seen.push(JSON.stringify(request.routeOptions.config)) }
        }
      }
    }
  })
  const { token } = await host.signIn()
  t.strictSame(seen, ['/weapp/login'])
  t.equal((await host.post('/weapp/login', { code: 'x'.repeat(100) })).statusCode, 413)
  t.equal((await host.get('/weapp/session')).statusCode, 401, 'still guarded')
  t.equal((await host.get('/weapp/session', token)).statusCode, 200)
  t.match(seen.at(-1), /"mark":"of the host"/)
})
