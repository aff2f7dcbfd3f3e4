/** One HTTP request and its response, on an undici dispatcher. Needs no streams, unlike undici's `request`. */
import type { Dispatcher } from 'undici'

export interface HttpResponse {
  statusCode: number
  /** The body, or null if it is longer than MAX_BYTES. */
  text: string | null
}

interface Listener {
  resolve (response: HttpResponse): void
  reject (error: Error): void
}

/** More than any documented response. */
const MAX_BYTES = 64 * 1024

/** Implements both handler interfaces: undici 6 calls the legacy callbacks, undici 8 the new ones, undici 7 either. */
export class HttpExchange {
  /**
   * The caller, or null once the exchange has settled. undici references a handler for longer.
   * Otherwise the garbage collector would promote the whole request to the old generation.
   */
  #listener: Listener | null
  #abortConnection: ((reason: Error) => void) | null = null
  #statusCode = 0
  #chunks: Buffer[] = []
  #bytes = 0

  constructor (listener: Listener) {
    this.#listener = listener
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

  onResponseStart (_controller: Dispatcher.DispatchController, statusCode: number): void {
    this.onHeaders(statusCode)
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

  onHeaders (statusCode: number): boolean {
    this.#statusCode = statusCode
    return true
  }

  onData (chunk: Buffer): boolean {
    this.#bytes += chunk.length
    if (this.#bytes <= MAX_BYTES) {
      this.#chunks.push(chunk)
    } else {
      const abortConnection = this.#abortConnection
      this.#settle()?.resolve({ statusCode: this.#statusCode, text: null })
      abortConnection?.(new Error('too large'))
    }
    return true
  }

  onComplete (): void {
    const text = Buffer.concat(this.#chunks).toString()
    this.#settle()?.resolve({ statusCode: this.#statusCode, text })
  }

  onError (error: Error): void {
    this.#settle()?.reject(error)
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
    (value as Dispatcher).dispatch(probe, new HttpExchange({ resolve: ignore, reject: ignore }))
    return true
  } catch {
    return false
  }
}
