/** A bounded memory of what was used lately: beyond `max` entries, one of those longest unused goes. */
import { LRUCache } from 'lru-cache'

/** What knows when its entry was last moved to the front. */
export interface LruEntry {
  promotedAt: number
}

/** The part of all entries, the youngest ones, whose order is not kept. */
const LAZY_FRACTION = 1 / 16

/**
 * An LRU cache moves an entry to the front of its list with every use, and touches the entries that stood around it: with
 * many of them, that costs more than the look-up. Here an entry moves once it may have left the youngest sixteenth, where
 * nothing is forgotten anyway. What goes has seen at least `max - max / 16` others used since; with a `max` below 16 it is exactly
 * the one longest unused.
 */
export class LazyLru<Value extends LruEntry> {
  readonly #entries: LRUCache<string, Value>
  readonly #unordered: number
  #moves = 0

  /** @param forgotten told of every value that goes, for whatever reason */
  constructor (max: number, forgotten?: (value: Value, key: string) => void) {
    this.#entries = new LRUCache({ maxSize: max, sizeCalculation: () => 1, ...forgotten !== undefined && { dispose: forgotten } })
    this.#unordered = Math.floor(max * LAZY_FRACTION)
  }

  get (key: string): Value | undefined {
    const value = this.#entries.peek(key)
    if (value !== undefined) this.use(key, value)
    return value
  }

  /** Says that an entry that is still there was used, by whoever holds what knows its place. */
  use (key: string, entry: LruEntry): void {
    if (this.#moves - entry.promotedAt <= this.#unordered) return
    this.#entries.get(key)
    entry.promotedAt = ++this.#moves
  }

  /** Without a use. */
  peek (key: string): Value | undefined {
    return this.#entries.peek(key)
  }

  set (key: string, value: Value): void {
    value.promotedAt = ++this.#moves
    this.#entries.set(key, value)
  }

  delete (key: string): void {
    this.#entries.delete(key)
  }

  clear (): void {
    this.#entries.clear()
  }
}
