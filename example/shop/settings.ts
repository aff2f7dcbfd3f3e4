/** Reads the settings from the environment. See .env.example. */
export interface Settings {
  host: string
  port: number
  /** Of PostgreSQL or MySQL, or the path of a SQLite file after `file:`. */
  databaseUrl?: string | undefined
  redisUrl?: string | undefined
  /** Whether this process caches sessions. */
  sessionCache: boolean
  appId: string
  appSecret: string
  /** Signs the tokens. A new secret invalidates all sessions. */
  secret: string
  /** The URL of a simulated WeChat, for tests and development. */
  wechatUrl?: string | undefined
}

export function readSettings (env: NodeJS.ProcessEnv): Settings {
  const { WEAPP_APP_ID: appId, WEAPP_APP_SECRET: appSecret, WEAPP_SECRET: secret } = env
  if (!appId || !appSecret || !secret) {
    throw new Error('The shop needs more settings. ' +
      'Set WEAPP_APP_ID, WEAPP_APP_SECRET and WEAPP_SECRET. Create the last with: openssl rand -base64 32')
  }
  return { ...readServerSettings(env), appId, appSecret, secret, wechatUrl: env.WECHAT_URL || undefined }
}

/** Reads the settings that have a default. */
export function readServerSettings (
  env: NodeJS.ProcessEnv
): Pick<Settings, 'host' | 'port' | 'databaseUrl' | 'redisUrl' | 'sessionCache'> {
  if (env.DATABASE_URL && env.REDIS_URL) throw new Error('Set DATABASE_URL or REDIS_URL, not both.')
  return {
    host: env.HOST || '127.0.0.1',
    port: portOf(env.PORT),
    databaseUrl: env.DATABASE_URL || undefined,
    redisUrl: env.REDIS_URL || undefined,
    sessionCache: env.SESSION_CACHE === '1'
  }
}

function portOf (text = '3000'): number {
  const port = Number(text || '3000')
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error('PORT must be a number from 0 to 65535.')
  return port
}
