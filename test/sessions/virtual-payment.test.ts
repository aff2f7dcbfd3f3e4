/** Payments that a host signs and a simulated phone makes. */
import { test, type Test } from 'tap'
import type { VirtualPaymentArguments, VirtualPaymentOrder, WeappOptions } from '../../src/index.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { faultyStore } from '../helpers/faulty-store.js'
import { APP_ID, APP_SECRET, SECRET, startHost, type HostOptions } from '../helpers/host.js'
import { captureLog } from '../helpers/log.js'

const OTHER_APP = 'wx2222222222222222'
const OFFER_ID = '1450000000'
const [APP_KEY, SANDBOX_APP_KEY] = ['the AppKey of live payments', 'the AppKey of the sandbox']
const LIVE = { offerId: OFFER_ID, appKey: APP_KEY }

const ORDER: VirtualPaymentOrder = {
  mode: 'short_series_goods', productId: 'vip', goodsPrice: 1990, buyQuantity: 1, outTradeNo: '20261130-1', attach: '会员'
}

async function startShop (t: Test, { options, ...rest }: HostOptions = {}) {
  const host = await startHost(t, {
    simulator: {
      apps: { [APP_ID]: APP_SECRET, [OTHER_APP]: 'other-secret' },
      virtualPayment: { [APP_ID]: { ...LIVE, sandboxAppKey: SANDBOX_APP_KEY, goods: { vip: 1990 } } }
    },
    ...rest,
    options: { virtualPayment: LIVE, ...options } as Partial<WeappOptions>,
    after: (app) => {
      app.post('/payment', { config: { weapp: true } }, async ({ weapp, body }) => {
        return await weapp!.session.signVirtualPayment({ ...ORDER, ...body as object } as VirtualPaymentOrder)
      })
      app.post('/coins', { config: { weapp: true } }, async ({ weapp, body }) => {
        return await weapp!.session.signVirtualPayment(body as VirtualPaymentOrder)
      })
      app.post('/reset', { config: { weapp: true } }, async ({ weapp }) => {
        await weapp!.session.resetSessionKey()
        return {}
      })
      app.post('/balance', { config: { weapp: true } }, async ({ weapp }) => {
        const body = { openid: weapp!.openid, env: 0, user_ip: '127.0.0.1' }
        return await weapp!.session.request('/xpay/query_user_balance', { body, paySig: true })
      })
    }
  })
  return {
    ...host,
    /** Requests a signature, and pays with the response. */
    async pay (token: string, order: object = {}): Promise<number> {
      const response = await host.post('/payment', order, token)
      t.equal(response.statusCode, 200, response.body)
      return host.wechat.requestVirtualPayment('alice', response.json<VirtualPaymentArguments>()).errCode
    }
  }
}

test('signVirtualPayment: WeChat accepts the response of the host', async (t) => {
  const { wechat, signIn, pay } = await startShop(t)
  const { token } = await signIn()
  t.equal(await pay(token), 0)
  t.strictSame(wechat.virtualPayments, [{ ...ORDER, appId: APP_ID, openid: wechat.openid('alice'), env: 0 }])
})

test('signVirtualPayment: the response is the argument of wx.requestVirtualPayment', async (t) => {
  const { signIn, post } = await startShop(t)
  const { token } = await signIn()
  const body = (await post('/payment', {}, token)).json()
  t.strictSame(Object.keys(body), ['mode', 'signData', 'paySig', 'signature'])
  t.match(body, { mode: ORDER.mode, signData: /^\{.*\}$/, paySig: /^[\da-f]{64}$/, signature: /^[\da-f]{64}$/ })
})

test('signVirtualPayment: coins', async (t) => {
  const { wechat, signIn, post } = await startShop(t)
  const { token } = await signIn()
  const order = { mode: 'short_series_coin', buyQuantity: 100, outTradeNo: 'coins-01', attach: 'coins' }
  const response = await post('/coins', order, token)
  t.equal(wechat.requestVirtualPayment('alice', response.json()).errCode, 0)
  t.strictSame(wechat.virtualPayments, [{ ...order, appId: APP_ID, openid: wechat.openid('alice'), env: 0 }])
})

test('signVirtualPayment: a payment of the sandbox is signed with its AppKey', async (t) => {
  const { wechat, signIn, pay } = await startShop(t, {
    options: { virtualPayment: { offerId: OFFER_ID, appKey: SANDBOX_APP_KEY, sandbox: true } } as Partial<WeappOptions>
  })
  const { token } = await signIn()
  t.equal(await pay(token), 0)
  t.match(wechat.virtualPayments, [{ env: 1 }])
})

test('signVirtualPayment: signs with the newest session_key, for every session of the user', async (t) => {
  const { wechat, signIn, pay } = await startShop(t)
  const { token: phone } = await signIn()
  const { token: tablet } = await signIn()
  t.equal(await pay(phone, { outTradeNo: 'phone-01' }), 0)
  t.equal(await pay(tablet, { outTradeNo: 'tablet-01' }), 0)

  wechat.rotateKey('alice')
  t.equal(await pay(phone, { outTradeNo: 'phone-02' }), -15007, 'the session_key has expired')
  const { token } = await signIn()
  t.equal(await pay(token, { outTradeNo: 'phone-02' }), 0, 'the same order, after a new login')

  wechat.login('alice')
  t.equal(await pay(token, { outTradeNo: 'phone-03' }), -15005, 'the code of a login did not reach the server')
})

test('signVirtualPayment: signs with the session_key of resetSessionKey', async (t) => {
  const { signIn, post, pay } = await startShop(t)
  const { token } = await signIn()
  t.equal((await post('/reset', {}, token)).statusCode, 200)
  t.equal(await pay(token), 0)
})

test('request: signs for the user of the session', async (t) => {
  const { wechat, signIn, post } = await startShop(t)
  const { token } = await signIn()
  const coins = { mode: 'short_series_coin', buyQuantity: 100, outTradeNo: 'coins-01', attach: 'coins' }
  wechat.requestVirtualPayment('alice', (await post('/coins', coins, token)).json())
  t.match((await post('/balance', {}, token)).json(), { errcode: 0, balance: 100 })

  wechat.rotateKey('alice')
  assertRefused(t, await post('/balance', {}, token), 409, 'FST_WEAPP_SESSION_KEY_STALE')
  const { token: next } = await signIn()
  t.match((await post('/balance', {}, next)).json(), { balance: 100 })
})

test('request: without a session_key', async (t) => {
  const { signIn, post } = await startShop(t, {
    options: { keepSessionKey: false, virtualPayment: undefined } as Partial<WeappOptions>
  })
  const { token } = await signIn()
  assertRefused(t, await post('/balance', {}, token), 409, 'FST_WEAPP_SESSION_KEY_MISSING')
})

test('T62: signVirtualPayment: an invalid or unknown field is the mistake of the host', async (t) => {
  const { signIn, post } = await startShop(t)
  const { token } = await signIn()
  for (const order of [{ goodsPrice: '1' }, { env: 1 }, { offerId: '2' }, { price: 1 }]) {
    const response = await post('/payment', order, token)
    t.equal(response.statusCode, 500)
    t.match(response.json(), { code: 'FST_WEAPP_INVALID_OPTION', message: `option order.${Object.keys(order)[0]} ` })
  }
})

test('signVirtualPayment: without the option', async (t) => {
  const { signIn, post } = await startShop(t, { options: { virtualPayment: undefined } as Partial<WeappOptions> })
  const { token } = await signIn()
  assertRefused(t, await post('/payment', {}, token), 500, 'FST_WEAPP_PAYMENT_NOT_CONFIGURED')
})

test('signVirtualPayment: without a session_key', async (t) => {
  const faulty = faultyStore()
  const { signIn, post } = await startShop(t, { options: { store: faulty.store } })
  const { token } = await signIn()
  faulty.instead('readKeys', async () => [])
  assertRefused(t, await post('/payment', {}, token), 409, 'FST_WEAPP_SESSION_KEY_MISSING')
  faulty.instead('readKeys', async () => { throw new Error('down') })
  assertRefused(t, await post('/payment', {}, token), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
})

const SEVERAL = { apps: { [APP_ID]: APP_SECRET, [OTHER_APP]: 'other-secret' }, secret: SECRET }

test('several apps: each signs with its own credentials', async (t) => {
  let appId = APP_ID
  const lookUps: string[] = []
  const byApp = { [APP_ID]: LIVE }
  const lookUp = async (id: string) => {
    lookUps.push(id)
    return id === APP_ID ? LIVE : null
  }
  for (const virtualPayment of [byApp, lookUp]) {
    const { wechat, app, pay, post } = await startShop(t, {
      options: { ...SEVERAL, virtualPayment, selectApp: () => appId } as Partial<WeappOptions>
    })
    const signIn = async () => {
      const payload = { code: wechat.login('alice', { appId }) }
      return (await app.inject({ method: 'POST', url: '/weapp/login', payload })).json().token
    }
    appId = APP_ID
    t.equal(await pay(await signIn()), 0)
    appId = OTHER_APP
    assertRefused(t, await post('/payment', {}, await signIn()), 500, 'FST_WEAPP_PAYMENT_NOT_CONFIGURED')
  }
  t.strictSame(lookUps, [APP_ID, OTHER_APP])
})

test('T62: signVirtualPayment: changes of an order during the lookup are not signed', async (t) => {
  let order = {}
  const { wechat, signIn, post } = await startShop(t, {
    before: (app) => {
      app.addHook('preHandler', async ({ body }) => { order = body as object })
    },
    options: {
      ...SEVERAL,
      selectApp: () => APP_ID,
      virtualPayment: () => {
        Object.assign(order, { mode: 'short_series_coin', goodsPrice: 1 })
        return LIVE
      }
    } as Partial<WeappOptions>
  })
  const { token } = await signIn()
  const args = (await post('/coins', ORDER, token)).json()
  t.equal(args.mode, ORDER.mode)
  t.equal(wechat.requestVirtualPayment('alice', args).errCode, 0)
  t.match(wechat.virtualPayments, [ORDER])
})

test('several apps: a lookup that fails or hangs is unavailable', async (t) => {
  for (const virtualPayment of [
    () => { throw new Error(APP_KEY) }, async () => { throw new Error(APP_KEY) }, () => new Promise(() => {})
  ]) {
    const log = captureLog()
    const { signIn, post } = await startShop(t, {
      server: log.server,
      options: { ...SEVERAL, virtualPayment, selectApp: () => APP_ID, storeTimeout: 20 } as Partial<WeappOptions>
    })
    const { token } = await signIn()
    assertRefused(t, await post('/payment', {}, token), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
    t.match(log.text(), 'weapp: the virtualPayment() lookup failed')
    t.notMatch(log.text(), APP_KEY)
  }
})
