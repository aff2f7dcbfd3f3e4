/** A host with `wechat` options of the test, connected to a simulated WeChat. */
import type { LightMyRequestResponse } from 'fastify'
import type { Test } from 'tap'
import type { WeappOptions } from '../../src/index.js'
import { startWechatSimulator } from '../../src/testing/simulator/simulator.js'
import { APP_ID, APP_SECRET, startHost, type Host, type HostOptions } from './host.js'

export interface LoginHost extends Omit<Host, 'signIn'> {
  /** Calls the login route, by default with a new code. */
  login (code?: unknown): Promise<LightMyRequestResponse>
}

export async function startLoginHost (
  t: Test, wechatOptions: WeappOptions['wechat'] = {}, { options, simulator, ...rest }: HostOptions = {}
): Promise<LoginHost> {
  const wechat = await startWechatSimulator({ apps: { [APP_ID]: APP_SECRET }, ...simulator })
  t.teardown(() => wechat.close())
  const host = await startHost(t, {
    ...rest, options: { ...options, wechat: { baseUrl: wechat.url, ...wechatOptions } }
  })
  return { ...host, wechat, login: (code = wechat.login('alice')) => host.post('/weapp/login', { code }) }
}
