/** A table in memory that answers later and compares random versions, as many key-value services do. */
import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'

interface Item {
  text: string
  version: string
  expiresAt: number
}

export class VersionedTable {
  readonly items = new Map<string, Item>()
  /** Milliseconds by which its clock differs from that of this process. */
  clockOffset = 0

  /** Returns the time of its own clock, in epoch milliseconds. */
  get time (): number {
    return Math.floor(performance.timeOrigin + performance.now()) + this.clockOffset
  }

  async get (key: string): Promise<{ item: Item | null, time: number }> {
    await setImmediate()
    return { item: this.items.get(key) ?? null, time: this.time }
  }

  /**
   * Replaces an item if it has this version, and if the time is before `until`. Resolves to whether it did.
   *
   * @param version null if there must be no item
   */
  async put (
    key: string, { text, expiresAt }: Omit<Item, 'version'>,
    { version, until }: { version: string | null, until: number }
  ): Promise<boolean> {
    await setImmediate()
    if ((this.items.get(key)?.version ?? null) !== version || this.time >= until) return false
    this.items.set(key, { text, expiresAt, version: randomUUID() })
    return true
  }
}
