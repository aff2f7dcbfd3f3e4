/** One journey through the routes of the plugin, for hosts that change validation, serialization or errors. */
import type { LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import type { Host } from './host.js'

export interface HostHabits {
  /** Removes the host's envelope from a response. */
  unwrap?: (body: any) => any
  /** Removes the host's envelope from an error. Returns the code that Fastify would have sent. */
  unwrapError?: (body: any) => { code: string }
  /** Returns the headers that the host demands of each request. */
  nextHeaders?: () => Record<string, string>
}

/** Asserts that login, a guarded route, the session list and logout respond as on a plain host. */
export async function assertRoutes (t: Test, { app, wechat }: Pick<Host, 'app' | 'wechat'>, habits: HostHabits = {}): Promise<void> {
  const { unwrap = (body) => body, unwrapError = (body) => body, nextHeaders = () => ({}) } = habits

  function refused (response: LightMyRequestResponse, statusCode: number, code: string): void {
    const { 'weapp-error': error, 'cache-control': cacheControl, 'www-authenticate': challenge } = response.headers
    t.match({ statusCode: response.statusCode, error, cacheControl }, { statusCode, error: code, cacheControl: 'no-store' })
    t.equal(typeof challenge, statusCode === 401 ? 'string' : 'undefined')
    t.equal(unwrapError(response.json()).code, code)
  }

  const url = '/weapp/login'
  const login = await app.inject({ method: 'POST', url, headers: nextHeaders(), payload: { code: wechat.login('alice') } })
  t.equal(login.statusCode, 200, 'signs in')
  t.equal(login.headers['cache-control'], 'no-store')
  t.equal(login.headers['weapp-error'], undefined)
  const { token, ...rest } = unwrap(login.json())
  t.match(rest, { tokenType: 'Bearer', expiresIn: 2_592_000, expiresAt: Number })
  const signedIn = () => ({ ...nextHeaders(), authorization: `Bearer ${token}` })

  refused(await app.inject({ method: 'POST', url, headers: nextHeaders(), payload: { code: 'unknown' } }), 401, 'FST_WEAPP_CODE_INVALID')
  const uncoerced = await app.inject({ method: 'POST', url, headers: nextHeaders(), payload: { code: 123 } })
  t.equal(uncoerced.statusCode, 400, 'a number is not coerced into a code')

  refused(await app.inject({ url: '/me', headers: nextHeaders() }), 401, 'FST_WEAPP_TOKEN_MISSING')
  const me = await app.inject({ url: '/me', headers: signedIn() })
  t.equal(me.statusCode, 200, 'guarded route')
  t.strictSame(unwrap(me.json()), { openid: wechat.openid('alice') })

  const list = await app.inject({ url: '/weapp/session', headers: signedIn() })
  t.equal(list.statusCode, 200, 'session route')
  t.equal(list.headers['cache-control'], 'no-store')
  t.match(unwrap(list.json()), { id: /^[\w-]{22}$/, sessions: [{ current: true, label: null }] })
  t.equal(unwrap(list.json()).sessions.length, 1)

  const logout = await app.inject({ method: 'POST', url: '/weapp/logout', headers: signedIn() })
  t.equal(logout.statusCode, 204, 'signs out')
  t.equal(logout.body, '')
  t.equal(logout.headers['cache-control'], 'no-store')
  refused(await app.inject({ url: '/me', headers: signedIn() }), 401, 'FST_WEAPP_SESSION_REVOKED')
}
