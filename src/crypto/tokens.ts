/**
 * Our token: a JWT that names a session and carries nothing else (RFC 7519, RFC 8725). `sub` is the user id, `jti` the
 * session's secret, `aud` the app id, `exp` the session's absolute end. A signature never suffices: the session must
 * be in the store, which knows only a digest of the secret.
 */
import { randomBytes } from 'node:crypto'
import fastifyJwt from '@fastify/jwt'
import type { FastifyInstance } from 'fastify'
import { digest } from './digest.js'
import { FST_WEAPP_TOKEN_EXPIRED, FST_WEAPP_TOKEN_INVALID } from '../errors.js'
import type { ParsedData, CacheEntry } from '../sessions/loaded-session.js'
import { LazyLru, type LruEntry } from '../utils/lazy-lru.js'
import type { SecretKeys } from './seal.js'

/** What a valid token says. */
export interface TokenClaims {
  appId: string
  userId: string
  sessionId: string
}

/** The claims of a token that was verified: one object for as long as the token is remembered. */
export interface VerifiedClaims extends Readonly<TokenClaims> {
  /** What its session was last found to hold, so that the same need not be parsed again; null before that. */
  parsed: ParsedData | null
  /** Its session, where the cache has kept it. */
  cached: CacheEntry | null
  /** Whether its idle end is just being moved. */
  isTouching: boolean
}

interface RememberedToken extends LruEntry {
  authorization: string
  claims: VerifiedClaims
  expiresAt: number
}

export interface IssuedToken {
  token: string
  sessionId: string
}

export interface Tokens {
  /** Issues a token for a new session; `createdAt` and `expiresAt` are whole seconds in epoch milliseconds. */
  issue (session: { appId: string, userId: string, createdAt: number, expiresAt: number }): IssuedToken
  /**
   * What the token in an Authorization header says, which is true, from memory where it was verified lately; null without
   * such a header. Whether its app is ours is not decided here. `now` is in epoch milliseconds.
   *
   * @throws FST_WEAPP_TOKEN_INVALID, FST_WEAPP_TOKEN_EXPIRED
   */
  bearer (authorization: string | undefined, now: number): VerifiedClaims | null
}

const SECRET_BYTES = 32
/** Of user and session ids: 132 bits. */
const ID_LENGTH = 22
const MAX_TOKEN_LENGTH = 4096
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/
const SCHEME = 'bearer '

/** At least so many tokens are remembered: about 1 KB each, and up to 4 with the most data that is kept with one. */
const REMEMBERED_TOKENS = 20_000

/**
 * Remembered by their ends: so much of a signature tells tokens apart. V8 copies a slice up to this length; a longer one would
 * lean on the whole header, and be looked up at twice the cost.
 */
const KEY_LENGTH = 12

/**
 * What follows the scheme in an Authorization header (RFC 6750 section 2.1). Whether it is one token, and of the right
 * form, `verify` says.
 *
 * @throws FST_WEAPP_TOKEN_INVALID when the scheme is another
 */
function bearerToken (authorization: string): string {
  if (authorization.slice(0, SCHEME.length).toLowerCase() !== SCHEME) throw new FST_WEAPP_TOKEN_INVALID()
  return authorization.slice(SCHEME.length)
}

/** The user id: what the store and the token know a user of one app by, without telling who it is. */
export function userIdOf (appId: string, openid: string): string {
  return digest(JSON.stringify([appId, openid]), ID_LENGTH)
}

/**
 * One private @fastify/jwt per secret. Each lives in a child scope under names of its own, so that the host's own
 * @fastify/jwt, registered before or after, is left alone; only its functions leave the scope.
 *
 * @param cachedUsers of how many users sessions are cached: without its token, what is cached would save little
 */
export async function createTokens (fastify: FastifyInstance, keys: readonly SecretKeys[], cachedUsers = 0): Promise<Tokens> {
  // Keyed by the whole encoded header, which is the same in every token of a secret: a token that names another
  // algorithm, type or key is refused before anything in it is believed.
  const verifiers = new Map<string, (token: string) => unknown>()
  let sign!: (claims: object) => string
  // A signature costs more to verify than the rest of a request. Whole headers are compared: what is remembered for one
  // is never believed of another, and nothing has to be cut out of one that is known.
  const verified = new LazyLru<RememberedToken>(Math.max(REMEMBERED_TOKENS, cachedUsers))

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
      const remembered = verified.get(key)
      if (remembered !== undefined && remembered.authorization === authorization && now < remembered.expiresAt) return remembered.claims
      const { claims, expiresAt } = verify(bearerToken(authorization))
      const verifiedClaims = { ...claims, parsed: null, cached: null, isTouching: false }
      verified.set(key, { authorization, claims: verifiedClaims, expiresAt, promotedAt: 0 })
      return verifiedClaims
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
      throw (error as { code?: unknown }).code === 'FAST_JWT_EXPIRED' ? new FST_WEAPP_TOKEN_EXPIRED() : new FST_WEAPP_TOKEN_INVALID()
    }
    if (!isTokenClaims(claims)) throw new FST_WEAPP_TOKEN_INVALID()
    const { aud: appId, sub: userId, jti, exp } = claims
    return { claims: { appId, userId, sessionId: digest(jti, ID_LENGTH) }, expiresAt: exp * 1000 }
  }
}

function headerOf (token: string): string {
  return token.slice(0, token.indexOf('.'))
}

/** Whether this may be the id of a user or a session. */
export function isId (value: unknown): value is string {
  return typeof value === 'string' && /^[\w-]{22}$/.test(value)
}

/** By hand: JWT libraries let an array through where a claim should be a string. */
function isTokenClaims (claims: unknown): claims is { sub: string, jti: string, aud: string, exp: number } {
  const { sub, jti, aud, exp } = claims as Record<string, unknown>
  return isId(sub) &&
    typeof jti === 'string' && /^[\w-]{43}$/.test(jti) &&
    typeof aud === 'string' && Number.isSafeInteger(exp)
}
