import { test } from 'tap'
import { decodeRecord, encodeRecord, lineStart } from '../../../src/stores/user-record/codec.js'
import { CLOCK, device, ended, live, NOW, recordOf } from '../../helpers/user-record.js'

const RECORD = recordOf({
  openid: 'o',
  unionid: 'u',
  live: [live('a', { label: 'l', data: '{"a":1}', device: device('d', NOW + 0.5) }), live('b')],
  ended: [ended('c', { endedAt: CLOCK }), ended('d', { reason: 'revoked' }), ended('e', { reason: 'replaced' })],
  keys: { sealed: 's', fingerprint: 'f', previous: 'p' },
  loginsEnd: { reason: 'kicked', at: CLOCK }
})

test('codec: decodes what it encodes', async (t) => {
  for (const record of [
    RECORD, recordOf(), recordOf({ live: [live('a')], keys: { sealed: 's', fingerprint: 'f', previous: null } })
  ]) t.strictSame(decodeRecord(encodeRecord(record)), record)
})

test('codec: decodes one live session alone, whatever the others contain', async (t) => {
  const sessions = [live('a'), live('a\n["b",'), live('b', { data: '\n["a","é' }), live('é'), live('b2')]
  const record = recordOf({ live: sessions, ended: [ended('c')] })
  const text = encodeRecord(record)
  for (const session of sessions) t.strictSame(decodeRecord(text, lineStart(session.id)), { ...record, live: [session] })
  for (const id of ['', 'c', 'unknown', 'B', '"a"']) t.strictSame(decodeRecord(text, lineStart(id)), { ...record, live: [] })
  t.strictSame(decodeRecord(encodeRecord(recordOf()), lineStart('a')), recordOf())
  t.equal(decodeRecord(`${text}\n["x",`, lineStart('x')), 'damaged')
})

test('codec: the text is ASCII, whatever the values contain', async (t) => {
  for (const value of [
    '小明的手机 📱', 'é\u007f\u0080\uffff', '\u0000', '\ud800', '\udc00\ud800', '"\\', '\u2028\n', '\\u0000'
  ]) {
    const record = recordOf({ openid: value, unionid: value, live: [live('a', { label: value, data: value })] })
    const text = encodeRecord(record)
    t.match(text, /^[ -~\n]+$/)
    t.strictSame(decodeRecord(text), record)
  }
})

test('codec: text of a newer version is newer, whatever else it contains', async (t) => {
  for (const text of ['{"version":2}', '{"version":17,"ended":"none"}\nany text']) t.equal(decodeRecord(text), 'newer')
})

test('codec: any other text is damaged', async (t) => {
  const [user, ...lines] = encodeRecord(RECORD).split('\n').map((line) => JSON.parse(line))
  const damages: object[] = [
    ...[undefined, null, 0, -1, 1.5, '1', '2', true].map((version) => ({ version })),
    ...[undefined, null, 1].map((openid) => ({ openid })),
    ...[undefined, 1].map((unionid) => ({ unionid })),
    ...[undefined, null, {}, 'text', [null], [{}], ['text'], [[]]].map((list) => ({ ended: list })),
    { ended: [[1, 'kicked', 1, null]] },
    { ended: [['c', 'banned', 1, null]] },
    { ended: [['c', 'kicked', null, null]] },
    { ended: [['c', 'kicked', 1, '1']] },
    ...[undefined, {}, [], ['s'], [1, 'f', null], ['s', 1, null], ['s', 'f', 1]].map((keys) => ({ keys })),
    ...[undefined, {}, [], ['kicked'], ['banned', 1], ['kicked', '1']].map((loginsEnd) => ({ loginsEnd }))
  ]
  for (const damage of damages) {
    const text = [{ ...user, ...damage }, ...lines].map((line) => JSON.stringify(line)).join('\n')
    t.equal(decodeRecord(text), 'damaged', text.slice(0, 80))
  }
  for (const text of ['', 'null', '1', '[]', '{}', '"text"', '{', encodeRecord(recordOf()).slice(0, -1)]) {
    t.equal(decodeRecord(text), 'damaged', text)
  }
  t.strictSame(Object.keys(Object.prototype), [])
})

test('codec: a damaged live session is omitted, and unreadable alone', async (t) => {
  const text = encodeRecord(RECORD)
  const first = JSON.parse(text.split('\n')[1]!)
  const changed = (index: number, value: unknown) => first.map((old: unknown, i: number) => i === index ? value : old)
  const others = { ...RECORD, live: [live('b')] }
  for (const damaged of [
    null, {}, 'text', [], 1,
    ...[1, 2, 3].flatMap((index) => [changed(index, null), changed(index, '1')]),
    ...[4, 5, 6].map((index) => changed(index, 1)),
    ...[[], ['d'], [1, 1], ['d', '1']].map((device) => changed(6, device))
  ]) {
    const line = JSON.stringify(damaged)
    const damagedText = text.replace(JSON.stringify(first), () => line)
    t.strictSame(decodeRecord(damagedText), others, line)
    t.strictSame(decodeRecord(damagedText, lineStart('b')), others, line)
    if (damaged?.[0] === 'a') t.equal(decodeRecord(damagedText, lineStart('a')), 'damaged', line)
  }
  const cutOff = text.slice(0, -1)
  t.strictSame(decodeRecord(cutOff), { ...RECORD, live: [live('a', RECORD.live[0])] })
  t.equal(decodeRecord(cutOff, lineStart('b')), 'damaged')
})
