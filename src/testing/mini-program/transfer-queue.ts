import { unlessAborted } from './call.js'

/** @see https://developers.weixin.qq.com/miniprogram/dev/framework/ability/network.html */
const MAX_TRANSFERS = 10
const DEFAULT_TIMEOUT_MS = 60_000

/** The requests and uploads of a Mini Program. WeChat sends ten at a time. The others wait in order. */
export class TransferQueue {
  #running = 0
  readonly #waiting: Array<() => void> = []

  /**
   * Runs a transfer when it is its turn. The timeout begins then.
   *
   * @throws the reason of `aborted`, at any time, and TimeoutError
   */
  async run<Result> (
    aborted: AbortSignal, timeout = DEFAULT_TIMEOUT_MS, work: (signal: AbortSignal) => Promise<Result>
  ): Promise<Result> {
    return await unlessAborted(aborted, this.#inTurn(async () => {
      aborted.throwIfAborted()
      const signal = AbortSignal.any([aborted, AbortSignal.timeout(timeout)])
      return await unlessAborted(signal, work(signal))
    }))
  }

  async #inTurn<Result> (work: () => Promise<Result>): Promise<Result> {
    if (this.#running === MAX_TRANSFERS) await new Promise<void>((resolve) => { this.#waiting.push(resolve) })
    else this.#running += 1
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running -= 1
      else next()
    }
  }
}
