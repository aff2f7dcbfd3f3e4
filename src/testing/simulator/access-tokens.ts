import { randomBytes } from 'node:crypto'
import { Refusal } from './errcodes.js'

interface AccessToken {
  value: string
  appId: string
  /** From then on it is refused, with `errcode`. */
  endsAt: number
  errcode: 40001 | 42001
}

/** The answer of both endpoints that give access tokens; `expires_in` in seconds. */
export interface AccessTokenReply {
  access_token: string
  expires_in: number
}

const TOKEN_LIFE = 7200_000
const OVERLAP = 5 * 60_000
const FORCED_APART = 30_000
const FORCED_PER_DAY = 20
const DAY = 24 * 60 * 60_000
const CHINA = 8 * 60 * 60_000

/**
 * The access tokens of all apps. The classic and the stable endpoint know nothing of each other's tokens.
 *
 * https://developers.weixin.qq.com/doc/oplatform/developers/dev/AccessToken.html
 * https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken
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

  /** GET /cgi-bin/token: always a new token; the one before it works for five more minutes. */
  fetch (appId: string): AccessTokenReply {
    const previous = this.#classic.get(appId)
    if (previous !== undefined) end(previous, this.#now() + OVERLAP, 40001)
    return this.#issue(this.#classic, appId)
  }

  /** POST /cgi-bin/stable_token: the same token until its last five minutes. */
  fetchStable (appId: string): AccessTokenReply {
    const current = this.#stable.get(appId)
    return current !== undefined && current.endsAt - this.#now() > OVERLAP
      ? this.#reply(current)
      : this.#issue(this.#stable, appId)
  }

  /** The same with force_refresh: the token before dies at once; within 30 seconds of the last time it has no effect. */
  forceRefresh (appId: string): AccessTokenReply {
    const now = this.#now()
    const forced = (this.#forced.get(appId) ?? []).filter((at) => chinaDay(at) === chinaDay(now))
    if (now - (forced.at(-1) ?? -Infinity) < FORCED_APART) return this.fetchStable(appId)
    if (forced.length >= FORCED_PER_DAY) throw new Refusal(45009)
    this.#forced.set(appId, [...forced, now])

    const previous = this.#stable.get(appId)
    if (previous !== undefined) end(previous, now, 40001)
    return this.#issue(this.#stable, appId)
  }

  /** The app that a token speaks for; throws the refusal of a token that does not live. */
  appOf (value: string): string {
    const token = this.#tokens.get(value)
    if (token === undefined) throw new Refusal(SHAPE.test(value) ? 40001 : 40014)
    if (this.#now() >= token.endsAt) throw new Refusal(token.errcode)
    return token.appId
  }

  /** Every token expires now. */
  expireAll (): void {
    for (const token of this.#tokens.values()) end(token, this.#now(), 42001)
  }

  #issue (endpoint: Map<string, AccessToken>, appId: string): AccessTokenReply {
    const value = `${this.#tokens.size}_${randomBytes(96).toString('base64url')}`
    const token: AccessToken = { value, appId, endsAt: this.#now() + TOKEN_LIFE, errcode: 42001 }
    this.#tokens.set(value, token)
    endpoint.set(appId, token)
    return this.#reply(token)
  }

  #reply ({ value, endsAt }: AccessToken): AccessTokenReply {
    return { access_token: value, expires_in: Math.floor((endsAt - this.#now()) / 1000) }
  }
}

const SHAPE = /^\d+_[\w-]{128}$/

/** Brings the end of a token forward, never back. */
function end (token: AccessToken, at: number, errcode: AccessToken['errcode']): void {
  if (token.endsAt > at) Object.assign(token, { endsAt: at, errcode })
}

/** WeChat's quotas are counted by the day in China. */
function chinaDay (at: number): number {
  return Math.floor((at + CHINA) / DAY)
}
