/** Reading what the server said: whose refusal it is, and what helps. */
import { clientError, type WeappClientError } from './errors.js'
import type { Answer, Failure, PlatformAnswer } from './wx.js'

/** An answer, and the code of the plugin in it if the plugin refused. */
export interface Reply {
  answer: Answer
  code: string | undefined
}

/** The code of an answer that brings neither headers nor a body of ours to tell whose 401 it is. */
export const UNAUTHORIZED = 'WEAPP_UNAUTHORIZED'

/**
 * What helps against a refusal of the guard; any other refusal is left to the caller. By code and never by status: a
 * phone code that is not valid is a 401 too, and no login mends it. Nor does one mend that a token was sent and did not
 * arrive, FST_WEAPP_TOKEN_MISSING.
 */
export const RECOVERY: Record<string, 'login' | 'new key' | 'none, signed out' | undefined> = {
  FST_WEAPP_TOKEN_INVALID: 'login',
  FST_WEAPP_TOKEN_EXPIRED: 'login',
  FST_WEAPP_SESSION_EXPIRED: 'login',
  [UNAUTHORIZED]: 'login',
  FST_WEAPP_SESSION_KEY_STALE: 'new key',
  FST_WEAPP_SESSION_KEY_MISSING: 'new key',
  FST_WEAPP_SESSION_REVOKED: 'none, signed out',
  FST_WEAPP_SESSION_KICKED: 'none, signed out',
  FST_WEAPP_SESSION_REPLACED: 'none, signed out'
}

/**
 * A 401 without headers that says nothing of us may be the guard's, in an envelope of the host's, or the host's own. It
 * counts as the guard's: at worst that is one login too many, and otherwise nobody whose session expired could go on.
 */
export function readAnswer (given: PlatformAnswer): Reply {
  const { header, statusCode } = given
  const answer = { ...given, header: header || {} }
  const { code } = answer.data || {} as { code?: unknown }
  // An answer that is no refusal may say anything: a name that somebody chose, for instance. Without headers, it is all there is.
  const isOurs = (statusCode > 399 || !header) && typeof code === 'string' && code.startsWith('FST_WEAPP_')
  const unclear = statusCode === 401 && !header ? UNAUTHORIZED : undefined
  return { answer, code: headerOf(answer.header, 'weapp-error') || (isOurs ? code : unclear) }
}

/**
 * The answer in what wx.request calls a failure, if there is one. WeChat on a PC was seen to report a 401 in this way:
 * https://developers.weixin.qq.com/community/develop/doc/0002888225c1e8458f492d38b5b400
 */
export function readFailure (failure: Failure & Partial<Answer>): Reply | null {
  const { errMsg = '', data } = failure
  // Not the -401 of the network's own error numbers.
  const statusCode = failure.statusCode || (/(^|[^-\w])401\b/.test(errMsg) ? 401 : 0)
  return statusCode ? readAnswer({ ...failure, statusCode, data }) : null
}

/** What wx.uploadFile gave: a string, where wx.request would have parsed it. */
export function parsed (answer: PlatformAnswer): PlatformAnswer {
  try {
    return { ...answer, data: JSON.parse(answer.data) }
  } catch {
    return answer
  }
}

/** The refusal as an error, with what the caller needs to decide what to do. */
export function refusal ({ answer, code }: Reply, message?: string): WeappClientError {
  const { statusCode, data } = answer
  const body = data || {} as { code?: unknown, message?: unknown }
  const retryAfter = Number(headerOf(answer.header, 'retry-after'))
  return clientError(
    code || (typeof body.code === 'string' ? body.code : 'WEAPP_REFUSED'),
    message || (typeof body.message === 'string' ? body.message : `The server answered ${statusCode}.`),
    { statusCode, data, ...retryAfter > 0 && { retryAfter } }
  )
}

/** The body of an answer that is no refusal. */
export function payloadOf (reply: Reply): unknown {
  const { answer: { statusCode, data }, code } = reply
  if (code || statusCode < 200 || statusCode > 299) throw refusal(reply)
  return data
}

/** What a header says, in whatever case its name is written. */
export function headerOf (header: Record<string, any>, name: string): string | undefined {
  const key = Object.keys(header).find((key) => key.toLowerCase() === name)
  return key && String(header[key])
}
