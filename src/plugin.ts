/**
 * Start here. The plugin turns its options into a guard, three routes and `app.weapp`.
 *
 *   phone -- code --> login -- code2Session --> WeChat
 *   phone <-- token -- session in the store, session_key sealed
 *   phone -- token --> guard --> request.weapp
 */
import cluster from 'node:cluster'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { createSeal, deriveKeys } from './crypto/seal.js'
import { createTokens, MIN_REMEMBERED_TOKENS } from './crypto/tokens.js'
import { createOperatorLog } from './diagnostics/operator-log.js'
import { warnMemoryStore } from './diagnostics/process-warnings.js'
import { createGuard, type RequestLike } from './guard.js'
import { createLogin, type Login } from './login.js'
import type { WeappOptions } from './options.js'
import { resolveOptions } from './resolve-options.js'
import { addHeaderHooks } from './response-headers.js'
import { checkProtection } from './route-protection.js'
import { loginRoute } from './routes/login.js'
import { logoutRoute } from './routes/logout.js'
import { followErrorHandler, isolateScope } from './routes/plugin-route.js'
import { sessionRoute } from './routes/session.js'
import { isolateValidation } from './routes/validation.js'
import type { WeappIdentity } from './sessions/request-session.js'
import { createSessionService } from './sessions/service.js'
import { createSessionAdmin, type SessionAdmin } from './sessions/session-admin.js'
import { SessionCache, watchStore } from './sessions/session-cache.js'
import { createSessionKeys } from './sessions/session-keys.js'
import { newSessionMemo } from './sessions/session-memo.js'
import { isMemoryStore } from './stores/memory.js'
import { redisErrorCode } from './stores/redis/error-code.js'
import { createTimeout, storeWithTimeout, type WithTimeout } from './stores/with-timeout.js'
import { createApps, type AppSecrets } from './wechat/apps.js'
import { createClient, type WechatClient } from './wechat/client.js'
import { createVirtualPayments } from './wechat/virtual-payment.js'

/** The type of `app.weapp`. */
export interface WeappInstance {
  /**
   * Runs the guard, for a `preHandler` of one route or for @fastify/auth.
   *
   * @throws FST_WEAPP_TOKEN_*, FST_WEAPP_SESSION_*, FST_WEAPP_STORE_UNAVAILABLE
   */
  authenticate (request: RequestLike): Promise<void>
  /**
   * Returns `request.weapp` if the guard of this registration has set it. Otherwise throws the error of the guard, or
   * FST_WEAPP_NOT_GUARDED if the guard has not run.
   *
   * @throws FST_WEAPP_NOT_GUARDED, FST_WEAPP_TOKEN_*, FST_WEAPP_SESSION_*, FST_WEAPP_STORE_UNAVAILABLE
   */
  identity (request: RequestLike): WeappIdentity
  /**
   * Logs a user in, for a login route of the host. The response contains a token, so set `Cache-Control: no-store`.
   *
   * @throws the errors of the login route
   */
  login: Login
  /** Lists and ends the sessions of any user. */
  sessions: SessionAdmin
  /** WeChat's server API. */
  wechat: Pick<WechatClient, 'getAccessToken' | 'getPhoneNumber' | 'request' | 'download'>
}

const weapp: FastifyPluginAsync<WeappOptions> = async (fastify, opts) => {
  const options = resolveOptions(opts)
  const { keepSessionKey, routes } = options
  if (isMemoryStore(options.store) && (cluster.isWorker || process.env.NODE_ENV === 'production')) {
    warnMemoryStore()
  }

  const log = createOperatorLog(fastify.log, redisErrorCode)
  for (const { option, milliseconds } of options.suspiciousDurations) log.suspiciousDuration(option, milliseconds)

  const withTimeout = createTimeout(options.storeTimeout, log.storeFailure)
  const timedStore = storeWithTimeout(options.store, withTimeout)
  const cache = options.cache === null ? null : new SessionCache(options.cache)
  const store = cache === null ? timedStore : cache.invalidateOnWrite(timedStore)
  const secretKeys = options.secrets.map(deriveKeys)
  const seal = createSeal(secretKeys)
  const tokens = await createTokens(fastify, secretKeys, {
    // Remembers at least one token per cached user. Otherwise a cached session would still cost a signature check.
    max: Math.max(MIN_REMEMBERED_TOKENS, options.cache?.max ?? 0),
    newMemo: newSessionMemo
  })

  const apps = createApps(appsWithTimeout(options.apps, withTimeout))
  const { configError: onConfigError, integerRounded: onRounded } = log
  const virtualPayments = createVirtualPayments((appId) => {
    return withTimeout('virtualPayment', options.virtualPayment, appId)
  })
  const wechat = createClient({ ...options.wechat, apps, virtualPayments, onConfigError, onRounded })
  const keys = createSessionKeys({
    store, seal, keepSessionKey, wechat, virtualPayments, onDecryptFailure: log.decryptFailed
  })
  const sessions = createSessionService({
    ...options.session, store, cache, seal, keys, keepSessionKey, onUnreadable: log.unreadableRecord
  })
  const guard = createGuard({ tokens, apps, sessions, keys, protect: options.protect })
  const { selectApp, onLogin } = options
  const login = createLogin({ selectApp, apps, wechat, tokens, sessions, keys, onLogin })

  const { getAccessToken, getPhoneNumber, request, download } = wechat
  fastify.decorateRequest('weapp', null)
  fastify.decorate('weapp', {
    authenticate: guard.authenticate,
    identity: guard.identity,
    login,
    sessions: createSessionAdmin(sessions, apps, log.sessionsRevoked),
    wechat: { getAccessToken, getPhoneNumber, request, download }
  })

  fastify.addHook('onRoute', (route) => checkProtection(route, keepSessionKey))
  fastify.addHook(options.hook, guard.hook)
  addHeaderHooks(fastify)
  fastify.addHook('onClose', () => wechat.close())
  if (cache !== null) fastify.addHook('onClose', watchStore(options.store, cache, log.cacheUnavailable))

  await fastify.register(async (scope) => {
    isolateScope(scope)
    isolateValidation(scope, routes.login !== false && routes.login.body !== undefined)
    followErrorHandler(scope, fastify)
    // Refuses unauthenticated requests before their body is read, and after a rate limit of the host in onRequest.
    scope.addHook('preParsing', (request, reply, _payload, done) => guard.hook(request, reply, done))
    if (routes.login !== false) scope.route(loginRoute(routes.login, login))
    if (routes.logout !== false) scope.route(logoutRoute(routes.logout, sessions))
    if (routes.session !== false) scope.route(sessionRoute(routes.session, sessions))
  }, options.scope)
}

/** Wraps the app lookup of the host. Like a store, it can fail or hang. */
function appsWithTimeout (apps: AppSecrets, withTimeout: WithTimeout): AppSecrets {
  return typeof apps === 'function' ? (appId) => withTimeout('apps', apps, appId) : apps
}

/** Without encapsulation: the decorators, the guard and the hooks belong to the scope of the host. */
export const fastifyWeapp = fp(weapp, { fastify: '5.x', name: 'fastify-weapp' })
