import { randomInt } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { test, type Test } from 'tap'
import { appIdFromReferer, type SelectApp, type WeappOptions } from '../../src/index.js'
import { encryptUserData } from '../../src/testing/simulator/crypto.js'
import { memoryStore } from '../../src/stores/memory.js'
import { createApps, type AppSecrets } from '../../src/wechat/apps.js'
import { freezeClock } from '../helpers/clock.js'
import { FAILURES, STORE_WORDS } from '../helpers/faulty-store.js'
import { captureLog } from '../helpers/log.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { APP_ID, APP_SECRET, startHost, type HostOptions } from '../helpers/host.js'

const APPS = { wxone: 'secret-of-one', wxtwo: 'secret-of-two' }
const UNKNOWN = 'FST_WEAPP_APP_UNKNOWN'

const byHeader: SelectApp = (request) => request.headers['x-app'] as string | undefined

/** Starts a host of several apps. The header `x-app` of a login selects the app. */
async function startAppsHost (
  t: Test, apps: AppSecrets, { options, ...rest }: Omit<HostOptions, 'options'> & { options?: object } = {}
) {
  const host = await startHost(t, {
    simulator: { apps: APPS },
    ...rest,
    options: { apps, selectApp: byHeader, session: { limit: false }, ...options } as Partial<WeappOptions>,
    async after (app) {
      const config = { weapp: true }
      app.get('/who', { config }, async ({ weapp }) => {
        return { appId: weapp!.appId, openid: weapp!.openid, unionid: weapp!.unionid }
      })
      app.post<{ Body: { encryptedData: string, iv: string } }>('/decrypt', { config }, async ({ weapp, body }) => {
        return await weapp!.session.decrypt(body.encryptedData, body.iv)
      })
      app.get('/alive', { config }, async ({ weapp }) => ({ alive: await weapp!.session.checkSessionKey() }))
      await rest.after?.(app)
    }
  })
  const { app, wechat } = host
  return {
    ...host,
    /** Calls the login route for an app, by default with a new code of alice. */
    loginTo: (appId: string, code = wechat.login('alice', Object.hasOwn(wechat.apps, appId) ? { appId } : {})) => {
      return app.inject({ method: 'POST', url: '/weapp/login', headers: { 'x-app': appId }, payload: { code } })
    }
  }
}

/** Creates a lookup function that records its calls. A test may change `apps` or replace `find`. */
function recordingLookup (apps: Record<string, unknown> = { ...APPS }) {
  const lookups: string[] = []
  const host = {
    lookups,
    apps,
    find: (appId: string): unknown => apps[appId] ?? null,
    secrets: ((appId) => {
      lookups.push(appId)
      return host.find(appId)
    }) as AppSecrets
  }
  return host
}

test('apps map: each login and its token belong to one app', async (t) => {
  const { wechat, get, loginTo } = await startAppsHost(t, APPS)
  for (const [appId, secret] of Object.entries(APPS)) {
    wechat.clearRequests()
    const response = await loginTo(appId)
    t.equal(response.statusCode, 200)
    t.match(wechat.requests, [{ query: { appid: appId, secret } }])
    const openid = wechat.openid('alice', { appId })
    t.strictSame((await get('/who', response.json().token)).json(), { appId, openid, unionid: null })
  }
})

test('apps map: an unknown app answers 400 without a request to WeChat', async (t) => {
  const { wechat, loginTo } = await startAppsHost(t, APPS)
  for (const appId of ['wxother', 'WXONE', 'wxone ', 'constructor', '__proto__', 'hasOwnProperty', '']) {
    assertRefused(t, await loginTo(appId), 400, UNKNOWN)
  }
  t.strictSame(wechat.requests, [])
})

test('apps map: refuses a code of another app', async (t) => {
  const { wechat, loginTo } = await startAppsHost(t, APPS)
  assertRefused(t, await loginTo('wxone', wechat.login('alice', { appId: 'wxtwo' })), 401, 'FST_WEAPP_CODE_INVALID')
})

test('apps map: later changes of the object have no effect', async (t) => {
  const apps: Record<string, string> = { ...APPS }
  const { get, loginTo } = await startAppsHost(t, apps)
  const { token } = (await loginTo('wxone')).json()
  delete apps.wxone
  apps.wxother = 'secret'
  t.equal((await loginTo('wxone')).statusCode, 200)
  t.equal((await get('/who', token)).statusCode, 200)
  assertRefused(t, await loginTo('wxother'), 400, UNKNOWN)
})

test('apps map: one app needs no selectApp', async (t) => {
  const { signIn, get, wechat } = await startHost(t, { options: { apps: { [APP_ID]: APP_SECRET } } })
  const { token } = await signIn()
  t.strictSame((await get('/me', token)).json(), { openid: wechat.openid('alice') })
})

for (const kind of ['synchronous', 'asynchronous'] as const) {
  test(`apps function: is called once a minute per app, known or not (${kind})`, async (t) => {
    const clock = freezeClock(t)
    const { lookups, secrets } = recordingLookup()
    const lookUp = secrets as (appId: string) => string
    const given = kind === 'synchronous' ? secrets : async (appId: string) => lookUp(appId)
    const { wechat, get, loginTo } = await startAppsHost(t, given)
    const { token } = (await loginTo('wxone')).json()
    for (let i = 0; i < 3; i++) {
      t.equal((await loginTo('wxone')).statusCode, 200)
      t.equal((await get('/who', token)).statusCode, 200)
      assertRefused(t, await loginTo('wxother'), 400, UNKNOWN)
    }
    t.strictSame(lookups, ['wxone', 'wxother'])
    clock.advance(59_999)
    t.equal((await get('/who', token)).statusCode, 200)
    assertRefused(t, await loginTo('wxother'), 400, UNKNOWN)
    t.strictSame(lookups, ['wxone', 'wxother'])
    clock.advance(2)
    t.equal((await get('/who', token)).statusCode, 200)
    assertRefused(t, await loginTo('wxother'), 400, UNKNOWN)
    t.strictSame(lookups, ['wxone', 'wxother', 'wxone', 'wxother'])
    t.notOk(wechat.requests.some(({ query }) => query.appid !== 'wxone'))
  })
}

test('apps function: an app without a secret is unknown', async (t) => {
  const clock = freezeClock(t)
  const host = recordingLookup()
  const { wechat, loginTo } = await startAppsHost(t, host.secrets)
  for (const result of [
    null, undefined, '', ' ', '\n', 0, 7, true, {}, ['secret'], Promise.resolve(''), Promise.resolve({})
  ]) {
    host.find = () => result
    assertRefused(t, await loginTo('wxone'), 400, UNKNOWN)
    clock.advance(60_001)
  }
  t.strictSame(wechat.requests, [])
})

test('apps function: a new secret applies after a minute, or once the old is refused', async (t) => {
  const clock = freezeClock(t)
  const { lookups, apps, secrets } = recordingLookup()
  const { wechat, loginTo } = await startAppsHost(t, secrets)
  t.equal((await loginTo('wxone')).statusCode, 200)
  wechat.apps.wxone = apps.wxone = 'the-next-secret'
  assertRefused(t, await loginTo('wxone'), 500, 'FST_WEAPP_WECHAT_CONFIG')
  for (let i = 0; i < 2; i++) t.equal((await loginTo('wxone')).statusCode, 200)
  t.strictSame(lookups, ['wxone', 'wxone'], 'the new secret is cached')
  apps.wxone = 'another'
  t.equal((await loginTo('wxone')).statusCode, 200)
  clock.advance(60_001)
  assertRefused(t, await loginTo('wxone'), 500, 'FST_WEAPP_WECHAT_CONFIG')
})

const CACHE_OPTIONS = { 'no cache': { cache: false }, 'a cache': { cache: { maxAge: '1d' } } }

for (const [name, options] of Object.entries(CACHE_OPTIONS)) {
  test(`apps function: tokens of a removed app are invalid after a minute, with ${name}`, async (t) => {
    const clock = freezeClock(t)
    const { apps, secrets } = recordingLookup()
    const { get, loginTo } = await startAppsHost(t, secrets, { options })
    const { token: one } = (await loginTo('wxone')).json()
    const { token: two } = (await loginTo('wxtwo')).json()
    for (const token of [one, two]) t.equal((await get('/who', token)).statusCode, 200)
    delete apps.wxone
    clock.advance(59_000)
    t.equal((await get('/who', one)).statusCode, 200, 'within the minute')
    clock.advance(1_001)
    assertRefused(t, await get('/who', one), 401, 'FST_WEAPP_TOKEN_INVALID')
    assertRefused(t, await loginTo('wxone'), 400, UNKNOWN)
    t.equal((await get('/who', two)).statusCode, 200)
    apps.wxone = APPS.wxone
    clock.advance(60_001)
    t.equal((await get('/who', one)).statusCode, 200, 'valid again once the app is back')
  })
}

for (const [name, failure] of Object.entries(FAILURES)) {
  test(`apps function: one that ${name} answers 503, and its failure is not cached`, async (t) => {
    const clock = freezeClock(t)
    const log = captureLog()
    const host = recordingLookup()
    const { wechat, get, loginTo } = await startAppsHost(t, host.secrets, {
      server: log.server, options: { storeTimeout: 20 }
    })
    const { token } = (await loginTo('wxone')).json()
    clock.advance(60_001)
    wechat.clearRequests()

    const { find } = host
    host.find = failure
    assertRefused(t, await loginTo('wxone'), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
    assertRefused(t, await loginTo('wxother'), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
    assertRefused(t, await get('/who', token), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
    assertRefused(t, await get('/feed', token), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
    t.strictSame(wechat.requests, [])
    t.match(log.events().find(({ event }) => event === 'store-failed'), { operation: 'apps' }, 'the failure is logged')
    t.notOk(log.text().includes(STORE_WORDS))

    host.find = find
    t.equal((await get('/who', token)).statusCode, 200)
    t.equal((await loginTo('wxone')).statusCode, 200)
  })
}

test('apps function: at most ten thousand results are cached', async (t) => {
  const { lookups, secrets } = recordingLookup()
  const apps = createApps(secrets)
  t.equal(await apps.has('wxone'), true)
  t.equal(apps.has('wxone'), true, 'a cached result is synchronous')
  for (let i = 0; i < 10_000; i++) if (await apps.has(`made-up-${i}`)) t.fail('the app is unknown')
  t.equal(lookups.length, 10_001)
  t.equal(await apps.has('wxone'), true)
  t.equal(lookups.length, 10_002)
})

test('apps function: is not called for a long id, and concurrent lookups share a call', async (t) => {
  let lookups = 0
  const apps = createApps(async () => {
    lookups++
    return 'secret'
  })
  t.equal(await apps.has('x'.repeat(65)), false)
  t.equal(lookups, 0)
  const results = await Promise.all(Array.from({ length: 100 }, () => apps.has('x'.repeat(64))))
  t.strictSame(results, Array.from({ length: 100 }, () => true))
  t.equal(lookups, 1)
})

test('selectApp: may be synchronous or asynchronous', async (t) => {
  for (const selectApp of [byHeader, async (request) => await byHeader(request)] as SelectApp[]) {
    const { wechat, get, loginTo } = await startAppsHost(t, APPS, { options: { selectApp } })
    const { token } = (await loginTo('wxtwo')).json()
    t.match((await get('/who', token)).json(), { appId: 'wxtwo', openid: wechat.openid('alice', { appId: 'wxtwo' }) })
  }
})

test('selectApp: a result that is no known app answers 400', async (t) => {
  let selected: unknown
  for (const selectApp of [() => selected, async () => selected]) {
    const log = captureLog()
    const host = await startAppsHost(t, APPS, { server: log.server, options: { selectApp } })
    for (selected of [null, undefined, '', 'wxother', 0, 7, true, {}, ['wxone'], { toString: () => 'wxone' }]) {
      const logged = log.events().length
      assertRefused(t, await host.loginTo('wxone'), 400, UNKNOWN)
      t.strictSame(host.wechat.requests, [], 'no request to WeChat')
      t.strictSame(log.events().slice(logged), [{ event: 'login-failed', code: UNKNOWN }], 'the log omits the result')
    }
  }
})

test('selectApp: its error passes unchanged, without a request to WeChat', async (t) => {
  const error = Object.assign(new Error('which app?'), { statusCode: 418, code: 'HOST_TEAPOT' })
  for (const selectApp of [() => { throw error }, async () => { throw error }]) {
    const errors: unknown[] = []
    const host = await startAppsHost(t, APPS, {
      options: { selectApp },
      before: (app) => app.addHook('onError', async (_request, _reply, error) => { errors.push(error) })
    })
    const response = await host.loginTo('wxone')
    const { statusCode, headers } = response
    t.strictSame([statusCode, response.json().code, headers['weapp-error']], [418, 'HOST_TEAPOT', undefined])
    t.equal(errors[0], error, 'the same object')
    t.strictSame(host.wechat.requests, [])
  }
})

test('appIdFromReferer: accepts only the form that WeChat sends', async (t) => {
  const read = (referer?: string) => appIdFromReferer({ headers: referer === undefined ? {} : { referer } })
  t.equal(read('https://servicewechat.com/wx0123456789abcdef/12/page-frame.html'), 'wx0123456789abcdef')
  t.equal(read('https://servicewechat.com/wx0123456789abcdef/devtools/page-frame.html'), 'wx0123456789abcdef')
  t.equal(read('https://servicewechat.com/wxABC/0/page-frame.html'), 'wxABC')
  for (const referer of [
    undefined, '', 'wx0123456789abcdef', 'http://servicewechat.com/wx1/1/page-frame.html',
    'https://servicewechat.com.evil.example/wx1/1/page-frame.html',
    'https://evil.example/https://servicewechat.com/wx1/1/page-frame.html', 'https://servicewechat.com/',
    'https://servicewechat.com/wx1', 'https://servicewechat.com/gh_1/1/page-frame.html',
    'https://servicewechat.com/wx1?/1', 'https://servicewechat.com//wx1/1',
    'https://servicewechat.com/wx/1/page-frame.html', 'https://servicewechat.com/wx1%2f/1/',
    ' https://servicewechat.com/wx1/1/', 'HTTPS://SERVICEWECHAT.COM/wx1/1/'
  ]) t.equal(read(referer), undefined, String(referer))
})

test('appIdFromReferer: as selectApp, chooses among the known apps', async (t) => {
  const { app, wechat, get } = await startAppsHost(t, APPS, { options: { selectApp: appIdFromReferer } })
  const login = (referer?: string) => app.inject({
    method: 'POST',
    url: '/weapp/login',
    headers: referer === undefined ? {} : { referer },
    payload: { code: wechat.login('alice', { appId: 'wxtwo' }) }
  })
  const response = await login('https://servicewechat.com/wxtwo/3/page-frame.html')
  t.match((await get('/who', response.json().token)).json(), { appId: 'wxtwo' })
  wechat.clearRequests()
  for (const referer of [
    undefined, 'https://servicewechat.com/wxother/3/page-frame.html', 'https://evil.example/wxtwo/'
  ]) {
    assertRefused(t, await login(referer), 400, UNKNOWN)
  }
  t.strictSame(wechat.requests, [])
  assertRefused(t, await login('https://servicewechat.com/wxone/3/page-frame.html'), 401, 'FST_WEAPP_CODE_INVALID')
})

test('token: is invalid in a registration without its app, despite equal secrets', async (t) => {
  const store = memoryStore()
  const both = await startAppsHost(t, APPS, { options: { store } })
  const one = await startAppsHost(t, { wxone: APPS.wxone }, { options: { store } })
  const { token } = (await both.loginTo('wxone')).json()
  t.equal((await one.get('/who', token)).statusCode, 200)
  const { token: other } = (await both.loginTo('wxtwo')).json()
  assertRefused(t, await one.get('/who', other), 401, 'FST_WEAPP_TOKEN_INVALID')
})

test('apps function: concurrent logins of 50 apps never mix', async (t) => {
  const apps = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`wxapp${n}`, `secret-of-${n}`]))
  const lookUp = async (appId: string) => {
    for (let turns = randomInt(5); turns > 0; turns--) await nextTurn()
    return Object.hasOwn(apps, appId) ? apps[appId]! : null
  }
  const { app, wechat, get, post, loginTo } = await startAppsHost(t, lookUp, { simulator: { apps } })
  const users = ['alice', 'bob', 'carol']
  const logins = shuffled(Object.keys(apps).flatMap((appId) => users.map((user) => ({ appId, user }))))

  const signedIn = await Promise.all(logins.map(async ({ appId, user }) => {
    const response = await loginTo(appId, wechat.login(user, { appId }))
    t.equal(response.statusCode, 200)
    return { appId, user, token: response.json().token as string }
  }))
  t.equal(new Set(signedIn.map(({ token }) => token)).size, 150)
  for (const { query } of wechat.requests) {
    t.equal(query.secret, apps[query.appid!], `${query.appid} with its secret`)
  }

  await Promise.all(shuffled(signedIn).map(async ({ appId, user, token }) => {
    const openid = wechat.openid(user, { appId })
    t.strictSame((await get('/who', token)).json(), { appId, openid, unionid: null })
    const encrypted = wechat.encrypt(user, { user, appId }, { appId })
    t.match((await post('/decrypt', encrypted, token)).json(), { user, appId })
    const other = appId === 'wxapp0' ? 'wxapp1' : 'wxapp0'
    const foreign = wechat.encrypt(user, {}, { appId: other })
    assertRefused(t, await post('/decrypt', foreign, token), 409, 'FST_WEAPP_SESSION_KEY_STALE')
    // Encrypted under the user's own key, but with the watermark of another app.
    const watermark = { appid: other, timestamp: 1 }
    const forged = encryptUserData(JSON.stringify({ watermark }), wechat.sessionKey(user, { appId }))
    assertRefused(t, await post('/decrypt', forged, token), 409, 'FST_WEAPP_SESSION_KEY_STALE')
    t.strictSame((await get('/alive', token)).json(), { alive: true })
    t.match(await app.weapp.wechat.getPhoneNumber(wechat.phoneCode(user, { appId }), { appId }), { countryCode: '86' })
  }))

  const accessTokens = await Promise.all(Object.keys(apps).map((appId) => {
    return app.weapp.wechat.getAccessToken({ appId })
  }))
  t.equal(new Set(accessTokens).size, 50)
  const fetches = wechat.requests.filter(({ path }) => path === '/cgi-bin/stable_token')
  const fetched = fetches.map(({ body }) => JSON.parse(body))
  t.equal(fetched.length, 50, 'one fetch for each app')
  for (const { appid, secret } of fetched) t.equal(secret, apps[appid])
  for (const [n, appId] of Object.keys(apps).entries()) {
    const used = wechat.requests.filter(({ query }) => query.access_token === accessTokens[n])
    const openids = new Set(users.map((user) => wechat.openid(user, { appId })))
    t.equal(used.length, users.length * 2)
    t.ok(used.every(({ query }) => query.openid === undefined || openids.has(query.openid)),
      `the access_token of ${appId} is used for its own users only`)
  }

  const openid = (appId: string) => wechat.openid('alice', { appId })
  const tokenOf = (appId: string, user: string) => {
    return signedIn.find((login) => login.appId === appId && login.user === user)!.token
  }
  t.equal(await app.weapp.sessions.revokeAll({ appId: 'wxapp7', openid: openid('wxapp7') }), 1)
  assertRefused(t, await get('/who', tokenOf('wxapp7', 'alice')), 401, 'FST_WEAPP_SESSION_KICKED')
  t.equal(await app.weapp.sessions.revokeAll({ appId: 'wxapp8', openid: openid('wxapp9') }), 0,
    'an openid belongs to one app')
  for (const [appId, user] of [['wxapp7', 'bob'], ['wxapp8', 'alice'], ['wxapp9', 'alice']] as const) {
    t.equal((await get('/who', tokenOf(appId, user))).statusCode, 200)
  }
})

/** Returns a copy in random order. */
function shuffled<Item> (items: Item[]): Item[] {
  return items.map((item) => ({ item, at: randomInt(2 ** 32) })).sort((a, b) => a.at - b.at).map(({ item }) => item)
}

test('apps and selectApp: invalid options are rejected', async (t) => {
  const boot = (options: object) => startHost(t, { options: { apps: undefined, ...options } as Partial<WeappOptions> })
  const several = { apps: APPS, selectApp: byHeader }
  const wrong: [string, object][] = [
    ['apps', { ...several, appId: APP_ID }],
    ['apps', { ...several, appSecret: APP_SECRET }],
    ['apps', { ...several, appId: '', appSecret: '' }],
    ['apps', { apps: {} }],
    ['apps', { apps: {}, selectApp: byHeader }],
    ['apps', { apps: null }],
    ['apps', { apps: [] }],
    ['apps', { apps: ['wxone'], selectApp: byHeader }],
    ['apps', { apps: 'wxone' }],
    ['apps', { apps: new Map(Object.entries(APPS)), selectApp: byHeader }],
    ...['', ' ', '\n', null, undefined, 7, {}].map((secret): [string, object] => {
      return ['apps', { apps: { wxone: 'secret', wxtwo: secret }, selectApp: byHeader }]
    }),
    ['apps', { apps: { '': 'secret' } }],
    ['apps', { apps: { ' ': 'secret' } }],
    ['selectApp', { apps: APPS }],
    ['selectApp', { apps: () => null }],
    ...[null, 'wxone', {}, true].map((selectApp): [string, object] => ['selectApp', { apps: APPS, selectApp }])
  ]
  for (const [name, options] of wrong) {
    await t.rejects(boot(options), {
      code: 'FST_WEAPP_INVALID_OPTION', message: new RegExp(`option ${name} `)
    }, JSON.stringify(options))
  }
})
