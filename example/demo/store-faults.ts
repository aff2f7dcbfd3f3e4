/** Lets the shop's store fail for single visitors, and records the sessions that it stores. */
import type { SessionStore } from 'fastify-weapp'
import { demoContext, type Recorder } from './recorder.js'

/** How much of a sealed session_key the page shows. */
const SHOWN_CHARACTERS = 10

export class StoreFaults {
  /** The visitors whose store operations fail. */
  readonly failingVisitors = new Set<string>()
  /** The session ids that the store reports as expired. */
  readonly expiredIds = new Set<string>()
  readonly #recorder: Recorder

  constructor (recorder: Recorder) {
    this.#recorder = recorder
  }

  wrap (store: SessionStore): SessionStore {
    return new Proxy(store, {
      get: (target, name) => {
        const operation = Reflect.get(target, name) as unknown
        if (typeof operation !== 'function') return operation
        return (...args: any[]) => {
          const context = demoContext.getStore()
          if (context !== undefined && this.failingVisitors.has(context.visitor)) {
            return Promise.reject(new Error('The demo simulates a store failure.'))
          }
          if (name === 'read' && this.expiredIds.has(args[0].sessionId)) return null
          const sealed = sealedKeyIn(args)
          if (context !== undefined && sealed !== null) {
            this.#recorder.recordOperation(context, 'save', { sealed: sealed.slice(0, SHOWN_CHARACTERS) })
          }
          return operation.apply(target, args)
        }
      }
    })
  }
}

/** Returns the sealed session_key in the arguments of an operation. */
function sealedKeyIn (value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return null
  for (const [name, member] of Object.entries(value)) {
    if (name === 'sealed' && typeof member === 'string') return member
    const found = sealedKeyIn(member)
    if (found !== null) return found
  }
  return null
}
