/** Validates the options and applies the defaults. An invalid option fails the boot. */
import type { RegisterOptions } from 'fastify'
import type { OnLogin, SelectApp } from './login.js'
import type { WeappOptions } from './options.js'
import { resolveVirtualPayment } from './resolve-payment-options.js'
import { resolveRoutes, ROUTE_NAMES, type ResolvedRoutes } from './resolve-route-options.js'
import { resolveApps, resolveWechat, WECHAT_OPTION_NAMES } from './resolve-wechat-options.js'
import type { CacheOptions } from './sessions/session-cache.js'
import { isMemoryStore, memoryStore } from './stores/memory.js'
import type { SessionStore } from './stores/store.js'
import { LONGEST_TIMER, parseDuration } from './utils/duration.js'
import { isObject } from './utils/type-checks.js'
import {
  booleanOption, enumOption, functionOption, integerOption, invalidOption, objectOption, pathOption, secretOption,
  stringOption
} from './utils/validate.js'
import type { AppSecrets } from './wechat/apps.js'
import type { TransportOptions } from './wechat/request.js'
import { VIRTUAL_PAYMENT_OPTION_NAMES, type VirtualPaymentLookup } from './wechat/virtual-payment.js'

/** A duration in milliseconds, so short that it was probably meant in seconds. */
export interface SuspiciousDuration {
  option: string
  milliseconds: number
}

/** The options with every default applied and every duration in milliseconds. */
export interface ResolvedOptions {
  apps: AppSecrets
  selectApp: SelectApp
  secrets: readonly [string, ...string[]]
  store: SessionStore
  storeTimeout: number
  routes: ResolvedRoutes
  protect: 'marked' | 'all'
  hook: 'preHandler' | 'onRequest'
  session: { ttl: number, idle: number | false, limit: number | null }
  keepSessionKey: boolean
  onLogin: OnLogin
  cache: CacheOptions | null
  wechat: TransportOptions
  virtualPayment: VirtualPaymentLookup
  /** The options of the scope of the plugin's routes. */
  scope: RegisterOptions & { prefix: string }
  suspiciousDurations: SuspiciousDuration[]
}

/** The names of all options: of the plugin itself, then of each section. */
export const OPTION_NAMES = {
  options: [
    'appId', 'appSecret', 'apps', 'selectApp', 'secret', 'store', 'storeTimeout', 'prefix', 'routes', 'protect', 'hook',
    'session', 'keepSessionKey', 'onLogin', 'cache', 'wechat', 'virtualPayment', 'logLevel', 'logSerializers'
  ],
  routes: ROUTE_NAMES,
  session: ['ttl', 'idle', 'limit'],
  cache: ['max', 'maxAge'],
  wechat: WECHAT_OPTION_NAMES,
  virtualPayment: VIRTUAL_PAYMENT_OPTION_NAMES
}

const MIN_SECRET_BYTES = 32
const SECOND = 1000
const HOUR = 3600 * SECOND

const STORE_OPERATIONS = ['create', 'read', 'touch', 'update', 'revoke', 'revokeAll', 'list', 'readKeys', 'writeKey']

/** @throws FST_WEAPP_INVALID_OPTION */
export function resolveOptions (given: WeappOptions): ResolvedOptions {
  const options = objectOption(given, null, OPTION_NAMES.options)
  const { storeTimeout = '2s', protect = 'marked', hook = 'preHandler' } = options
  const { keepSessionKey = true, onLogin = () => {} } = options
  const store = options.store === undefined ? memoryStore() : storeOption(options.store)
  return {
    ...appOptions(options),
    secrets: secretOptions(options.secret),
    store,
    storeTimeout: storeTimeoutOption(storeTimeout, store),
    routes: resolveRoutes(options.routes),
    protect: enumOption(protect, 'protect', ['marked', 'all']),
    hook: enumOption(hook, 'hook', ['preHandler', 'onRequest']),
    session: sessionOptions(options.session),
    keepSessionKey: booleanOption(keepSessionKey, 'keepSessionKey'),
    virtualPayment: resolveVirtualPayment(options, keepSessionKey as boolean),
    onLogin: functionOption(onLogin, 'onLogin') as OnLogin,
    cache: cacheOptions(options.cache, store),
    wechat: resolveWechat(options.wechat, 'wechat'),
    scope: scopeOptions(given),
    suspiciousDurations: suspiciousDurations(given)
  }
}

function appOptions (options: Record<string, unknown>): Pick<ResolvedOptions, 'apps' | 'selectApp'> {
  const apps = resolveApps(options)
  if (options.selectApp !== undefined) {
    return { apps, selectApp: functionOption(options.selectApp, 'selectApp') as SelectApp }
  }
  const [onlyId, ...others] = typeof apps === 'function' ? [] : Object.keys(apps)
  if (onlyId === undefined || others.length > 0) {
    throw invalidOption('selectApp', 'is required if apps is a function or has several entries')
  }
  return { apps, selectApp: () => onlyId }
}

function secretOptions (value: unknown): [string, ...string[]] {
  const secrets: unknown[] = Array.isArray(value) ? value : [value]
  const isLongEnough = (secret: unknown) => Buffer.byteLength(stringOption(secret, 'secret').trim()) >= MIN_SECRET_BYTES
  if (secrets.length === 0 || !secrets.every(isLongEnough)) {
    const example = "the output of 'openssl rand -base64 32'"
    throw invalidOption('secret', `must be at least ${MIN_SECRET_BYTES} bytes of text, such as ${example}`)
  }
  for (const secret of secrets) secretOption(secret, 'secret')
  if (new Set(secrets).size !== secrets.length) throw invalidOption('secret', 'must not contain duplicates')
  return secrets as [string, ...string[]]
}

function storeOption (value: unknown): SessionStore {
  if (!isObject(value)) throw invalidOption('store', 'must be an object')
  const missing = STORE_OPERATIONS.find((operation) => typeof value[operation] !== 'function')
  if (missing !== undefined) throw invalidOption('store', `must have the method ${missing}`)
  return value as unknown as SessionStore
}

function storeTimeoutOption (value: unknown, { timeout = 0 }: SessionStore): number {
  const storeTimeout = parseDuration(value, 'storeTimeout', LONGEST_TIMER)
  if (integerOption(timeout, 'store.timeout', 0, LONGEST_TIMER) >= storeTimeout) {
    throw invalidOption('storeTimeout', `must be longer than the store's own timeout of ${timeout} ms`)
  }
  return storeTimeout
}

function sessionOptions (given: unknown): ResolvedOptions['session'] {
  const { ttl: givenTtl = '30d', idle, limit = 10 } = objectOption(given, 'session', OPTION_NAMES.session)
  const ttl = parseDuration(givenTtl, 'session.ttl')
  if (ttl < 1000) throw invalidOption('session.ttl', 'must be at least one second')
  return {
    ttl,
    idle: idle === false ? false : idleOption(idle, ttl),
    limit: limit === false ? null : integerOption(limit, 'session.limit', 1, Number.MAX_SAFE_INTEGER)
  }
}

/** Caps the default idle time at `ttl`. An explicit idle time longer than `ttl` is an error. */
function idleOption (value: unknown, ttl: number): number {
  if (value === undefined) return Math.min(parseDuration('7d', 'session.idle'), ttl)
  const idle = parseDuration(value, 'session.idle')
  if (idle > ttl) throw invalidOption('session.idle', 'must not be longer than session.ttl')
  return idle
}

/** A memory store reports every change at once, so it is cached by default. Other stores are cached on request. */
function cacheOptions (value: unknown, store: SessionStore): CacheOptions | null {
  if (value === false || (value === undefined && !isMemoryStore(store))) return null
  const { max = 100_000, maxAge = '30s' } = objectOption(value, 'cache', OPTION_NAMES.cache)
  if (store.watch === undefined) {
    const problem = 'requires a store with the method watch. Stores on a Redis Cluster or in a database have none.'
    throw invalidOption('cache', problem)
  }
  return {
    max: integerOption(max, 'cache.max', 1, 2 ** 24),
    maxAge: parseDuration(maxAge, 'cache.maxAge')
  }
}

/** Fastify validates `logLevel` and `logSerializers`. */
function scopeOptions ({ prefix = '/weapp', logLevel, logSerializers }: WeappOptions): ResolvedOptions['scope'] {
  return {
    prefix: pathOption(prefix, 'prefix'),
    ...logLevel !== undefined && { logLevel },
    ...logSerializers !== undefined && { logSerializers }
  }
}

/** Returns the durations that are numbers and shorter than usual. A duration with a unit is never suspicious. */
function suspiciousDurations ({ session, store, storeTimeout, cache, wechat }: WeappOptions): SuspiciousDuration[] {
  const usualMinimums = [
    ['session.ttl', session?.ttl, HOUR],
    ['session.idle', session?.idle, HOUR],
    ['store.timeout', store?.timeout, SECOND / 10],
    ['storeTimeout', storeTimeout, SECOND / 10],
    ['cache.maxAge', cache === false ? undefined : cache?.maxAge, SECOND],
    ['wechat.timeout', wechat?.timeout, SECOND / 10]
  ] as const
  return usualMinimums.flatMap(([option, milliseconds, minimum]) => {
    return typeof milliseconds === 'number' && milliseconds < minimum ? [{ option, milliseconds }] : []
  })
}
