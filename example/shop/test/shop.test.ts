/** Tests the shop with a simulated WeChat. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import Fastify, { type FastifyInstance } from 'fastify'
import { startWechatSimulator, type WechatSimulator } from 'fastify-weapp/testing'
import { shop } from '../app.js'
import { readSettings, type Settings } from '../settings.js'

const ACCOUNT = { username: 'alice', password: 'wonderland' }

interface TestShop {
  app: FastifyInstance
  wechat: WechatSimulator
  /** Lets every operation of the session store fail. */
  failStore (): void
  /** Signs a WeChat user in. Returns the status and the body of the response. */
  login (user: string, fields?: object): Promise<{ status: number, body: any }>
  get (url: string, token?: string): Promise<{ status: number, body: any }>
  post (url: string, payload: object, token: string): Promise<{ status: number, body: any }>
}

async function openShop (t: TestContext): Promise<TestShop> {
  const wechat = await startWechatSimulator({ apps: { wx1: 'secret-1' } })
  const settings: Settings = {
    ...readSettings({ WEAPP_APP_ID: 'wx1', WEAPP_APP_SECRET: 'secret-1', WEAPP_SECRET: 'x'.repeat(32) }),
    wechatUrl: wechat.url
  }
  let isFailing = false
  const app = Fastify()
  await app.register(shop, {
    ...settings,
    wrapStore: (store) => new Proxy(store, {
      get (target, name) {
        const member = Reflect.get(target, name) as unknown
        if (typeof member !== 'function') return member
        return (...args: unknown[]) => isFailing ? Promise.reject(new Error('down')) : member.apply(target, args)
      }
    })
  })
  t.after(async () => {
    await app.close()
    await wechat.close()
  })

  async function send (method: 'GET' | 'POST', url: string, token?: string, payload?: object) {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const response = await app.inject({ method, url, headers, ...payload !== undefined && { payload } })
    return { status: response.statusCode, body: response.body === '' ? null : response.json() }
  }
  return {
    app,
    wechat,
    failStore () { isFailing = true },
    login: (user, fields = {}) => send('POST', '/weapp/login', undefined, { code: wechat.login(user), ...fields }),
    get: (url, token) => send('GET', url, token),
    post: (url, payload, token) => send('POST', url, token, payload)
  }
}

test('the first login binds an account, and the code alone is enough afterwards', async (t) => {
  const { login, get, wechat } = await openShop(t)
  const unbound = await login('amy')
  assert.deepEqual([unbound.status, unbound.body.code], [403, 'SHOP_ACCOUNT_NOT_BOUND'])
  const wrong = await login('amy', { account: { username: 'alice', password: 'guess' } })
  assert.deepEqual([wrong.status, wrong.body.code], [401, 'SHOP_WRONG_PASSWORD'])

  const { body } = await login('amy', { account: ACCOUNT })
  assert.deepEqual(body.user, { username: 'alice', name: 'Alice' })
  const me = await get('/me', body.token)
  assert.equal(me.body.openid, wechat.openid('amy'))
  assert.equal((await login('amy')).status, 200)
})

test('a phone code replaces the password', async (t) => {
  const { login, wechat } = await openShop(t)
  const phoneCode = wechat.phoneCode('ben', { phoneNumber: '13900139000' })
  assert.equal((await login('ben', { phoneCode })).body.user.username, 'bob')
  const stranger = wechat.phoneCode('cat', { phoneNumber: '13700137000' })
  assert.equal((await login('cat', { phoneCode: stranger })).body.code, 'SHOP_ACCOUNT_NOT_BOUND')
})

test('guarded routes show the data of the signed-in user only', async (t) => {
  const { login, get } = await openShop(t)
  const { token } = (await login('amy', { account: ACCOUNT })).body
  assert.deepEqual((await get('/orders', token)).body, [{ id: 1001, username: 'alice', productId: 1 }])
  assert.equal((await get('/orders')).body.code, 'FST_WEAPP_TOKEN_MISSING')
  assert.equal((await get('/products')).status, 200)
  assert.deepEqual((await get('/welcome')).body, { message: 'Welcome, guest!' })
  assert.deepEqual((await get('/welcome', token)).body, { message: 'Welcome, Alice!' })
})

test('the phone number comes from a code or from encrypted data', async (t) => {
  const { login, post, wechat } = await openShop(t)
  const { token } = (await login('amy', { account: ACCOUNT })).body
  const phoneCode = wechat.phoneCode('amy', { phoneNumber: '13800138000' })
  const number = { purePhoneNumber: '13800138000' }
  assert.deepEqual((await post('/phone-number', { phoneCode }, token)).body, number)
  const encrypted = wechat.encrypt('amy', { ...number, phoneNumber: '13800138000' })
  assert.deepEqual((await post('/phone-number', encrypted, token)).body, number)
})

test('a store that fails signs nobody out', async (t) => {
  const { login, get, failStore } = await openShop(t)
  const { token } = (await login('amy', { account: ACCOUNT })).body
  failStore()
  const { status, body } = await get('/me', token)
  assert.deepEqual([status, body.code], [503, 'FST_WEAPP_STORE_UNAVAILABLE'])
})

test('logins are limited to twenty a minute', async (t) => {
  const { login } = await openShop(t)
  const statuses = new Set<number>()
  for (let i = 0; i < 21; i++) statuses.add((await login('mallory')).status)
  assert.deepEqual([...statuses], [403, 429])
})

test('settings: what is missing is named', () => {
  assert.throws(() => readSettings({ WEAPP_APP_ID: 'wx1' }), /Set WEAPP_APP_ID, WEAPP_APP_SECRET and WEAPP_SECRET/)
  const env = { WEAPP_APP_ID: 'wx1', WEAPP_APP_SECRET: 's', WEAPP_SECRET: 'x' }
  assert.throws(() => readSettings({ ...env, PORT: 'http' }), /PORT must be a number/)
  assert.throws(() => readSettings({ ...env, DATABASE_URL: 'file:shop.db', REDIS_URL: 'redis:' }), /not both/)
  assert.deepEqual(readSettings({ ...env, PORT: '', REDIS_URL: '' }), {
    host: '127.0.0.1',
    port: 3000,
    databaseUrl: undefined,
    redisUrl: undefined,
    sessionCache: false,
    appId: 'wx1',
    appSecret: 's',
    secret: 'x',
    wechatUrl: undefined
  })
})
