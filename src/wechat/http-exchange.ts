/** One HTTP request and its answer, as an undici dispatcher tells of them: without the streams of undici's `request`. */
import type { Dispatcher } from 'undici'

export interface HttpResponse {
  statusCode: number
  /** The body; null when it is larger than any documented answer. */
  text: string | null
}

interface Listener {
  resolve (answer: HttpResponse): void
  reject (error: Error): void
}

const MAX_BYTES = 64 * 1024

/** The methods come in both languages: undici 6 speaks one of them to a handler, 8 the other, and 7 both. */
export class HttpExchange {
  /**
   * Who waits for the answer; nobody once there is one. undici holds on to a handler for longer, and the garbage collector
   * would carry the whole request into the old generation that hangs on it.
   */
  #listener: Listener | null
  #cut: ((reason: Error) => void) | null = null
  #statusCode = 0
  #chunks: Buffer[] = []
  #bytes = 0

  constructor (listener: Listener) {
    this.#listener = listener
  }

  /** Fails now, whether or not there is a connection yet. */
  abort (): void {
    const reason = new Error('aborted')
    const cut = this.#cut
    this.#leave()?.reject(reason)
    cut?.(reason)
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

  onConnect (cut: (reason?: Error) => void): void {
    // The connection came too late: nothing is sent.
    if (this.#listener === null) cut(new Error('aborted'))
    else this.#cut = cut
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
      const cut = this.#cut
      this.#leave()?.resolve({ statusCode: this.#statusCode, text: null })
      cut?.(new Error('too large'))
    }
    return true
  }

  onComplete (): void {
    const text = Buffer.concat(this.#chunks).toString()
    this.#leave()?.resolve({ statusCode: this.#statusCode, text })
  }

  onError (error: Error): void {
    this.#leave()?.reject(error)
  }

  #leave (): Listener | null {
    const listener = this.#listener
    this.#listener = this.#cut = null
    this.#chunks = []
    return listener
  }
}
