/** The protection that a route declares in `config.weapp`. */
import type { RouteOptions } from 'fastify'
import { FST_WEAPP_INVALID_OPTION } from './errors.js'
import { isObject } from './utils/type-checks.js'

/**
 * The protection of a route.
 *
 * `true` requires a live session.
 *
 * `'optional'` also lets unauthenticated requests pass. If the request has a token and its session ended or expired,
 * the response has the header `Weapp-Session` with the error code, such as FST_WEAPP_SESSION_EXPIRED, and
 * `Cache-Control: no-store`. The client then renews the session for its next request, or reports the sign-out. It does
 * not repeat the request.
 *
 * `freshKey: true` requires a live session with a session_key that WeChat has accepted within the last minute. Use it
 * for handlers that decrypt.
 */
export type RouteProtection = boolean | 'optional' | { freshKey: boolean }

/**
 * Validates `config.weapp` when a route is declared. At request time the guard treats unknown values as protected, so a
 * typo would silently close a public route. `freshKey` without `keepSessionKey` could never succeed.
 *
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function checkProtection (
  route: Pick<RouteOptions, 'config' | 'method' | 'url'>, keepSessionKey: boolean
): void {
  const { config, method, url } = route
  const protection: unknown = config?.weapp
  const invalid = (reason: string, option = 'config.weapp') => {
    return new FST_WEAPP_INVALID_OPTION(`${option} of ${String(method)} ${url}`, reason)
  }
  // Fastify accepts any route option. The route would be public.
  if ('weapp' in route) throw invalid('belongs in config: { weapp }', 'weapp')
  if (protection === undefined || protection === 'optional' || typeof protection === 'boolean') return
  if (!isFreshKeyProtection(protection)) throw invalid("must be true, false, 'optional' or { freshKey: true }")
  if (protection.freshKey && !keepSessionKey) {
    throw invalid('cannot require a fresh session_key if keepSessionKey is false')
  }
}

function isFreshKeyProtection (protection: unknown): protection is { freshKey: boolean } {
  if (!isObject(protection)) return false
  const { freshKey, ...unknown } = protection as { freshKey?: unknown }
  return typeof freshKey === 'boolean' && Object.keys(unknown).length === 0
}
