/**
 * The token: a JWT without personal data. `sub` is the pseudonymous user id, `jti` the session's secret, `aud` the app
 * id, `iat` the time of the login, `exp` the absolute expiry. A valid signature is not enough: the session must also be
 * in the store. The store has only a digest of the secret.
 *
 * @see https://www.rfc-editor.org/rfc/rfc7519
 * @see https://www.rfc-editor.org/rfc/rfc8725
 */
import { randomBytes } from 'node:crypto'
import fastifyJwt from '@fastify/jwt'
import type { FastifyInstance } from 'fastify'
import { digest } from './digest.js'
import { FST_WEAPP_TOKEN_EXPIRED, FST_WEAPP_TOKEN_INVALID } from '../errors.js'
import { LazyLru, type LruEntry } from '../utils/lazy-lru.js'
import type { SecretKeys } from './seal.js'

/** The claims of a valid token. */
export interface TokenClaims {
  appId: string
  userId: string
  sessionId: string
}

/** A verified token. The same object is returned as long as the token is remembered. */
export interface VerifiedToken<Memo> extends Readonly<TokenClaims> {
  /** Memory of the caller, discarded with the token. */
  readonly memo: Memo
}

interface RememberedToken<Memo> extends LruEntry {
  authorization: string
  verified: VerifiedToken<Memo>
  /** In epoch milliseconds. */
  expiresAt: number
}

export interface IssuedToken {
  token: string
  sessionId: string
}

export interface Tokens<Memo = unknown> {
  /** Issues a token of a new session. `createdAt` and `expiresAt` are whole seconds in epoch milliseconds. */
  issue (session: { appId: string, userId: string, createdAt: number, expiresAt: number }): IssuedToken
  /**
   * Verifies the token of an Authorization header, or returns it from memory. Returns null without such a header. The
   * caller must check that the app is known.
   *
   * @param now in epoch milliseconds
   * @throws FST_WEAPP_TOKEN_INVALID, FST_WEAPP_TOKEN_EXPIRED
   */
  bearer (authorization: string | undefined, now: number): VerifiedToken<Memo> | null
}

export interface TokensOptions<Memo> {
  /** Number of verified tokens to remember. */
  max: number
  /** Creates the memo of a token that was just verified. */
  newMemo: () => Memo
}

const SECRET_BYTES = 32
/** Length of user ids and session ids: 132 bits. */
const ID_LENGTH = 22
const ID = /^[\w-]{22}$/
const MAX_TOKEN_LENGTH = 4096
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/
const SCHEME = 'bearer '

/**
 * Least number of verified tokens to remember. A token takes about 1 KB, and up to 4 KB with the longest session data
 * in its memo.
 */
export const MIN_REMEMBERED_TOKENS = 20_000

/**
 * Length of a cache key: the end of the header, about 70 bits of the signature. V8 copies slices this short. A longer
 * slice retains the header and makes lookups about twice as slow.
 */
const KEY_LENGTH = 12

/**
 * Creates the tokens of one registration. Each secret has a private @fastify/jwt in a child scope under a decorator of
 * its own. The host's @fastify/jwt is therefore left alone, whether it is registered before or after.
 */
export async function createTokens<Memo> (
  fastify: FastifyInstance, keys: readonly SecretKeys[], { max, newMemo }: TokensOptions<Memo>
): Promise<Tokens<Memo>> {
  // Keyed by the whole encoded header, which is the same in every token of a secret. A token with another algorithm,
  // type or key id is refused before its claims are decoded.
  const verifiers = new Map<string, (token: string) => unknown>()
  let sign!: (claims: object) => string
  // Verifying a signature costs more than the rest of a request.
  const remembered = new LazyLru<RememberedToken<Memo>>(max)

  for (const { kid, signingKey } of keys) {
    await fastify.register(async (scope) => {
      await scope.register(fastifyJwt, {
        secret: signingKey,
        decoratorName: 'weappToken',
        sign: { algorithm: 'HS256', kid },
        verify: { algorithms: ['HS256'], requiredClaims: ['exp'] }
      })
      const { jwt } = scope
      sign ??= (claims) => jwt.sign(claims)
      verifiers.set(headerOf(jwt.sign({})), (token) => jwt.verify(token))
    })
  }

  return {
    issue ({ appId, userId, createdAt, expiresAt }) {
      const secret = randomBytes(SECRET_BYTES).toString('base64url')
      const token = sign({ sub: userId, jti: secret, aud: appId, iat: createdAt / 1000, exp: expiresAt / 1000 })
      return { token, sessionId: digest(secret, ID_LENGTH) }
    },

    bearer (authorization, now) {
      if (authorization === undefined) return null
      const key = authorization.slice(-KEY_LENGTH)
      const known = remembered.get(key)
      // A hit compares the whole header. It can never match another token, and needs no parsing.
      if (known !== undefined && known.authorization === authorization && now < known.expiresAt) return known.verified
      const { claims, expiresAt } = verify(bearerToken(authorization))
      const verified = { ...claims, memo: newMemo() }
      remembered.set(key, { authorization, verified, expiresAt, promotedAt: 0 })
      return verified
    }
  }

  function verify (token: string): { claims: TokenClaims, expiresAt: number } {
    if (token.length > MAX_TOKEN_LENGTH || !TOKEN.test(token)) throw new FST_WEAPP_TOKEN_INVALID()
    const verifySignature = verifiers.get(headerOf(token))
    if (verifySignature === undefined) throw new FST_WEAPP_TOKEN_INVALID()
    let claims: unknown
    try {
      claims = verifySignature(token)
    } catch (error) {
      const isExpired = (error as { code?: unknown }).code === 'FAST_JWT_EXPIRED'
      throw isExpired ? new FST_WEAPP_TOKEN_EXPIRED() : new FST_WEAPP_TOKEN_INVALID()
    }
    if (!isTokenClaims(claims)) throw new FST_WEAPP_TOKEN_INVALID()
    const { aud: appId, sub: userId, jti, exp } = claims
    return { claims: { appId, userId, sessionId: digest(jti, ID_LENGTH) }, expiresAt: exp * 1000 }
  }
}

/** Returns the pseudonymous user id: a digest of app id and openid, used in tokens and as the store's key. */
export function userIdOf (appId: string, openid: string): string {
  return digest(JSON.stringify([appId, openid]), ID_LENGTH)
}

/** Returns false if the value has not the form of a user id or a session id. */
export function isId (value: unknown): value is string {
  return typeof value === 'string' && ID.test(value)
}

/**
 * Returns the credentials after the Bearer scheme of an Authorization header. Their form is checked by `verify`.
 *
 * @throws FST_WEAPP_TOKEN_INVALID
 * @see https://www.rfc-editor.org/rfc/rfc6750#section-2.1
 */
function bearerToken (authorization: string): string {
  if (authorization.slice(0, SCHEME.length).toLowerCase() !== SCHEME) throw new FST_WEAPP_TOKEN_INVALID()
  return authorization.slice(SCHEME.length)
}

function headerOf (token: string): string {
  return token.slice(0, token.indexOf('.'))
}

/** Checks the types of the claims. JWT libraries accept an array if a claim should be a string. */
function isTokenClaims (claims: unknown): claims is { sub: string, jti: string, aud: string, exp: number } {
  const { sub, jti, aud, exp } = claims as Record<string, unknown>
  return isId(sub) &&
    typeof jti === 'string' && /^[\w-]{43}$/.test(jti) &&
    typeof aud === 'string' && Number.isSafeInteger(exp)
}
