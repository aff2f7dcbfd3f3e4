import { newSessionKey, signWithSessionKey } from './crypto.js'
import { Refusal, errmsgOf } from './errcodes.js'
import type { AccessTokens } from './access-tokens.js'
import type { Account, Apps, Users } from './users.js'

/** What the APIs know and how they are set. */
export interface Platform {
  apps: Apps
  users: Users
  tokens: AccessTokens
  openPlatform: boolean
  countryCodeAs: 'string' | 'number'
}

export interface ApiCall {
  method: string
  path: string
  query: Record<string, string>
  body: string
}

export interface Reply {
  status: number
  headers: Record<string, string>
  body: string
}

type Params = Record<string, unknown>

interface Api {
  method: 'GET' | 'POST'
  /** The errcode for any other method. */
  otherwise: number
  answer: (platform: Platform, query: Params, body: Params) => object
}

const OK = { errcode: 0, errmsg: 'ok' }

const APIS: Record<string, Api> = {
  // https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session
  '/sns/jscode2session': {
    method: 'GET',
    otherwise: 41002,
    answer ({ apps, users, openPlatform }, query) {
      const { js_code: code } = demand(query, 'appid', 'secret', 'js_code')
      const appId = authenticate(apps, query, 'authorization_code')
      const { sessionKey, openid, unionid } = users.redeem('login', appId, code).account
      return { session_key: sessionKey, openid, ...(openPlatform && { unionid }) }
    }
  },

  // https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_checksessionkey
  '/wxa/checksession': {
    method: 'GET',
    otherwise: 43001,
    answer (platform, query) {
      signedUser(platform, query)
      return OK
    }
  },

  // https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_resetusersessionkey
  '/wxa/resetusersessionkey': {
    method: 'GET',
    otherwise: 43001,
    answer (platform, query) {
      const account = signedUser(platform, query)
      account.sessionKey = newSessionKey()
      return { ...OK, openid: account.openid, session_key: account.sessionKey }
    }
  },

  // https://developers.weixin.qq.com/miniprogram/dev/server/API/user-info/phone-number/api_getphonenumber
  '/wxa/business/getuserphonenumber': {
    method: 'POST',
    otherwise: 43002,
    answer ({ tokens, users, countryCodeAs }, query, body) {
      const appId = tokens.appOf(demand(query, 'access_token').access_token)
      const { code } = demand(body, 'code')
      const { purePhoneNumber, countryCode, issuedAt } = users.redeem('phone', appId, code, body.openid)
      return {
        ...OK,
        phone_info: {
          // That a foreign number has its country's code is documented; how it is written is not.
          phoneNumber: countryCode === '86' ? purePhoneNumber : `+${countryCode}${purePhoneNumber}`,
          purePhoneNumber,
          // Documented as a string, shown as a number in WeChat's own sample.
          countryCode: countryCodeAs === 'number' ? Number(countryCode) : countryCode,
          // The time of the tap, not of this request.
          watermark: { timestamp: Math.floor(issuedAt / 1000), appid: appId }
        }
      }
    }
  },

  // https://developers.weixin.qq.com/doc/oplatform/developers/dev/AccessToken.html
  '/cgi-bin/token': {
    method: 'GET',
    otherwise: 43001,
    answer ({ apps, tokens }, query) {
      return tokens.fetch(authenticate(apps, query, 'client_credential'))
    }
  },

  // https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken
  '/cgi-bin/stable_token': {
    method: 'POST',
    otherwise: 43002,
    answer ({ apps, tokens }, _query, body) {
      const appId = authenticate(apps, body, 'client_credential')
      return body.force_refresh === true ? tokens.forceRefresh(appId) : tokens.fetchStable(appId)
    }
  }
}

/** What WeChat answers; does what was asked. */
export function answer (platform: Platform, { method, path, query, body }: ApiCall): Reply {
  const api = Object.hasOwn(APIS, path) ? APIS[path] : undefined
  if (api === undefined) return { status: 404, headers: { 'content-type': 'text/html' }, body: '<h1>404 Not Found</h1>' }
  try {
    if (method !== api.method) throw new Refusal(api.otherwise)
    return jsonReply(path, api.answer(platform, query, method === 'POST' ? parse(body) : {}))
  } catch (error) {
    /* c8 ignore next -- a mistake of the simulator's own, which must not pass for a refusal */
    if (!(error instanceof Refusal)) throw error
    return refusal(path, error.errcode)
  }
}

export function refusal (path: string, errcode: number, errmsg = errmsgOf(errcode)): Reply {
  return jsonReply(path, { errcode, errmsg })
}

/** The content type of an API's JSON: code2Session alone says that it is plain text. */
export function contentTypeOf (path: string): string {
  return path === '/sns/jscode2session' ? 'text/plain' : 'application/json; encoding=utf-8'
}

function jsonReply (path: string, value: object): Reply {
  // HTTP 200 for refusals too; and WeChat escapes slashes, of which a base64 session_key has many.
  const body = JSON.stringify(value).replaceAll('/', '\\/')
  return { status: 200, headers: { 'content-type': contentTypeOf(path) }, body }
}

function parse (body: string): Params {
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch {}
  if (typeof value !== 'object' || value === null) throw new Refusal(47001)
  return value as Params
}

const MISSING = {
  access_token: 41001,
  appid: 41002,
  secret: 41004,
  js_code: 41008,
  code: 41008,
  openid: 41009,
  signature: 87009,
  sig_method: 87008
}

/** The named parameters; throws the errcode of the first that is missing. */
function demand<Name extends keyof typeof MISSING> (params: Params, ...names: Name[]): Record<Name, string> {
  for (const name of names) {
    if (typeof params[name] !== 'string' || params[name] === '') throw new Refusal(MISSING[name])
  }
  return params as Record<Name, string>
}

function authenticate (apps: Apps, params: Params, grantType: string): string {
  const { appid, secret } = demand(params, 'appid', 'secret')
  if (params.grant_type !== grantType) throw new Refusal(40002)
  if (!Object.hasOwn(apps, appid)) throw new Refusal(40013)
  if (apps[appid] !== secret) throw new Refusal(40125)
  return appid
}

/** The user for whom the caller proves to hold the session_key: by its signature over an empty body. */
function signedUser ({ tokens, users }: Platform, query: Params): Account {
  const appId = tokens.appOf(demand(query, 'access_token').access_token)
  const { openid, signature, sig_method: method } = demand(query, 'openid', 'signature', 'sig_method')
  if (method !== 'hmac_sha256') throw new Refusal(87008)
  const account = users.find(appId, openid)
  if (signature !== signWithSessionKey('', account.sessionKey)) throw new Refusal(87009)
  return account
}
