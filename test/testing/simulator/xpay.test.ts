import { createHmac } from 'node:crypto'
import { test, type Test } from 'tap'
import { accessToken, call, post, simulate } from '../../helpers/simulator.js'

const BALANCE = '/xpay/query_user_balance'
const ORDER = '/xpay/query_order'

function hmac (key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex')
}

async function startXpay (t: Test) {
  const { wechat } = await simulate(t, {
    virtualPayment: { wx1: { offerId: '123', appKey: 'live-key', sandboxAppKey: 'sandbox-key' } }
  })
  wechat.login('alice')
  const { access_token: token } = await accessToken(wechat)
  const openid = wechat.openid('alice')

  /** Pays as alice. */
  function pay (mode: string, fields: { outTradeNo: string, buyQuantity: number, [field: string]: unknown }) {
    const signData = JSON.stringify({ offerId: '123', env: 0, currencyType: 'CNY', attach: 'x', ...fields })
    const { errCode } = wechat.requestVirtualPayment('alice', {
      mode,
      signData,
      paySig: hmac(fields.env === 1 ? 'sandbox-key' : 'live-key', `requestVirtualPayment&${signData}`),
      signature: hmac(wechat.sessionKey('alice'), signData)
    })
    t.equal(errCode, 0)
  }

  /** Calls an API with both signatures. `change` replaces query parameters. */
  async function ask (path: string, fields: object, change: Record<string, string> = {}, appKey = 'live-key') {
    const body = JSON.stringify({ openid, env: 0, ...fields })
    return (await post(wechat, path, body, {
      access_token: token, pay_sig: hmac(appKey, `${path}&${body}`), signature: hmac(wechat.sessionKey('alice'), body), ...change
    })).json
  }
  return { wechat, pay, ask, openid }
}

test('query_order: a payment that was made', async (t) => {
  const { pay, ask } = await startXpay(t)
  pay('short_series_goods', { outTradeNo: 'goods-01', productId: 'vip', goodsPrice: 1990, buyQuantity: 2 })
  pay('short_series_goods', { outTradeNo: 'goods-02', productId: 'vip', goodsPrice: 1990, activitySellingPrice: 990, buyQuantity: 1 })
  pay('short_series_coin', { outTradeNo: 'coins-01', buyQuantity: 100, env: 1 })
  t.match(await ask(ORDER, { order_id: 'goods-01' }), {
    errcode: 0, order: { order_id: 'goods-01', status: 2, order_fee: 3980, paid_fee: 3980, env_type: 1 }
  })
  t.match(await ask(ORDER, { order_id: 'goods-02' }), { order: { paid_fee: 990 } })
  t.match(await ask(ORDER, { order_id: 'coins-01', env: 1 }, {}, 'sandbox-key'), { order: { env_type: 2 } })
  t.match(await ask(ORDER, { order_id: 'coins-01' }), { errcode: 268490002 }, 'not in this environment')
  t.match(await ask(ORDER, { order_id: 'goods-03' }), { errcode: 268490002 })
})

test('query_user_balance: the coins that the user bought', async (t) => {
  const { wechat, pay, ask } = await startXpay(t)
  t.match(await ask(BALANCE, {}), { errcode: 0, balance: 0 })
  pay('short_series_coin', { outTradeNo: 'coins-01', buyQuantity: 100 })
  pay('short_series_coin', { outTradeNo: 'coins-02', buyQuantity: 20 })
  pay('short_series_coin', { outTradeNo: 'coins-03', buyQuantity: 7, env: 1 })
  pay('short_series_goods', { outTradeNo: 'goods-01', productId: 'vip', goodsPrice: 1990, buyQuantity: 1 })
  t.match(await ask(BALANCE, {}), { errcode: 0, balance: 120 })
  t.match(await ask(BALANCE, {}, { signature: hmac('other key', '{}') }), { errcode: 268490003 })
  wechat.rotateKey('alice')
  t.match(await ask(BALANCE, {}), { errcode: 268490009 })
})

test('xpay: wrong signatures and parameters', async (t) => {
  const { wechat, ask } = await startXpay(t)
  for (const path of [ORDER, BALANCE]) {
    t.match(await ask(path, {}, { pay_sig: hmac('live-key', '{}') }), { errcode: 268490003 })
    t.match(await ask(path, {}, {}, 'sandbox-key'), { errcode: 268490003 }, 'the AppKey of the other environment')
    t.match(await ask(path, { env: '0' }), { errcode: 268490003 })
    t.match(await ask(path, { openid: 'o-of-nobody' }), { errcode: 268490001 })
    t.match(await ask(path, {}, { access_token: 'x' }), { errcode: 40014 })
    t.match((await post(wechat, path, '{}')).json, { errcode: 41001 })
    t.match((await call(wechat, path)).json, { errcode: 43002 })
  }
})
