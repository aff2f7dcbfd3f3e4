/** Wraps the shop's store with faults per visitor. */
import type { SessionStore } from 'fastify-weapp'
import { demoContext } from './recorder.js'

export interface FaultyStore {
  store: SessionStore
  /** The visitors whose store operations fail. */
  failingVisitors: Set<string>
  /** The session ids that the store reports as expired. */
  expiredIds: Set<string>
}

export function faultyStore (inner: SessionStore): FaultyStore {
  const failingVisitors = new Set<string>()
  const expiredIds = new Set<string>()

  const store = new Proxy(inner, {
    get (target, name) {
      const operation = Reflect.get(target, name) as unknown
      if (typeof operation !== 'function') return operation
      return (...args: any[]) => {
        const visitor = demoContext.getStore()?.visitor
        if (visitor !== undefined && failingVisitors.has(visitor)) {
          return Promise.reject(new Error('The demo simulates a store failure.'))
        }
        if (name === 'read' && expiredIds.has(args[0].sessionId)) return null
        return operation.apply(target, args)
      }
    }
  })
  return { store, failingVisitors, expiredIds }
}
