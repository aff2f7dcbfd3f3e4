/** The part of `wx` that the fake has. */
import type { VirtualPaymentArguments } from '../simulator/simulator.js'

/** The callbacks of an API. */
export interface WxCallbacks<Result> {
  success?: (result: Result) => void
  fail?: (failure: WxFailure) => void
  complete?: (outcome: Result | WxFailure) => void
}

/** The argument of `fail`, and the rejection of a promise of `wx`. */
export interface WxFailure {
  errMsg: string
  errno: number
  /** The error code of a payment, such as -15005. */
  errCode?: number
}

export interface WxRequestOptions extends WxCallbacks<WxRequestResult> {
  url: string
  /**
   * In upper case. WeChat has no PATCH: it fails with 'request:fail method is invalid'.
   *
   * @default 'GET'
   */
  method?: string
  /** The query for GET and HEAD, the body for every other method. */
  data?: any
  header?: Record<string, any>
  /**
   * In milliseconds, from the time when the transfer is sent.
   *
   * @default 60_000
   */
  timeout?: number
  /**
   * With 'json', a JSON body is parsed.
   *
   * @default 'json'
   */
  dataType?: string
  /** @default 'text' */
  responseType?: 'text' | 'arraybuffer'
}

export interface WxRequestResult {
  errMsg: string
  statusCode: number
  /** Names have the case that the server sent. */
  header: Record<string, string>
  data: any
  cookies: string[]
}

export interface WxUploadOptions extends WxCallbacks<WxUploadResult> {
  url: string
  /** The path of a file on this machine. Its extension determines the content type of the part. */
  filePath: string
  /** The form field of the file. */
  name: string
  /** The other form fields. */
  formData?: Record<string, any>
  header?: Record<string, any>
  /**
   * In milliseconds, from the time when the transfer is sent.
   *
   * @default 60_000
   */
  timeout?: number
}

/** The result of an upload. It has no headers, as in WeChat. */
export interface WxUploadResult {
  errMsg: string
  statusCode: number
  /** The body as text. JSON is not parsed. */
  data: string
}

/** The task of a request or an upload. */
export interface WxTask {
  /** Aborts the transfer, which then fails with 'request:fail abort'. The server may have received it already. */
  abort (): void
}

export interface WxVirtualPaymentOptions extends WxCallbacks<{ errMsg: string }>, VirtualPaymentArguments {}

/**
 * The part of `wx` that a sign-in and a payment need. As in WeChat, login, checkSession and the asynchronous storage
 * APIs return a promise if they are called without callbacks. request and uploadFile return a task.
 */
export interface FakeWx {
  login (
    options?: { timeout?: number } & WxCallbacks<{ code: string, errMsg: string }>
  ): Promise<{ code: string, errMsg: string }> | undefined
  checkSession (options?: WxCallbacks<{ errMsg: string }>): Promise<{ errMsg: string }> | undefined
  request (options: WxRequestOptions): WxTask
  uploadFile (options: WxUploadOptions): WxTask
  /** Returns nothing, with or without callbacks. */
  requestVirtualPayment (options: WxVirtualPaymentOptions): void
  getStorageSync (key: string): any
  setStorageSync (key: string, data: any): void
  removeStorageSync (key: string): void
  getStorage (
    options: { key: string } & WxCallbacks<{ data: any, errMsg: string }>
  ): Promise<{ data: any, errMsg: string }> | undefined
  setStorage (
    options: { key: string, data: any } & WxCallbacks<{ errMsg: string }>
  ): Promise<{ errMsg: string }> | undefined
  removeStorage (
    options: { key: string } & WxCallbacks<{ errMsg: string }>
  ): Promise<{ errMsg: string }> | undefined
  getAccountInfoSync (): { miniProgram: { appId: string, envVersion: 'develop', version: string } }
}
