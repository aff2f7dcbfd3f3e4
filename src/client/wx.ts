/** The platform: of `wx` only what is used here, so that the native one, Taro and uni all fit. */
import { clientError, type WeappClientError } from './errors.js'

export interface Callbacks<Result> {
  success: (result: Result) => void
  fail: (failure: Failure) => void
}

/** What the platform says when it does not do what it was asked. */
export interface Failure {
  errMsg?: string
  errno?: number
}

/** An answer of the server, as wx.request gives it. */
export interface Answer<Data = any> {
  statusCode: number
  /** Each platform writes the names in its own way: look them up without regard to case. */
  header: Record<string, any>
  data: Data
}

/** An answer as it may arrive: wx.uploadFile keeps the headers for itself. */
export type PlatformAnswer = Omit<Answer, 'header'> & Partial<Answer>

/** What wx.request and wx.uploadFile are called with. */
export interface WxTransfer<Result> extends Callbacks<Result> {
  url: string
  header?: Record<string, string>
}

export interface WxRequest extends WxTransfer<Answer> {
  method?: any
  data?: any
}

export interface WxUpload extends WxTransfer<{ statusCode: number, data: string }> {
  filePath: string
  name: string
}

export interface Wx {
  /** https://developers.weixin.qq.com/miniprogram/dev/api/open-api/login/wx.login.html */
  login (options: Callbacks<{ code: string }> & { timeout?: number }): unknown
  /** https://developers.weixin.qq.com/miniprogram/dev/api/open-api/login/wx.checkSession.html */
  checkSession (options: Callbacks<unknown>): unknown
  /** https://developers.weixin.qq.com/miniprogram/dev/api/network/request/wx.request.html */
  request (options: WxRequest): unknown
  /**
   * For `upload` alone.
   *
   * https://developers.weixin.qq.com/miniprogram/dev/api/network/upload/wx.uploadFile.html
   */
  uploadFile? (options: WxUpload): unknown
  /** https://developers.weixin.qq.com/miniprogram/dev/api/storage/wx.getStorageSync.html */
  getStorageSync (key: string): any
  /** https://developers.weixin.qq.com/miniprogram/dev/api/storage/wx.setStorageSync.html */
  setStorageSync (key: string, data: any): void
}

/** Local to this module, so that the typings of the platform may declare their own. */
declare const wx: Wx | undefined

/** @throws WEAPP_NO_WX */
export function globalWx (): Wx {
  if (typeof wx === 'undefined') throw clientError('WEAPP_NO_WX', 'There is no global wx: give one as an option.')
  return wx
}

/** Calls the platform with callbacks, which all platforms understand; rejects with a {@link Failure}. */
export function call<Result> (method: (callbacks: Callbacks<Result>) => unknown): Promise<Result> {
  return new Promise((resolve, reject) => {
    const task = method({ success: resolve, fail: reject }) as Promise<unknown> | undefined
    // Taro calls back and rejects as well, and nobody would catch that.
    if (task && typeof task.catch === 'function') task.catch(() => {})
  })
}

/** A {@link Failure} as an error of ours. */
export function platformError (code: string, message: string, failure: unknown): WeappClientError {
  const { errMsg, errno } = failure as Failure
  return clientError(code, errMsg ? `${message} (${errMsg})` : message, { ...errMsg && { errMsg }, ...errno && { errno } })
}
