/** The shop's existing accounts with their passwords. A real host reads them from its database. */
import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto'
import { promisify } from 'node:util'
import createError from '@fastify/error'
import type { Bindings } from './bindings.js'

export interface Account {
  username: string
  name: string
}

export interface Credentials {
  username: string
  password: string
}

/** The proof of the first login that an account belongs to the user. */
export type Proof = { credentials: Credentials } | PhoneNumberProof

export interface PhoneNumberProof {
  /** Such as '+86 13800138000'. */
  phoneNumber: string
}

/** The shop's login errors. The plugin passes errors of `onLogin` on unchanged. */
export const ACCOUNT_NOT_BOUND = createError('SHOP_ACCOUNT_NOT_BOUND',
  'This WeChat user has no account. Send username and password, or a phone code, with the code.', 403)
export const WRONG_PASSWORD = createError('SHOP_WRONG_PASSWORD', 'The username or the password is wrong.', 401)

interface StoredAccount extends Account {
  phoneNumber: string
  salt: string
  hash: string
}

/** The passwords are wonderland and builder. Salt and hash are base64. `derive` below computes the hash. */
const ACCOUNTS: readonly StoredAccount[] = [
  {
    username: 'alice',
    name: 'Alice',
    phoneNumber: '+86 13800138000',
    salt: '8cXV9yaB54VB3kSr6Wqp+Q==',
    hash: 'JAUY5zXhcMG2Lym69FrCEr933raER1kDmfSsJ3Zhftc='
  },
  {
    username: 'bob',
    name: 'Bob',
    phoneNumber: '+86 13900139000',
    salt: 'R+xsGuKiSGV8pz3FE5vFYg==',
    hash: 'TQ+/ctRNSCuFjkeMutrDw+njWq4oSnbPkR9M6TC62HI='
  }
]

const HASH_BYTES = 32
/**
 * A configuration that OWASP recommends: 16 MiB, parallelism 5.
 *
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Password_Storage_Cheat_Sheet.html
 */
const COST = { N: 2 ** 14, r: 8, p: 5 }

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt)

/** Replaces the account of an unknown username. The response then takes as long as for a known username. */
const UNKNOWN_ACCOUNT = { salt: randomBytes(16).toString('base64'), hash: randomBytes(HASH_BYTES).toString('base64') }

async function accountByPassword ({ username, password }: Credentials): Promise<Account> {
  const account = ACCOUNTS.find((candidate) => candidate.username === username)
  const { salt, hash } = account ?? UNKNOWN_ACCOUNT
  const given = await derive(password, Buffer.from(salt, 'base64'), HASH_BYTES, COST)
  if (!timingSafeEqual(given, Buffer.from(hash, 'base64')) || account === undefined) throw new WRONG_PASSWORD()
  return account
}

function accountByPhone (phoneNumber: string): Account {
  const account = ACCOUNTS.find((candidate) => candidate.phoneNumber === phoneNumber)
  if (account === undefined) throw new ACCOUNT_NOT_BOUND()
  return account
}

/** Returns the account of a login. A proof binds the openid to its account. Later logins need no proof. */
export async function accountOf (openid: string, proof: Proof | null, bindings: Bindings): Promise<Account> {
  if (proof !== null) {
    const account = 'phoneNumber' in proof
      ? accountByPhone(proof.phoneNumber)
      : await accountByPassword(proof.credentials)
    await bindings.set(openid, account.username)
    return account
  }
  const username = await bindings.get(openid)
  const account = ACCOUNTS.find((candidate) => candidate.username === username)
  if (account === undefined) throw new ACCOUNT_NOT_BOUND()
  return account
}
