/** The environment, read once. Without any of it the example runs against a simulated WeChat, with sessions in memory. */
import { startWechatSimulator, type WechatSimulator } from 'fastify-weapp/testing'

export interface Settings {
  host: string
  port: number
  redisUrl: string | undefined
  /** Whether this process remembers the sessions that it has read. */
  sessionCache: boolean
  appId: string
  appSecret: string
  /** Signs the tokens: it must stay the same as long as the sessions are to live. */
  secret: string
  /** The simulated WeChat, or null for the real one. */
  simulator: WechatSimulator | null
}

/** Known to everybody who reads this, so it never guards the users of a real Mini Program: see below. */
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
    // WeChat says that a login may bring the key there is: then one tap is enough to get over a dead one.
    const simulator = await startWechatSimulator({ keyChanges: 'never' })
    const [[simulatedId, simulatedSecret]] = Object.entries(simulator.apps) as [[string, string]]
    return { ...common, appId: simulatedId, appSecret: simulatedSecret, secret: secret || DEVELOPMENT_SECRET, simulator }
  }
  if (!appId || !appSecret || !secret) {
    throw new Error('The real WeChat needs WEAPP_APP_ID, WEAPP_APP_SECRET and WEAPP_SECRET (32 random bytes: openssl rand -base64 32)')
  }
  return { ...common, appId, appSecret, secret, simulator: null }
}

function portOf (text = '3000'): number {
  const port = Number(text || '3000')
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error('PORT must be a number from 0 to 65535')
  return port
}
