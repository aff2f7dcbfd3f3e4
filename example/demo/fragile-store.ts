/** A store that breaks on demand, for one visitor at a time, around the one that the shop has. */
import type { SessionStore } from 'fastify-weapp'
import { scene } from './tape.js'

export interface FragileStore {
  store: SessionStore
  /** Visitors for whom every operation fails. */
  broken: Set<string>
  /** Sessions that the store knows nothing of any more: what a phone meets whose session has expired. */
  forgotten: Set<string>
}

export function fragileStore (inner: SessionStore): FragileStore {
  const broken = new Set<string>()
  const forgotten = new Set<string>()

  const store = new Proxy(inner, {
    get (target, name) {
      const operation = Reflect.get(target, name) as unknown
      if (typeof operation !== 'function') return operation
      return (...args: any[]) => {
        const visitor = scene.getStore()?.visitor
        if (visitor !== undefined && broken.has(visitor)) return Promise.reject(new Error('The store is down: the demo says so'))
        if (name === 'read' && forgotten.has(args[0].sessionId)) return null
        return operation.apply(target, args)
      }
    }
  })
  return { store, broken, forgotten }
}
