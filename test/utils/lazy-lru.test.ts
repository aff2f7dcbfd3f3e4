import { test } from 'tap'
import { LazyLru, type LruEntry } from '../../src/utils/lazy-lru.js'

interface Item extends LruEntry { name: string }

function filled (max: number, count = max, forgotten?: (item: Item, key: string) => void): LazyLru<Item> {
  const items = new LazyLru<Item>(max, forgotten)
  for (let i = 0; i < count; i++) items.set(`k${i}`, { name: `v${i}`, promotedAt: 0 })
  return items
}

/** Which of the first `count` are there, asked without a use. */
const present = (items: LazyLru<Item>, count: number) =>
  Array.from({ length: count }, (_, i) => i).filter((i) => items.peek(`k${i}`) !== undefined)

test('with few entries the one longest unused goes, exactly', async (t) => {
  const items = filled(3)
  t.equal(items.get('k0')?.name, 'v0')
  t.equal(items.get('k1')?.name, 'v1')
  items.set('k3', { name: 'v3', promotedAt: 0 })
  t.strictSame(present(items, 4), [0, 1, 3])
  t.equal(items.peek('k0')?.name, 'v0', 'a peek is no use')
  items.set('k4', { name: 'v4', promotedAt: 0 })
  t.strictSame(present(items, 5), [1, 3, 4])
  t.equal(items.get('k2'), undefined)
})

test('with many entries nothing that was used goes before what was not', async (t) => {
  const max = 160
  const items = filled(max)
  const used = Array.from({ length: 60 }, (_, i) => i * 2)
  // Again and again, while others come and go.
  for (let round = 0, next = max; round < 50; round++) {
    for (const i of used) t.ok(items.get(`k${i}`), `round ${round}: k${i}`)
    for (let i = 0; i < 30; i++, next++) items.set(`k${next}`, { name: `v${next}`, promotedAt: 0 })
  }
  t.equal(used.filter((i) => items.peek(`k${i}`) !== undefined).length, used.length)
  t.equal(items.peek('k1'), undefined, 'what was never used has gone')
})

test('who holds what knows a place may say that it was used', async (t) => {
  const items = filled(2)
  const holder = { promotedAt: 0 }
  items.use('k0', holder)
  items.set('k2', { name: 'v2', promotedAt: 0 })
  t.strictSame(present(items, 3), [0, 2])
})

test('whatever goes is told of, however it goes', async (t) => {
  const told: string[] = []
  const items = filled(2, 3, ({ name }, key) => told.push(`${key} ${name}`))
  t.strictSame(told, ['k0 v0'], 'for lack of room')
  items.delete('k1')
  t.strictSame(told.splice(0), ['k0 v0', 'k1 v1'])
  items.set('k2', { name: 'other', promotedAt: 0 })
  t.strictSame(told.splice(0), ['k2 v2'], 'replaced')
  items.clear()
  t.strictSame(told, ['k2 other'])
  t.strictSame(present(items, 3), [])
})
