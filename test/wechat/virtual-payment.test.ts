import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { signWithSessionKey } from '../../src/wechat/user-data.js'
import { createVirtualPayments, signOrder, signWithAppKey } from '../../src/wechat/virtual-payment.js'

const vectors = JSON.parse(readFileSync(new URL('../fixtures/vectors.json', import.meta.url), 'utf8'))

const ORDER = {
  mode: 'short_series_goods',
  buyQuantity: 1,
  productId: 'testproductId',
  goodsPrice: 10,
  outTradeNo: '20261130-1',
  attach: 'testdata'
} as const

test('signatures: match the vectors of WeChat', async (t) => {
  t.ok(vectors.sign.length > 0)
  for (const { uri, data, appKey, paySig, sessionKey, signature, name } of vectors.sign) {
    t.equal(signWithAppKey(appKey, uri, data), paySig, name)
    t.equal(signWithSessionKey(sessionKey, data), signature, name)
  }
})

test('signOrder: both signatures cover the signData that it returns', async (t) => {
  const [{ appKey, sessionKey }] = vectors.sign
  // A text beyond ASCII: the signatures cover UTF-8.
  const order = { ...ORDER, attach: '会员 "30 天" 🎁' }
  const { mode, signData, paySig, signature } = signOrder(order, { offerId: '123', appKey, sandbox: false }, sessionKey)
  t.equal(mode, 'short_series_goods')
  t.equal(paySig, signWithAppKey(appKey, 'requestVirtualPayment', signData))
  t.equal(signature, signWithSessionKey(sessionKey, signData))
  t.match(JSON.parse(signData), { offerId: '123', attach: order.attach })
})

test('signOrder: the environment is the one of the options', async (t) => {
  const sign = (sandbox: boolean) => signOrder(ORDER, { offerId: '123', appKey: 'key', sandbox }, 'session_key')
  t.match(sign(false).signData, '"env":0')
  t.match(sign(true).signData, '"env":1')
})

test('credentials: returned with the default of sandbox', async (t) => {
  const { credentials } = createVirtualPayments(async () => ({ offerId: '123', appKey: 'key' }))
  t.strictSame(await credentials('wx1'), { offerId: '123', appKey: 'key', sandbox: false })
})

test('credentials: an app without credentials is not configured', async (t) => {
  for (const found of [null, undefined]) {
    await t.rejects(createVirtualPayments(() => found).credentials('wx1'), {
      code: 'FST_WEAPP_PAYMENT_NOT_CONFIGURED', statusCode: 500
    })
  }
})

test('credentials: an invalid result of the host is refused without its value', async (t) => {
  for (const [found, option] of [
    ['canary', 'virtualPayment'], [{ offerId: '1', appKey: ' canary' }, 'virtualPayment.appKey'],
    [{ offerId: '1' }, 'virtualPayment.appKey'], [{ offerId: '1', key: 'canary' }, 'virtualPayment.key']
  ] as const) {
    const error: Error & { code?: string } = await createVirtualPayments(() => found).credentials('wx1').then(
      () => new Error('no error'), (error) => error)
    t.equal(error.code, 'FST_WEAPP_INVALID_OPTION')
    t.match(error.message, `option ${option} `)
    t.notMatch(error.message, 'canary')
  }
})
