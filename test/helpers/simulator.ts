/** A simulated WeChat, and HTTP calls to it. */
import type { Test } from 'tap'
import { startWechatSimulator } from '../../src/testing/simulator/simulator.js'
import type { WechatSimulator, WechatSimulatorOptions } from '../../src/testing/simulator/simulator.js'

/** A response of the simulator. `json` is empty if the text is not JSON. */
export interface SimulatorResponse {
  status: number
  contentType: string | null
  text: string
  json: Record<string, any>
}

export const APPS = { wx1: 'first-secret', wx2: 'second-secret' }
export const LOGIN = '/sns/jscode2session'
export const PHONE = '/wxa/business/getuserphonenumber'

/** Starts a simulator of two apps with a clock that only the test moves. */
export async function simulate (t: Test, options: WechatSimulatorOptions = {}) {
  const clock = { now: Date.UTC(2026, 0, 1) }
  const wechat = await startWechatSimulator({ apps: APPS, now: () => clock.now, ...options })
  t.teardown(() => wechat.close())
  return { wechat, clock }
}

export async function call (
  wechat: WechatSimulator, path: string, query: Record<string, string> = {}, init?: RequestInit
) {
  const url = `${wechat.url}${path}?${new URLSearchParams(query)}`
  return readResponse(await fetch(url, { redirect: 'manual', ...init }))
}

export function post (wechat: WechatSimulator, path: string, body: unknown, query?: Record<string, string>) {
  return call(wechat, path, query, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) })
}

export function code2Session (wechat: WechatSimulator, code: string, query: Record<string, string> = {}) {
  return call(wechat, LOGIN, {
    appid: 'wx1', secret: APPS.wx1, js_code: code, grant_type: 'authorization_code', ...query
  })
}

/** Returns WeChat's reply to a request for a stable access_token of the first app. */
export async function accessToken (wechat: WechatSimulator, body: object = {}) {
  const credentials = { appid: 'wx1', secret: APPS.wx1, grant_type: 'client_credential' }
  return (await post(wechat, '/cgi-bin/stable_token', { ...credentials, ...body })).json
}

async function readResponse (response: Response): Promise<SimulatorResponse> {
  const text = await response.text()
  const contentType = response.headers.get('content-type')
  let json = {}
  try {
    json = JSON.parse(text)
  } catch {}
  return { status: response.status, contentType, text, json }
}
