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
  checkSession (options: WxCallbacks<{ errMsg?: string }>): unknown
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
  if (typeof wx === 'undefined') throw clientError('WEAPP_NO_WX', 'There is no global wx. Pass the wx option.')
  return wx
}

/** Declared in this module only, because every platform has timers and no type library declares them. */
declare function setTimeout (callback: () => void, milliseconds: number): unknown
declare function clearTimeout (timer: unknown): void

/** Without a timeout, a platform that never calls back would block every caller that waits for the login. */
export const WX_TIMEOUT_MS = 12_000

/** The failure of a call that the platform did not answer. */
const TIMED_OUT: WxFailure = { errMsg: 'timeout' }

/**
 * Calls a platform API with callbacks, which every platform supports. A returned promise counts as well, because an
 * interceptor may settle nothing else. A fulfilment counts only if it has the field of a result: an async function
 * fulfils before it calls back.
 *
 * @param field a field that every result of the API has
 * @param timeout milliseconds
 * @throws WxFailure, or whatever else the platform throws or rejects with
 */
export async function callWx<Result extends object> (
  api: (callbacks: WxCallbacks<Result>) => unknown, field: keyof Result, timeout?: number
): Promise<Result> {
  let timer: unknown
  try {
    return await new Promise((resolve, reject) => {
      if (timeout) timer = setTimeout(() => reject(TIMED_OUT), timeout)
      const task = api({ success: resolve, fail: reject }) as Promise<Result> | undefined
      if (task && typeof task.then === 'function') {
        task.then((result) => { if (result && result[field] !== undefined) resolve(result) }, reject)
      }
    })
  } finally {
    clearTimeout(timer)
  }
}

/** Returns the text of a failure: its `errMsg`, the message of an exception, or the failure itself. */
export function failureText (failure: unknown): string {
  const { errMsg, message = '' } = Object(failure)
  return typeof failure === 'string' ? failure : errMsg || message
}

/** Converts a {@link WxFailure} or an exception to a client error. */
export function platformError (code: string, message: string, failure: unknown): WeappClientError {
  const { errMsg, errno, message: isException } = Object(failure)
  const details = { ...errMsg && { errMsg }, ...errno && { errno }, ...isException && { cause: failure } }
  const text = failureText(failure)
  return clientError(code, text ? `${message}: ${text}` : `${message}.`, details)
}
