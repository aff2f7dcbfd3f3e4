/**
 * Virtual payment (虚拟支付): its credentials, and the two signatures of wx.requestVirtualPayment.
 *
 * @see https://developers.weixin.qq.com/miniprogram/dev/platform-capabilities/industry/virtual-payment.html
 */
import { createHmac } from 'node:crypto'
import { FST_WEAPP_PAYMENT_NOT_CONFIGURED } from '../errors.js'
import { booleanOption, objectOption, optionPath, secretOption } from '../utils/validate.js'
import { signWithSessionKey } from './user-data.js'
import { signDataOf, type VirtualPaymentMode, type VirtualPaymentOrder } from './virtual-payment-order.js'

/** The credentials of an app for virtual payment, from the basic configuration (基础配置) in the WeChat console. */
export interface VirtualPaymentCredentials {
  offerId: string
  /** The AppKey of the environment that `sandbox` selects. It never leaves the server. */
  appKey: string
  /**
   * Whether payments are made in the sandbox (沙箱), where no money moves. The released Mini Program can pay only outside
   * of it.
   * @default false
   */
  sandbox?: boolean | undefined
}

/** The argument of wx.requestVirtualPayment. The phone must pass `signData` on unchanged. */
export interface VirtualPaymentArguments {
  mode: VirtualPaymentMode
  /** JSON, exactly as it was signed. */
  signData: string
  /** The signature by the AppKey (支付签名). */
  paySig: string
  /** The signature by the session_key of the user (用户态签名). */
  signature: string
}

/** Returns the credentials of an app. Null or undefined if the app has none. The result may be of the host. */
export type VirtualPaymentLookup = (appId: string) => unknown

export interface VirtualPayments {
  /**
   * Returns the credentials of an app.
   *
   * @throws FST_WEAPP_PAYMENT_NOT_CONFIGURED, FST_WEAPP_STORE_UNAVAILABLE, FST_WEAPP_INVALID_OPTION
   */
  credentials (appId: string): Promise<Required<VirtualPaymentCredentials>>
}

export const VIRTUAL_PAYMENT_OPTION_NAMES = ['offerId', 'appKey', 'sandbox']

export function createVirtualPayments (lookUp: VirtualPaymentLookup): VirtualPayments {
  return {
    async credentials (appId) {
      const found = await lookUp(appId)
      if (found === undefined || found === null) throw new FST_WEAPP_PAYMENT_NOT_CONFIGURED()
      return credentialsOption(found, 'virtualPayment')
    }
  }
}

/**
 * Validates the credentials of an app.
 *
 * @param section the option that contains them
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function credentialsOption (value: unknown, section: string): Required<VirtualPaymentCredentials> {
  const { offerId, appKey, sandbox = false } = objectOption(value, section, VIRTUAL_PAYMENT_OPTION_NAMES)
  return {
    offerId: secretOption(offerId, optionPath(section, 'offerId')),
    appKey: secretOption(appKey, optionPath(section, 'appKey')),
    sandbox: booleanOption(sandbox, optionPath(section, 'sandbox'))
  }
}

/** Signs a validated order. The order is serialized once, because both signatures cover its bytes. */
export function signOrder (
  order: VirtualPaymentOrder, { offerId, appKey, sandbox }: Required<VirtualPaymentCredentials>, sessionKey: string
): VirtualPaymentArguments {
  const signData = signDataOf(order, { offerId, env: sandbox ? 1 : 0 })
  return {
    mode: order.mode,
    signData,
    paySig: signWithAppKey(appKey, 'requestVirtualPayment', signData),
    signature: signWithSessionKey(sessionKey, signData)
  }
}

/**
 * Returns the signature by an AppKey: the hex HMAC-SHA256 of the URI, '&' and the text.
 *
 * @param uri the path of a server API without query, or the name of an API of `wx`
 */
export function signWithAppKey (appKey: string, uri: string, text: string): string {
  return createHmac('sha256', appKey).update(`${uri}&${text}`).digest('hex')
}
