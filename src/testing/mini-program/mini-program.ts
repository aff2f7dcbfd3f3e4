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
  /** Whose phone it is, by any name but an empty one; the simulator knows the user by the same. */
  user: string
  /**
   * Which Mini Program.
   *
   * @default the simulator's first
   */
  appId?: string | undefined
  /**
   * What the phone has stored. Give the storage of an earlier Mini Program, and this one is its next launch.
   *
   * @default nothing
   */
  storage?: Map<string, unknown> | undefined
  /**
   * How a 401 reaches the Mini Program. On phones it is an answer like any other; WeChat on a PC was seen to call
   * `fail`. What it hands over there is documented nowhere: 'failure' has the status, the headers and the body, 'bare
   * failure' nothing but an `errMsg`.
   *
   * @default 'answer'
   */
  unauthorizedAs?: 'answer' | 'failure' | 'bare failure' | undefined
}

/** A request or an upload that the Mini Program made. */
export interface MiniProgramRequest {
  method: string
  /** Without the query. */
  path: string
  url: string
  header: Record<string, any>
  /** Of an upload, its `formData`. */
  data: any
  /** Null as long as there is no answer. */
  statusCode: number | null
}

/**
 * Of `wx` what has to do with signing in. As in WeChat, login, checkSession and the storage return a promise when they
 * are called without callbacks; request and uploadFile return a task.
 */
export interface FakeWx {
  login (options?: WxCallbacks<{ code: string, errMsg: string }>): Promise<{ code: string, errMsg: string }> | undefined
  checkSession (options?: WxCallbacks<{ errMsg: string }>): Promise<{ errMsg: string }> | undefined
  request (options: WxRequestOptions): { abort (): void }
  uploadFile (options: WxUploadOptions): { abort (): void }
  getStorageSync (key: string): any
  setStorageSync (key: string, data: any): void
  removeStorageSync (key: string): void
  getStorage (options: { key: string } & WxCallbacks<{ data: any, errMsg: string }>): Promise<{ data: any, errMsg: string }> | undefined
  setStorage (options: { key: string, data: any } & WxCallbacks<{ errMsg: string }>): Promise<{ errMsg: string }> | undefined
  removeStorage (options: { key: string } & WxCallbacks<{ errMsg: string }>): Promise<{ errMsg: string }> | undefined
  getAccountInfoSync (): { miniProgram: { appId: string, envVersion: 'develop', version: string } }
}

/** A Mini Program on a simulated phone. */
export interface MiniProgram {
  /** Stands for the global `wx`. */
  readonly wx: FakeWx
  readonly storage: Map<string, unknown>
  /** While true, whatever needs the network fails. */
  offline: boolean
  /** How often each API was called. */
  readonly calls: Readonly<Record<MiniProgramApi, number>>
  /** The requests and uploads so far, in the order they were made. */
  readonly requests: readonly MiniProgramRequest[]
  /**
   * Makes calls go wrong, first in, first out, until the function that it returns is called, or `times` calls have.
   * What it does not know, it refuses.
   */
  fault (fault: MiniProgramFault, scope?: MiniProgramFaultScope): () => void
}

/**
 * A fake `wx`, for tests of what runs in a Mini Program: the user's WeChat is the simulator, requests are real HTTP to
 * whatever server they name, and the rest is memory.
 *
 * @example
 * const wechat = await startWechatSimulator()
 * const phone = createMiniProgram(wechat, { user: 'alice' })
 * const client = createWeappClient({ baseUrl: 'http://127.0.0.1:3000', wx: phone.wx })
 *
 * @throws when the simulator has no such app, there is no user, or an option is not known
 */
export function createMiniProgram (
  wechat: Pick<WechatSimulator, 'apps' | 'login' | 'checkSession'>, options: MiniProgramOptions
): MiniProgram {
  assertKnownKeys('createMiniProgram', options, ['user', 'appId', 'storage', 'unauthorizedAs'])
  const { user, appId = Object.keys(wechat.apps)[0] ?? '', storage = new Map(), unauthorizedAs = 'answer' } = options
  assertOneOf('createMiniProgram', unauthorizedAs, ['answer', 'failure', 'bare failure'])
  assertUser('createMiniProgram', user)
  if (!Object.hasOwn(wechat.apps, appId)) throw new Error(`The simulator has no app '${appId}'`)
  const calls = { login: 0, checkSession: 0, request: 0, uploadFile: 0, getStorageSync: 0, setStorageSync: 0 }
  const requests: MiniProgramRequest[] = []
  const faults = new MiniProgramFaults()
  const referer = `https://servicewechat.com/${appId}/devtools/page-frame.html`

  function begin (api: MiniProgramApi, path?: string): MiniProgramFault {
    calls[api] += 1
    return faults.take(api, path)
  }

  async function perform<Result> (api: MiniProgramApi, fault: MiniProgramFault, work: () => Result | Promise<Result>): Promise<Result> {
    await wait(fault.delay)
    if (fault.fail !== undefined) throw failure(api, fault.fail)
    if (phone.offline) throw failure(api, 'the network is unavailable')
    const result = await work()
    await wait(fault.answerDelay)
    return result
  }

  async function performTransfer<Result extends { statusCode: number }> (
    api: 'request' | 'uploadFile', sent: Omit<MiniProgramRequest, 'path' | 'statusCode'>, work: () => Promise<Result>
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

  function task<Result> (callbacks: WxCallbacks<Result>, work: (sender: Sender) => Promise<Result>): { abort (): void } {
    const abortion = new AbortController()
    settle({ complete () {}, ...callbacks }, work({ referer, aborted: abortion.signal }))
    return { abort: () => abortion.abort() }
  }

  function touchStorage (api: 'getStorageSync' | 'setStorageSync'): void {
    const { fail } = begin(api)
    if (fail !== undefined) throw new Error(failure(api, fail).errMsg)
  }

  const wx: FakeWx = {
    login: (options) => settle(options, perform('login', begin('login'), () => {
      return { code: wechat.login(user, { appId }), errMsg: 'login:ok' }
    })),

    checkSession: (options) => settle(options, perform('checkSession', begin('checkSession'), () => {
      if (!wechat.checkSession(user, { appId })) throw failure('checkSession', 'session time out, need relogin')
      return { errMsg: 'checkSession:ok' }
    })),

    request (options) {
      const { method = 'GET', url, header = {}, data } = options
      return task(options, (sender) => performTransfer('request', { method, url, header, data }, () => sendRequest(options, sender)))
    },
    uploadFile (options) {
      const { url, header = {}, formData: data } = options
      return task(options, (sender) => performTransfer('uploadFile', { method: 'POST', url, header, data }, () => sendFile(options, sender)))
    },

    getStorageSync (key) {
      touchStorage('getStorageSync')
      return storage.has(key) ? structuredClone(storage.get(key)) : ''
    },
    setStorageSync (key, data) {
      touchStorage('setStorageSync')
      storage.set(key, structuredClone(data))
    },
    removeStorageSync: (key) => { storage.delete(key) },

    getStorage: ({ key, ...callbacks }) => settle(callbacks, (async () => {
      if (!storage.has(key)) throw failure('getStorage', 'data not found')
      return { data: wx.getStorageSync(key), errMsg: 'getStorage:ok' }
    })()),
    setStorage: ({ key, data, ...callbacks }) => settle(callbacks, (async () => {
      wx.setStorageSync(key, data)
      return { errMsg: 'setStorage:ok' }
    })()),
    removeStorage: ({ key, ...callbacks }) => settle(callbacks, (async () => {
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

/** Tells the callbacks; a promise is for those who gave none. */
function settle<Result> (callbacks: WxCallbacks<Result> = {}, outcome: Promise<Result>): Promise<Result> | undefined {
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
