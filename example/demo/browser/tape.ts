/** What the server tells of messages, in the order in which they happened. */
import type { DemoEvent } from '../messages.js'

export interface Tape {
  /** Resolves when the page may be sure to hear of everything. */
  ready: Promise<void>
  /** When the answer of this message has been shown: what the page says of it must not come first. */
  shown (id: number): Promise<void>
}

/** A stream that was cut is not waited for. */
const PATIENCE_MS = 2000

export function openTape (visitor: string, show: (event: DemoEvent) => void): Tape {
  const waiting = new Map<number, () => void>()
  const seen = new Set<number>()
  const source = new EventSource(`/demo/events?visitor=${visitor}`)

  source.addEventListener('message', ({ data }) => {
    const event = JSON.parse(data) as DemoEvent
    show(event)
    if (event.kind !== 'message' || event.part !== 'answer') return
    seen.add(event.id)
    waiting.get(event.id)?.()
    waiting.delete(event.id)
  })

  return {
    ready: new Promise((resolve) => source.addEventListener('open', () => resolve(), { once: true })),
    shown: (id) => new Promise((resolve) => {
      if (seen.has(id) || !(id > 0)) return resolve()
      waiting.set(id, resolve)
      setTimeout(resolve, PATIENCE_MS)
    })
  }
}
