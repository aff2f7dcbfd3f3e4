/**
 * The orders of virtual payment, and their `signData`. Every field is named and typed. Otherwise a phone that chooses a
 * field could choose its price.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/api/payment/wx.requestVirtualPayment.html
 */
import { enumOption, integerOption, invalidOption, objectOption, stringOption } from '../utils/validate.js'

export type VirtualPaymentMode = VirtualPaymentOrder['mode']

/** An order of virtual payment. All values come from the server's own data, never from the phone. */
export type VirtualPaymentOrder = GoodsOrder | CoinOrder

/** The fields of every order. */
interface OrderFields {
  /** How many items or coins the user buys. */
  buyQuantity: number
  /**
   * The server's number of the order, to be used once: 8 to 32 characters of `0-9`, `A-Z`, `a-z` and `_-|*@`, without
   * `_` in front.
   */
  outTradeNo: string
  /** Text for the server, which WeChat returns with the delivery notice. Not empty. */
  attach: string
}

/** An order of goods (道具直购). */
export interface GoodsOrder extends OrderFields {
  mode: 'short_series_goods'
  /** The id of the goods (道具 ID) in the WeChat console. */
  productId: string
  /** The price of one item in fen. WeChat compares it with the price in the WeChat console. */
  goodsPrice: number
  /**
   * The price in fen that WeChat charges, if it differs from the price in the WeChat console. WeChat does not document
   * whether it is the price of one item or of all.
   */
  activitySellingPrice?: number | undefined
}

/** An order of coins (代币充值). The price of a coin is set in the WeChat console. */
export interface CoinOrder extends OrderFields {
  mode: 'short_series_coin'
}

const COMMON_NAMES = ['mode', 'buyQuantity', 'outTradeNo', 'attach']
const FIELD_NAMES = {
  short_series_goods: [...COMMON_NAMES, 'productId', 'goodsPrice', 'activitySellingPrice'],
  short_series_coin: COMMON_NAMES
}
const MODES = ['short_series_goods', 'short_series_coin'] as const

const OUT_TRADE_NO = /^(?!_)[0-9A-Za-z_\-|*@]{8,32}$/

/**
 * Returns a validated copy of an order. Changes of the order during the signing have no effect.
 *
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function orderOption (order: VirtualPaymentOrder): VirtualPaymentOrder {
  // Only own fields count. A body that contains `__proto__` can add inherited ones.
  const given: Record<string, unknown> = { __proto__: null, ...order }
  const mode = enumOption(given.mode as VirtualPaymentMode, 'order.mode', MODES)
  const fields = objectOption(given, 'order', FIELD_NAMES[mode])
  return {
    mode,
    buyQuantity: amountField(fields, 'buyQuantity'),
    ...mode === 'short_series_goods' && {
      productId: stringOption(fields.productId, 'order.productId'),
      goodsPrice: amountField(fields, 'goodsPrice'),
      ...fields.activitySellingPrice !== undefined && {
        activitySellingPrice: amountField(fields, 'activitySellingPrice')
      }
    },
    outTradeNo: outTradeNoField(fields.outTradeNo),
    attach: stringOption(fields.attach, 'order.attach')
  } as VirtualPaymentOrder
}

/** Returns the `signData` of a validated order, in the order of fields of WeChat's sample. */
export function signDataOf (order: VirtualPaymentOrder, { offerId, env }: { offerId: string, env: 0 | 1 }): string {
  const { mode: _unsigned, buyQuantity, ...fields } = order
  return JSON.stringify({ offerId, buyQuantity, env, currencyType: 'CNY', ...fields })
}

function amountField (fields: Record<string, unknown>, name: string): number {
  return integerOption(fields[name], `order.${name}`, 1, Number.MAX_SAFE_INTEGER)
}

function outTradeNoField (value: unknown): string {
  if (typeof value !== 'string' || !OUT_TRADE_NO.test(value)) {
    const problem = "must be 8 to 32 characters of 0-9, A-Z, a-z, '_', '-', '|', '*' and '@', without '_' in front"
    throw invalidOption('order.outTradeNo', problem)
  }
  return value
}
