/** Receives the recorded events from the server in their original order. */
import type { DemoEvent } from '../messages.js'

export interface EventStream {
  /** Resolves when the stream is open. The page then receives all events. */
  ready: Promise<void>
  /** Resolves when the response of this message is shown. The page must not show its result earlier. */
  shown (id: number): Promise<void>
}

/** The maximum wait, in case the stream is closed. */
const TIMEOUT_MS = 2000

export function openEventStream (visitor: string, show: (event: DemoEvent) => void): EventStream {
  const waiting = new Map<number, () => void>()
  const seen = new Set<number>()
  const source = new EventSource(`/demo/events?visitor=${visitor}`)

  source.addEventListener('message', ({ data }) => {
    const event = JSON.parse(data) as DemoEvent
    show(event)
    if (event.kind !== 'message' || event.part !== 'response') return
    seen.add(event.id)
    waiting.get(event.id)?.()
    waiting.delete(event.id)
  })

  return {
    ready: new Promise((resolve) => source.addEventListener('open', () => resolve(), { once: true })),
    shown: (id) => new Promise((resolve) => {
      if (seen.has(id) || !(id > 0)) return resolve()
      waiting.set(id, resolve)
      setTimeout(resolve, TIMEOUT_MS)
    })
  }
}
