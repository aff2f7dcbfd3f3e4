/** A Mini Program with the simulator and an echo host. */
import formbody from 'node:querystring'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import {
  createMiniProgram, startWechatSimulator, type MiniProgram, type MiniProgramOptions, type WechatSimulator,
  type WxRequestOptions, type WxRequestResult
} from '../../src/testing/index.js'

export interface MiniProgramSetup {
  phone: MiniProgram
  wechat: WechatSimulator
  url: string
  /** Calls wx.request. Returns a promise. */
  request (options: Partial<WxRequestOptions>, on?: MiniProgram): Promise<WxRequestResult>
}

/** Starts the simulator and an echo host, and launches a Mini Program of alice. */
export async function startMiniProgram (
  t: Test, options: Partial<MiniProgramOptions> = {}, routes: (app: FastifyInstance) => void = () => {}
): Promise<MiniProgramSetup> {
  const wechat = await startWechatSimulator({ apps: { wx1: 'secret-1', wx2: 'secret-2' } })
  const app = Fastify()
  app.addContentTypeParser(
    'application/x-www-form-urlencoded', { parseAs: 'string' },
    async (_request: unknown, body: string) => formbody.parse(body)
  )
  app.addContentTypeParser(
    'application/octet-stream', { parseAs: 'buffer' }, async (_request: unknown, body: Buffer) => body.toString('hex')
  )
  app.route({
    method: ['GET', 'POST'],
    url: '/echo',
    handler: async ({ headers, query, body }) => ({ headers, query, body: body ?? null })
  })
  routes(app)
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(async () => {
    await app.close()
    await wechat.close()
  })
  const phone = createMiniProgram(wechat, { user: 'alice', ...options })
  return {
    phone,
    wechat,
    url,
    request: (options, on = phone) => new Promise((resolve, reject) => {
      on.wx.request({ url: `${url}/echo`, ...options, success: resolve, fail: reject })
    })
  }
}

/** Returns the rejection of a promise. It is not an Error. */
export async function failureOf (promise: Promise<unknown> | undefined): Promise<any> {
  try {
    await promise
  } catch (failure) {
    return failure
  }
  return 'it did not fail'
}
