import { perform, settle, unlessAborted } from './call.js'
import { failure, failureOf } from './failure.js'
import { MiniProgramFaults } from './faults.js'
import type { MiniProgramApi, MiniProgramFault, MiniProgramFaultScope } from './faults.js'
import { sendFile, sendRequest } from './request.js'
import type { Sender } from './request.js'
import { createStorage } from './storage.js'
import { TransferQueue } from './transfer-queue.js'
import { createVirtualPayment } from './virtual-payment.js'
import type {
  FakeWx, WxCallbacks, WxFailure, WxRequestOptions, WxRequestResult, WxTask, WxUploadOptions, WxUploadResult,
  WxVirtualPaymentOptions
} from './wx.js'
import { assertKnownKeys, assertOneOf, assertUser } from '../assert-options.js'
import type { WechatSimulator } from '../simulator/simulator.js'

export type { FakeWx, MiniProgramApi, MiniProgramFault, MiniProgramFaultScope }
export type {
  WxCallbacks, WxFailure, WxRequestOptions, WxRequestResult, WxTask, WxUploadOptions, WxUploadResult,
  WxVirtualPaymentOptions
}

export interface MiniProgramOptions {
  /** The user of the phone: any non-empty name. The simulator uses the same name. */
  user: string
  /**
   * The app id of the Mini Program.
   *
   * @default the first app of the simulator
   */
  appId?: string | undefined
  /**
   * The phone's storage. Pass the storage of an earlier Mini Program to simulate its next launch.
   *
   * @default an empty Map
   */
  storage?: Map<string, unknown> | undefined
  /**
   * How a 401 reaches the Mini Program. WeChat on phones calls `success` ('answer'). WeChat on a PC has been seen to
   * call `fail`, and its argument is undocumented. With 'failure' it has the status, the headers and the body. With
   * 'bare failure' it has only `errMsg` and `errno`.
   *
   * @default 'answer'
   */
  unauthorizedAs?: 'answer' | 'failure' | 'bare failure' | undefined
}

/** A request or an upload of the Mini Program. */
export interface MiniProgramRequest {
  method: string
  /** Without the query. */
  path: string
  url: string
  header: Record<string, any>
  /** The data of a request, or the `formData` of an upload. */
  data: any
  /** Null until the response arrives. */
  statusCode: number | null
}

/** A Mini Program on a simulated phone. */
export interface MiniProgram {
  /** The fake. Pass it to code that expects the global `wx`. */
  readonly wx: FakeWx
  readonly storage: Map<string, unknown>
  /** Whether the phone is offline. If true, every call that needs the network fails. */
  offline: boolean
  /** The number of calls of each API. */
  readonly calls: Readonly<Record<MiniProgramApi, number>>
  /** The requests and uploads so far, in the order of the calls. */
  readonly requests: readonly MiniProgramRequest[]
  /**
   * Adds a fault to the queue, first in, first out. The fault applies to `times` calls. Returns a function that removes
   * the fault earlier.
   *
   * @throws TypeError if a key or an API is unknown
   */
  fault (fault: MiniProgramFault, scope?: MiniProgramFaultScope): () => void
}

/**
 * Creates a fake `wx` for tests of Mini Program code. The simulator replaces WeChat. Requests use real HTTP. Storage is
 * in memory. The fake is as strict as WeChat: it refuses PATCH and sends at most ten requests at a time.
 *
 * @example
 * const wechat = await startWechatSimulator()
 * const phone = createMiniProgram(wechat, { user: 'alice' })
 * const client = createWeappClient({ baseUrl: 'http://127.0.0.1:3000', wx: phone.wx })
 *
 * @throws Error if the simulator has no such app, TypeError if `user` is missing or an option is unknown
 */
export function createMiniProgram (
  wechat: Pick<WechatSimulator, 'apps' | 'login' | 'checkSession' | 'requestVirtualPayment'>,
  options: MiniProgramOptions
): MiniProgram {
  assertKnownKeys('createMiniProgram', options, ['user', 'appId', 'storage', 'unauthorizedAs'])
  const { user, appId = Object.keys(wechat.apps)[0] ?? '', storage = new Map(), unauthorizedAs = 'answer' } = options
  assertOneOf('createMiniProgram', unauthorizedAs, ['answer', 'failure', 'bare failure'])
  assertUser('createMiniProgram', user)
  if (!Object.hasOwn(wechat.apps, appId)) {
    throw new Error(`The simulator has no app '${appId}'. Add it to its apps.`)
  }
  const calls = {
    login: 0, checkSession: 0, request: 0, uploadFile: 0, getStorageSync: 0, setStorageSync: 0, requestVirtualPayment: 0
  }
  const requests: MiniProgramRequest[] = []
  const faults = new MiniProgramFaults()
  const transfers = new TransferQueue()
  const referer = `https://servicewechat.com/${appId}/devtools/page-frame.html`

  /** Counts a call and takes its fault. */
  function begin (api: MiniProgramApi, path?: string): MiniProgramFault {
    calls[api] += 1
    return faults.take(api, path)
  }

  function assertOnline (api: MiniProgramApi): void {
    if (phone.offline) throw failure(api, 'the network is unavailable')
  }

  /** Calls login or checkSession. */
  function call<Result> (
    api: 'login' | 'checkSession', options: { timeout?: number } & WxCallbacks<Result> = {}, work: () => Result
  ): Promise<Result> | undefined {
    const fault = begin(api)
    const { timeout } = options
    const outcome = perform(api, fault, () => assertOnline(api), work)
    const timed = timeout === undefined ? outcome : unlessAborted(AbortSignal.timeout(timeout), outcome)
    return settle(fault, options, timed.catch((error) => { throw failureOf(api, error) }))
  }

  /** Starts, runs and records a request or an upload. A 401 fails unless `unauthorizedAs` is 'answer'. */
  function transfer<Result extends { statusCode: number }> (
    api: 'request' | 'uploadFile',
    options: { timeout?: number } & WxCallbacks<Result>,
    sent: Omit<MiniProgramRequest, 'path' | 'statusCode'>,
    send: (sender: Sender) => Promise<Result>
  ): WxTask {
    const path = URL.canParse(sent.url) ? new URL(sent.url).pathname : sent.url
    const record: MiniProgramRequest = { ...sent, path, statusCode: null }
    requests.push(record)
    const fault = begin(api, path)
    const controller = new AbortController()

    const outcome = transfers.run(controller.signal, options.timeout, async (signal) => {
      const result = await perform(api, fault, () => assertOnline(api), async () => {
        const result = await send({ referer, signal })
        record.statusCode = result.statusCode
        return result
      })
      if (result.statusCode !== 401 || unauthorizedAs === 'answer') return result
      const failed = failure(api, '401 Unauthorized')
      throw unauthorizedAs === 'failure' ? { ...result, ...failed } : failed
    }).catch((error) => { throw failureOf(api, error) })

    const task = { abort: () => controller.abort() }
    // An empty `complete` keeps a failure without callbacks from being an unhandled rejection.
    const promise = settle(fault, { ...options, complete: options.complete ?? (() => {}) }, outcome)
    return promise === undefined ? task : Object.assign(promise, task)
  }

  const wx: FakeWx = {
    login: (options) => call('login', options, () => ({ code: wechat.login(user, { appId }), errMsg: 'login:ok' })),

    checkSession: (options) => call('checkSession', options, () => {
      if (!wechat.checkSession(user, { appId })) throw failure('checkSession', 'session time out, need relogin')
      return { errMsg: 'checkSession:ok' }
    }),

    request (options) {
      const { method = 'GET', url, header = {}, data } = options
      return transfer('request', options, { method, url, header, data }, (sender) => sendRequest(options, sender))
    },
    uploadFile (options) {
      const { url, header = {}, formData: data } = options
      const sent = { method: 'POST', url, header, data }
      return transfer('uploadFile', options, sent, (sender) => sendFile(options, sender))
    },

    requestVirtualPayment: createVirtualPayment(begin, assertOnline, (args) => {
      return wechat.requestVirtualPayment(user, args, { appId })
    }),

    ...createStorage(storage, begin),

    getAccountInfoSync: () => ({ miniProgram: { appId, envVersion: 'develop', version: '' } })
  }

  const phone: MiniProgram = {
    wx,
    storage,
    offline: false,
    calls,
    requests,
    fault: (fault, scope) => faults.add(fault, scope)
  }
  return phone
}
