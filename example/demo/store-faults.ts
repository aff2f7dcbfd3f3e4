/** Lets the shop's store fail for single visitors. */
import type { SessionStore } from 'fastify-weapp'
import { demoContext } from './recorder.js'

export class StoreFaults {
  /** The visitors whose store operations fail. */
  readonly failingVisitors = new Set<string>()
  /** The session ids that the store reports as expired. */
  readonly expiredIds = new Set<string>()

  wrap (store: SessionStore): SessionStore {
    return new Proxy(store, {
      get: (target, name) => {
        const operation = Reflect.get(target, name) as unknown
        if (typeof operation !== 'function') return operation
        return (...args: any[]) => {
          const visitor = demoContext.getStore()?.visitor
          if (visitor !== undefined && this.failingVisitors.has(visitor)) {
            return Promise.reject(new Error('The demo simulates a store failure.'))
          }
          if (name === 'read' && this.expiredIds.has(args[0].sessionId)) return null
          return operation.apply(target, args)
        }
      }
    })
  }
}
