/** Reads the settings from the environment. By default the example uses a simulated WeChat and sessions in memory. */
import { startWechatSimulator, type WechatSimulator } from 'fastify-weapp/testing'

export interface Settings {
  host: string
  port: number
  redisUrl: string | undefined
  /** Whether this process caches sessions. */
  sessionCache: boolean
  appId: string
  appSecret: string
  /** Signs the tokens. A new secret invalidates all sessions. */
  secret: string
  /** The simulated WeChat, or null for the real one. */
  simulator: WechatSimulator | null
}

/** Public, so `readSettings` never uses it with the real WeChat. */
const DEVELOPMENT_SECRET = 'for development only: never sign real tokens with this'

export async function readSettings (env: NodeJS.ProcessEnv): Promise<Settings> {
  const { WEAPP_APP_ID: appId, WEAPP_APP_SECRET: appSecret, WEAPP_SECRET: secret } = env
  const common = {
    host: env.HOST || '127.0.0.1',
    port: portOf(env.PORT),
    redisUrl: env.REDIS_URL || undefined,
    sessionCache: env.SESSION_CACHE === '1'
  }

  if (!appId && !appSecret) {
    // A login may return the current key, as WeChat documents. One tap then recovers from an expired key.
    const simulator = await startWechatSimulator({ keyChanges: 'never' })
    const [[simulatedId, simulatedSecret]] = Object.entries(simulator.apps) as [[string, string]]
    return {
      ...common, appId: simulatedId, appSecret: simulatedSecret, secret: secret || DEVELOPMENT_SECRET, simulator
    }
  }
  if (!appId || !appSecret || !secret) {
    throw new Error('The real WeChat needs more settings. ' +
      'Set WEAPP_APP_ID, WEAPP_APP_SECRET and WEAPP_SECRET. Create the last with: openssl rand -base64 32')
  }
  return { ...common, appId, appSecret, secret, simulator: null }
}

function portOf (text = '3000'): number {
  const port = Number(text || '3000')
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error('PORT must be a number from 0 to 65535.')
  return port
}
