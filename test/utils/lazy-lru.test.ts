import { test } from 'tap'
import { LazyLru, type LruEntry } from '../../src/utils/lazy-lru.js'

interface Item extends LruEntry { name: string }

function filled (max: number, count = max, dispose?: (item: Item, key: string) => void): LazyLru<Item> {
  const items = new LazyLru<Item>(max, dispose)
  for (let i = 0; i < count; i++) items.set(`k${i}`, { name: `v${i}`, promotedAt: 0 })
  return items
}

/** Returns the indexes of the entries present among the first `count`, without using them. */
const present = (items: LazyLru<Item>, count: number) =>
  Array.from({ length: count }, (_, i) => i).filter((i) => items.peek(`k${i}`) !== undefined)

test('LazyLru: evicts exactly the least recently used of a few entries', async (t) => {
  const items = filled(3)
  t.equal(items.get('k0')?.name, 'v0')
  t.equal(items.get('k1')?.name, 'v1')
  items.set('k3', { name: 'v3', promotedAt: 0 })
  t.strictSame(present(items, 4), [0, 1, 3])
  t.equal(items.peek('k0')?.name, 'v0', 'peek does not use the entry')
  items.set('k4', { name: 'v4', promotedAt: 0 })
  t.strictSame(present(items, 5), [1, 3, 4])
  t.equal(items.get('k2'), undefined)
})

test('LazyLru: evicts unused entries before used ones', async (t) => {
  const max = 160
  const items = filled(max)
  const used = Array.from({ length: 60 }, (_, i) => i * 2)
  for (let round = 0, next = max; round < 50; round++) {
    for (const i of used) t.ok(items.get(`k${i}`), `round ${round}: k${i}`)
    for (let i = 0; i < 30; i++, next++) items.set(`k${next}`, { name: `v${next}`, promotedAt: 0 })
  }
  t.equal(used.filter((i) => items.peek(`k${i}`) !== undefined).length, used.length)
  t.equal(items.peek('k1'), undefined, 'an unused entry is evicted')
})

test('use: marks an entry as used, given the entry itself', async (t) => {
  const items = filled(2)
  const entry = { promotedAt: 0 }
  items.use('k0', entry)
  items.set('k2', { name: 'v2', promotedAt: 0 })
  t.strictSame(present(items, 3), [0, 2])
})

test('dispose: is called with every value that leaves the cache', async (t) => {
  const disposed: string[] = []
  const items = filled(2, 3, ({ name }, key) => disposed.push(`${key} ${name}`))
  t.strictSame(disposed, ['k0 v0'], 'evicted')
  items.delete('k1')
  t.strictSame(disposed.splice(0), ['k0 v0', 'k1 v1'])
  items.set('k2', { name: 'other', promotedAt: 0 })
  t.strictSame(disposed.splice(0), ['k2 v2'], 'replaced')
  items.clear()
  t.strictSame(disposed, ['k2 other'])
  t.strictSame(present(items, 3), [])
})
