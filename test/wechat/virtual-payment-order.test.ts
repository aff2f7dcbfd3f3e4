import { test } from 'tap'
import { orderOption, signDataOf, type VirtualPaymentOrder } from '../../src/wechat/virtual-payment-order.js'

const GOODS = {
  mode: 'short_series_goods',
  buyQuantity: 1,
  productId: 'testproductId',
  goodsPrice: 10,
  outTradeNo: 'xxxxxx12',
  attach: 'testdata'
}
const COIN = { mode: 'short_series_coin', buyQuantity: 100, outTradeNo: 'xxxxxx12', attach: 'testdata' }

function signData (order: unknown): string {
  return signDataOf(orderOption(order as VirtualPaymentOrder), { offerId: '123', env: 0 })
}

test('signData: goods have the fields of WeChat\'s sample, in its order', async (t) => {
  t.equal(signData(GOODS), '{"offerId":"123","buyQuantity":1,"env":0,"currencyType":"CNY",' +
    '"productId":"testproductId","goodsPrice":10,"outTradeNo":"xxxxxx12","attach":"testdata"}')
  t.match(signData({ ...GOODS, activitySellingPrice: 8 }), '"goodsPrice":10,"activitySellingPrice":8,')
  t.equal(signData({ ...GOODS, activitySellingPrice: undefined }), signData(GOODS))
})

test('signData: coins have no price', async (t) => {
  t.equal(signData(COIN), '{"offerId":"123","buyQuantity":100,"env":0,"currencyType":"CNY",' +
    '"outTradeNo":"xxxxxx12","attach":"testdata"}')
})

test('signData: every outTradeNo that WeChat accepts', async (t) => {
  for (const outTradeNo of ['12345678', 'a'.repeat(32), 'aZ09_-|*@', '-------_', '|*@-____']) {
    t.equal(JSON.parse(signData({ ...COIN, outTradeNo })).outTradeNo, outTradeNo)
  }
})

const NO_AMOUNT = [undefined, null, 0, -1, 0.5, NaN, Infinity, 2 ** 53, '10', 10n, {}, [10], true]
const NO_TEXT = [undefined, null, '', ' ', 1, {}, ['a'], true]

/** Fields with invalid values. */
const INVALID: [field: string, order: object, values: unknown[]][] = [
  ['mode', GOODS, [undefined, null, '', 'short_series', 'SHORT_SERIES_GOODS', 'toString', ['short_series_coin']]],
  ['buyQuantity', GOODS, NO_AMOUNT],
  ['buyQuantity', COIN, NO_AMOUNT],
  ['goodsPrice', GOODS, NO_AMOUNT],
  ['activitySellingPrice', GOODS, NO_AMOUNT.slice(1)],
  ['productId', GOODS, NO_TEXT],
  ['attach', COIN, NO_TEXT],
  ['outTradeNo', COIN, [
    ...NO_TEXT, '1234567', 'a'.repeat(33), '_1234567', '1234567 ', '1234567\n', '12345678\n', '1234567.', '订单号12345678', 12345678
  ]]
]

for (const [field, order, values] of INVALID) {
  test(`signData: an invalid ${field} of ${(order as typeof COIN).mode} is refused`, async (t) => {
    for (const value of values) {
      t.throws(() => signData({ ...order, [field]: value }), {
        code: 'FST_WEAPP_INVALID_OPTION', message: new RegExp(`^fastify-weapp: option order\\.${field} must `)
      }, `${typeof value} ${String(value)}`)
    }
  })
}

test('T62: signData: an unknown field is refused, and so is one of another mode', async (t) => {
  for (const name of ['env', 'offerId', 'currencyType', 'platform', 'goodsprice', 'openid', '__proto__']) {
    const order = JSON.parse(`{"${name}":0,${JSON.stringify(GOODS).slice(1)}`)
    t.throws(() => signData(order), { code: 'FST_WEAPP_INVALID_OPTION', message: `option order.${name} is not a valid` })
  }
  for (const name of ['productId', 'goodsPrice', 'activitySellingPrice']) {
    t.throws(() => signData({ ...COIN, [name]: 10 }), { message: `option order.${name} is not a valid option` })
  }
})

test('T62: signData: text is never signed', async (t) => {
  for (const order of [undefined, null, '', JSON.stringify(GOODS), 1, [], () => GOODS]) {
    t.throws(() => signData(order), { code: 'FST_WEAPP_INVALID_OPTION' })
  }
})

test('T62: orderOption: an inherited field is not one of the order', async (t) => {
  // Object.assign sets the prototype, and a body can contain it.
  const poisoned = Object.assign({}, GOODS, JSON.parse('{"__proto__":{"activitySellingPrice":1}}'))
  t.equal(poisoned.activitySellingPrice, 1)
  t.equal(signData(poisoned), signData(GOODS))
  t.throws(() => signData(Object.create(GOODS)), { message: 'option order.mode must be one of' })
})

test('T62: orderOption: reads each field once', async (t) => {
  const reads: string[] = []
  const order = new Proxy({ ...GOODS, activitySellingPrice: 8 }, {
    get (target, name) {
      reads.push(String(name))
      return Reflect.get(target, name)
    }
  })
  t.strictSame(orderOption(order as VirtualPaymentOrder), { ...GOODS, activitySellingPrice: 8 })
  t.strictSame(reads, Object.keys(order))
})
