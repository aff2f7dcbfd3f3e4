import { createHash } from 'node:crypto'
import { test } from 'tap'
import { digest } from '../../src/crypto/digest.js'
import { heapUsed } from '../helpers/heap.js'

test('digest: is the start of SHA-256 as base64url', async (t) => {
  for (const text of ['', 'a text', '中文']) {
    const whole = createHash('sha256').update(text).digest('base64url')
    t.equal(digest(text, 22), whole.slice(0, 22))
    t.equal(digest(text, 16), whole.slice(0, 16))
  }
})

test('digest: does not retain a longer string', async (t) => {
  const count = 100_000
  const digests = new Array<string>(count).fill('')
  const before = heapUsed()
  for (let i = 0; i < count; i++) digests[i] = digest(`${i}`, 22)
  const bytes = (heapUsed() - before) / count
  // 22 characters take 40 bytes. A slice with its whole digest takes 96.
  t.ok(bytes < 60, `${Math.round(bytes)} bytes of heap each`)
  t.equal(digests.length, count)
})
