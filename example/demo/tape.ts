/** Takes down every message and work of each visitor, and plays it to the pages that the visitor has open. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { DemoEvent, Field, Lane, Message } from './messages.js'

/** Whose request is being worked on. */
export interface Scene {
  /** The visitor, who is one WeChat user. */
  visitor: string
  /** Which of the visitor's phones. */
  device: string
}

export interface Ask {
  from: Lane
  to: Lane
  title: string
  fields: Field[]
  volley?: number | null
}

export interface Answer {
  status: number | null
  code: string | null
  fields: Field[]
}

type Listener = (event: DemoEvent) => void

/** Follows a request through the server, so that what it causes at WeChat is shown to the right visitor. */
export const scene = new AsyncLocalStorage<Scene>()

export class Tape {
  #lastId = 0
  readonly #listeners = new Map<string, Set<Listener>>()

  /** Takes down a request; `answer` its answer. */
  ask ({ visitor, device }: Scene, ask: Ask): { id: number, answer (answer: Answer): void } {
    const id = ++this.#lastId
    const { from, to, title, volley = null } = ask
    const start = performance.now()
    const common = { kind: 'message', id, device, volley, title } as const
    this.#play(visitor, { ...common, part: 'request', from, to, fields: ask.fields, status: null, code: null, ms: null } satisfies Message)
    return {
      id,
      answer: (answer) => {
        const ms = performance.now() - start
        this.#play(visitor, { ...common, part: 'answer', from: to, to: from, ...answer, ms } satisfies Message)
      }
    }
  }

  work ({ visitor, device }: Scene, what: 'decrypt' | 'store', code: string | null): void {
    this.#play(visitor, { kind: 'work', device, what, code })
  }

  /** Returns what ends it. */
  listen (visitor: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(visitor) ?? new Set()
    this.#listeners.set(visitor, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0) this.#listeners.delete(visitor)
    }
  }

  #play (visitor: string, event: DemoEvent): void {
    for (const listener of this.#listeners.get(visitor) ?? []) listener(event)
  }
}
