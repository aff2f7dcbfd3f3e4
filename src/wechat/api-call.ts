/** Calls of any server API: their options, and their validation. */
import { FST_WEAPP_INVALID_OPTION } from '../errors.js'
import { booleanOption, enumOption, integerOption, objectOption } from '../utils/validate.js'
import type { WechatCall } from './request.js'
import { DEFAULT_MAX_BYTES } from './response.js'
import { signWithSessionKey } from './user-data.js'
import { signWithAppKey } from './virtual-payment.js'

export interface AppOptions {
  /** The Mini Program's app id. Optional if only one is configured. */
  appId?: string | undefined
}

/** The options of a call for a user. */
export interface UserOptions extends AppOptions {
  /**
   * A name of the user, such as the openid. It is not sent. Each user gets a share of `wechat.concurrency`, so one user
   * cannot delay the calls of others.
   */
  user?: string | undefined
}

export interface ApiRequest extends UserOptions {
  query?: Record<string, string> | undefined
  /** Sent as JSON by POST. Without a body the request is a GET. */
  body?: object | undefined
  /**
   * Maximum size of the response in bytes.
   * @default 65,536
   */
  maxBytes?: number | undefined
  /**
   * Whether integers beyond 2^53 in the reply, such as a `msgid`, are strings. By default they are rounded, and the log
   * warns.
   * @default 'number'
   */
  largeIntegers?: 'string' | 'number' | undefined
  /**
   * Whether the call is signed with the AppKey of `virtualPayment`, as the query parameter `pay_sig`. The `/xpay/` APIs
   * that need a payment signature (支付签名) require it.
   * @default false
   */
  paySig?: boolean | undefined
}

/** The keys that sign a call. Null if the API does not require the signature. */
export interface SigningKeys {
  appKey: string | null
  sessionKey: string | null
}

const REQUEST_NAMES = ['query', 'body', 'maxBytes', 'largeIntegers', 'paySig', 'appId', 'user']

const LARGEST_RESPONSE = 2 ** 30

/**
 * Returns the call of an API. What WeChat cannot receive is a mistake of the host, and no outage of WeChat.
 *
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function apiCall (path: string, request: ApiRequest): WechatCall {
  objectOption(request, null, REQUEST_NAMES)
  const { query = {}, body, maxBytes = DEFAULT_MAX_BYTES, largeIntegers = 'number', paySig = false } = request
  booleanOption(paySig, 'paySig')
  if (!/^(\/[\w-][\w.-]*)+$/.test(path)) {
    throw new FST_WEAPP_INVALID_OPTION('path', "must be an API path such as '/wxa/msg_sec_check'")
  }
  return {
    path,
    query: checkedQuery(query),
    ...body !== undefined && { body: toJson(body) },
    maxBytes: integerOption(maxBytes, 'maxBytes', 1, LARGEST_RESPONSE),
    largeIntegers: enumOption(largeIntegers, 'largeIntegers', ['string', 'number'])
  }
}

/** Adds the signatures of the body to the query. They cover the bytes that are sent. */
export function signCall (call: WechatCall, { appKey, sessionKey }: SigningKeys): WechatCall {
  const { path, query, body = '' } = call
  return {
    ...call,
    query: {
      ...query,
      ...appKey !== null && { pay_sig: signWithAppKey(appKey, path, body) },
      ...sessionKey !== null && { signature: signWithSessionKey(sessionKey, body) }
    }
  }
}

function checkedQuery (query: Record<string, string>): Record<string, string> {
  try {
    return Object.fromEntries(new URLSearchParams(query))
  } catch {
    throw new FST_WEAPP_INVALID_OPTION('query', 'must be an object of strings')
  }
}

function toJson (body: object): string {
  let json: unknown
  try {
    json = JSON.stringify(body)
  } catch { /* A BigInt, a circular reference or a toJSON that throws. */ }
  if (typeof json === 'string') return json
  throw new FST_WEAPP_INVALID_OPTION('body', 'must be an object that JSON.stringify accepts')
}
