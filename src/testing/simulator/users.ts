import { createHash, randomBytes } from 'node:crypto'
import { newSessionKey } from './crypto.js'
import { Refusal } from './errcodes.js'

/** Mini Programs by appId, with their appSecret. */
export type Apps = Record<string, string>

/** One person as one Mini Program knows them. */
export interface Account {
  appId: string
  openid: string
  unionid: string
  /** The only key that is valid now. */
  sessionKey: string
  /** Whether that key is the one of the latest login: what wx.checkSession tells. */
  keyIsOfLogin: boolean
}

/** The phone number of who taps the button. */
export interface PhoneNumberOptions {
  /**
   * Digits, without the country's code: WeChat's `purePhoneNumber`.
   *
   * @default '13800138000'
   */
  phoneNumber?: string | undefined
  /**
   * Of the country, digits such as '44'. With any but China's, WeChat's `phoneNumber` begins with it. How, WeChat does
   * not document; here it is '+447700900000'.
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

const CODE_LIFE = 5 * 60_000
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** The shapes that were seen. WeChat documents neither, so nothing should tell the two kinds apart by them. */
const NEW_CODE = {
  login: () => Array.from(randomBytes(32), (byte) => ALPHABET[byte % ALPHABET.length]).join(''),
  phone: () => randomBytes(32).toString('hex')
}

/** WeChat tells a used login code from an unknown one, but not a used phone code. */
const USED = { login: 40163, phone: 40029 } as const

/** Everybody who uses the simulated Mini Programs, and the codes their phones were given. */
export class Users {
  readonly #apps: Apps
  readonly #now: () => number
  readonly #accounts = new Map<string, Account>()
  readonly #codes = new Map<string, Code>()

  constructor (apps: Apps, now: () => number) {
    this.#apps = apps
    this.#now = now
  }

  /** The account of a user in an app (by default the first app), made on first use. */
  account (user: string, appId = Object.keys(this.#apps)[0] ?? ''): Account {
    if (!Object.hasOwn(this.#apps, appId)) throw new Error(`The simulator has no app '${appId}'`)
    // Derived, not drawn: the same user keeps the same openid when the simulator restarts beside a lasting store.
    const openid = idFrom(appId, user)
    let account = this.#accounts.get(openid)
    if (account === undefined) {
      account = { appId, openid, unionid: idFrom('unionid', user), sessionKey: newSessionKey(), keyIsOfLogin: false }
      this.#accounts.set(openid, account)
    }
    return account
  }

  /** The account that an app knows under this openid. */
  find (appId: string, openid: string): Account {
    const account = this.#accounts.get(openid)
    if (account?.appId !== appId) throw new Refusal(40003)
    return account
  }

  /** A code for this account: five minutes, single use. */
  issue (kind: CodeKind, account: Account, options: PhoneNumberOptions = {}): string {
    const { phoneNumber: purePhoneNumber = '13800138000', countryCode = '86' } = options
    this.#forgetExpired()
    const code = NEW_CODE[kind]()
    this.#codes.set(code, { kind, account, purePhoneNumber, countryCode, issuedAt: this.#now(), used: false })
    return code
  }

  /**
   * Uses a code up; throws the refusal of a code that is unknown, expired, used, another app's or of another kind.
   * Where an openid is given, it must be the one whose code this is.
   */
  redeem (kind: CodeKind, appId: string, code: string, openid?: unknown): Code {
    this.#forgetExpired()
    const found = this.#codes.get(code)
    if (found === undefined || found.kind !== kind || found.account.appId !== appId) throw new Refusal(40029)
    if (openid !== undefined && openid !== found.account.openid) throw new Refusal(40029)
    if (found.used) throw new Refusal(USED[kind])
    found.used = true
    return found
  }

  /** Codes are kept in the order of their issue, so the expired ones come first. */
  #forgetExpired (): void {
    const expired = this.#now() - CODE_LIFE
    for (const [code, { issuedAt }] of this.#codes) {
      if (issuedAt > expired) return
      this.#codes.delete(code)
    }
  }
}

/** Like WeChat's: 28 characters, the first an o. */
function idFrom (scope: string, user: string): string {
  return 'o' + createHash('sha256').update(JSON.stringify([scope, user])).digest('base64url').slice(0, 27)
}
