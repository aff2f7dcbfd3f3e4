/** The state of the simulated WeChat, and the form of its APIs. */
import type { AccessTokens } from './access-tokens.js'
import type { Apps, Users } from './users.js'
import type { VirtualPayments } from './virtual-payment.js'

/** The state and the settings of the simulated APIs. */
export interface Platform {
  apps: Apps
  users: Users
  tokens: AccessTokens
  payments: VirtualPayments
  openPlatform: boolean
  countryCodeAs: 'string' | 'number'
}

export type Params = Record<string, unknown>

export interface Api {
  method: 'GET' | 'POST'
  /** The errcode of a request with another method. */
  methodErrcode: number
  /** `text` is the body as it was sent, which signatures cover. */
  handle: (platform: Platform, query: Params, body: Params, text: string) => object
}

export const OK = { errcode: 0, errmsg: 'ok' }
