/** A host that listens, and a simulated phone with the client. */
import type { Test } from 'tap'
import { createWeappClient, type WeappClient, type WeappClientOptions, type Wx } from '../../src/client/index.js'
import {
  createMiniProgram, type MiniProgram, type MiniProgramOptions
} from '../../src/testing/mini-program/mini-program.js'
import { DAY } from '../../src/testing/store-suite/test-user.js'
import { startHost, type Host, type HostOptions } from './host.js'

export interface Launch {
  client: WeappClient
  mini: MiniProgram
  /** The codes that onSignedOut received. */
  signedOut: string[]
  /** Returns the requests since the last call, such as 'GET /me 200'. */
  sent (): string[]
}

export interface Phone extends Launch {
  host: Host
  baseUrl: string
  /** Launches the Mini Program again, on the same phone unless `mini` has another storage or user. */
  launch (options?: LaunchOptions): Launch
  /** Ends every session of alice, as an operator would. */
  kick (): Promise<unknown>
}

export interface LaunchOptions {
  mini?: Partial<MiniProgramOptions>
  client?: Partial<WeappClientOptions>
  /** Wraps the platform of the Mini Program. */
  platform?: (wx: Wx) => Wx
}

/** Longer than the default idle expiry, and shorter than the default ttl. */
export const PAST_IDLE = 8 * DAY

export const CODES = {
  kicked: 'FST_WEAPP_SESSION_KICKED',
  revoked: 'FST_WEAPP_SESSION_REVOKED',
  replaced: 'FST_WEAPP_SESSION_REPLACED',
  expired: 'FST_WEAPP_SESSION_EXPIRED',
  stale: 'FST_WEAPP_SESSION_KEY_STALE'
} as const

export async function startPhone (t: Test, hostOptions: HostOptions = {}, first: LaunchOptions = {}): Promise<Phone> {
  const host = await startHost(t, {
    ...hostOptions,
    async after (app) {
      app.post('/open', { config: { weapp: true } }, async (request) => {
        const { encryptedData, iv } = request.body as { encryptedData: string, iv: string }
        return await request.weapp!.session.decrypt(encryptedData, iv)
      })
      app.route({
        method: ['GET', 'POST', 'PUT', 'DELETE'],
        url: '/echo/:status',
        handler: async (request, reply) => {
          const { status } = request.params as { status: string }
          return await reply.code(Number(status)).send({
            headers: request.headers, query: request.query, body: request.body ?? null
          })
        }
      })
      await hostOptions.after?.(app)
    }
  })
  const baseUrl = await host.app.listen({ host: '127.0.0.1', port: 0 })

  function launch ({ mini: miniOptions, client: clientOptions, platform = (wx) => wx }: LaunchOptions = {}): Launch {
    const mini = createMiniProgram(host.wechat, { user: 'alice', storage, ...miniOptions })
    const signedOut: string[] = []
    const onSignedOut = (code: string) => { signedOut.push(code) }
    const client = createWeappClient({ baseUrl, wx: platform(mini.wx), onSignedOut, ...clientOptions })
    let seen = 0
    function sent (): string[] {
      const lines = mini.requests.slice(seen).map(({ method, path, statusCode }) => `${method} ${path} ${statusCode}`)
      seen = mini.requests.length
      return lines
    }
    return { client, mini, signedOut, sent }
  }

  const storage = new Map<string, unknown>()
  return {
    host,
    baseUrl,
    launch,
    kick: async () => {
      const [appId] = Object.keys(host.wechat.apps) as [string]
      return await host.app.weapp.sessions.revokeAll({ appId, openid: host.wechat.openid('alice') })
    },
    ...launch(first)
  }
}

export { deferred } from './deferred.js'
