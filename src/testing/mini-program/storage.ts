import { failure } from './failure.js'
import { settle } from './call.js'
import type { MiniProgramFault } from './faults.js'
import type { FakeWx, WxFailure } from './wx.js'

export type StorageApi = 'getStorageSync' | 'setStorageSync'

type StorageApis = Pick<
  FakeWx,
  'getStorageSync' | 'setStorageSync' | 'removeStorageSync' | 'getStorage' | 'setStorage' | 'removeStorage'
>

/** Creates the storage APIs. `begin` counts a call and returns its fault. The asynchronous APIs have the same. */
export function createStorage (
  storage: Map<string, unknown>, begin: (api: StorageApi) => MiniProgramFault
): StorageApis {
  /** @throws WxFailure */
  function run<Result> (api: string, { fail, processed = false }: MiniProgramFault, work: () => Result): Result {
    const isFaulty = fail !== undefined
    if (isFaulty && !processed) throw failure(api, fail)
    const result = work()
    if (isFaulty) throw failure(api, fail)
    return result
  }

  const read = (key: string) => structuredClone(storage.get(key))
  const write = (key: string, data: unknown) => { storage.set(key, structuredClone(data)) }

  return {
    getStorageSync: (key) => sync(() => {
      return run('getStorageSync', begin('getStorageSync'), () => storage.has(key) ? read(key) : '')
    }),
    setStorageSync: (key, data) => sync(() => run('setStorageSync', begin('setStorageSync'), () => write(key, data))),
    removeStorageSync: (key) => { storage.delete(key) },

    getStorage: ({ key, ...callbacks }) => {
      const fault = begin('getStorageSync')
      return settle(fault, callbacks, (async () => run('getStorage', fault, () => {
        if (!storage.has(key)) throw failure('getStorage', 'data not found')
        return { data: read(key), errMsg: 'getStorage:ok' }
      }))())
    },
    setStorage: ({ key, data, ...callbacks }) => {
      const fault = begin('setStorageSync')
      return settle(fault, callbacks, (async () => run('setStorage', fault, () => {
        write(key, data)
        return { errMsg: 'setStorage:ok' }
      }))())
    },
    removeStorage: ({ key, ...callbacks }) => settle({}, callbacks, (async () => {
      storage.delete(key)
      return { errMsg: 'removeStorage:ok' }
    })())
  }
}

/** Converts a failure to the error that a synchronous API throws. */
function sync<Result> (work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    if (error instanceof Error) throw error
    throw Object.assign(new Error((error as WxFailure).errMsg), error)
  }
}
