/** A host with the plugin, a simulated WeChat, and functions that act as the phone. */
import Fastify, { type FastifyInstance, type FastifyServerOptions, type LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import weapp, { type LoginResponse, type WeappOptions } from '../../src/index.js'
import { startWechatSimulator, type WechatSimulator, type WechatSimulatorOptions } from '../../src/testing/simulator/simulator.js'

export const APP_ID = 'wx0123456789abcdef'
export const APP_SECRET = 'canary-of-the-app-secret'
export const SECRET = 'a secret of the tests, long enough to sign with'

export interface Host {
  app: FastifyInstance
  wechat: WechatSimulator
  /** Signs a user in through the login route. */
  signIn (user?: string, headers?: Record<string, string>): Promise<LoginResponse>
  /** Sends a GET request, with the token if there is one. */
  get (url: string, token?: string): Promise<LightMyRequestResponse>
  post (url: string, payload?: object, token?: string): Promise<LightMyRequestResponse>
}

export interface HostOptions {
  options?: Partial<WeappOptions>
  server?: FastifyServerOptions
  simulator?: WechatSimulatorOptions
  /** Runs before the plugin is registered. */
  before?: (app: FastifyInstance) => unknown
  /** Runs after the plugin and the routes `/me` (guarded) and `/feed` (optional) are registered. */
  after?: (app: FastifyInstance) => unknown
}

export async function startHost (t: Test, { options, server, simulator, before, after }: HostOptions = {}): Promise<Host> {
  const wechat = await startWechatSimulator({ apps: { [APP_ID]: APP_SECRET }, ...simulator })
  const app = Fastify(server)
  t.teardown(async () => {
    await app.close()
    await wechat.close()
  })
  await before?.(app)
  const single = options?.apps === undefined && { appId: APP_ID, appSecret: APP_SECRET }
  await app.register(weapp, {
    ...single, secret: SECRET, ...options, wechat: { baseUrl: wechat.url, ...options?.wechat }
  } as WeappOptions)
  app.get('/me', { config: { weapp: true } }, async (request) => ({ openid: request.weapp?.openid }))
  app.get('/feed', { config: { weapp: 'optional' } }, async (request) => ({ openid: request.weapp?.openid ?? null }))
  await after?.(app)
  await app.ready()

  const authorization = (token?: string) => token === undefined ? {} : { authorization: `Bearer ${token}` }
  return {
    app,
    wechat,
    async signIn (user = 'alice', headers = {}) {
      const response = await app.inject({ method: 'POST', url: '/weapp/login', headers, payload: { code: wechat.login(user) } })
      t.equal(response.statusCode, 200, `${user} signs in`)
      return response.json<LoginResponse>()
    },
    get: (url, token) => app.inject({ url, headers: authorization(token) }),
    post: (url, payload, token) => app.inject({ method: 'POST', url, headers: authorization(token), ...payload && { payload } })
  }
}
