/** One HTTP request and its response, on an undici dispatcher. Needs no streams, unlike undici's `request`. */
import type { Dispatcher } from 'undici'

export interface HttpResponse {
  statusCode: number
  contentType: string
  contentEncoding: string
  /** The body, or null if it is longer than the limit. */
  body: Buffer | null
}

interface Listener {
  resolve (response: HttpResponse): void
  reject (error: Error): void
}

/** Implements both handler interfaces: undici 6 calls the legacy callbacks, undici 8 the new ones, undici 7 either. */
export class HttpExchange {
  /**
   * The caller, or null once the exchange has settled. undici references a handler for longer.
   * Otherwise the garbage collector would promote the whole request to the old generation.
   */
  #listener: Listener | null
  #abortConnection: ((reason: Error) => void) | null = null
  readonly #maxBytes: number
  #statusCode = 0
  #contentType = ''
  #contentEncoding = ''
  #chunks: Buffer[] = []
  #bytes = 0

  constructor (listener: Listener, maxBytes: number) {
    this.#listener = listener
    this.#maxBytes = maxBytes
  }

  /** Rejects at once, whether or not the connection is established. */
  abort (): void {
    const reason = new Error('aborted')
    const abortConnection = this.#abortConnection
    this.#settle()?.reject(reason)
    abortConnection?.(reason)
  }

  onRequestStart (controller: Dispatcher.DispatchController): void {
    this.onConnect((reason) => controller.abort(reason!))
  }

  onResponseStart (
    _controller: Dispatcher.DispatchController,
    statusCode: number,
    headers: Record<string, string | string[] | undefined>
  ): void {
    this.#onResponse(statusCode, Object.entries(headers))
  }

  onResponseData (_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.onData(chunk)
  }

  onResponseEnd (): void {
    this.onComplete()
  }

  onResponseError (_controller: Dispatcher.DispatchController, error: Error): void {
    this.onError(error)
  }

  onConnect (abortConnection: (reason?: Error) => void): void {
    // The exchange was aborted before the connection was established: send nothing.
    if (this.#listener === null) abortConnection(new Error('aborted'))
    else this.#abortConnection = abortConnection
  }

  onHeaders (statusCode: number, rawHeaders: Buffer[]): boolean {
    const headers: [string, string][] = []
    for (let i = 0; i + 1 < rawHeaders.length; i += 2) headers.push([String(rawHeaders[i]), String(rawHeaders[i + 1])])
    this.#onResponse(statusCode, headers)
    return true
  }

  #onResponse (statusCode: number, headers: [name: string, value: unknown][]): void {
    const valueOf = (wanted: string) => String(headers.find(([name]) => name.toLowerCase() === wanted)?.[1] ?? '')
    this.#statusCode = statusCode
    this.#contentType = valueOf('content-type')
    this.#contentEncoding = valueOf('content-encoding').trim().toLowerCase()
  }

  onData (chunk: Buffer): boolean {
    this.#bytes += chunk.length
    if (this.#bytes <= this.#maxBytes) {
      this.#chunks.push(chunk)
    } else {
      const abortConnection = this.#abortConnection
      this.#settle()?.resolve(this.#response(null))
      abortConnection?.(new Error('too large'))
    }
    return true
  }

  onComplete (): void {
    const response = this.#response(Buffer.concat(this.#chunks))
    this.#settle()?.resolve(response)
  }

  onError (error: Error): void {
    this.#settle()?.reject(error)
  }

  #response (body: Buffer | null): HttpResponse {
    return {
      statusCode: this.#statusCode, contentType: this.#contentType, contentEncoding: this.#contentEncoding, body
    }
  }

  /** Returns the listener on the first call, then null, and releases all references. */
  #settle (): Listener | null {
    const listener = this.#listener
    this.#listener = this.#abortConnection = null
    this.#chunks = []
    return listener
  }
}

/**
 * Returns whether a value dispatches requests to this handler, as the dispatchers of undici 6, 7 and 8 do. A dispatcher
 * throws if it does not support the handler. The empty method is invalid, so nothing is sent.
 */
export function isDispatcher (value: unknown): value is Dispatcher {
  const ignore = () => {}
  const probe = { origin: 'http://localhost', path: '/', method: '' as Dispatcher.HttpMethod }
  try {
    (value as Dispatcher).dispatch(probe, new HttpExchange({ resolve: ignore, reject: ignore }, 0))
    return true
  } catch {
    return false
  }
}
