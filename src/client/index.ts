/**
 * The client for the device: signs a Mini Program in and keeps it signed in. It runs in the Mini Program, without
 * dependencies. It needs only the language (ES2018), timers and a `wx`.
 */
export { createWeappClient } from './client.js'
export type { WeappClientError } from './errors.js'
export type {
  Auth, LoginAnswer, SessionAnswer, SessionInfo, WeappClient, WeappClientOptions, WeappRequest, WeappTransfer,
  WeappUpload
} from './types.js'
export type { Wx, WxResponse } from './wx.js'
