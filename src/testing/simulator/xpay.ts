/**
 * The server APIs of virtual payment.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/platform-capabilities/industry/virtual-payment.html
 */
import { signWithAppKey, signWithSessionKey } from './crypto.js'
import { Refusal } from './errcodes.js'
import { OK, type Api, type Params, type Platform } from './platform.js'
import type { Account } from './users.js'

const WRONG_OPENID = 268490001
const WRONG_PARAMETER = 268490002
const WRONG_SIGNATURE = 268490003
const SESSION_KEY_EXPIRED = 268490009

/** The status of an order that was paid and not delivered. */
const PAID = 2

export const XPAY_APIS: Record<string, Api> = {
  // See https://developers.weixin.qq.com/miniprogram/dev/server/API/VirtualPayment/api_query_order
  '/xpay/query_order': {
    method: 'POST',
    methodErrcode: 43002,
    handle (platform, query, body, text) {
      const account = payingUser(platform, '/xpay/query_order', query, body, text)
      const order = platform.payments.made.find(({ openid, outTradeNo, env }) => {
        return openid === account.openid && outTradeNo === body.order_id && env === body.env
      })
      // WeChat does not document the errcode of an unknown order.
      if (order === undefined) throw new Refusal(WRONG_PARAMETER)
      const { goodsPrice = 0, activitySellingPrice = goodsPrice, buyQuantity, outTradeNo, env } = order
      const fee = activitySellingPrice * buyQuantity
      return {
        ...OK,
        order: {
          order_id: outTradeNo,
          status: PAID,
          order_type: 0,
          env_type: env + 1,
          order_fee: fee,
          paid_fee: fee,
          left_fee: fee
        }
      }
    }
  },

  // See https://developers.weixin.qq.com/miniprogram/dev/server/API/VirtualPayment/api_query_user_balance
  '/xpay/query_user_balance': {
    method: 'POST',
    methodErrcode: 43002,
    handle (platform, query, body, text) {
      const account = payingUser(platform, '/xpay/query_user_balance', query, body, text)
      if (!account.isLoginKeyValid) throw new Refusal(SESSION_KEY_EXPIRED)
      if (query.signature !== signWithSessionKey(text, account.sessionKey)) throw new Refusal(WRONG_SIGNATURE)
      const balance = platform.payments.made
        .filter(({ openid, env }) => openid === account.openid && env === body.env)
        .filter(({ mode }) => mode === 'short_series_coin')
        .reduce((sum, { buyQuantity }) => sum + buyQuantity, 0)
      return { ...OK, balance, present_balance: 0, sum_save: balance, sum_balance: balance }
    }
  }
}

/** Verifies the payment signature, and returns the account of the `openid` in the body. */
function payingUser (
  { tokens, users, payments }: Platform, path: string, query: Params, body: Params, text: string
): Account {
  if (typeof query.access_token !== 'string') throw new Refusal(41001)
  const appId = tokens.appOf(query.access_token)
  const appKey = payments.appKeyOf(appId, body.env)
  if (appKey === undefined || query.pay_sig !== signWithAppKey(path, text, appKey)) throw new Refusal(WRONG_SIGNATURE)
  try {
    return users.find(appId, body.openid as string)
  } catch {
    throw new Refusal(WRONG_OPENID)
  }
}
