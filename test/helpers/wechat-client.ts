/** A client without Fastify, connected to a simulated WeChat. */
import type { Test } from 'tap'
import {
  createWechatClient, type AppSecrets, type WechatClient, type WechatClientOptions, type WechatOptions
} from '../../src/index.js'
import {
  startWechatSimulator, type WechatSimulator, type WechatSimulatorOptions
} from '../../src/testing/simulator/simulator.js'
import { APP_ID, APP_SECRET } from './host.js'

export type TestClientOptions = WechatOptions & {
  apps?: AppSecrets
  onConfigError?: WechatClientOptions['onConfigError']
}

export interface TestClient {
  client: WechatClient
  wechat: WechatSimulator
  /** The arguments of each call of onConfigError. */
  configErrors: Parameters<NonNullable<WechatClientOptions['onConfigError']>>[]
  /** Returns the paths of all requests to WeChat so far. */
  paths (): string[]
  /** Returns the number of requests to a path so far. */
  count (path: string): number
}

/** Starts a client of one app, or of `options.apps`. */
export async function startWechatClient (
  t: Test, options: TestClientOptions = {}, simulator: WechatSimulatorOptions = {}
): Promise<TestClient> {
  const wechat = await startWechatSimulator({ apps: { [APP_ID]: APP_SECRET }, ...simulator })
  const configErrors: TestClient['configErrors'] = []
  const client = createWechatClient({
    ...options.apps === undefined && { appId: APP_ID, appSecret: APP_SECRET },
    baseUrl: wechat.url,
    onConfigError: (...args) => { configErrors.push(args) },
    ...options
  } as WechatClientOptions)
  t.teardown(async () => {
    await client.close()
    await wechat.close()
  })
  const paths = () => wechat.requests.map(({ path }) => path)
  return { client, wechat, configErrors, paths, count: (path) => paths().filter((each) => each === path).length }
}

/** Signs a user in with a code, and returns the proof of the session_key. */
export async function sessionKeyProof (client: WechatClient, code: string, app: { appId?: string } = {}) {
  const { openid, sessionKey } = await client.code2Session(code, app)
  return { ...app, openid, sessionKey }
}
