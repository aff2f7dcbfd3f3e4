import { randomBytes } from 'node:crypto'

/** An error of the simulated APIs: WeChat refuses the request with this errcode. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly errcode: number

  constructor (errcode: number) {
    super(`errcode ${errcode}`)
    this.errcode = errcode
  }
}

const MESSAGES: Record<number, string> = {
  [-1]: 'system error',
  40001: 'invalid credential, access_token is invalid or not latest',
  40002: 'invalid grant_type',
  40003: 'invalid openid',
  40013: 'invalid appid',
  40014: 'invalid access_token',
  40029: 'invalid code',
  40125: 'invalid appsecret',
  40163: 'code been used',
  40164: 'invalid ip 127.0.0.1 ipv6 ::ffff:127.0.0.1, not in whitelist',
  40226: 'code blocked',
  40243: 'AppSecret is frozen, please unfreeze and try again',
  41001: 'access_token missing',
  41002: 'appid missing',
  41004: 'appsecret missing',
  41008: 'missing code',
  41009: 'missing openid',
  42001: 'access_token expired',
  43001: 'require GET method',
  43002: 'require POST method',
  45009: 'reach max api daily quota limit',
  45011: 'api minute-quota reach limit, must slower, retry next minute',
  47001: 'data format error',
  48001: 'api unauthorized',
  48004: 'api forbidden for irregularities',
  50002: 'user limited',
  50004: 'forbid to use the token api',
  50007: 'account is frozen',
  87008: 'invalid sig_method',
  87009: 'invalid signature',
  89501: 'the ip waits for the confirmation of the administrator',
  89503: 'this call needs the confirmation of the administrator',
  89506: 'the administrator refused the ip twice, retry in 24 hours',
  89507: 'the administrator refused the ip, retry in one hour',
  268490001: 'invalid openid',
  268490002: 'invalid parameter',
  268490003: 'invalid pay_sig or signature',
  268490009: 'session_key expired'
}

let messageCount = 0

/**
 * Returns the errmsg of an errcode. WeChat appends the request id in an older or a newer notation, so every errmsg is
 * different. Code that compares errmsg instead of errcode fails against the simulator.
 */
export function errmsgOf (errcode: number): string {
  const message = MESSAGES[errcode] ?? 'unknown error'
  messageCount += 1
  return messageCount % 2 === 0
    ? `${message}, hints: [ req_id: ${randomBytes(8).toString('base64url')} ]`
    : `${message}, rid: ${hex()}-${hex()}-${hex()}`
}

function hex (): string {
  return randomBytes(4).toString('hex')
}
