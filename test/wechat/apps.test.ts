import { randomInt } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import t, { type Test } from 'tap'
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

/** A host of several apps; a login says in a header which it is for. */
async function startAppsHost (t: Test, apps: AppSecrets, { options, ...rest }: Omit<HostOptions, 'options'> & { options?: object } = {}) {
  const host = await startHost(t, {
    simulator: { apps: APPS },
    ...rest,
    options: { apps, selectApp: byHeader, session: { limit: false }, ...options } as Partial<WeappOptions>,
    async after (app) {
      app.get('/who', { config: { weapp: true } }, async ({ weapp }) => ({ appId: weapp!.appId, openid: weapp!.openid, unionid: weapp!.unionid }))
      app.post<{ Body: { encryptedData: string, iv: string } }>('/decrypt', { config: { weapp: true } }, async ({ weapp, body }) => {
        return await weapp!.session.decrypt(body.encryptedData, body.iv)
      })
      app.get('/alive', { config: { weapp: true } }, async ({ weapp }) => ({ alive: await weapp!.session.checkSessionKey() }))
      await rest.after?.(app)
    }
  })
  const { app, wechat } = host
  return {
    ...host,
    /** Asks the login route for an app, by default with a good code of alice. */
    loginTo: (appId: string, code = wechat.login('alice', Object.hasOwn(wechat.apps, appId) ? { appId } : {})) => {
      return app.inject({ method: 'POST', url: '/weapp/login', headers: { 'x-app': appId }, payload: { code } })
    }
  }
}

/** A function from app ids to secrets that tells how often it was asked, and whose answer a test may change. */
function askable (apps: Record<string, unknown> = { ...APPS }) {
  const asked: string[] = []
  const host = {
    asked,
    apps,
    answer: (appId: string): unknown => apps[appId] ?? null,
    secrets: ((appId) => {
      asked.push(appId)
      return host.answer(appId)
    }) as AppSecrets
  }
  return host
}

t.test('apps in a map: each login is one of its app, and the token says so', async (t) => {
  const { wechat, get, loginTo } = await startAppsHost(t, APPS)
  for (const [appId, secret] of Object.entries(APPS)) {
    wechat.clearRequests()
    const response = await loginTo(appId)
    t.equal(response.statusCode, 200)
    t.match(wechat.requests, [{ query: { appid: appId, secret } }])
    t.strictSame((await get('/who', response.json().token)).json(), { appId, openid: wechat.openid('alice', { appId }), unionid: null })
  }
})

t.test('an app that is not in the map: 400, and WeChat is not asked', async (t) => {
  const { wechat, loginTo } = await startAppsHost(t, APPS)
  for (const appId of ['wxother', 'WXONE', 'wxone ', 'constructor', '__proto__', 'hasOwnProperty', '']) assertRefused(t, await loginTo(appId), 400, UNKNOWN)
  t.strictSame(wechat.requests, [])
})

t.test('a code of another app is not good, whatever the request says', async (t) => {
  const { wechat, loginTo } = await startAppsHost(t, APPS)
  assertRefused(t, await loginTo('wxone', wechat.login('alice', { appId: 'wxtwo' })), 401, 'FST_WEAPP_CODE_INVALID')
})

t.test('what the host does to its map later changes nothing', async (t) => {
  const apps: Record<string, string> = { ...APPS }
  const { get, loginTo } = await startAppsHost(t, apps)
  const { token } = (await loginTo('wxone')).json()
  delete apps.wxone
  apps.wxother = 'secret'
  t.equal((await loginTo('wxone')).statusCode, 200)
  t.equal((await get('/who', token)).statusCode, 200)
  assertRefused(t, await loginTo('wxother'), 400, UNKNOWN)
})

t.test('one app in a map needs no selectApp', async (t) => {
  const { signIn, get, wechat } = await startHost(t, { options: { apps: { [APP_ID]: APP_SECRET } } })
  const { token } = await signIn()
  t.strictSame((await get('/me', token)).json(), { openid: wechat.openid('alice') })
})

for (const kind of ['at once', 'later'] as const) {
  t.test(`a function that answers ${kind}: asked once a minute for each app, also for one that is not ours`, async (t) => {
    const clock = freezeClock(t)
    const { asked, secrets } = askable()
    const { wechat, get, loginTo } = await startAppsHost(t, kind === 'at once' ? secrets : async (appId) => await (secrets as (id: string) => string)(appId))
    const { token } = (await loginTo('wxone')).json()
    for (let i = 0; i < 3; i++) {
      t.equal((await loginTo('wxone')).statusCode, 200)
      t.equal((await get('/who', token)).statusCode, 200)
      assertRefused(t, await loginTo('wxother'), 400, UNKNOWN)
    }
    t.strictSame(asked, ['wxone', 'wxother'])
    clock.advance(59_999)
    t.equal((await get('/who', token)).statusCode, 200)
    assertRefused(t, await loginTo('wxother'), 400, UNKNOWN)
    t.strictSame(asked, ['wxone', 'wxother'])
    clock.advance(2)
    t.equal((await get('/who', token)).statusCode, 200)
    assertRefused(t, await loginTo('wxother'), 400, UNKNOWN)
    t.strictSame(asked, ['wxone', 'wxother', 'wxone', 'wxother'])
    t.notOk(wechat.requests.some(({ query }) => query.appid !== 'wxone'))
  })
}

t.test('a function that answers with no secret: the app is not ours', async (t) => {
  const clock = freezeClock(t)
  const host = askable()
  const { wechat, loginTo } = await startAppsHost(t, host.secrets)
  for (const answer of [null, undefined, '', ' ', '\n', 0, 7, true, {}, ['secret'], Promise.resolve(''), Promise.resolve({})]) {
    host.answer = () => answer
    assertRefused(t, await loginTo('wxone'), 400, UNKNOWN)
    clock.advance(60_001)
  }
  t.strictSame(wechat.requests, [])
})

t.test('a secret that the function changes is used after a minute, or once WeChat refuses the one before', async (t) => {
  const clock = freezeClock(t)
  const { asked, apps, secrets } = askable()
  const { wechat, loginTo } = await startAppsHost(t, secrets)
  t.equal((await loginTo('wxone')).statusCode, 200)
  wechat.apps.wxone = apps.wxone = 'the-next-secret'
  assertRefused(t, await loginTo('wxone'), 500, 'FST_WEAPP_WECHAT_CONFIG')
  for (let i = 0; i < 2; i++) t.equal((await loginTo('wxone')).statusCode, 200)
  t.strictSame(asked, ['wxone', 'wxone'], 'and is remembered again')
  apps.wxone = 'another'
  t.equal((await loginTo('wxone')).statusCode, 200)
  clock.advance(60_001)
  assertRefused(t, await loginTo('wxone'), 500, 'FST_WEAPP_WECHAT_CONFIG')
})

for (const [name, options] of Object.entries({ 'sessions in the store': { cache: false }, 'sessions in the cache': { cache: { maxAge: '1d' } } })) {
  t.test(`an app that the function no longer knows: its tokens are invalid after the minute, others stay; ${name}`, async (t) => {
    const clock = freezeClock(t)
    const { apps, secrets } = askable()
    const { get, loginTo } = await startAppsHost(t, secrets, { options })
    const { token: one } = (await loginTo('wxone')).json()
    const { token: two } = (await loginTo('wxtwo')).json()
    for (const token of [one, two]) t.equal((await get('/who', token)).statusCode, 200)
    delete apps.wxone
    clock.advance(59_000)
    t.equal((await get('/who', one)).statusCode, 200, 'within it')
    clock.advance(1_001)
    assertRefused(t, await get('/who', one), 401, 'FST_WEAPP_TOKEN_INVALID')
    assertRefused(t, await loginTo('wxone'), 400, UNKNOWN)
    t.equal((await get('/who', two)).statusCode, 200)
    apps.wxone = APPS.wxone
    clock.advance(60_001)
    t.equal((await get('/who', one)).statusCode, 200, 'and it is welcome back')
  })
}

for (const [name, failure] of Object.entries(FAILURES)) {
  t.test(`a function that ${name}: 503 in time, WeChat is not asked, and nothing of it is remembered`, async (t) => {
    const clock = freezeClock(t)
    const log = captureLog()
    const host = askable()
    const { wechat, get, loginTo } = await startAppsHost(t, host.secrets, { server: log.server, options: { storeTimeout: 20 } })
    const { token } = (await loginTo('wxone')).json()
    clock.advance(60_001)
    wechat.clearRequests()

    const { answer } = host
    host.answer = failure
    assertRefused(t, await loginTo('wxone'), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
    assertRefused(t, await loginTo('wxother'), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
    assertRefused(t, await get('/who', token), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
    assertRefused(t, await get('/feed', token), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
    t.strictSame(wechat.requests, [])
    t.match(log.events().find(({ event }) => event === 'store-failed'), { operation: 'apps' }, 'and the operator is told')
    t.notOk(log.text().includes(STORE_WORDS))

    host.answer = answer
    t.equal((await get('/who', token)).statusCode, 200)
    t.equal((await loginTo('wxone')).statusCode, 200)
  })
}

t.test('what the function is asked for is bounded: ten thousand ids, then the oldest is asked for again', async (t) => {
  const { asked, secrets } = askable()
  const apps = createApps(secrets)
  t.equal(await apps.has('wxone'), true)
  t.equal(apps.has('wxone'), true, 'at once when it is known')
  for (let i = 0; i < 10_000; i++) if (await apps.has(`made-up-${i}`)) t.fail('it is ours')
  t.equal(asked.length, 10_001)
  t.equal(await apps.has('wxone'), true)
  t.equal(asked.length, 10_002)
})

t.test('what is too long for an app id is not asked about, and lookups at once share one question', async (t) => {
  let asked = 0
  const apps = createApps(async () => {
    asked++
    return 'secret'
  })
  t.equal(await apps.has('x'.repeat(65)), false)
  t.equal(asked, 0)
  t.strictSame(await Promise.all(Array.from({ length: 100 }, () => apps.has('x'.repeat(64)))), Array.from({ length: 100 }, () => true))
  t.equal(asked, 1)
})

t.test('selectApp may answer at once or later', async (t) => {
  for (const selectApp of [byHeader, async (request) => await byHeader(request)] as SelectApp[]) {
    const { wechat, get, loginTo } = await startAppsHost(t, APPS, { options: { selectApp } })
    const { token } = (await loginTo('wxtwo')).json()
    t.match((await get('/who', token)).json(), { appId: 'wxtwo', openid: wechat.openid('alice', { appId: 'wxtwo' }) })
  }
})

t.test('a selectApp that chooses no app of ours: 400, and WeChat is not asked', async (t) => {
  for (const chosen of [null, undefined, '', 'wxother', 0, 7, true, {}, ['wxone'], { toString: () => 'wxone' }]) {
    for (const selectApp of [() => chosen, async () => chosen]) {
      const log = captureLog()
      const host = await startAppsHost(t, APPS, { server: log.server, options: { selectApp } })
      assertRefused(t, await host.loginTo('wxone'), 400, UNKNOWN)
      t.strictSame(host.wechat.requests, [])
      t.strictSame(log.events(), [{ event: 'login-failed', code: UNKNOWN }], 'nor is told what it chose')
    }
  }
})

t.test('a selectApp that throws: its error passes unchanged, and WeChat is not asked', async (t) => {
  const error = Object.assign(new Error('which app?'), { statusCode: 418, code: 'HOST_TEAPOT' })
  for (const selectApp of [() => { throw error }, async () => { throw error }]) {
    const passed: unknown[] = []
    const host = await startAppsHost(t, APPS, {
      options: { selectApp },
      before: (app) => app.addHook('onError', async (_request, _reply, error) => { passed.push(error) })
    })
    const response = await host.loginTo('wxone')
    t.strictSame([response.statusCode, response.json().code, response.headers['weapp-error']], [418, 'HOST_TEAPOT', undefined])
    t.equal(passed[0], error, 'the very same')
    t.strictSame(host.wechat.requests, [])
  }
})

t.test('appIdFromReferer reads the form that WeChat sends, and no other', async (t) => {
  const read = (referer?: string) => appIdFromReferer({ headers: referer === undefined ? {} : { referer } })
  t.equal(read('https://servicewechat.com/wx0123456789abcdef/12/page-frame.html'), 'wx0123456789abcdef')
  t.equal(read('https://servicewechat.com/wx0123456789abcdef/devtools/page-frame.html'), 'wx0123456789abcdef')
  t.equal(read('https://servicewechat.com/wxABC/0/page-frame.html'), 'wxABC')
  for (const referer of [
    undefined, '', 'wx0123456789abcdef', 'http://servicewechat.com/wx1/1/page-frame.html', 'https://servicewechat.com.evil.example/wx1/1/page-frame.html',
    'https://evil.example/https://servicewechat.com/wx1/1/page-frame.html', 'https://servicewechat.com/', 'https://servicewechat.com/wx1',
    'https://servicewechat.com/gh_1/1/page-frame.html', 'https://servicewechat.com/wx1?/1', 'https://servicewechat.com//wx1/1',
    'https://servicewechat.com/wx/1/page-frame.html', 'https://servicewechat.com/wx1%2f/1/', ' https://servicewechat.com/wx1/1/', 'HTTPS://SERVICEWECHAT.COM/wx1/1/'
  ]) t.equal(read(referer), undefined, String(referer))
})

t.test('appIdFromReferer as selectApp: a hint that chooses among our apps', async (t) => {
  const { app, wechat, get } = await startAppsHost(t, APPS, { options: { selectApp: appIdFromReferer } })
  const login = (referer?: string) => app.inject({
    method: 'POST', url: '/weapp/login', headers: referer === undefined ? {} : { referer }, payload: { code: wechat.login('alice', { appId: 'wxtwo' }) }
  })
  const response = await login('https://servicewechat.com/wxtwo/3/page-frame.html')
  t.match((await get('/who', response.json().token)).json(), { appId: 'wxtwo' })
  wechat.clearRequests()
  for (const referer of [undefined, 'https://servicewechat.com/wxother/3/page-frame.html', 'https://evil.example/wxtwo/']) {
    assertRefused(t, await login(referer), 400, UNKNOWN)
  }
  t.strictSame(wechat.requests, [])
  assertRefused(t, await login('https://servicewechat.com/wxone/3/page-frame.html'), 401, 'FST_WEAPP_CODE_INVALID')
})

t.test('a token of one registration is none in another, though store and secret are the same', async (t) => {
  const store = memoryStore()
  const both = await startAppsHost(t, APPS, { options: { store } })
  const one = await startAppsHost(t, { wxone: APPS.wxone }, { options: { store } })
  const { token } = (await both.loginTo('wxone')).json()
  t.equal((await one.get('/who', token)).statusCode, 200)
  const { token: other } = (await both.loginTo('wxtwo')).json()
  assertRefused(t, await one.get('/who', other), 401, 'FST_WEAPP_TOKEN_INVALID')
})

t.test('a burst of interleaved logins of 50 apps: nothing of one ever serves another', async (t) => {
  const apps = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`wxapp${n}`, `secret-of-${n}`]))
  const given = async (appId: string) => {
    for (let turns = randomInt(5); turns > 0; turns--) await nextTurn()
    return Object.hasOwn(apps, appId) ? apps[appId]! : null
  }
  const { app, wechat, get, post, loginTo } = await startAppsHost(t, given, { simulator: { apps } })
  const users = ['alice', 'bob', 'carol']
  const logins = shuffled(Object.keys(apps).flatMap((appId) => users.map((user) => ({ appId, user }))))

  const signedIn = await Promise.all(logins.map(async ({ appId, user }) => {
    const response = await loginTo(appId, wechat.login(user, { appId }))
    t.equal(response.statusCode, 200)
    return { appId, user, token: response.json().token as string }
  }))
  t.equal(new Set(signedIn.map(({ token }) => token)).size, 150)
  for (const { query } of wechat.requests) t.equal(query.secret, apps[query.appid!], `${query.appid} with its secret`)

  await Promise.all(shuffled(signedIn).map(async ({ appId, user, token }) => {
    t.strictSame((await get('/who', token)).json(), { appId, openid: wechat.openid(user, { appId }), unionid: null })
    t.match((await post('/decrypt', wechat.encrypt(user, { user, appId }, { appId }), token)).json(), { user, appId })
    const other = appId === 'wxapp0' ? 'wxapp1' : 'wxapp0'
    assertRefused(t, await post('/decrypt', wechat.encrypt(user, {}, { appId: other }), token), 409, 'FST_WEAPP_SESSION_KEY_STALE')
    // Its own key, and the watermark of another app.
    const forged = encryptUserData(JSON.stringify({ watermark: { appid: other, timestamp: 1 } }), wechat.sessionKey(user, { appId }))
    assertRefused(t, await post('/decrypt', forged, token), 409, 'FST_WEAPP_SESSION_KEY_STALE')
    t.strictSame((await get('/alive', token)).json(), { alive: true })
    t.match(await app.weapp.wechat.getPhoneNumber(wechat.phoneCode(user, { appId }), { appId }), { countryCode: '86' })
  }))

  const accessTokens = await Promise.all(Object.keys(apps).map((appId) => app.weapp.wechat.getAccessToken({ appId })))
  t.equal(new Set(accessTokens).size, 50)
  const fetched = wechat.requests.filter(({ path }) => path === '/cgi-bin/stable_token').map(({ body }) => JSON.parse(body))
  t.equal(fetched.length, 50, 'one fetch for each app')
  for (const { appid, secret } of fetched) t.equal(secret, apps[appid])
  for (const [n, appId] of Object.keys(apps).entries()) {
    const used = wechat.requests.filter(({ query }) => query.access_token === accessTokens[n])
    const openids = new Set(users.map((user) => wechat.openid(user, { appId })))
    t.equal(used.length, users.length * 2)
    t.ok(used.every(({ query }) => query.openid === undefined || openids.has(query.openid)), `the access_token of ${appId} is for its users alone`)
  }

  const openid = (appId: string) => wechat.openid('alice', { appId })
  const tokenOf = (appId: string, user: string) => signedIn.find((login) => login.appId === appId && login.user === user)!.token
  t.equal(await app.weapp.sessions.revokeAll({ appId: 'wxapp7', openid: openid('wxapp7') }), 1)
  assertRefused(t, await get('/who', tokenOf('wxapp7', 'alice')), 401, 'FST_WEAPP_SESSION_KICKED')
  t.equal(await app.weapp.sessions.revokeAll({ appId: 'wxapp8', openid: openid('wxapp9') }), 0, 'an openid is one of its app alone')
  for (const [appId, user] of [['wxapp7', 'bob'], ['wxapp8', 'alice'], ['wxapp9', 'alice']] as const) {
    t.equal((await get('/who', tokenOf(appId, user))).statusCode, 200)
  }
})

function shuffled<Item> (items: Item[]): Item[] {
  return items.map((item) => ({ item, at: randomInt(2 ** 32) })).sort((a, b) => a.at - b.at).map(({ item }) => item)
}

t.test('wrong options about apps', async (t) => {
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
    ...['', ' ', '\n', null, undefined, 7, {}].map((secret): [string, object] => ['apps', { apps: { wxone: 'secret', wxtwo: secret }, selectApp: byHeader }]),
    ['apps', { apps: { '': 'secret' } }],
    ['apps', { apps: { ' ': 'secret' } }],
    ['selectApp', { apps: APPS }],
    ['selectApp', { apps: () => null }],
    ...[null, 'wxone', {}, true].map((selectApp): [string, object] => ['selectApp', { apps: APPS, selectApp }])
  ]
  for (const [name, options] of wrong) {
    await t.rejects(boot(options), { code: 'FST_WEAPP_INVALID_OPTION', message: new RegExp(`option ${name} `) }, JSON.stringify(options))
  }
})
