import type { WxFailure } from './wx.js'

/** @see https://developers.weixin.qq.com/miniprogram/dev/framework/usability/PublicErrno.html */
export const ERRNO = {
  timedOut: 5,
  invalidParameter: 1001,
  networkFailed: 600001,
  interrupted: 600003,
  invalidUrl: 600009
} as const

/** Returns a failure with an `errMsg` in the format of `wx`, such as 'request:fail timeout'. */
export function failure (api: string, reason: string, errno: number = ERRNO.interrupted): WxFailure {
  return { errMsg: `${api}:fail ${reason}`, errno }
}

/** Converts an error of a call to a failure. A failure stays as it is. */
export function failureOf (api: string, error: unknown): WxFailure {
  if (!(error instanceof Error)) return error as WxFailure
  if (error.name === 'TimeoutError') return failure(api, 'timeout', ERRNO.timedOut)
  return failure(api, error.name === 'AbortError' ? 'abort' : error.message, ERRNO.networkFailed)
}
