/** Records the messages and operations of each visitor and sends them to the visitor's pages. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { DemoEvent, Detail, Field, Lane, Message, Operation } from './messages.js'

/** The origin of the current request. */
export interface DemoContext {
  /** The id of the visitor. Each visitor is one WeChat user. */
  visitor: string
  /** The visitor's phone, 'A' or 'B'. */
  device: string
}

export interface RecordedRequest {
  from: Lane
  to: Lane
  title: string
  fields: Field[]
  detail: Detail
  batch?: number | null
}

export interface RecordedResponse {
  status: number | null
  code: string | null
  fields: Field[]
  detail: Detail
}

type Listener = (event: DemoEvent) => void

/** The context of the current request. Assigns the calls to WeChat to the visitor. */
export const demoContext = new AsyncLocalStorage<DemoContext>()

export class Recorder {
  #lastId = 0
  readonly #listeners = new Map<string, Set<Listener>>()

  /** Records a request. The returned `recordResponse` records its response. */
  recordRequest (
    { visitor, device }: DemoContext, request: RecordedRequest
  ): { id: number, recordResponse (response: RecordedResponse): void } {
    const id = ++this.#lastId
    const { from, to, title, batch = null } = request
    const start = performance.now()
    const common = { kind: 'message', id, device, batch, title } as const
    this.#publish(visitor, {
      ...common,
      part: 'request',
      from,
      to,
      fields: request.fields,
      detail: request.detail,
      status: null,
      code: null,
      ms: null
    } satisfies Message)
    return {
      id,
      recordResponse: (response) => {
        const ms = performance.now() - start
        this.#publish(visitor, { ...common, part: 'response', from: to, to: from, ...response, ms } satisfies Message)
      }
    }
  }

  recordOperation (
    { visitor, device }: DemoContext, name: Operation['name'], { code = null, sealed = null }: Partial<Operation> = {}
  ): void {
    this.#publish(visitor, { kind: 'operation', device, name, code, sealed })
  }

  /** Subscribes to the events of a visitor. Returns a function that unsubscribes. */
  subscribe (visitor: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(visitor) ?? new Set()
    this.#listeners.set(visitor, listeners.add(listener))
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0) this.#listeners.delete(visitor)
    }
  }

  #publish (visitor: string, event: DemoEvent): void {
    for (const listener of this.#listeners.get(visitor) ?? []) listener(event)
  }
}
