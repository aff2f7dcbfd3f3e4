import { setTimeout as sleep } from 'node:timers/promises'
import { MiniProgramFaults } from './faults.js'
import type { MiniProgramApi, MiniProgramFault, MiniProgramFaultScope } from './faults.js'
import { failure, sendFile, sendRequest } from './request.js'
import type {
  Sender, WxCallbacks, WxFailure, WxRequestOptions, WxRequestResult, WxUploadOptions, WxUploadResult
} from './request.js'
import { assertKnownKeys, assertOneOf, assertUser } from '../assert-options.js'
import type { WechatSimulator } from '../simulator/simulator.js'

export type { MiniProgramApi, MiniProgramFault, MiniProgramFaultScope }
export type { WxCallbacks, WxFailure, WxRequestOptions, WxRequestResult, WxUploadOptions, WxUploadResult }

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

/**
 * The part of `wx` that a sign-in needs. As in WeChat, login, checkSession and the asynchronous storage APIs return a
 * promise if they are called without callbacks. request and uploadFile return a task.
 */
export interface FakeWx {
  login (options?: WxCallbacks<{ code: string, errMsg: string }>): Promise<{ code: string, errMsg: string }> | undefined
  checkSession (options?: WxCallbacks<{ errMsg: string }>): Promise<{ errMsg: string }> | undefined
  request (options: WxRequestOptions): { abort (): void }
  uploadFile (options: WxUploadOptions): { abort (): void }
  getStorageSync (key: string): any
  setStorageSync (key: string, data: any): void
  removeStorageSync (key: string): void
  getStorage (
    options: { key: string } & WxCallbacks<{ data: any, errMsg: string }>
  ): Promise<{ data: any, errMsg: string }> | undefined
  setStorage (
    options: { key: string, data: any } & WxCallbacks<{ errMsg: string }>
  ): Promise<{ errMsg: string }> | undefined
  removeStorage (
    options: { key: string } & WxCallbacks<{ errMsg: string }>
  ): Promise<{ errMsg: string }> | undefined
  getAccountInfoSync (): { miniProgram: { appId: string, envVersion: 'develop', version: string } }
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
 * in memory.
 *
 * @example
 * const wechat = await startWechatSimulator()
 * const phone = createMiniProgram(wechat, { user: 'alice' })
 * const client = createWeappClient({ baseUrl: 'http://127.0.0.1:3000', wx: phone.wx })
 *
 * @throws Error if the simulator has no such app, TypeError if `user` is missing or an option is unknown
 */
export function createMiniProgram (
  wechat: Pick<WechatSimulator, 'apps' | 'login' | 'checkSession'>, options: MiniProgramOptions
): MiniProgram {
  assertKnownKeys('createMiniProgram', options, ['user', 'appId', 'storage', 'unauthorizedAs'])
  const { user, appId = Object.keys(wechat.apps)[0] ?? '', storage = new Map(), unauthorizedAs = 'answer' } = options
  assertOneOf('createMiniProgram', unauthorizedAs, ['answer', 'failure', 'bare failure'])
  assertUser('createMiniProgram', user)
  if (!Object.hasOwn(wechat.apps, appId)) {
    throw new Error(`The simulator has no app '${appId}'. Add it to the simulator's apps`)
  }
  const calls = { login: 0, checkSession: 0, request: 0, uploadFile: 0, getStorageSync: 0, setStorageSync: 0 }
  const requests: MiniProgramRequest[] = []
  const faults = new MiniProgramFaults()
  const referer = `https://servicewechat.com/${appId}/devtools/page-frame.html`

  /** Counts a call and takes its fault. */
  function begin (api: MiniProgramApi, path?: string): MiniProgramFault {
    calls[api] += 1
    return faults.take(api, path)
  }

  /** Runs a call with its fault. */
  async function perform<Result> (
    api: MiniProgramApi, fault: MiniProgramFault, work: () => Result | Promise<Result>
  ): Promise<Result> {
    await wait(fault.delay)
    if (fault.fail !== undefined) throw failure(api, fault.fail)
    if (phone.offline) throw failure(api, 'the network is unavailable')
    const result = await work()
    await wait(fault.answerDelay)
    return result
  }

  /** Runs and records a request or an upload. A 401 rejects unless `unauthorizedAs` is 'answer'. */
  async function performTransfer<Result extends { statusCode: number }> (
    api: 'request' | 'uploadFile',
    sent: Omit<MiniProgramRequest, 'path' | 'statusCode'>,
    work: () => Promise<Result>
  ): Promise<Result> {
    const record: MiniProgramRequest = { ...sent, path: new URL(sent.url).pathname, statusCode: null }
    requests.push(record)
    const result = await perform(api, begin(api, record.path), async () => {
      const result = await work()
      record.statusCode = result.statusCode
      return result
    })
    if (result.statusCode !== 401 || unauthorizedAs === 'answer') return result
    const failed = failure(api, '401 Unauthorized')
    throw unauthorizedAs === 'failure' ? { ...result, ...failed } : failed
  }

  /** Starts a transfer and returns its task. An empty `complete` keeps a failure from being an unhandled rejection. */
  function startTask<Result> (
    callbacks: WxCallbacks<Result>, work: (sender: Sender) => Promise<Result>
  ): { abort (): void } {
    const controller = new AbortController()
    dispatchCallbacks({ complete () {}, ...callbacks }, work({ referer, signal: controller.signal }))
    return { abort: () => controller.abort() }
  }

  /** Counts a synchronous storage call. Throws if its fault fails it. */
  function beginStorage (api: 'getStorageSync' | 'setStorageSync'): void {
    const { fail } = begin(api)
    if (fail !== undefined) throw new Error(failure(api, fail).errMsg)
  }

  const wx: FakeWx = {
    login: (options) => dispatchCallbacks(options, perform('login', begin('login'), () => {
      return { code: wechat.login(user, { appId }), errMsg: 'login:ok' }
    })),

    checkSession: (options) => dispatchCallbacks(options, perform('checkSession', begin('checkSession'), () => {
      if (!wechat.checkSession(user, { appId })) throw failure('checkSession', 'session time out, need relogin')
      return { errMsg: 'checkSession:ok' }
    })),

    request (options) {
      const { method = 'GET', url, header = {}, data } = options
      return startTask(options, (sender) => {
        return performTransfer('request', { method, url, header, data }, () => sendRequest(options, sender))
      })
    },
    uploadFile (options) {
      const { url, header = {}, formData: data } = options
      return startTask(options, (sender) => {
        return performTransfer('uploadFile', { method: 'POST', url, header, data }, () => sendFile(options, sender))
      })
    },

    getStorageSync (key) {
      beginStorage('getStorageSync')
      return storage.has(key) ? structuredClone(storage.get(key)) : ''
    },
    setStorageSync (key, data) {
      beginStorage('setStorageSync')
      storage.set(key, structuredClone(data))
    },
    removeStorageSync: (key) => { storage.delete(key) },

    getStorage: ({ key, ...callbacks }) => dispatchCallbacks(callbacks, (async () => {
      if (!storage.has(key)) throw failure('getStorage', 'data not found')
      return { data: wx.getStorageSync(key), errMsg: 'getStorage:ok' }
    })()),
    setStorage: ({ key, data, ...callbacks }) => dispatchCallbacks(callbacks, (async () => {
      wx.setStorageSync(key, data)
      return { errMsg: 'setStorage:ok' }
    })()),
    removeStorage: ({ key, ...callbacks }) => dispatchCallbacks(callbacks, (async () => {
      wx.removeStorageSync(key)
      return { errMsg: 'removeStorage:ok' }
    })()),

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

/** Calls the callbacks with the outcome. Without callbacks, returns the promise instead. */
function dispatchCallbacks<Result> (
  callbacks: WxCallbacks<Result> = {}, outcome: Promise<Result>
): Promise<Result> | undefined {
  const { success, fail, complete } = callbacks
  if (success === undefined && fail === undefined && complete === undefined) return outcome
  outcome.then(
    (result) => { success?.(result); complete?.(result) },
    (failed: WxFailure) => { fail?.(failed); complete?.(failed) }
  )
}

async function wait (delay?: number | Promise<unknown>): Promise<void> {
  if (typeof delay === 'number') await sleep(delay)
  else await delay
}
