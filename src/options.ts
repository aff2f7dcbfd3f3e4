/** The options of the plugin: meaning, shape and default. resolve-options.ts applies the defaults. */
import type { RegisterOptions, RouteOptions } from 'fastify'
import type { OnLogin, SelectApp } from './login.js'
import type { SessionStore } from './stores/store.js'
import type { AppSecrets } from './wechat/apps.js'
import type { VirtualPaymentCredentials } from './wechat/virtual-payment.js'

/** Whole milliseconds, or a string of @lukeed/ms such as '90s', '12h' or '7d'. */
export type Duration = number | string

/** The documentation of a route. It does not change the route. */
export interface RouteDocumentation {
  tags?: readonly string[] | undefined
  summary?: string | undefined
  description?: string | undefined
  operationId?: string | undefined
  security?: readonly Record<string, readonly string[]>[] | undefined
  hide?: boolean | undefined
}

/** Fastify's route options, except those that define the route. */
export interface WeappRouteOptions extends Omit<Partial<RouteOptions>,
  'method' | 'url' | 'handler' | 'schema' | 'validatorCompiler' | 'serializerCompiler' | 'bodyLimit'> {
  /** The path of the route below the prefix. */
  path?: string | undefined
  /**
   * The limit of the body in bytes. Raise it if a login carries more, such as a picture.
   * @default 8192
   */
  bodyLimit?: number | undefined
  /** The documentation for @fastify/swagger. The plugin defines the schemas of bodies and responses. */
  schema?: RouteDocumentation | undefined
}

/** A JSON Schema of an object: a `Type.Object` of TypeBox, or a schema written by hand. */
export interface ObjectSchema {
  type: 'object'
  properties: Record<string, unknown>
  required?: readonly string[] | undefined
}

export interface LoginRouteOptions extends WeappRouteOptions {
  /**
   * The schema of the fields that a login has besides the code. Values are not coerced. Undeclared fields are dropped.
   * Objects inside the body keep undeclared fields unless they have `additionalProperties: false`.
   */
  body?: ObjectSchema | undefined
}

/** The part of an undici dispatcher that the plugin uses. The types of undici 6, 7 and 8 are not compatible. */
export interface DispatcherLike {
  dispatch (options: any, handler: any): boolean
}

export interface WechatOptions {
  /**
   * The origin of WeChat's API. Plain http is allowed only for this machine, where a simulator may run.
   * @default 'https://api.weixin.qq.com'
   */
  baseUrl?: string | undefined
  /**
   * The timeout of a whole call, including retries.
   * @default '5s'
   */
  timeout?: Duration | undefined
  /**
   * How often a call is retried, from 0 to 5. Only harmless retries are made: WeChat was busy, or no connection was
   * established.
   * @default 1
   */
  retries?: number | undefined
  /**
   * How many logins may wait for WeChat at once. Further logins queue for up to a second. As many other calls may wait
   * at once, an eighth of them for one user. Further ones queue for up to `timeout`.
   * @default 128
   */
  concurrency?: number | undefined
  /** A dispatcher of undici 6, 7 or 8, such as one for a proxy. The host closes it. */
  dispatcher?: DispatcherLike | undefined
}

/** The options for one Mini Program. */
export interface SingleAppOptions {
  /** The app id of the Mini Program. */
  appId: string
  /** The app secret of the Mini Program. It is sent only to WeChat. */
  appSecret: string
  /** The credentials of virtual payment (虚拟支付). `session.signVirtualPayment` needs them. */
  virtualPayment?: VirtualPaymentCredentials | undefined
  apps?: undefined
  selectApp?: undefined
}

/** The options for several Mini Programs. A token is valid only for the apps of its registration. */
export interface MultiAppOptions {
  appId?: undefined
  appSecret?: undefined
  /** App secrets by app id, or a function that looks a secret up. Its results are cached for a minute. */
  apps: AppSecrets
  /**
   * Selects the app of a login. Optional if `apps` has one entry. No request is sent to WeChat for an app that is not
   * configured.
   */
  selectApp?: SelectApp | undefined
  /**
   * The credentials of virtual payment (虚拟支付) by app id, or a function that looks them up for each signature. Apps
   * without credentials cannot sign payments.
   */
  virtualPayment?: VirtualPaymentsByApp | undefined
}

/** The credentials of virtual payment by app id, or a lookup function that returns null for an app without them. */
export type VirtualPaymentsByApp = Readonly<Record<string, VirtualPaymentCredentials>> |
  ((appId: string) => VirtualPaymentCredentials | null | Promise<VirtualPaymentCredentials | null>)

export type WeappOptions = CommonOptions & (SingleAppOptions | MultiAppOptions)

/** `logLevel` and `logSerializers` are those of Fastify's `register`. They apply to the routes of the plugin. */
export interface CommonOptions extends Pick<RegisterOptions, 'logLevel' | 'logSerializers'> {
  /**
   * The secret that signs tokens and seals session_keys: at least 32 bytes of text. A list rotates secrets. The first
   * secret signs and seals, and the others are still accepted.
   */
  secret: string | readonly string[]
  /**
   * The store of the sessions. The host closes the connections that it opened. A `memoryStore` loses its sessions when
   * the process ends.
   * @default memoryStore()
   */
  store?: SessionStore | undefined
  /**
   * The timeout of an operation of the store. After it the response is a 503.
   * @default '2s'
   */
  storeTimeout?: Duration | undefined
  /**
   * The prefix of the routes.
   * @default '/weapp'
   */
  prefix?: string
  /** The options of each route, or false for no route. */
  routes?: {
    login?: false | LoginRouteOptions | undefined
    logout?: false | WeappRouteOptions | undefined
    session?: false | WeappRouteOptions | undefined
  } | undefined
  /**
   * The routes that the guard protects. 'marked': routes with `config.weapp`. 'all': every route in scope, except those
   * with `config.weapp: false`.
   * @default 'marked'
   */
  protect?: 'marked' | 'all' | undefined
  /**
   * The hook in which the guard runs. 'onRequest' refuses a request before its body is read.
   * @default 'preHandler'
   */
  hook?: 'preHandler' | 'onRequest' | undefined
  session?: {
    /**
     * The time from the login to the absolute expiry. Activity does not extend it.
     * @default '30d'
     */
    ttl?: Duration | undefined
    /**
     * The idle time after which a session expires, at most `ttl`. If false, only the absolute expiry applies.
     * @default '7d', or `ttl` if that is shorter
     */
    idle?: Duration | false | undefined
    /**
     * How many sessions a user may have. A further login ends the oldest session. If false, the number is unlimited.
     * @default 10
     */
    limit?: number | false | undefined
  } | undefined
  /**
   * Whether the store keeps the sealed session_key. Decryption and signatures need it.
   * @default true
   */
  keepSessionKey?: boolean | undefined
  /** Binds a login to the account of the host. If it throws, the error passes unchanged and no session is created. */
  onLogin?: OnLogin | undefined
  /**
   * Caches sessions in this process. Any change of a user invalidates the user's sessions within milliseconds, even if
   * another process made it. Requires a store with `watch`: a `memoryStore`, or a `redisStore` on a single server or
   * Sentinel.
   * @default `{}` over a `memoryStore`, false over any other store
   */
  cache?: false | {
    /**
     * The maximum number of users whose sessions are cached.
     * @default 100_000
     */
    max?: number | undefined
    /**
     * The maximum age of a cached session.
     * @default '30s'
     */
    maxAge?: Duration | undefined
  } | undefined
  /** The options of calls to WeChat. */
  wechat?: WechatOptions | undefined
}
