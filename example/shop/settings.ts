/** Reads the settings from the environment. See .env.example. */
export interface Settings {
  host: string
  port: number
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
): Pick<Settings, 'host' | 'port' | 'redisUrl' | 'sessionCache'> {
  return {
    host: env.HOST || '127.0.0.1',
    port: portOf(env.PORT),
    redisUrl: env.REDIS_URL || undefined,
    sessionCache: env.SESSION_CACHE === '1'
  }
}

function portOf (text = '3000'): number {
  const port = Number(text || '3000')
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error('PORT must be a number from 0 to 65535.')
  return port
}
