/** The phone number in the reply of getuserphonenumber. */
import { FST_WEAPP_WECHAT_BAD_REPLY } from '../errors.js'
import { isText } from '../utils/type-checks.js'
import type { WechatReply } from './response.js'

/** A phone number, in the format of WeChat. */
export interface PhoneNumber {
  /** Includes the country code unless it is a Chinese number. */
  phoneNumber: string
  purePhoneNumber: string
  /** Such as '86'. */
  countryCode: string
}

/** @throws FST_WEAPP_WECHAT_BAD_REPLY */
export function phoneNumberOf ({ phone_info: info }: WechatReply, appId: string): PhoneNumber {
  const { phoneNumber, purePhoneNumber, countryCode, watermark } = (info ?? {}) as Record<string, unknown>
  const hasOwnWatermark = (watermark as { appid?: unknown } | undefined)?.appid === appId
  // Documented as a string, but a number in WeChat's own sample.
  const country = typeof countryCode === 'number' ? String(countryCode) : countryCode
  if (!hasOwnWatermark || !isText(phoneNumber) || !isText(purePhoneNumber) || !isText(country)) {
    throw new FST_WEAPP_WECHAT_BAD_REPLY()
  }
  return { phoneNumber, purePhoneNumber, countryCode: country }
}
