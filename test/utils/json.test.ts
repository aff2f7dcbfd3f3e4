import { test } from 'tap'
import { hasLargeInteger, parseJson } from '../../src/utils/json.js'

test('parseJson: parses like JSON.parse', async (t) => {
  for (const json of ['{}', '[1,-2.5e3,"a\\"b\\\\","\\u0000"]', ' {"a":\n{"b":[null,true]}}\t', '"\\\\"']) {
    t.strictSame(parseJson(json), JSON.parse(json))
    t.strictSame(parseJson(json, 'string'), JSON.parse(json))
  }
  for (const json of ['', '{', '{"a":"', '{"a":1}}', '"\\', 'nonsense', '{"a":\u0001 1}', '"\\\n"']) {
    t.throws(() => parseJson(json), SyntaxError, JSON.stringify(json))
    t.throws(() => parseJson(json, 'string'), SyntaxError)
  }
})

test('parseJson: accepts every raw control character inside a string', async (t) => {
  for (let code = 0; code < 32; code++) {
    const character = String.fromCharCode(code)
    t.strictSame(parseJson(`{"a${character}":"\\"${character}\\\\${character}b",\n"c":1}`), {
      [`a${character}`]: `"${character}\\${character}b`, c: 1
    })
  }
})

test('parseJson: returns integers beyond 2^53 as strings on request', async (t) => {
  const json = '{"msgid":2207846823764410369,"n":[-9007199254740993,9007199254740991,1e20,12345678901234567.5,0],' +
    '"2207846823764410369":"\\"2207846823764410369\u0007"}'
  t.strictSame(parseJson(json, 'string'), {
    msgid: '2207846823764410369',
    n: ['-9007199254740993', 9007199254740991, 1e20, Number('12345678901234567.5'), 0],
    '2207846823764410369': '"2207846823764410369\u0007'
  })
  t.equal((parseJson(json) as { msgid: unknown }).msgid, Number('2207846823764410369'))
  t.strictSame(parseJson('22078468237644103690', 'string'), '22078468237644103690')
  t.ok(hasLargeInteger(json))
  for (const small of ['{"a":1}', '{"a":"2207846823764410369"}', '[9007199254740991,1.0000000000000000001]']) {
    t.notOk(hasLargeInteger(small), small)
  }
})

test('parseJson: takes linear time', async (t) => {
  const size = 200_000
  for (const text of ['"\\"'.repeat(size), '"\u0001'.repeat(size), `"${'\\"'.repeat(size)}`]) {
    t.throws(() => parseJson(text), SyntaxError)
  }
  const digits = `["${'\\"'.repeat(size)}",${'1'.repeat(size)}]`
  t.equal((parseJson(digits, 'string') as string[])[1]!.length, size)
})
