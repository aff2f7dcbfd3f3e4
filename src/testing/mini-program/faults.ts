import { assertKnownKeys, assertOneOf } from '../assert-options.js'

const APIS = [
  'login', 'checkSession', 'request', 'uploadFile', 'getStorageSync', 'setStorageSync', 'requestVirtualPayment'
] as const

/** The APIs that faults can hit. */
export type MiniProgramApi = typeof APIS[number]

export interface MiniProgramFault {
  /** Milliseconds or a promise to wait for before the call has an effect. Storage does not wait. */
  delay?: number | Promise<unknown> | undefined
  /** Milliseconds or a promise to wait for before the result reaches the Mini Program. Storage does not wait. */
  answerDelay?: number | Promise<unknown> | undefined
  /**
   * The reason for which the call fails: 'timeout' gives 'request:fail timeout'. The synchronous storage APIs throw.
   * With 'exceed storage max size', the storage is full.
   */
  fail?: string | undefined
  /** The error code with which a payment fails, such as -2 if the user cancels it. Only for requestVirtualPayment. */
  errCode?: number | undefined
  /**
   * Whether a call that fails or is silent still has its effect. The server receives the request and its answer is
   * lost, WeChat issues the code, the user pays, or the storage changes.
   *
   * @default false
   */
  processed?: boolean | undefined
  /**
   * The call never ends: it calls no callback, not even after its timeout or `abort()`, and its promise never settles.
   * The synchronous storage APIs ignore this.
   */
  silent?: true | undefined
  /** The call settles only the promise that it returns, and calls no callback. Interceptors of Taro and uni do so. */
  promiseOnly?: true | undefined
}

const FAULT_KEYS: Array<keyof MiniProgramFault> = [
  'delay', 'answerDelay', 'fail', 'errCode', 'processed', 'silent', 'promiseOnly'
]

export interface MiniProgramFaultScope {
  /** @default 'request' */
  api?: MiniProgramApi | undefined
  /**
   * Limits the fault to requests and uploads to this path, such as '/weapp/login'.
   *
   * @default any path
   */
  path?: string | undefined
  /**
   * How many calls the fault affects, in the order of the calls.
   *
   * @default Infinity
   */
  times?: number | undefined
}

/** A queue of faults, first in, first out. Each call takes at most one fault. */
export class MiniProgramFaults {
  readonly #queue: Array<{ fault: MiniProgramFault, api: MiniProgramApi, path: string | undefined, times: number }> = []

  /** Adds a fault. Returns a function that removes it. */
  add (fault: MiniProgramFault, scope: MiniProgramFaultScope = {}): () => void {
    assertKnownKeys('fault', fault, FAULT_KEYS)
    assertKnownKeys('fault', scope, ['api', 'path', 'times'])
    const { api = 'request', path, times = Infinity } = scope
    assertOneOf('fault', api, APIS)
    const entry = { fault, api, path, times }
    this.#queue.push(entry)
    return () => { entry.times = 0 }
  }

  /** Takes the first fault that applies to a call. Returns an empty fault if none does. */
  take (api: MiniProgramApi, path?: string): MiniProgramFault {
    const entry = this.#queue.find((entry) => entry.times > 0 && entry.api === api && (entry.path ?? path) === path)
    if (entry === undefined) return {}
    entry.times -= 1
    return entry.fault
  }
}
