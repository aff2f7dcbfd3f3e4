import { assertKnownKeys, assertOneOf } from '../assert-options.js'

const APIS = ['login', 'checkSession', 'request', 'uploadFile', 'getStorageSync', 'setStorageSync'] as const

/** The APIs that faults can hit. */
export type MiniProgramApi = typeof APIS[number]

export interface MiniProgramFault {
  /** Milliseconds, or a promise, to wait for before anything happens. Storage does not wait. */
  delay?: number | Promise<unknown> | undefined
  /** To wait for when all has happened, and before the Mini Program hears of it. Storage does not wait. */
  answerDelay?: number | Promise<unknown> | undefined
  /** Nothing happens, and the API fails for this reason: 'timeout' makes 'request:fail timeout'. Storage throws. */
  fail?: string | undefined
}

export interface MiniProgramFaultScope {
  /** @default 'request' */
  api?: MiniProgramApi | undefined
  /** Only requests and uploads to this path, such as '/weapp/login'. */
  path?: string | undefined
  /**
   * How many calls, counted as they are made.
   *
   * @default Infinity
   */
  times?: number | undefined
}

/** Faults on demand, first in, first out: one call meets at most one. */
export class MiniProgramFaults {
  readonly #queue: Array<{ fault: MiniProgramFault, api: MiniProgramApi, path: string | undefined, times: number }> = []

  /** Returns the function that removes it. */
  add (fault: MiniProgramFault, scope: MiniProgramFaultScope = {}): () => void {
    assertKnownKeys('fault', fault, ['delay', 'answerDelay', 'fail'])
    assertKnownKeys('fault', scope, ['api', 'path', 'times'])
    const { api = 'request', path, times = Infinity } = scope
    assertOneOf('fault', api, APIS)
    const entry = { fault, api, path, times }
    this.#queue.push(entry)
    return () => { entry.times = 0 }
  }

  take (api: MiniProgramApi, path?: string): MiniProgramFault {
    const entry = this.#queue.find((entry) => entry.times > 0 && entry.api === api && (entry.path ?? path) === path)
    if (entry === undefined) return {}
    entry.times -= 1
    return entry.fault
  }
}
