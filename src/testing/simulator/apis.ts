import { newSessionKey, signWithSessionKey } from './crypto.js'
import { Refusal, errmsgOf } from './errcodes.js'
import { OK, type Api, type Params, type Platform } from './platform.js'
import type { Account, Apps } from './users.js'
import { XPAY_APIS } from './xpay.js'

export interface ApiCall {
  method: string
  path: string
  query: Record<string, string>
  body: string
}

export interface ApiResponse {
  status: number
  headers: Record<string, string>
  body: string
}

const NOT_FOUND = { status: 404, headers: { 'content-type': 'text/html' }, body: '<h1>404 Not Found</h1>' }

const APIS: Record<string, Api> = {
  // See https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_code2session
  '/sns/jscode2session': {
    method: 'GET',
    methodErrcode: 41002,
    handle ({ apps, users, openPlatform }, query) {
      const { js_code: code } = requireParams(query, 'appid', 'secret', 'js_code')
      const appId = authenticate(apps, query, 'authorization_code')
      const { sessionKey, openid, unionid } = users.redeem('login', appId, code).account
      return { session_key: sessionKey, openid, ...(openPlatform && { unionid }) }
    }
  },

  // See https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_checksessionkey
  '/wxa/checksession': {
    method: 'GET',
    methodErrcode: 43001,
    handle (platform, query) {
      signingUser(platform, query)
      return OK
    }
  },

  // See https://developers.weixin.qq.com/miniprogram/dev/server/API/user-login/api_resetusersessionkey
  '/wxa/resetusersessionkey': {
    method: 'GET',
    methodErrcode: 43001,
    handle (platform, query) {
      const account = signingUser(platform, query)
      account.sessionKey = newSessionKey()
      return { ...OK, openid: account.openid, session_key: account.sessionKey }
    }
  },

  // See https://developers.weixin.qq.com/miniprogram/dev/server/API/user-info/phone-number/api_getphonenumber
  '/wxa/business/getuserphonenumber': {
    method: 'POST',
    methodErrcode: 43002,
    handle ({ tokens, users, countryCodeAs }, query, body) {
      const appId = tokens.appOf(requireParams(query, 'access_token').access_token)
      const { code } = requireParams(body, 'code')
      const { purePhoneNumber, countryCode, issuedAt } = users.redeem('phone', appId, code, body.openid)
      return {
        ...OK,
        phone_info: {
          // WeChat documents that a foreign number includes its country code, but not the format.
          phoneNumber: countryCode === '86' ? purePhoneNumber : `+${countryCode}${purePhoneNumber}`,
          purePhoneNumber,
          // WeChat documents a string, but its sample shows a number.
          countryCode: countryCodeAs === 'number' ? Number(countryCode) : countryCode,
          // The time of the user's tap, not of this request.
          watermark: { timestamp: Math.floor(issuedAt / 1000), appid: appId }
        }
      }
    }
  },

  // See https://developers.weixin.qq.com/doc/oplatform/developers/dev/AccessToken.html
  '/cgi-bin/token': {
    method: 'GET',
    methodErrcode: 43001,
    handle ({ apps, tokens }, query) {
      return tokens.fetch(authenticate(apps, query, 'client_credential'))
    }
  },

  // See https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken
  '/cgi-bin/stable_token': {
    method: 'POST',
    methodErrcode: 43002,
    handle ({ apps, tokens }, _query, body) {
      const appId = authenticate(apps, body, 'client_credential')
      return body.force_refresh === true ? tokens.forceRefresh(appId) : tokens.fetchStable(appId)
    }
  },

  ...XPAY_APIS
}

/** Executes a call and returns WeChat's response. */
export function execute (platform: Platform, { method, path, query, body }: ApiCall): ApiResponse {
  const api = Object.hasOwn(APIS, path) ? APIS[path] : undefined
  if (api === undefined) return NOT_FOUND
  try {
    if (method !== api.method) throw new Refusal(api.methodErrcode)
    return jsonResponse(path, api.handle(platform, query, method === 'POST' ? parse(body) : {}, body))
  } catch (error) {
    /* c8 ignore next -- a bug in the simulator, which must not look like a refusal by WeChat */
    if (!(error instanceof Refusal)) throw error
    return refusalResponse(path, error.errcode)
  }
}

/** Returns WeChat's response for an errcode. */
export function refusalResponse (path: string, errcode: number, errmsg = errmsgOf(errcode)): ApiResponse {
  return jsonResponse(path, { errcode, errmsg })
}

/** Returns the content type of an API's JSON. Only code2Session declares plain text. */
export function contentTypeOf (path: string): string {
  return path === '/sns/jscode2session' ? 'text/plain' : 'application/json; encoding=utf-8'
}

function jsonResponse (path: string, value: object): ApiResponse {
  // WeChat sends refusals with HTTP 200 as well. It escapes slashes, which are common in a base64 session_key.
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

/** Returns the named parameters. Throws the errcode of the first missing parameter. */
function requireParams<Name extends keyof typeof MISSING> (params: Params, ...names: Name[]): Record<Name, string> {
  for (const name of names) {
    if (typeof params[name] !== 'string' || params[name] === '') throw new Refusal(MISSING[name])
  }
  return params as Record<Name, string>
}

/** Verifies an app's credentials and returns its app id. */
function authenticate (apps: Apps, params: Params, grantType: string): string {
  const { appid, secret } = requireParams(params, 'appid', 'secret')
  if (params.grant_type !== grantType) throw new Refusal(40002)
  if (!Object.hasOwn(apps, appid)) throw new Refusal(40013)
  if (apps[appid] !== secret) throw new Refusal(40125)
  return appid
}

/** Returns the user's account if the request is signed with their session_key. The signature covers an empty body. */
function signingUser ({ tokens, users }: Platform, query: Params): Account {
  const appId = tokens.appOf(requireParams(query, 'access_token').access_token)
  const { openid, signature, sig_method: method } = requireParams(query, 'openid', 'signature', 'sig_method')
  if (method !== 'hmac_sha256') throw new Refusal(87008)
  const account = users.find(appId, openid)
  if (signature !== signWithSessionKey('', account.sessionKey)) throw new Refusal(87009)
  return account
}
