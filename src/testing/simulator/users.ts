import { createHash, randomBytes } from 'node:crypto'
import { newSessionKey } from './crypto.js'
import { Refusal } from './errcodes.js'

/** The Mini Programs: app secrets by app id. */
export type Apps = Record<string, string>

/** The state of a user in one Mini Program. */
export interface Account {
  appId: string
  openid: string
  unionid: string
  /** The valid key. */
  sessionKey: string
  /** Whether the valid key is the key of the latest login. This is the result of wx.checkSession. */
  isLoginKeyValid: boolean
}

/** The phone number of the user. */
export interface PhoneNumberOptions {
  /**
   * Digits without the country code: WeChat's `purePhoneNumber`.
   *
   * @default '13800138000'
   */
  phoneNumber?: string | undefined
  /**
   * The digits of the country code, such as '44'. WeChat's `phoneNumber` starts with a foreign country code. WeChat
   * does not document the format. The simulator returns '+447700900000'.
   *
   * @default '86'
   */
  countryCode?: string | undefined
}

type CodeKind = 'login' | 'phone'

interface Code {
  kind: CodeKind
  account: Account
  purePhoneNumber: string
  countryCode: string
  issuedAt: number
  used: boolean
}

const CODE_TTL_MS = 5 * 60_000
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** The observed formats of codes. WeChat documents neither, so no code should depend on them. */
const NEW_CODE = {
  login: () => Array.from(randomBytes(32), (byte) => ALPHABET[byte % ALPHABET.length]).join(''),
  phone: () => randomBytes(32).toString('hex')
}

/** The errcodes of used codes. For phone codes WeChat does not distinguish used from unknown codes. */
const USED_ERRCODE = { login: 40163, phone: 40029 } as const

/** The errcodes of codes of another app. WeChat refuses such a phone code with the errcode of a wrong app id. */
const OTHER_APP_ERRCODE = { login: 40029, phone: 40013 } as const

/** The users of the simulated Mini Programs, and the codes issued to their phones. */
export class Users {
  readonly #apps: Apps
  readonly #now: () => number
  readonly #accounts = new Map<string, Account>()
  readonly #codes = new Map<string, Code>()

  constructor (apps: Apps, now: () => number) {
    this.#apps = apps
    this.#now = now
  }

  /** Returns the account of a user in an app, by default the first app. Creates the account on first use. */
  account (user: string, appId = Object.keys(this.#apps)[0] ?? ''): Account {
    if (!Object.hasOwn(this.#apps, appId)) throw new Error(`The simulator has no app '${appId}'. Add it to its apps.`)
    // Derived instead of random. A user has the same openid after a restart, because a persistent store outlives it.
    const openid = idFrom(appId, user)
    let account = this.#accounts.get(openid)
    if (account === undefined) {
      account = { appId, openid, unionid: idFrom('unionid', user), sessionKey: newSessionKey(), isLoginKeyValid: false }
      this.#accounts.set(openid, account)
    }
    return account
  }

  /** Returns the account with this openid in an app. Throws WeChat's refusal if there is none. */
  find (appId: string, openid: string): Account {
    const account = this.#accounts.get(openid)
    if (account?.appId !== appId) throw new Refusal(40003)
    return account
  }

  /** Issues a code for this account. The code is valid for five minutes and one use. */
  issue (kind: CodeKind, account: Account, options: PhoneNumberOptions = {}): string {
    const { phoneNumber: purePhoneNumber = '13800138000', countryCode = '86' } = options
    this.#deleteExpired()
    const code = NEW_CODE[kind]()
    this.#codes.set(code, { kind, account, purePhoneNumber, countryCode, issuedAt: this.#now(), used: false })
    return code
  }

  /**
   * Redeems a code. Throws WeChat's refusal if the code is unknown, expired, used, of another app or of another kind.
   * If `openid` is given, the code must belong to that user.
   */
  redeem (kind: CodeKind, appId: string, code: string, openid?: unknown): Code {
    this.#deleteExpired()
    const found = this.#codes.get(code)
    if (found === undefined || found.kind !== kind) throw new Refusal(40029)
    if (found.account.appId !== appId) throw new Refusal(OTHER_APP_ERRCODE[kind])
    if (openid !== undefined && openid !== found.account.openid) throw new Refusal(40029)
    if (found.used) throw new Refusal(USED_ERRCODE[kind])
    found.used = true
    return found
  }

  /** Deletes expired codes. The map is in the order of issue, so expired codes come first. */
  #deleteExpired (): void {
    const latestExpired = this.#now() - CODE_TTL_MS
    for (const [code, { issuedAt }] of this.#codes) {
      if (issuedAt > latestExpired) return
      this.#codes.delete(code)
    }
  }
}

/** Returns an id in WeChat's format: 28 characters that start with 'o'. */
function idFrom (scope: string, user: string): string {
  return 'o' + createHash('sha256').update(JSON.stringify([scope, user])).digest('base64url').slice(0, 27)
}
