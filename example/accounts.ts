/**
 * The accounts that this shop has had all along, with a password each, and which openid belongs to which of them.
 * A real host asks its database for both.
 */
import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto'
import { promisify } from 'node:util'
import createError from '@fastify/error'

export interface Account {
  username: string
  name: string
}

export interface Credentials {
  username: string
  password: string
}

/** How a user shows which account is theirs, the first time. */
export type Proof = { credentials: Credentials } | PhoneNumberProof

export interface PhoneNumberProof {
  /** Such as '+86 13800138000'. */
  phoneNumber: string
}

/** Which account an openid belongs to. It has to outlive the server wherever the sessions do. */
export interface Bindings {
  get (openid: string): Promise<string | null>
  set (openid: string, username: string): Promise<unknown>
}

/** What this shop refuses a login with; the plugin passes such an error on unchanged. */
export const ACCOUNT_NOT_BOUND = createError('SHOP_ACCOUNT_NOT_BOUND',
  'This WeChat user has no account here yet: send username and password, or a phone code, with the code.', 403)
export const WRONG_PASSWORD = createError('SHOP_WRONG_PASSWORD', 'The username or the password is wrong.', 401)
export const UNAVAILABLE = createError('SHOP_UNAVAILABLE', 'The shop cannot reach its accounts. Try again.', 503)

interface StoredAccount extends Account {
  phoneNumber: string
  salt: string
  hash: string
}

/** The passwords are wonderland and builder; salt and hash are base64, the hash is that of `derive` below. */
const ACCOUNTS: readonly StoredAccount[] = [
  { username: 'alice', name: 'Alice', phoneNumber: '+86 13800138000', salt: '8cXV9yaB54VB3kSr6Wqp+Q==', hash: 'JAUY5zXhcMG2Lym69FrCEr933raER1kDmfSsJ3Zhftc=' },
  { username: 'bob', name: 'Bob', phoneNumber: '+86 13900139000', salt: 'R+xsGuKiSGV8pz3FE5vFYg==', hash: 'TQ+/ctRNSCuFjkeMutrDw+njWq4oSnbPkR9M6TC62HI=' }
]

const HASH_BYTES = 32
/** One of the settings that OWASP's Password Storage Cheat Sheet recommends: 16 MiB, five times over. */
const COST = { N: 2 ** 14, r: 8, p: 5 }

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt)

/** Stands in for the account of an unknown username, so that the answer takes as long as for a known one. */
const NOBODY = { salt: randomBytes(16).toString('base64'), hash: randomBytes(HASH_BYTES).toString('base64') }

async function accountByPassword ({ username, password }: Credentials): Promise<Account> {
  const account = ACCOUNTS.find((candidate) => candidate.username === username)
  const { salt, hash } = account ?? NOBODY
  const given = await derive(password, Buffer.from(salt, 'base64'), HASH_BYTES, COST)
  if (!timingSafeEqual(given, Buffer.from(hash, 'base64')) || account === undefined) throw new WRONG_PASSWORD()
  return account
}

function accountByPhone (phoneNumber: string): Account {
  const account = ACCOUNTS.find((candidate) => candidate.phoneNumber === phoneNumber)
  if (account === undefined) throw new ACCOUNT_NOT_BOUND()
  return account
}

/** The first login brings a proof and binds the openid; from then on the openid alone signs in. */
export async function accountOf (openid: string, proof: Proof | null, bindings: Bindings): Promise<Account> {
  if (proof !== null) {
    const account = 'phoneNumber' in proof ? accountByPhone(proof.phoneNumber) : await accountByPassword(proof.credentials)
    await bindings.set(openid, account.username)
    return account
  }
  const username = await bindings.get(openid)
  const account = ACCOUNTS.find((candidate) => candidate.username === username)
  if (account === undefined) throw new ACCOUNT_NOT_BOUND()
  return account
}

export function memoryBindings (): Bindings {
  const bindings = new Map<string, string>()
  return {
    get: async (openid) => bindings.get(openid) ?? null,
    set: async (openid, username) => bindings.set(openid, username)
  }
}

/**
 * One hash in Redis, openid to username. The client has time limits, or a login would wait for as long as Redis is away.
 * A binding that was refused may be made all the same, once Redis goes on: it is what the user has proved.
 */
export function redisBindings (redis: RedisHashes): Bindings {
  return {
    get: (openid) => redis.hget('shop:bindings', openid).catch(refuse),
    set: (openid, username) => redis.hset('shop:bindings', openid, username).catch(refuse)
  }
}

/** What the client of Redis said is for the log alone: Fastify sends the message of any error to whoever asked. */
function refuse (cause: unknown): never {
  throw Object.assign(new UNAVAILABLE({ cause }), { headers: { 'retry-after': '5' } })
}

interface RedisHashes {
  hget (key: string, field: string): Promise<string | null>
  hset (key: string, field: string, value: string): Promise<unknown>
}
