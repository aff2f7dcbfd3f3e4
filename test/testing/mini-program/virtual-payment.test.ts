import { createHmac } from 'node:crypto'
import { test, type Test } from 'tap'
import {
  createMiniProgram, type MiniProgram, type WxFailure, type WxVirtualPaymentOptions
} from '../../../src/testing/index.js'
import { simulate } from '../../helpers/simulator.js'

const ORDER = { offerId: '123', buyQuantity: 1, env: 0, currencyType: 'CNY', outTradeNo: 'coins-01', attach: 'coins' }

async function startPhone (t: Test) {
  const { wechat } = await simulate(t, { virtualPayment: { wx2: { offerId: '123', appKey: 'live-key' } } })
  const phone = createMiniProgram(wechat, { user: 'alice', appId: 'wx2' })
  await phone.wx.login()
  const sign = (order: object = {}) => {
    const signData = JSON.stringify({ ...ORDER, ...order })
    const hmac = (key: string, text: string) => createHmac('sha256', key).update(text).digest('hex')
    return {
      mode: 'short_series_coin',
      signData,
      paySig: hmac('live-key', `requestVirtualPayment&${signData}`),
      signature: hmac(wechat.sessionKey('alice', { appId: 'wx2' }), signData)
    }
  }
  return { wechat, phone, sign }
}

function pay ({ wx }: MiniProgram, args: WxVirtualPaymentOptions): Promise<{ errMsg: string } | WxFailure> {
  return new Promise((resolve) => wx.requestVirtualPayment({ ...args, complete: resolve }))
}

test('wx.requestVirtualPayment: pays as the user of the phone', async (t) => {
  const { wechat, phone, sign } = await startPhone(t)
  const succeeded = new Promise((resolve) => phone.wx.requestVirtualPayment({ ...sign(), success: resolve }))
  t.strictSame(await succeeded, { errMsg: 'requestVirtualPayment:ok' })
  t.match(wechat.virtualPayments, [{ appId: 'wx2', openid: wechat.openid('alice', { appId: 'wx2' }) }])
  t.equal(phone.calls.requestVirtualPayment, 1)
})

test('wx.requestVirtualPayment: fails with the error code of WeChat', async (t) => {
  const { wechat, phone, sign } = await startPhone(t)
  const args = sign()
  t.match(await pay(phone, args), { errMsg: 'requestVirtualPayment:ok' })
  t.strictSame(await pay(phone, args), {
    errMsg: 'requestVirtualPayment:fail outTradeNo was already used', errno: -15002, errCode: -15002
  })
  const other = sign({ outTradeNo: 'coins-02' })
  wechat.rotateKey('alice', { appId: 'wx2' })
  const failed = new Promise((resolve) => phone.wx.requestVirtualPayment({ ...other, fail: resolve }))
  t.match(await failed, { errno: -15007, errCode: -15007 })
})

test('wx.requestVirtualPayment: returns no promise', async (t) => {
  const { wechat, phone, sign } = await startPhone(t)
  t.equal(phone.wx.requestVirtualPayment(sign()), undefined)
  t.equal(phone.wx.requestVirtualPayment({ ...sign(), paySig: '' }), undefined)
  await pay(phone, sign({ outTradeNo: 'coins-02' }))
  t.equal(wechat.virtualPayments.length, 2)
})

test('wx.requestVirtualPayment: faults', async (t) => {
  const { wechat, phone, sign } = await startPhone(t)
  const scope = { api: 'requestVirtualPayment', times: 1 } as const
  phone.fault({ errCode: -2 }, scope)
  t.strictSame(await pay(phone, sign()), {
    errMsg: 'requestVirtualPayment:fail error -2', errno: -2, errCode: -2
  }, 'the user cancels')
  phone.fault({ fail: 'interrupted' }, scope)
  t.match(await pay(phone, sign()), { errMsg: 'requestVirtualPayment:fail interrupted', errCode: -1 })
  phone.offline = true
  t.match(await pay(phone, sign()), { errMsg: /^requestVirtualPayment:fail/, errCode: -1 })
  phone.offline = false
  t.strictSame(wechat.virtualPayments, [])

  phone.fault({ errCode: -5, processed: true }, scope)
  t.match(await pay(phone, sign()), { errCode: -5 })
  t.equal(wechat.virtualPayments.length, 1, 'the user has paid')
  phone.fault({ errCode: -5, processed: true }, scope)
  t.match(await pay(phone, sign()), { errCode: -15002 }, 'the error of WeChat wins')
})
