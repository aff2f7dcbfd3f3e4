import { createHmac } from 'node:crypto'
import { test, type Test } from 'tap'
import type { VirtualPaymentArguments, VirtualPaymentSettings } from '../../../src/testing/index.js'
import { simulate } from '../../helpers/simulator.js'

const SETTINGS: VirtualPaymentSettings = { offerId: '123', appKey: 'live-key', sandboxAppKey: 'sandbox-key' }
const GOODS = { productId: 'vip', goodsPrice: 1990 }
const ORDER = {
  offerId: '123', buyQuantity: 1, env: 0, currencyType: 'CNY', ...GOODS, outTradeNo: '20261130-1', attach: 'vip'
}
const { productId, goodsPrice, ...COINS } = ORDER

/** Signs as a server must, with node:crypto alone. */
function sign (signData: string, appKey: string, sessionKey: string): VirtualPaymentArguments {
  const hmac = (key: string, text: string) => createHmac('sha256', key).update(text).digest('hex')
  return {
    mode: 'short_series_goods',
    signData,
    paySig: hmac(appKey, `requestVirtualPayment&${signData}`),
    signature: hmac(sessionKey, signData)
  }
}

async function startPayments (t: Test, settings: Partial<VirtualPaymentSettings> = {}) {
  const { wechat } = await simulate(t, { virtualPayment: { wx1: { ...SETTINGS, ...settings } } })
  wechat.login('alice')
  return {
    wechat,
    pay (order: unknown, { appKey = 'live-key', sessionKey = wechat.sessionKey('alice'), ...args } = {}) {
      const signed = sign(typeof order === 'string' ? order : JSON.stringify(order), appKey, sessionKey)
      return wechat.requestVirtualPayment('alice', { ...signed, ...args }).errCode
    }
  }
}

test('virtual payment: made, and recorded', async (t) => {
  const { wechat, pay } = await startPayments(t)
  const signed = sign(JSON.stringify(ORDER), 'live-key', wechat.sessionKey('alice'))
  t.strictSame(wechat.requestVirtualPayment('alice', signed), { errCode: 0, errMsg: 'requestVirtualPayment:ok' })
  t.equal(pay({ ...COINS, outTradeNo: 'coins-01' }, { mode: 'short_series_coin' } as {}), 0)
  t.equal(pay({ ...ORDER, outTradeNo: 'discount', activitySellingPrice: 990 }), 0)
  t.equal(pay({ ...ORDER, outTradeNo: 'sandbox-01', env: 1 }, { appKey: 'sandbox-key' }), 0)

  const { offerId, currencyType, ...order } = ORDER
  const payment = { ...order, appId: 'wx1', openid: wechat.openid('alice'), mode: 'short_series_goods' }
  t.strictSame(wechat.virtualPayments[0], payment)
  t.match(wechat.virtualPayments.slice(1), [
    { mode: 'short_series_coin', outTradeNo: 'coins-01' },
    { activitySellingPrice: 990 },
    { env: 1 }
  ])
})

test('virtual payment: a key of another environment is -15006', async (t) => {
  const { wechat, pay } = await startPayments(t)
  t.equal(pay(ORDER, { appKey: 'sandbox-key' }), -15006)
  t.equal(pay({ ...ORDER, env: 1 }), -15006)
  t.equal(pay(ORDER, { paySig: 'F'.repeat(64) } as {}), -15006)
  t.strictSame(wechat.virtualPayments, [])
  const { pay: payLive } = await startPayments(t, { sandboxAppKey: undefined })
  t.equal(payLive({ ...ORDER, env: 1 }, { appKey: 'undefined' }), -15006)
})

test('virtual payment: a wrong session_key is -15005, an expired one is -15007', async (t) => {
  const { wechat, pay } = await startPayments(t)
  const old = wechat.sessionKey('alice')
  wechat.login('alice')
  t.equal(pay(ORDER, { sessionKey: old }), -15005)
  t.equal(pay(ORDER, { sessionKey: Buffer.from(wechat.sessionKey('alice'), 'base64').toString('latin1') }), -15005)
  wechat.rotateKey('alice')
  t.equal(pay(ORDER), -15007)
  const { wechat: fresh } = await startPayments(t)
  const signed = sign(JSON.stringify(ORDER), 'live-key', fresh.sessionKey('bob'))
  t.equal(fresh.requestVirtualPayment('bob', signed).errCode, -15007, 'bob never signed in')
})

test('virtual payment: signData that was serialized again is refused', async (t) => {
  const { wechat } = await startPayments(t)
  const signed = sign(JSON.stringify(ORDER), 'live-key', wechat.sessionKey('alice'))
  const signData = JSON.stringify(ORDER, null, 1)
  t.equal(wechat.requestVirtualPayment('alice', { ...signed, signData }).errCode, -15006)
})

test('virtual payment: an order number is used once per app', async (t) => {
  const { wechat } = await simulate(t, { virtualPayment: { wx1: SETTINGS, wx2: SETTINGS } })
  const pay = (user: string, appId: string) => {
    wechat.login(user, { appId })
    const signed = sign(JSON.stringify(ORDER), 'live-key', wechat.sessionKey(user, { appId }))
    return wechat.requestVirtualPayment(user, signed, { appId }).errCode
  }
  t.strictSame([pay('alice', 'wx1'), pay('bob', 'wx1'), pay('alice', 'wx2')], [0, -15002, 0])
})

test('virtual payment: goods are compared with the published ones', async (t) => {
  const { pay } = await startPayments(t, { goods: { vip: 1990 } })
  t.equal(pay({ ...ORDER, productId: 'toString' }), -15010)
  t.equal(pay({ ...ORDER, goodsPrice: 1 }), -15013)
  t.equal(pay({ ...ORDER, goodsPrice: 1990 }), 0)
  t.equal(pay({ ...COINS, outTradeNo: 'coins-01' }, { mode: 'short_series_coin' } as {}), 0)
})

test('virtual payment: invalid arguments', async (t) => {
  const { wechat, pay } = await startPayments(t)
  for (const [order, errCode] of [
    [{ ...ORDER, offerId: '124' }, -15001],
    [{ ...ORDER, currencyType: 'USD' }, -15004],
    ...['{', 'null', '"text"', '[]'].map((text) => [text, -15016]),
    [{ ...ORDER, outTradeNo: 1 }, -15016],
    [{ ...ORDER, outTradeNo: '_2026113' }, -15016],
    [{ ...ORDER, goodsPrice: '1990' }, -15016],
    [{ ...ORDER, goodsPrice: undefined }, -15016],
    [{ ...ORDER, env: '0' }, -15016],
    [{ ...ORDER, attach: '' }, -15016],
    [{ ...ORDER, platform: 'android' }, -15016]
  ] as [unknown, number][]) {
    t.equal(pay(order), errCode, JSON.stringify(order))
  }
  t.equal(pay(ORDER, { mode: 'toString' } as {}), -15001)
  t.equal(pay(ORDER, { mode: 'short_series_coin' } as {}), -15016, 'coins have no price')
  t.equal(pay(ORDER, { signData: ORDER } as {}), -15016, 'not a string')
  t.strictSame(wechat.virtualPayments, [])

  const { wechat: without } = await simulate(t)
  without.login('alice')
  t.match(without.requestVirtualPayment('alice', sign('{}', 'key', 'key')), {
    errCode: -15001, errMsg: 'requestVirtualPayment:fail invalid parameter'
  })
})
