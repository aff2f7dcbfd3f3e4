/**
 * Read this first: the options become a guard, three routes and `app.weapp`.
 *
 *   phone -- code --> login -- code2Session --> WeChat
 *   phone <-- token -- a session in the store, session_key sealed
 *   phone -- token --> guard --> request.weapp
 */
import cluster from 'node:cluster'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { createSessionAdmin, type SessionAdmin } from './sessions/session-admin.js'
import { SessionCache, watchStore } from './sessions/session-cache.js'
import { isWeappError } from './errors.js'
import { createGuard, type RequestLike } from './guard.js'
import { createLogin, type Login } from './login.js'
import { createOperatorLog } from './diagnostics/operator-log.js'
import type { WeappOptions } from './options.js'
import { resolveOptions } from './resolve-options.js'
import { checkProtection } from './route-protection.js'
import { loginRoute } from './routes/login.js'
import { logoutRoute } from './routes/logout.js'
import { isolateScope } from './routes/plugin-route.js'
import { sessionRoute } from './routes/session.js'
import { createSeal, deriveKeys } from './crypto/seal.js'
import { createSessionKeys } from './sessions/session-keys.js'
import { newSessionMemo } from './sessions/session-memo.js'
import { createSessionService } from './sessions/service.js'
import type { WeappIdentity } from './sessions/request-session.js'
import { storeWithTimeout, createTimeout, type WithTimeout } from './stores/with-timeout.js'
import { isMemoryStore } from './stores/memory.js'
import { createTokens, MIN_REMEMBERED_TOKENS } from './crypto/tokens.js'
import { createApps, type AppSecrets } from './wechat/apps.js'
import { createClient, type WechatClient } from './wechat/client.js'

/** What `app.weapp` is. */
export interface WeappInstance {
  /**
   * The guard by hand, for a route's own `preHandler` or for @fastify/auth.
   *
   * @throws FST_WEAPP_TOKEN_*, FST_WEAPP_SESSION_*, FST_WEAPP_STORE_UNAVAILABLE
   */
  authenticate (request: RequestLike): Promise<void>
  /**
   * `request.weapp` where the guard of this registration has made sure of it.
   *
   * @throws FST_WEAPP_NOT_GUARDED where the guard does not stand, and what it refuses with where strangers may pass
   */
  identity (request: RequestLike): WeappIdentity
  /**
   * The login for a route of the host's own, whose answer holds a token and must not be cached: set `Cache-Control:
   * no-store`. Rejects with the errors of the login route.
   */
  login: Login
  /** What the host may do with the sessions of any user. */
  sessions: SessionAdmin
  /** WeChat's server API. */
  wechat: Pick<WechatClient, 'getAccessToken' | 'getPhoneNumber' | 'request'>
}

const weapp: FastifyPluginAsync<WeappOptions> = async (fastify, opts) => {
  const options = resolveOptions(opts)
  const { routes, keepSessionKey } = options
  if (isMemoryStore(options.store) && (cluster.isWorker || process.env.NODE_ENV === 'production')) warnOfMemoryStore()

  const log = createOperatorLog(fastify.log)
  log.shortTimes(opts)
  const bound = createTimeout(options.storeTimeout, log.storeFailure)
  const boundedStore = storeWithTimeout(options.store, bound)
  const cache = options.cache === null ? null : new SessionCache(options.cache)
  const store = cache === null ? boundedStore : cache.invalidateOnWrite(boundedStore)
  const secretKeys = options.secrets.map(deriveKeys)
  const seal = createSeal(secretKeys)
  const tokens = await createTokens(fastify, secretKeys, {
    // A cached session is found by its token, so as many tokens as cached users are remembered.
    max: Math.max(MIN_REMEMBERED_TOKENS, options.cache?.max ?? 0),
    newMemo: newSessionMemo
  })

  const apps = createApps(appsWithTimeout(options.apps, bound))
  const wechat = createClient({ ...options.wechat, apps, onConfigError: log.configError })
  const keys = createSessionKeys({ store, seal, keepSessionKey, wechat })
  const sessions = createSessionService({
    ...options.session, store, cache, seal, keys, keepSessionKey, onUnreadable: log.unreadableRecord
  })
  const guard = createGuard({ tokens, apps, sessions, keys, protect: options.protect })
  const login = createLogin({ selectApp: options.selectApp, apps, wechat, tokens, sessions, keys, onLogin: options.onLogin })

  fastify.decorateRequest('weapp', null)
  const { getAccessToken, getPhoneNumber, request } = wechat
  fastify.decorate('weapp', {
    authenticate: guard.authenticate,
    identity: guard.identity,
    login,
    sessions: createSessionAdmin(sessions, apps, log.sessionsRevoked),
    wechat: { getAccessToken, getPhoneNumber, request }
  })
  fastify.addHook('onRoute', (route) => checkProtection(route, keepSessionKey))
  fastify.addHook(options.hook, guard.hook)
  // Before the host's error handler, which drops what an error carries; and only when it is this error that is answered:
  // where a stranger may pass, or another strategy lets him in, nobody hears of it.
  fastify.addHook('onError', async (_request, reply, error) => {
    if (isWeappError(error)) reply.headers(error.headers)
  })
  fastify.addHook('onClose', () => wechat.close())
  if (cache !== null) fastify.addHook('onClose', watchStore(options.store, cache, log.cacheUnavailable))

  await fastify.register(async (scope) => {
    isolateScope(scope)
    if (routes.login !== false) scope.route(loginRoute(routes.login, login))
    if (routes.logout !== false) scope.route(logoutRoute(routes.logout, sessions))
    if (routes.session !== false) scope.route(sessionRoute(routes.session, sessions))
  }, options.scope)
}

/** A function of the host's that looks secrets up can fail and hang as a store can. */
function appsWithTimeout (apps: AppSecrets, bound: WithTimeout): AppSecrets {
  return typeof apps === 'function' ? (appId) => bound('apps', apps, appId) : apps
}

let hasWarned = false

function warnOfMemoryStore (): void {
  if (hasWarned) return
  hasWarned = true
  process.emitWarning('fastify-weapp keeps sessions in memory: they are lost with this process and unknown to others. Pass a store.', {
    code: 'FST_WEAPP_MEMORY_STORE'
  })
}

/** Both the default and the named export are the wrapped plugin: its decorators, guard and hooks belong to the host's scope. */
export const fastifyWeapp = fp(weapp, { fastify: '5.x', name: 'fastify-weapp' })
