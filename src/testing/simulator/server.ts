import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { answer } from './apis.js'
import type { ApiCall, Platform } from './apis.js'
import { misbehave, send } from './faults.js'
import type { Faults } from './faults.js'

/** A request as it arrived. */
export interface WechatRequest extends ApiCall {
  /** When, by the simulator's clock. */
  at: number
}

/** What a phone gives a user a code for, by path. */
export type PhoneCodes = Readonly<Record<string, (user: string, options: { appId?: string }) => string>>

const MAX_REQUESTS = 10_000

/** The simulator's HTTP side: takes requests down, lets them meet their fault, and answers. */
export class SimulatorServer {
  requests: WechatRequest[] = []
  readonly #platform: Platform
  readonly #now: () => number
  readonly #faults: Faults
  readonly #phoneCodes: PhoneCodes
  readonly #arrivals = new EventEmitter().setMaxListeners(0)
  readonly #closing = new AbortController()
  readonly #server = createServer((request, response) => {
    // A caller that hung up, or a delay that close() ended: there is nobody left to answer.
    this.#handle(request, response).catch(() => response.destroy())
  })

  constructor (platform: Platform, faults: Faults, now: () => number, phoneCodes: PhoneCodes) {
    this.#platform = platform
    this.#now = now
    this.#faults = faults
    this.#phoneCodes = phoneCodes
  }

  async listen (port: number, host: string): Promise<string> {
    await once(this.#server.listen(port, host), 'listening')
    return `http://${host}:${(this.#server.address() as AddressInfo).port}`
  }

  async nextRequest (): Promise<WechatRequest> {
    const [request] = await once(this.#arrivals, 'request')
    return request
  }

  async close (): Promise<void> {
    this.#closing.abort()
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  async #handle (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname: path, searchParams } = new URL(`http://simulator${request.url}`)
    const query = Object.fromEntries(searchParams)
    const giveCode = this.#phoneCodes[path]
    if (giveCode !== undefined) return answerPhone(giveCode, query, response)

    const call: ApiCall = { method: request.method as string, path, query, body: await text(request) }
    this.#record(call)
    const fault = this.#faults.take(path)
    const perform = () => answer(this.#platform, call)
    if (fault === undefined) send(response, perform())
    else await misbehave(fault, path, response, perform, this.#closing.signal)
  }

  #record (call: ApiCall): void {
    const request = { ...call, at: this.#now() }
    this.requests.push(request)
    if (this.requests.length > MAX_REQUESTS) this.requests.shift()
    this.#arrivals.emit('request', request)
  }
}

function answerPhone (giveCode: PhoneCodes[string], { user, appid }: Record<string, string>, response: ServerResponse): void {
  const headers = { 'content-type': 'application/json' }
  try {
    if (!user) throw new Error('Say who holds the phone: ?user=alice')
    send(response, { status: 200, headers, body: JSON.stringify({ code: giveCode(user, appid ? { appId: appid } : {}) }) })
  } catch (error) {
    send(response, { status: 400, headers, body: JSON.stringify({ error: (error as Error).message }) })
  }
}
