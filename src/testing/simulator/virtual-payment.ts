/**
 * Virtual payment as WeChat checks it on the phone. It shares no code with the plugin.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/api/payment/wx.requestVirtualPayment.html
 */
import { signWithAppKey, signWithSessionKey } from './crypto.js'
import type { Account } from './users.js'

/** The virtual payment of an app in the WeChat console. */
export interface VirtualPaymentSettings {
  offerId: string
  /** The AppKey of live payments. */
  appKey: string
  /**
   * The AppKey of the sandbox.
   *
   * @default none, so that no payment of the sandbox succeeds
   */
  sandboxAppKey?: string | undefined
  /**
   * The published goods: prices in fen by product id.
   *
   * @default any goods at any price
   */
  goods?: Readonly<Record<string, number>> | undefined
}

/** The argument of wx.requestVirtualPayment. */
export interface VirtualPaymentArguments {
  mode: string
  signData: string
  paySig: string
  signature: string
}

/** The result of a payment. */
export interface VirtualPaymentResult {
  /** 0 if the user has paid, otherwise WeChat's error code, such as -15005. */
  errCode: number
  errMsg: string
}

/** A payment that a user has made. */
export interface VirtualPayment {
  appId: string
  openid: string
  mode: string
  outTradeNo: string
  /** 0 for a live payment, 1 for one of the sandbox. */
  env: number
  productId?: string
  /** The price of one item in fen. */
  goodsPrice?: number
  activitySellingPrice?: number
  buyQuantity: number
  attach: string
}

const ERRORS = {
  [-15001]: 'invalid parameter',
  [-15002]: 'outTradeNo was already used',
  [-15004]: 'invalid currencyType',
  [-15005]: 'invalid signature',
  [-15006]: 'invalid paySig',
  [-15007]: 'session_key expired',
  [-15010]: 'productId is not published',
  [-15013]: 'invalid goodsPrice',
  [-15016]: 'invalid signData'
}

type ErrCode = keyof typeof ERRORS

class Refusal extends Error {
  readonly errCode: ErrCode

  constructor (errCode: ErrCode) {
    super(ERRORS[errCode])
    this.errCode = errCode
  }
}

type SignData = Omit<VirtualPayment, 'appId' | 'openid' | 'mode'> & { offerId: string, currencyType: string }

const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0
const isText = (value: unknown) => typeof value === 'string' && value !== ''

const COMMON_FIELDS: Record<string, (value: unknown) => boolean> = {
  offerId: isText,
  buyQuantity: isCount,
  env: (value) => value === 0 || value === 1,
  currencyType: isText,
  outTradeNo: (value) => typeof value === 'string' && /^[\w|*@-]{8,32}$/.test(value) && !value.startsWith('_'),
  attach: isText
}

const FIELDS: Record<string, typeof COMMON_FIELDS> = {
  short_series_goods: {
    ...COMMON_FIELDS,
    productId: isText,
    goodsPrice: isCount,
    activitySellingPrice: (value) => value === undefined || isCount(value)
  },
  short_series_coin: COMMON_FIELDS
}

/** The virtual payments of the simulated Mini Programs. */
export class VirtualPayments {
  readonly #settings: Readonly<Record<string, VirtualPaymentSettings>>
  readonly made: VirtualPayment[] = []

  constructor (settings: Readonly<Record<string, VirtualPaymentSettings>> = {}) {
    this.#settings = settings
  }

  /** Pays as a user, or returns the error code with which WeChat refuses. */
  pay (account: Account, given: VirtualPaymentArguments): VirtualPaymentResult {
    try {
      this.made.push(this.#checked(account, given))
      return { errCode: 0, errMsg: 'requestVirtualPayment:ok' }
    } catch (error) {
      /* c8 ignore next -- a bug in the simulator, which must not look like a refusal by WeChat */
      if (!(error instanceof Refusal)) throw error
      return { errCode: error.errCode, errMsg: `requestVirtualPayment:fail ${error.message}` }
    }
  }

  /** Returns the AppKey of an environment, or undefined if the app has none. */
  appKeyOf (appId: string, env: unknown): string | undefined {
    const settings = this.#settingsOf(appId)
    if (env === 1) return settings?.sandboxAppKey
    return env === 0 ? settings?.appKey : undefined
  }

  #settingsOf (appId: string): VirtualPaymentSettings | null {
    return Object.hasOwn(this.#settings, appId) ? this.#settings[appId]! : null
  }

  #checked ({ appId, openid, ...key }: Account, given: VirtualPaymentArguments): VirtualPayment {
    const { mode, signData, paySig, signature } = given
    const settings = this.#settingsOf(appId)
    const fields = Object.hasOwn(FIELDS, mode) ? FIELDS[mode] : undefined
    if (settings === null || fields === undefined) throw new Refusal(-15001)

    const { offerId, currencyType, ...order } = parse(signData, fields)
    if (offerId !== settings.offerId) throw new Refusal(-15001)
    if (currencyType !== 'CNY') throw new Refusal(-15004)

    const appKey = this.appKeyOf(appId, order.env)
    if (appKey === undefined || paySig !== signWithAppKey('requestVirtualPayment', signData, appKey)) {
      throw new Refusal(-15006)
    }
    if (!key.isLoginKeyValid) throw new Refusal(-15007)
    if (signature !== signWithSessionKey(signData, key.sessionKey)) throw new Refusal(-15005)

    this.#assertPublished(settings, order)
    const isUsed = this.made.some((made) => made.appId === appId && made.outTradeNo === order.outTradeNo)
    if (isUsed) throw new Refusal(-15002)
    return { appId, openid, mode, ...order }
  }

  #assertPublished ({ goods }: VirtualPaymentSettings, { productId, goodsPrice }: Partial<SignData>): void {
    if (goods === undefined || productId === undefined) return
    if (!Object.hasOwn(goods, productId)) throw new Refusal(-15010)
    if (goods[productId] !== goodsPrice) throw new Refusal(-15013)
  }
}

function parse (signData: string, fields: typeof COMMON_FIELDS): SignData {
  let data: unknown
  try {
    data = JSON.parse(signData)
  } catch {}
  if (typeof signData !== 'string' || typeof data !== 'object' || data === null) throw new Refusal(-15016)
  const given = data as Record<string, unknown>
  const isValid = Object.keys(given).every((name) => Object.hasOwn(fields, name)) &&
    Object.entries(fields).every(([name, accepts]) => accepts(given[name]))
  if (!isValid) throw new Refusal(-15016)
  return data as SignData
}
