import { test } from 'tap'
import { parseDuration } from '../../src/utils/duration.js'

test('parseDuration: accepts milliseconds and strings with a unit', async (t) => {
  for (const [value, milliseconds] of [
    [1, 1], [250, 250], ['1ms', 1], ['1s', 1000], ['1.5s', 1500], ['30m', 1_800_000], ['7d', 604_800_000],
    ['2 hours', 7_200_000],
    [2_147_483_647_000, 2_147_483_647_000]
  ] as const) {
    t.equal(parseDuration(value, 'session.ttl'), milliseconds, `${value}`)
  }
})

test('parseDuration: names the option of an invalid duration, without its value', async (t) => {
  for (const value of [
    0, -1, 0.5, NaN, Infinity, 2_147_483_647_001, '3600', ' 3600 ', '-1s', '0s', '0.1ms', '', 'soon', '100y',
    null, undefined, true, {}, ['1s'], 1000n
  ]) {
    t.throws(() => parseDuration(value, 'session.ttl'), {
      code: 'FST_WEAPP_INVALID_OPTION',
      message: /^fastify-weapp: option session\.ttl must be a duration of 1 to 2147483647000 ms\./
    }, String(value))
  }
})

test('parseDuration: accepts a lower maximum', async (t) => {
  t.equal(parseDuration('1m', 'timeout', 60_000), 60_000)
  t.throws(() => parseDuration(60_001, 'timeout', 60_000), {
    message: /option timeout must be a duration of 1 to 60000 ms\./
  })
})
