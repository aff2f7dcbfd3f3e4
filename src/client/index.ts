/**
 * The phone's side: signs a Mini Program in and keeps it signed in. Runs in the Mini Program, with no dependency and
 * nothing but the language (ES2018) and what is given as `wx`.
 */
export { createWeappClient } from './client.js'
export type { WeappClientError } from './errors.js'
export type {
  Auth, SessionInfo, LoginAnswer, SessionAnswer, WeappClient, WeappClientOptions, WeappRequest, WeappTransfer, WeappUpload
} from './types.js'
export type { Answer, Wx } from './wx.js'
