/** The part of `wx` that the client uses. The native `wx`, Taro and uni all implement it. */
import { clientError, type WeappClientError } from './errors.js'

export interface WxCallbacks<Result> {
  success: (result: Result) => void
  fail: (failure: WxFailure) => void
}

/** The argument of a `fail` callback. */
export interface WxFailure {
  errMsg?: string
  errno?: number
}

/** A response of the server, as wx.request returns it. */
export interface WxResponse<Data = any> {
  statusCode: number
  /** Header names have the case that the platform chose: look them up case-insensitively. */
  header: Record<string, any>
  data: Data
}

/** A response as the platform returns it. wx.uploadFile omits the headers. */
export type RawResponse = Omit<WxResponse, 'header'> & Partial<WxResponse>

/** The options that wx.request and wx.uploadFile have in common. */
export interface WxTransfer<Result> extends WxCallbacks<Result> {
  url: string
  header?: Record<string, string>
}

export interface WxRequest extends WxTransfer<WxResponse> {
  method?: any
  data?: any
}

export interface WxUpload extends WxTransfer<{ statusCode: number, data: string }> {
  filePath: string
  name: string
}

export interface Wx {
  /** @see https://developers.weixin.qq.com/miniprogram/dev/api/open-api/login/wx.login.html */
  login (options: WxCallbacks<{ code: string }> & { timeout?: number }): unknown
  /** @see https://developers.weixin.qq.com/miniprogram/dev/api/open-api/login/wx.checkSession.html */
  checkSession (options: WxCallbacks<unknown>): unknown
  /** @see https://developers.weixin.qq.com/miniprogram/dev/api/network/request/wx.request.html */
  request (options: WxRequest): unknown
  /**
   * Required for `upload` only.
   *
   * @see https://developers.weixin.qq.com/miniprogram/dev/api/network/upload/wx.uploadFile.html
   */
  uploadFile? (options: WxUpload): unknown
  /** @see https://developers.weixin.qq.com/miniprogram/dev/api/storage/wx.getStorageSync.html */
  getStorageSync (key: string): any
  /** @see https://developers.weixin.qq.com/miniprogram/dev/api/storage/wx.setStorageSync.html */
  setStorageSync (key: string, data: any): void
}

/** Declared in this module only, so that the platform's typings may declare their own. */
declare const wx: Wx | undefined

/** @throws WEAPP_NO_WX */
export function globalWx (): Wx {
  if (typeof wx === 'undefined') throw clientError('WEAPP_NO_WX', 'There is no global wx. Pass one as the wx option.')
  return wx
}

/** Calls a platform API with callbacks, which every platform supports. Rejects with a {@link WxFailure}. */
export function callWx<Result> (api: (callbacks: WxCallbacks<Result>) => unknown): Promise<Result> {
  return new Promise((resolve, reject) => {
    const task = api({ success: resolve, fail: reject }) as Promise<unknown> | undefined
    // Taro calls the callback and also rejects. That second rejection would be unhandled.
    if (task && typeof task.catch === 'function') task.catch(() => {})
  })
}

/** Converts a {@link WxFailure} to a client error. */
export function platformError (code: string, message: string, failure: unknown): WeappClientError {
  const { errMsg, errno } = failure as WxFailure
  const details = { ...errMsg && { errMsg }, ...errno && { errno } }
  return clientError(code, errMsg ? `${message}: ${errMsg}` : `${message}.`, details)
}
