/** Checks the options and fills in the defaults: a wrong one fails the boot, by name and without its value. */
import type { Dispatcher } from 'undici'
import type { CacheOptions } from './sessions/session-cache.js'
import { LONGEST_TIMER, parseDuration } from './utils/duration.js'
import type { OnLogin } from './login.js'
import { functionOption, enumOption, secretOption, booleanOption, invalidOption, isObject, pathOption, objectOption, stringOption, integerOption, optionPath } from './utils/validate.js'
import type { LoginRouteOptions, ResolvedOptions, SelectApp, WeappOptions, WeappRouteOptions } from './options.js'
import { isMemoryStore, memoryStore } from './stores/memory.js'
import type { SessionStore } from './stores/store.js'
import type { AppSecrets } from './wechat/apps.js'
import { HttpExchange } from './wechat/http-exchange.js'
import type { TransportOptions } from './wechat/request.js'

const MIN_SECRET_BYTES = 32
/** Fastify's, which it does not check itself, but for those that make a route ours. */
const ROUTE_OPTIONS = [
  'path', 'schema', 'attachValidation', 'bodyLimit', 'childLoggerFactory', 'config', 'constraints', 'errorHandler', 'exposeHeadRoute',
  'handlerTimeout', 'logLevel', 'logSerializers', 'onError', 'onRequest', 'onRequestAbort', 'onResponse', 'onSend', 'onTimeout',
  'preHandler', 'preParsing', 'preSerialization', 'preValidation', 'prefixTrailingSlash', 'schemaErrorFormatter'
]
const RESERVED_SCHEMAS = ['body', 'querystring', 'query', 'params', 'headers', 'response']
const STORE_OPERATIONS = ['create', 'read', 'touch', 'update', 'revoke', 'revokeAll', 'list', 'readKeys', 'writeKey']

/** @throws FST_WEAPP_INVALID_OPTION */
export function resolveOptions (given: WeappOptions): ResolvedOptions {
  const options = objectOption(given, 'options', [
    'appId', 'appSecret', 'apps', 'selectApp', 'secret', 'store', 'storeTimeout', 'prefix', 'routes', 'protect', 'hook', 'session', 'keepSessionKey',
    'onLogin', 'cache', 'wechat', 'logLevel', 'logSerializers'
  ])
  const session = objectOption(options.session, 'session', ['ttl', 'idle', 'limit'])
  const routes = objectOption(options.routes, 'routes', ['login', 'logout', 'session'])
  const { storeTimeout = '2s', protect = 'marked', hook = 'preHandler', keepSessionKey = true, onLogin = () => {} } = options

  return {
    ...appOptions(options),
    secrets: secrets(options.secret),
    ...storeOptions(options.store, storeTimeout),
    routes: {
      login: loginRoute(routes.login),
      logout: route(routes.logout, 'routes.logout'),
      session: route(routes.session, 'routes.session')
    },
    protect: enumOption(protect, 'protect', ['marked', 'all']),
    hook: enumOption(hook, 'hook', ['preHandler', 'onRequest']),
    session: lifetimes(session),
    keepSessionKey: booleanOption(keepSessionKey, 'keepSessionKey'),
    onLogin: functionOption(onLogin, 'onLogin') as OnLogin,
    cache: cacheOptions(options.cache, options.store),
    wechat: resolveWechat(options.wechat),
    scope: scope(given)
  }
}

/**
 * @param name what the options are called where they stand
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function resolveWechat (given: unknown, name = 'wechat'): TransportOptions {
  const wechat = objectOption(given, name, ['baseUrl', 'timeout', 'retries', 'concurrency', 'dispatcher'])
  const { baseUrl = 'https://api.weixin.qq.com', timeout = '5s', retries = 1, concurrency = 128, dispatcher } = wechat
  return {
    baseUrl: origin(baseUrl, optionPath(name, 'baseUrl')),
    timeout: parseDuration(timeout, optionPath(name, 'timeout'), LONGEST_TIMER),
    retries: integerOption(retries, optionPath(name, 'retries'), 0, 5),
    concurrency: integerOption(concurrency, optionPath(name, 'concurrency'), 1, 10_000),
    dispatcher: dispatcher === undefined ? undefined : undiciDispatcher(dispatcher, optionPath(name, 'dispatcher'))
  }
}

/** @throws FST_WEAPP_INVALID_OPTION */
export function resolveApps ({ appId, appSecret, apps }: Record<string, unknown>): AppSecrets {
  if (apps === undefined) return { [secretOption(appId, 'appId')]: secretOption(appSecret, 'appSecret') }
  if (appId !== undefined || appSecret !== undefined) throw invalidOption('apps', 'cannot stand beside appId and appSecret')
  if (typeof apps === 'function') return apps as AppSecrets
  if (!isObject(apps) || Object.keys(apps).length === 0) throw invalidOption('apps', 'must be an object of app ids and secrets, or a function')
  for (const [id, secret] of Object.entries(apps)) {
    secretOption(id, 'apps')
    secretOption(secret, 'apps')
  }
  return apps as AppSecrets
}

function appOptions (options: Record<string, unknown>): Pick<ResolvedOptions, 'apps' | 'selectApp'> {
  const apps = resolveApps(options)
  if (options.selectApp !== undefined) return { apps, selectApp: functionOption(options.selectApp, 'selectApp') as SelectApp }
  const [onlyId, ...others] = typeof apps === 'function' ? [] : Object.keys(apps)
  if (onlyId === undefined || others.length > 0) throw invalidOption('selectApp', 'must say which of several apps a login is for')
  return { apps, selectApp: () => onlyId }
}

function secrets (value: unknown): [string, ...string[]] {
  const list: unknown[] = Array.isArray(value) ? value : [value]
  const isGood = (secret: unknown) => Buffer.byteLength(stringOption(secret, 'secret').trim()) >= MIN_SECRET_BYTES
  if (list.length === 0 || !list.every(isGood)) throw invalidOption('secret', `must be at least ${MIN_SECRET_BYTES} bytes of text, such as 'openssl rand -base64 32' gives`)
  for (const secret of list) secretOption(secret, 'secret')
  if (new Set(list).size !== list.length) throw invalidOption('secret', 'must not repeat')
  return list as [string, ...string[]]
}

function storeOptions (given: unknown, timeout: unknown): Pick<ResolvedOptions, 'store' | 'storeTimeout'> {
  const store = given === undefined ? memoryStore() : checkedStore(given)
  const storeTimeout = parseDuration(timeout, 'storeTimeout', LONGEST_TIMER)
  const { timeout: ownTimeout = 0 } = store
  if (integerOption(ownTimeout, 'store.timeout', 0, LONGEST_TIMER) >= storeTimeout) {
    throw invalidOption('storeTimeout', `must be longer than the store's own timeout, which is ${ownTimeout} ms`)
  }
  return { store, storeTimeout }
}

function checkedStore (value: unknown): SessionStore {
  if (!isObject(value)) throw invalidOption('store', 'must be an object')
  const missing = STORE_OPERATIONS.find((operation) => typeof value[operation] !== 'function')
  if (missing !== undefined) throw invalidOption('store', `must have the method ${missing}`)
  return value as unknown as SessionStore
}

/** Fastify checks the two of its own. */
function scope ({ prefix = '/weapp', logLevel, logSerializers }: WeappOptions): ResolvedOptions['scope'] {
  return {
    prefix: pathOption(prefix, 'prefix'),
    ...logLevel !== undefined && { logLevel },
    ...logSerializers !== undefined && { logSerializers }
  }
}

function route<Options extends WeappRouteOptions> (value: unknown, name: string, ours: string[] = []): false | Options {
  if (value === false) return false
  const options = objectOption(value, name, [...ROUTE_OPTIONS, ...ours])
  if (options.path !== undefined) pathOption(options.path, `${name}.path`)
  const { schema = {} } = options
  if (!isObject(schema)) throw invalidOption(`${name}.schema`, 'must be an object')
  const part = RESERVED_SCHEMAS.find((part) => part in schema)
  if (part !== undefined) throw invalidOption(`${name}.schema.${part}`, 'is ours; what a login brings besides the code belongs in routes.login.body')
  return options as Options
}

function loginRoute (value: unknown): false | LoginRouteOptions {
  const login = route<LoginRouteOptions>(value, 'routes.login', ['body'])
  if (login === false || login.body === undefined) return login
  const { type, properties, required = [] } = isObject(login.body) ? login.body : {}
  if (type !== 'object' || !isObject(properties) || !Array.isArray(required)) throw invalidOption('routes.login.body', 'must be the schema of an object, such as Type.Object({ … })')
  if ('code' in properties) throw invalidOption('routes.login.body', 'must leave the field code to us')
  return login
}

function lifetimes ({ ttl = '30d', idle, limit = 10 }: Record<string, unknown>): ResolvedOptions['session'] {
  const absolute = parseDuration(ttl, 'session.ttl')
  if (absolute < 1000) throw invalidOption('session.ttl', 'must be at least one second')
  return {
    ttl: absolute,
    idle: idle === false ? false : idleTime(idle, absolute),
    limit: limit === false ? null : integerOption(limit, 'session.limit', 1, Number.MAX_SAFE_INTEGER)
  }
}

/** A short ttl shortens the default; only who asks for a longer idle time contradicts himself. */
function idleTime (idle: unknown, ttl: number): number {
  if (idle === undefined) return Math.min(parseDuration('7d', 'session.idle'), ttl)
  const milliseconds = parseDuration(idle, 'session.idle')
  if (milliseconds > ttl) throw invalidOption('session.idle', 'must not be longer than session.ttl')
  return milliseconds
}

/** A memory store reports every change at once, so it is cached by default. Any other store is cached on request only. */
function cacheOptions (value: unknown, store: unknown): CacheOptions | null {
  const isCachedByDefault = store === undefined || isMemoryStore(store as SessionStore)
  if (value === false || (value === undefined && !isCachedByDefault)) return null
  const { max = 100_000, maxAge = '30s' } = objectOption(value, 'cache', ['max', 'maxAge'])
  return {
    max: integerOption(max, 'cache.max', 1, 2 ** 24),
    maxAge: parseDuration(maxAge, 'cache.maxAge')
  }
}

/** Everything that goes to WeChat holds the app secret: only this machine may be asked without TLS. */
function origin (value: unknown, name: string): string {
  const url = typeof value === 'string' && URL.canParse(value) ? new URL(value) : null
  const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname))
  if (url === null || !isSafe || `${url.origin}/` !== url.href) {
    throw invalidOption(name, 'must be an https origin, or an http one of this machine')
  }
  return url.origin
}

/** A dispatcher throws at handlers that it cannot speak to. The method is one that no request can have: nothing is sent. */
function undiciDispatcher (value: unknown, name: string): Dispatcher {
  const ignore = () => {}
  try {
    (value as Dispatcher).dispatch({ origin: 'http://localhost', path: '/', method: '' as Dispatcher.HttpMethod }, new HttpExchange({ resolve: ignore, reject: ignore }))
  } catch {
    throw invalidOption(name, 'must be an undici dispatcher')
  }
  return value as Dispatcher
}
