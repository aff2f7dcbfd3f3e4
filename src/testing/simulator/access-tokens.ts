import { randomBytes } from 'node:crypto'
import { Refusal } from './errcodes.js'

interface AccessToken {
  value: string
  appId: string
  /** Epoch milliseconds. From then on WeChat refuses the token with `errcode`. */
  expiresAt: number
  errcode: 40001 | 42001
}

/** The response of both access token endpoints. */
export interface AccessTokenResponse {
  access_token: string
  /** Seconds. */
  expires_in: number
}

const TOKEN_TTL_MS = 7200_000
const OVERLAP_MS = 5 * 60_000
const FORCED_INTERVAL_MS = 30_000
const FORCED_PER_DAY = 20
const DAY_MS = 24 * 60 * 60_000
const CHINA_OFFSET_MS = 8 * 60 * 60_000
/** The format of access tokens. */
const FORMAT = /^\d+_[\w-]{128}$/

/**
 * The access tokens of all apps. The tokens of the classic and the stable endpoint are independent of each other.
 *
 * @see https://developers.weixin.qq.com/doc/oplatform/developers/dev/AccessToken.html
 * @see https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken
 */
export class AccessTokens {
  readonly #now: () => number
  readonly #tokens = new Map<string, AccessToken>()
  readonly #classic = new Map<string, AccessToken>()
  readonly #stable = new Map<string, AccessToken>()
  readonly #forced = new Map<string, number[]>()

  constructor (now: () => number) {
    this.#now = now
  }

  /** Returns a new token (GET /cgi-bin/token). The previous token stays valid for five more minutes. */
  fetch (appId: string): AccessTokenResponse {
    const previous = this.#classic.get(appId)
    if (previous !== undefined) expireAt(previous, this.#now() + OVERLAP_MS, 40001)
    return this.#issue(this.#classic, appId)
  }

  /** Returns the same token until its last five minutes (POST /cgi-bin/stable_token). */
  fetchStable (appId: string): AccessTokenResponse {
    const current = this.#stable.get(appId)
    return current !== undefined && current.expiresAt - this.#now() > OVERLAP_MS
      ? this.#response(current)
      : this.#issue(this.#stable, appId)
  }

  /**
   * Replaces the stable token (`force_refresh`). The previous token expires at once. Within 30 seconds of the previous
   * refresh the call has no effect.
   */
  forceRefresh (appId: string): AccessTokenResponse {
    const now = this.#now()
    const forced = (this.#forced.get(appId) ?? []).filter((at) => chinaDay(at) === chinaDay(now))
    if (now - (forced.at(-1) ?? -Infinity) < FORCED_INTERVAL_MS) return this.fetchStable(appId)
    if (forced.length >= FORCED_PER_DAY) throw new Refusal(45009)
    this.#forced.set(appId, [...forced, now])

    const previous = this.#stable.get(appId)
    if (previous !== undefined) expireAt(previous, now, 40001)
    return this.#issue(this.#stable, appId)
  }

  /** Returns the app id of a token. Throws WeChat's refusal if the token is invalid or has expired. */
  appOf (value: string): string {
    const token = this.#tokens.get(value)
    if (token === undefined) throw new Refusal(FORMAT.test(value) ? 40001 : 40014)
    if (this.#now() >= token.expiresAt) throw new Refusal(token.errcode)
    return token.appId
  }

  /** Expires all tokens with errcode 42001. */
  expireAll (): void {
    for (const token of this.#tokens.values()) expireAt(token, this.#now(), 42001)
  }

  #issue (endpoint: Map<string, AccessToken>, appId: string): AccessTokenResponse {
    const value = `${this.#tokens.size}_${randomBytes(96).toString('base64url')}`
    const token: AccessToken = { value, appId, expiresAt: this.#now() + TOKEN_TTL_MS, errcode: 42001 }
    this.#tokens.set(value, token)
    endpoint.set(appId, token)
    return this.#response(token)
  }

  #response ({ value, expiresAt }: AccessToken): AccessTokenResponse {
    return { access_token: value, expires_in: Math.floor((expiresAt - this.#now()) / 1000) }
  }
}

/** Shortens the lifetime of a token. Never extends it. */
function expireAt (token: AccessToken, at: number, errcode: AccessToken['errcode']): void {
  if (token.expiresAt > at) Object.assign(token, { expiresAt: at, errcode })
}

/** Returns the day number in China. WeChat counts its quotas by that day. */
function chinaDay (at: number): number {
  return Math.floor((at + CHINA_OFFSET_MS) / DAY_MS)
}
