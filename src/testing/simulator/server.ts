import { EventEmitter, once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { execute } from './apis.js'
import type { ApiCall } from './apis.js'
import type { Platform } from './platform.js'
import { send, sendFault } from './faults.js'
import type { Faults } from './faults.js'

/** A recorded request. */
export interface WechatRequest extends ApiCall {
  /** The arrival time in epoch milliseconds of the simulator's clock. */
  at: number
}

/** The functions that issue a code to a user's phone, by path. */
export type PhoneCodes = Readonly<Record<string, (user: string, options: { appId?: string }) => string>>

const MAX_REQUESTS = 10_000

/** The HTTP server of the simulator: records requests, applies faults and responds. */
export class SimulatorServer {
  requests: WechatRequest[] = []
  readonly #platform: Platform
  readonly #now: () => number
  readonly #faults: Faults
  readonly #phoneCodes: PhoneCodes
  readonly #arrivals = new EventEmitter().setMaxListeners(0)
  readonly #closing = new AbortController()
  readonly #server = createServer((request, response) => {
    // The client closed the connection, or close() ended a delay. No response is possible.
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
    const issueCode = this.#phoneCodes[path]
    if (issueCode !== undefined) return sendCode(issueCode, query, response)

    const call: ApiCall = { method: request.method as string, path, query, body: await text(request) }
    this.#record(call)
    const fault = this.#faults.take(path)
    const perform = () => execute(this.#platform, call)
    if (fault === undefined) send(response, perform())
    else await sendFault(fault, path, response, perform, this.#closing.signal)
  }

  #record (call: ApiCall): void {
    const request = { ...call, at: this.#now() }
    this.requests.push(request)
    if (this.requests.length > MAX_REQUESTS) this.requests.shift()
    this.#arrivals.emit('request', request)
  }
}

function sendCode (issueCode: PhoneCodes[string], query: Record<string, string>, response: ServerResponse): void {
  const { user, appid } = query
  const headers = { 'content-type': 'application/json' }
  try {
    if (!user) throw new Error('The user is missing. Add ?user=alice to the URL.')
    const code = issueCode(user, appid ? { appId: appid } : {})
    send(response, { status: 200, headers, body: JSON.stringify({ code }) })
  } catch (error) {
    send(response, { status: 400, headers, body: JSON.stringify({ error: (error as Error).message }) })
  }
}
