/** The glossary: what a name in a message means, in one or two sentences. */
import { language } from './preferences.js'

const TERMS: Record<string, readonly [en: string, zh: string]> = {
  code: [
    'Works once, within five minutes. The code of wx.login gets the openid, the code of a tap gets the phone number.',
    '只能用一次，五分钟内有效。wx.login 的 code（临时登录凭证）用来换取 openid，点击按钮得到的 code 用来换取手机号。'
  ],
  js_code: ['The code of wx.login, under the name that WeChat’s API gives it.', 'wx.login 的 code，在微信接口中的名称。'],
  phoneCode: [
    'The code of one tap on the phone number button. It differs from the code of wx.login.',
    '用户点击手机号按钮得到的动态令牌，与 wx.login 的 code 不同。'
  ],
  openid: [
    'Identifies a user within one Mini Program. It is not secret, so it proves nothing.',
    '用户在一个小程序中的唯一标识。它不是秘密，不能用来证明身份。'
  ],
  unionid: ['Identifies a user across the apps of one Open Platform account.', '用户在同一开放平台账号下各应用中的唯一标识。'],
  session_key: [
    'Decrypts the user’s data. It never leaves the server, which stores it encrypted.',
    '用来解密用户数据的会话密钥。它不能离开服务器，并且加密存储。'
  ],
  token: [
    'The proof of the session, made by your server. The phone sends it with each request.',
    '自定义登录态，由你的服务器签发。手机在每个请求中携带它。'
  ],
  authorization: ['The header with the token: Bearer, then the token.', '携带 token 的请求头：Bearer 加 token。'],
  secret: ['The AppSecret of the Mini Program. Only the server has it.', '小程序的 AppSecret，只能保存在服务器。'],
  appid: ['The id of the Mini Program. It is public.', '小程序的 AppID，是公开的。'],
  access_token: [
    'Authorizes the server for WeChat’s other APIs. It is valid for two hours.',
    '服务器调用微信其他接口的凭证，有效期两小时。'
  ],
  encryptedData: ['User data that WeChat encrypted with the session_key.', '微信用 session_key 加密的用户数据。'],
  iv: ['The initialization vector of encryptedData.', '加密算法的初始向量，与 encryptedData 配套。'],
  errcode: [
    'WeChat answers HTTP 200 even to a refusal. The errcode tells the difference.',
    '微信拒绝时也返回 HTTP 200，要看 errcode。'
  ],
  expiresIn: ['Seconds until the session ends, however active the user is.', '登录态的绝对有效期，单位为秒。'],
  account: ['The username and the password of the shop’s account. Required once.', '店铺账号的用户名和密码，只需要一次。'],
  'weapp-error': ['The error code of fastify-weapp, in a header.', 'fastify-weapp 的错误码，放在响应头中。'],
  'retry-after': ['Seconds to wait before another try.', '再次尝试前应等待的秒数。'],
  sealed: ['Encrypted with AES-256-GCM. The key is derived from your secret.', '用 AES-256-GCM 加密，密钥由你的 secret 派生。']
}

export const TERM_NAMES: ReadonlySet<string> = new Set(Object.keys(TERMS))

/** Returns the explanation of a term in the current language. */
export function explanationOf (term: string): string {
  return TERMS[term]![language.value === 'en' ? 0 : 1]
}
