import { test } from 'tap'
import { decodeData, encodeData } from '../../src/sessions/session-data.js'

const INVALID = { code: 'FST_WEAPP_DATA_INVALID', statusCode: 500 }

test('decodeData: returns equal data, deeply frozen', async (t) => {
  const data = { id: 1, name: '密', none: null, yes: true, float: 0.1, list: [1, 'a', { b: [] }], deep: { er: { est: {} } } }
  const decoded = decodeData(encodeData(data)) as unknown as typeof data
  t.strictSame(decoded, data)
  for (const part of [decoded, decoded.list, decoded.list[2], decoded.deep, decoded.deep.er.est]) t.equal(Object.isFrozen(part), true)
  t.throws(() => { decoded.id = 2 }, TypeError)
  t.throws(() => { decoded.list.push(2) }, TypeError)
  t.equal(Object.isFrozen(data), false, "the host's object is not frozen")
})

test('decodeData: empty data is a frozen empty object', async (t) => {
  t.equal(encodeData({}), null)
  t.equal(encodeData({ a: undefined }), null)
  t.strictSame(decodeData(null), {})
  t.equal(Object.isFrozen(decodeData(null)), true)
})

test('encodeData: refuses values that JSON would change', async (t) => {
  class Point { x = 1 }
  const cycle: { self?: object } = {}
  cycle.self = cycle
  for (const [name, data] of Object.entries({
    undefined,
    null: null,
    text: 'text',
    number: 1,
    list: [],
    function: () => {},
    date: new Date(),
    map: new Map(),
    instance: new Point(),
    'a Date inside': { at: new Date() },
    'an instance inside': { list: [new Point()] },
    NaN: { a: NaN },
    Infinity: { a: [Infinity] },
    bigint: { a: 1n },
    symbol: { a: Symbol('a') },
    'function inside': { a: () => {} },
    'undefined in a list': { a: [undefined] },
    // eslint-disable-next-line no-sparse-arrays
    'hole in a list': { a: [1, , 2] },
    cycle,
    toJSON: { toJSON: () => ({ other: 1 }) },
    proto: JSON.parse('{ "__proto__": { "admin": true } }'),
    'proto inside': { a: [JSON.parse('{ "__proto__": 1 }')] }
  })) t.throws(() => encodeData(data), { ...INVALID, message: /plain JSON object/ }, name)
})

test('encodeData: accepts objects without a prototype', async (t) => {
  const data = Object.assign(Object.create(null), { a: 1 })
  t.strictSame(decodeData(encodeData(data)), { a: 1 })
})

test('encodeData: accepts 4 KiB of JSON, counted in bytes', async (t) => {
  const frame = '{"a":""}'.length
  t.equal(encodeData({ a: 'x'.repeat(4096 - frame) })?.length, 4096)
  t.throws(() => encodeData({ a: 'x'.repeat(4097 - frame) }), { ...INVALID, message: /exceeds 4 KiB/ })
  t.throws(() => encodeData({ a: '密'.repeat(1400) }), INVALID)
})

test('encodeData: limits the depth', async (t) => {
  const nested = (depth: number): object => depth === 0 ? {} : { a: nested(depth - 1) }
  t.ok(encodeData(nested(32)))
  t.throws(() => encodeData(nested(33)), INVALID)
  t.throws(() => encodeData(nested(100)), INVALID)
})

test('decodeData: foreign text decodes to null and changes no prototype', async (t) => {
  for (const text of ['', '{', 'null', '[]', '1', '"text"', '{"__proto__":{"admin":true}}', '{"a":{"__proto__":{}}}', '{"a":1e999}', `{"a":${'['.repeat(40)}${']'.repeat(40)}}`]) {
    t.equal(decodeData(text), null, text.slice(0, 40))
  }
  t.equal(({} as { admin?: boolean }).admin, undefined)
  t.strictSame(decodeData('{"constructor":1}'), { constructor: 1 }, 'an ordinary name')
})
