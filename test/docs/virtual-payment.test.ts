/** Runs the recipe of virtual payment: its server with the built package, and its Mini Program with the fake `wx`. */
import tap, { test, type Test } from 'tap'
import { createWeappClient } from '../../src/client/index.js'
import { createMiniProgram, startWechatSimulator } from '../../src/testing/index.js'
import { codeFiles, ENGLISH } from '../helpers/documents.js'
import { recipeHost, weappOptions, writeRecipes } from '../helpers/recipes.js'

tap.setTimeout(300_000)
const recipes = writeRecipes(tap)
const pages = codeFiles(ENGLISH)

const APP_ID = 'wx0123456789abcdef'
const LIVE = { offerId: '1450000000', appKey: 'the live AppKey' }
const PAYMENT = { api: 'requestVirtualPayment', times: 1 } as const

async function startShop (t: Test) {
  const wechat = await startWechatSimulator({
    apps: { [APP_ID]: 'app-secret' }, virtualPayment: { [APP_ID]: { ...LIVE, goods: { vip30: 1990 } } }
  })
  t.teardown(() => wechat.close())
  const { buildApp, orders } = await recipes.load('virtual-payment.mjs')
  orders.clear()
  const app = await buildApp({ ...weappOptions(wechat), virtualPayment: LIVE })
  t.teardown(() => app.close())
  const baseUrl = await app.listen({ host: '127.0.0.1', port: 0 })

  const phone = createMiniProgram(wechat, { user: 'alice' })
  const client = createWeappClient({ baseUrl, wx: phone.wx })
  const module = { exports: null as unknown as (productId: string) => Promise<boolean> }
  // eslint-disable-next-line no-new-func
  new Function('wx', 'module', 'require', pages.get('utils/pay.js')!)(phone.wx, module, () => client)
  return { ...recipeHost(app, wechat), phone, orders, pay: module.exports }
}

test('utils/pay.js: a product is bought at the price of the server', async (t) => {
  const { wechat, phone, pay } = await startShop(t)
  t.equal(await pay('vip30'), true)
  t.match(wechat.virtualPayments, [{ productId: 'vip30', goodsPrice: 1990, buyQuantity: 1, attach: 'vip30', env: 0 }])
  t.equal(phone.calls.login, 1)
  t.equal(await pay('vip30'), true, 'another order')
  await t.rejects(pay('vip31'), { code: 'NO_PRODUCT' })
})

test('utils/pay.js: recovers from a session_key that has expired', async (t) => {
  const { wechat, phone, pay } = await startShop(t)
  t.equal(await pay('vip30'), true)
  // The server has checked the key within the last minute, so the phone gets -15007.
  wechat.rotateKey('alice')
  t.equal(await pay('vip30'), true)
  t.equal(phone.calls.login, 2)
  // A login whose code does not reach the server gives -15005.
  wechat.login('alice')
  t.equal(await pay('vip30'), true)
  t.equal(phone.calls.login, 3)
  t.equal(wechat.virtualPayments.length, 3)
})

test('utils/pay.js: a cancelled payment is none, a lost result is asked for', async (t) => {
  const { wechat, phone, orders, pay } = await startShop(t)
  phone.fault({ errCode: -2 }, PAYMENT)
  t.equal(await pay('vip30'), false)
  phone.fault({ errCode: -5, processed: true }, PAYMENT)
  t.equal(await pay('vip30'), true)
  t.equal(wechat.virtualPayments.length, 1)
  phone.fault({ errCode: -5 }, PAYMENT)
  await t.rejects(pay('vip30'), { code: 'FST_WEAPP_WECHAT_BAD_REPLY' }, 'WeChat has no such order')
  t.equal([...orders.values()].filter(({ paid }) => paid).length, 1)
})

test('virtual-payment.mjs: an order that was paid at another price is not delivered', async (t) => {
  const { wechat, orders, post, signIn } = await startShop(t)
  const alice = await signIn('alice')
  const { outTradeNo } = (await post('/orders', { productId: 'vip30' }, alice)).body
  const check = () => post(`/orders/${outTradeNo}/check`, {}, alice)
  const answer = (fee: number) => JSON.stringify({ errcode: 0, order: { order_id: outTradeNo, status: 2, order_fee: fee } })
  wechat.fault({ body: answer(10) }, { path: '/xpay/query_order', times: 1 })
  t.match(await check(), { status: 500, body: { code: 'WRONG_FEE' } })
  t.equal(orders.get(outTradeNo).paid, false)
  wechat.fault({ body: answer(1990) }, { path: '/xpay/query_order', times: 1 })
  t.match(await check(), { status: 200, body: { paid: true } })
})

test('virtual-payment.mjs: users have their own orders, and cannot choose the price', async (t) => {
  const { post, signIn } = await startShop(t)
  const [alice, bob] = [await signIn('alice'), await signIn('bob')]
  const { outTradeNo } = (await post('/orders', { productId: 'vip30', price: 1, goodsPrice: 1 }, alice)).body
  for (const path of ['payment', 'check']) {
    t.match(await post(`/orders/${outTradeNo}/${path}`, {}, bob), { status: 404, body: { code: 'NO_ORDER' } })
    t.equal((await post(`/orders/${outTradeNo}/${path}`, {})).status, 401)
  }
  const { body } = await post(`/orders/${outTradeNo}/payment`, { goodsPrice: 1 }, alice)
  t.match(JSON.parse(body.signData), { goodsPrice: 1990, outTradeNo })
})
