import { createHmac } from 'node:crypto'
import { inspect } from 'node:util'
import { test } from 'tap'
import type { Dispatcher } from 'undici'
import { createWechatClient, type WechatClientOptions } from '../../src/index.js'
import { deferred } from '../helpers/deferred.js'
import { captureLog } from '../helpers/log.js'
import { APP_ID, APP_SECRET, startHost } from '../helpers/host.js'
import { sessionKeyProof, startWechatClient } from '../helpers/wechat-client.js'

test('client: with several apps, each call names a known app', async (t) => {
  const apps = { wxone: 'secret-of-one', wxtwo: 'secret-of-two' }
  const lookUp = (appId: string) => apps[appId as 'wxone'] ?? null
  for (const given of [apps, lookUp, async (appId: string) => lookUp(appId)]) {
    const { client, wechat } = await startWechatClient(t, { apps: given }, { apps })
    for (const appId of Object.keys(apps)) {
      const proof = await sessionKeyProof(client, wechat.login('alice', { appId }), { appId })
      t.equal(proof.openid, wechat.openid('alice', { appId }))
      t.equal(await client.checkSessionKey(proof), true)
      t.equal(await client.resetUserSessionKey(proof), wechat.sessionKey('alice', { appId }))
      t.match(await client.getPhoneNumber(wechat.phoneCode('alice', { appId }), { appId }), { countryCode: '86' })
    }
    t.not(await client.getAccessToken({ appId: 'wxone' }), await client.getAccessToken({ appId: 'wxtwo' }))
    await t.rejects(client.code2Session(wechat.login('alice', { appId: 'wxtwo' }), { appId: 'wxone' }), {
      code: 'FST_WEAPP_CODE_INVALID'
    })

    wechat.clearRequests()
    const proof = { openid: 'o', sessionKey: 'k' }
    for (const app of [
      { appId: 'wxother' }, { appId: '' }, { appId: 'constructor' }, { appId: '__proto__' }, {}
    ]) {
      const code = 'appId' in app ? 'FST_WEAPP_APP_UNKNOWN' : 'FST_WEAPP_INVALID_OPTION'
      const calls: Promise<unknown>[] = [
        client.code2Session('code', app), client.getAccessToken(app), client.getPhoneNumber('code', app),
        client.request('/x', app), client.checkSessionKey({ ...proof, ...app }),
        client.resetUserSessionKey({ ...proof, ...app })
      ]
      for (const call of calls) await t.rejects(call, { code }, JSON.stringify(app))
    }
    t.strictSame(wechat.requests, [], 'no request to WeChat for an unknown app')
  }
})

test('client: appId is optional if `apps` has one app', async (t) => {
  const { client, wechat } = await startWechatClient(t, { apps: { [APP_ID]: APP_SECRET } })
  t.equal((await client.code2Session(wechat.login('alice'))).openid, wechat.openid('alice'))
})

test('client: an error has a `failure` that contains no secret', async (t) => {
  const { client, wechat } = await startWechatClient(t)
  for (const [fault, code, failure] of [
    [{ status: 403 }, 'BAD_REPLY', 'HTTP 403'], [{ status: 502 }, 'UNAVAILABLE', 'HTTP 502'],
    [{ body: '<html>' }, 'BAD_REPLY', 'not JSON'], [{ body: 'x'.repeat(65 * 1024) }, 'BAD_REPLY', 'too large'],
    [{ reset: true }, 'UNAVAILABLE', 'ECONNRESET']
  ] as const) {
    wechat.fault(fault, { times: 1 })
    await t.rejects(client.code2Session(wechat.login('alice')), { code: `FST_WEAPP_WECHAT_${code}`, failure })
  }
  for (const [error, failure] of [
    [{ code: 'CERT_HAS_EXPIRED' }, 'CERT_HAS_EXPIRED'], [{ code: `https://secret/${APP_SECRET}` }, undefined],
    [{ code: 7 }, undefined], [null, undefined]
  ]) {
    const dispatch = ({ method }: { method: string }, handler: Dispatcher.DispatchHandler) => {
      if (method === 'GET') handler.onResponseError!(undefined as never, error as unknown as Error)
      return true
    }
    const { client } = await startWechatClient(t, { retries: 0, dispatcher: { dispatch } })
    const rejection = await client.code2Session('code').then(() => null, (error) => error)
    t.match(rejection, { code: 'FST_WEAPP_WECHAT_UNAVAILABLE' })
    t.equal(rejection.failure, failure)
  }
})

test('onConfigError: receives each configuration error with a hint', async (t) => {
  const { client, wechat, configErrors } = await startWechatClient(t)
  wechat.fault({ errcode: 40125 }, { times: 2 })
  for (let i = 0; i < 2; i++) {
    await t.rejects(client.code2Session(wechat.login('alice')), { code: 'FST_WEAPP_WECHAT_CONFIG', errcode: 40125 })
  }
  wechat.fault({ errcode: 40164 }, { times: 1 })
  await t.rejects(client.getAccessToken(), { code: 'FST_WEAPP_WECHAT_CONFIG', errcode: 40164 })
  t.match(configErrors, [
    [40125, /app secret is wrong/, APP_ID], [40125, /app secret is wrong/, APP_ID], [40164, /whitelist/, APP_ID]
  ])
  await t.rejects(client.code2Session('unknown'), { code: 'FST_WEAPP_CODE_INVALID', errcode: 40029 })
  t.equal(configErrors.length, 3)
})

test('onConfigError: is optional, and may throw', async (t) => {
  const { wechat } = await startWechatClient(t)
  wechat.fault({ errcode: 40125 })
  for (const options of [{}, { onConfigError () { throw new Error('of the host') } }]) {
    const client = createWechatClient({ appId: APP_ID, appSecret: APP_SECRET, baseUrl: wechat.url, ...options })
    t.teardown(() => client.close())
    await t.rejects(client.code2Session('code'), { code: 'FST_WEAPP_WECHAT_CONFIG' })
  }
})

test('createWechatClient: rejects invalid options', async (t) => {
  const app = { appId: APP_ID, appSecret: APP_SECRET }
  const wrong: Record<string, object> = {
    appId: {},
    appSecret: { appId: APP_ID },
    apps: { ...app, apps: { wx: 'secret' } },
    timeout: { ...app, timeout: 'soon' },
    baseUrl: { ...app, baseUrl: 'http://api.weixin.qq.com' },
    retries: { ...app, retries: -1 },
    concurrency: { ...app, concurrency: 0 },
    dispatcher: { ...app, dispatcher: {} },
    retry: { ...app, retry: 1 },
    secret: { ...app, secret: 'of the plugin' },
    onConfigError: { ...app, onConfigError: 5 }
  }
  for (const [name, options] of Object.entries(wrong)) {
    t.throws(() => createWechatClient(options as WechatClientOptions), {
      code: 'FST_WEAPP_INVALID_OPTION', message: new RegExp(`option ${name} `)
    })
  }
  t.throws(() => createWechatClient(undefined as unknown as WechatClientOptions), {
    code: 'FST_WEAPP_INVALID_OPTION', message: /option appId /
  })
})

test('close: waits for pending calls, and may be called twice', async (t) => {
  const { client, wechat } = await startWechatClient(t)
  const response = deferred()
  wechat.fault({ delay: response.promise }, { times: 1 })
  const arrived = wechat.nextRequest()
  const call = client.code2Session(wechat.login('alice'))
  await arrived
  const closed = client.close()
  response.resolve()
  t.match(await call, { openid: wechat.openid('alice') })
  await closed
  await client.close()
  await t.rejects(client.code2Session(wechat.login('alice')), { code: 'FST_WEAPP_WECHAT_UNAVAILABLE' })
})

test('app.weapp.wechat: is this client without the methods for session_keys', async (t) => {
  const { app, wechat } = await startHost(t)
  t.strictSame(Object.keys(app.weapp.wechat).sort(), ['download', 'getAccessToken', 'getPhoneNumber', 'request'])
  t.match(await app.weapp.wechat.getPhoneNumber(wechat.phoneCode('alice')), { countryCode: '86' })
})

test('client: no secret reaches an error, a cause, a response or the log', async (t) => {
  const log = captureLog()
  const errors: Error[] = []
  const responses: string[] = []
  const { app, wechat, signIn, post } = await startHost(t, {
    server: log.server,
    before: (app) => { app.addHook('onError', async (_request, _reply, error) => { errors.push(error) }) },
    after (app) {
      app.post<{ Body: { work: string, code?: string } }>('/call', { config: { weapp: true } }, async (request) => {
        const { session } = request.weapp!
        const { work, code = '' } = request.body
        const { wechat } = app.weapp
        try {
          if (work === 'token') return { ok: (await wechat.getAccessToken()) !== '' }
          if (work === 'phone') return await wechat.getPhoneNumber(code)
          if (work === 'request') {
            return await wechat.request('/wxa/msg_sec_check', { query: { q: code }, body: { code } })
          }
          if (work === 'check') return { alive: await session.checkSessionKey() }
          return { done: await session.resetSessionKey() ?? null }
        } catch (error) {
          request.log.error({ err: error }, 'logged by the host')
          throw error
        }
      })
    }
  })
  const { token } = await signIn()
  const accessTokens = [await app.weapp.wechat.getAccessToken()]
  const keys = [wechat.sessionKey('alice')]
  const codes: string[] = []
  const faults = [
    {}, { errcode: 40001, errmsg: `canary ${APP_SECRET}` }, { errcode: 40125 }, { errcode: 45009 }, { errcode: 99999 },
    { errcode: -1 }, { status: 500, body: 'canary' }, { status: 404 }, { body: '{"access_token":"' },
    { redirect: wechat.url }, { reset: true }, { truncate: true }
  ] as const
  for (const fault of faults) {
    for (const work of ['token', 'phone', 'request', 'check', 'reset']) {
      for (const path of [undefined, '/cgi-bin/stable_token']) {
        wechat.clearFaults()
        if (path !== undefined) wechat.expireAccessTokens()
        wechat.fault(fault, path === undefined ? {} : { path })
        codes.push(wechat.phoneCode('alice'))
        const response = await post('/call', { work, code: codes.at(-1) }, token)
        responses.push(response.body + JSON.stringify(response.headers))
        keys.push(wechat.sessionKey('alice'))
      }
    }
  }
  wechat.clearFaults()
  for (const { query } of wechat.requests) {
    if (query.access_token !== undefined) accessTokens.push(query.access_token)
  }
  const usedTokens = new Set(accessTokens)
  t.ok(usedTokens.size > 2 && errors.length > 50 && new Set(keys).size > 1, 'the faults had an effect')

  const inspected = errors.map((error) => inspect(error, { depth: Infinity, showHidden: true }) + error.stack)
  const output = [...responses, log.text(), ...inspected].join('\n')
  const canaries: Record<string, Iterable<string>> = {
    'app secret': [APP_SECRET],
    'access token': usedTokens,
    'session key': new Set(keys.flatMap((key) => [key, encodeURIComponent(key), key.replaceAll('/', '\\/')])),
    signature: new Set(keys.map((key) => createHmac('sha256', key).update('').digest('hex'))),
    code: codes,
    'message of WeChat': ['canary']
  }
  for (const [name, values] of Object.entries(canaries)) {
    for (const value of values) if (output.includes(value)) t.fail(`the output contains a ${name}`)
  }
  for (const error of errors) t.equal(error.cause, undefined)
})
