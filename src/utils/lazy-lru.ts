/** An LRU cache with lazy promotion. Beyond `max` entries it evicts one of the least recently used. */
import { LRUCache } from 'lru-cache'

export interface LruEntry {
  /**
   * The promotion count at which the entry last moved to the front. Start with 0. After that only `LazyLru` writes it.
   */
  promotedAt: number
}

/** The fraction of the most recent entries whose order is not maintained. */
const LAZY_FRACTION = 1 / 16

/**
 * A plain LRU cache moves an entry to the front on every use, and touches the entries around it. With many entries that
 * costs more than the lookup. LazyLru moves an entry only when it may have left the most recent sixteenth. Entries
 * there are never evicted. An evicted entry has seen at least `max - max / 16` uses of other entries. With a `max`
 * below 16, the least recently used entry is evicted exactly.
 */
export class LazyLru<Value extends LruEntry> {
  readonly #entries: LRUCache<string, Value>
  /** How many promotions of other entries an entry may miss before it moves to the front. */
  readonly #maxLag: number
  #promotions = 0

  /** @param dispose called with every value that is evicted, replaced or deleted */
  constructor (max: number, dispose?: (value: Value, key: string) => void) {
    // With `max`, lru-cache would allocate its tables at once. With `maxSize` they grow with use.
    this.#entries = new LRUCache({ maxSize: max, sizeCalculation: () => 1, ...dispose !== undefined && { dispose } })
    this.#maxLag = Math.floor(max * LAZY_FRACTION)
  }

  /** Returns a value and marks it as used. */
  get (key: string): Value | undefined {
    const value = this.#entries.peek(key)
    if (value !== undefined) this.use(key, value)
    return value
  }

  /**
   * Marks the value under `key` as used. `entry` is the value, or an object that carries a `promotedAt` of its own for
   * it. Most uses need no lookup.
   */
  use (key: string, entry: LruEntry): void {
    if (this.#promotions - entry.promotedAt <= this.#maxLag) return
    this.#entries.get(key)
    entry.promotedAt = ++this.#promotions
  }

  /** Returns a value and does not mark it as used. */
  peek (key: string): Value | undefined {
    return this.#entries.peek(key)
  }

  set (key: string, value: Value): void {
    value.promotedAt = ++this.#promotions
    this.#entries.set(key, value)
  }

  delete (key: string): void {
    this.#entries.delete(key)
  }

  clear (): void {
    this.#entries.clear()
  }
}
