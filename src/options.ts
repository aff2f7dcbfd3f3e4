/** The options of the plugin: what each means and what it is when left out. */
import type { FastifyRequest, RegisterOptions, RouteOptions } from 'fastify'
import type { CacheOptions } from './sessions/session-cache.js'
import type { OnLogin } from './login.js'
import type { SessionStore } from './stores/store.js'
import type { AppSecrets } from './wechat/apps.js'
import type { TransportOptions } from './wechat/request.js'

/** Whole milliseconds, or a string of @lukeed/ms such as '90s', '12h' or '7d'. */
export type Duration = number | string

/** What documents a route and does not change it. */
export interface RouteDocumentation {
  tags?: readonly string[] | undefined
  summary?: string | undefined
  description?: string | undefined
  operationId?: string | undefined
  security?: readonly Record<string, readonly string[]>[] | undefined
  hide?: boolean | undefined
}

/** Fastify's route options, but for what makes the route ours. */
export interface WeappRouteOptions extends Omit<Partial<RouteOptions>,
  'method' | 'url' | 'handler' | 'schema' | 'validatorCompiler' | 'serializerCompiler'> {
  /** Where the route lives below the prefix. */
  path?: string | undefined
  /** For @fastify/swagger. The schemas themselves are ours. */
  schema?: RouteDocumentation | undefined
}

/** A JSON Schema of an object: a `Type.Object` of TypeBox, or written by hand. */
export interface ObjectSchema {
  type: 'object'
  properties: Record<string, unknown>
  required?: readonly string[] | undefined
}

export interface LoginRouteOptions extends WeappRouteOptions {
  /** What a login's body holds besides the code. Nothing is coerced, and what is not named is dropped; objects inside it need `additionalProperties: false` for that. */
  body?: ObjectSchema | undefined
}

/** What is used of an undici dispatcher. The types of undici 6, 7 and 8 do not fit each other. */
export interface DispatcherLike {
  dispatch (options: any, handler: any): boolean
}

export interface WechatOptions {
  /** Default 'https://api.weixin.qq.com'. Plain http only to this machine, for a simulator. */
  baseUrl?: string | undefined
  /** For a whole call, repeats included. Default 5 seconds. */
  timeout?: Duration | undefined
  /** How often a call is repeated where that is harmless: WeChat was busy, or no connection came about (0 to 5). Default 1. */
  retries?: number | undefined
  /** How many logins may be at WeChat at once; the rest wait up to a second. Default 128. */
  concurrency?: number | undefined
  /** A dispatcher of undici 6, 7 or 8, for proxies. The host closes it. */
  dispatcher?: DispatcherLike | undefined
}

/** One Mini Program … */
export interface SingleAppOptions {
  /** The Mini Program's app id. */
  appId: string
  /** The Mini Program's app secret. It is sent to WeChat and nowhere else. */
  appSecret: string
  apps?: undefined
  selectApp?: undefined
}

/** … or several in one registration. A token is good for the apps of its registration alone. */
export interface MultiAppOptions {
  appId?: undefined
  appSecret?: undefined
  /** App ids with their secrets, or a function from one to the other, whose answers are remembered for a minute. */
  apps: AppSecrets
  /** Which app a login is for; may be left out where `apps` holds one. WeChat is not asked about an app that is not ours. */
  selectApp?: SelectApp | undefined
}

export type SelectApp = (request: FastifyRequest) => string | null | undefined | Promise<string | null | undefined>

export type WeappOptions = CommonOptions & (SingleAppOptions | MultiAppOptions)

/** `logLevel` and `logSerializers` are those of Fastify's `register`, for our routes. */
export interface CommonOptions extends Pick<RegisterOptions, 'logLevel' | 'logSerializers'> {
  /**
   * What signs tokens and seals session_keys: at least 32 bytes of text. To rotate, give a list: the first is used, the
   * others are still accepted.
   */
  secret: string | readonly string[]
  /** Where sessions live. Default: `memoryStore()`, which is lost with the process. The host closes what it opened. */
  store?: SessionStore | undefined
  /** The longest that an operation of the store may take before the answer is 503. Default 2 seconds. */
  storeTimeout?: Duration | undefined
  /** Where the routes live. Default '/weapp'. */
  prefix?: string
  /** Options of each route, or false for none. */
  routes?: {
    login?: false | LoginRouteOptions | undefined
    logout?: false | WeappRouteOptions | undefined
    session?: false | WeappRouteOptions | undefined
  } | undefined
  /** 'marked' (default): routes with `config.weapp`. 'all': every route in scope but those with `config.weapp: false`. */
  protect?: 'marked' | 'all' | undefined
  /** When the guard runs. Default 'preHandler'; 'onRequest' refuses before the body is read. */
  hook?: 'preHandler' | 'onRequest' | undefined
  session?: {
    /** From sign-in to the absolute end, which nothing extends. Default '30d'. */
    ttl?: Duration | undefined
    /** How long a session lives without use; false: until its absolute end. At most `ttl`. Default '7d'. */
    idle?: Duration | false | undefined
    /** How many sessions a user may have; past it the oldest ends. false: any number. Default 10. */
    limit?: number | false | undefined
  } | undefined
  /** Whether the session_key is kept, sealed, for decryption and signatures. Default true. */
  keepSessionKey?: boolean | undefined
  /** Binds a login to the host's own account. Throw to refuse: the error passes unchanged and no session is left. */
  onLogin?: OnLogin | undefined
  /**
   * Caches the sessions of at most `max` users (default 100,000) in this process for at most `maxAge` (default 30 seconds).
   * Any change of a user, in any process, invalidates that user within milliseconds. The store must be watchable:
   * `memoryStore`, or `redisStore` on a single server or behind Sentinel.
   *
   * @default `{}` over a `memoryStore`, false over any other store
   */
  cache?: false | { max?: number | undefined, maxAge?: Duration | undefined } | undefined
  /** How WeChat is asked. */
  wechat?: WechatOptions | undefined
}

/** The options with every default in place and every duration in milliseconds. */
export interface ResolvedOptions {
  apps: AppSecrets
  selectApp: SelectApp
  secrets: readonly [string, ...string[]]
  store: SessionStore
  storeTimeout: number
  routes: { login: false | LoginRouteOptions, logout: false | WeappRouteOptions, session: false | WeappRouteOptions }
  protect: 'marked' | 'all'
  hook: 'preHandler' | 'onRequest'
  session: { ttl: number, idle: number | false, limit: number | null }
  keepSessionKey: boolean
  onLogin: OnLogin
  cache: CacheOptions | null
  wechat: TransportOptions
  /** For the scope of our routes. */
  scope: RegisterOptions & { prefix: string }
}
