import { test } from 'tap'
import { resolveOptions } from '../../src/resolve-options.js'
import { APP_ID, APP_SECRET, SECRET, startHost } from '../helpers/host.js'

const REQUIRED = { appId: APP_ID, appSecret: APP_SECRET, secret: SECRET }
const NO_TEXT = [undefined, null, '', ' ', '\t\n', 0, 1, true, {}, [], ['x'.repeat(40)], Buffer.from('x'.repeat(40)), () => 'x']

for (const name of ['appId', 'appSecret', 'secret']) {
  test(`row 10: without a good ${name} nothing boots`, async (t) => {
    const unlike = name === 'secret' ? (value: unknown) => !Array.isArray(value) || value.length === 0 : () => true
    for (const value of NO_TEXT.filter(unlike)) {
      await t.rejects(startHost(t, { options: { [name]: value } }), {
        code: 'FST_WEAPP_INVALID_OPTION', message: new RegExp(`option ${name} `)
      }, String(value))
    }
  })
}

const NO_DURATIONS = [
  NaN, Infinity, -Infinity, 0, -1, 0.5, 1e300, 2 ** 31 * 1000, '', ' ', 'soon', '0', '0s', '-1d', '3600', '7', '1e3', 'Infinity', 'NaN', '99999d',
  null, true, {}, [], [1000], new Date(), 10n
]

test('row 27: a lifetime that is none is refused', async (t) => {
  for (const name of ['ttl', 'idle']) {
    for (const value of NO_DURATIONS) {
      t.throws(() => resolveOptions({ ...REQUIRED, session: { [name]: value } }), {
        code: 'FST_WEAPP_INVALID_OPTION', message: new RegExp(`option session\\.${name} `)
      }, `${name} ${typeof value} ${String(value)}`)
    }
  }
  for (const value of NO_DURATIONS) {
    t.throws(() => resolveOptions({ ...REQUIRED, storeTimeout: value as number }), { message: /option storeTimeout / }, String(value))
    t.throws(() => resolveOptions({ ...REQUIRED, wechat: { timeout: value as number } }), { message: /option wechat\.timeout / }, String(value))
  }
  await t.rejects(startHost(t, { options: { session: { ttl: NaN } } }), { code: 'FST_WEAPP_INVALID_OPTION' }, 'and nothing boots')
})

test('row 27: idle is at most ttl, and a false ttl is none', async (t) => {
  t.throws(() => resolveOptions({ ...REQUIRED, session: { ttl: '1h', idle: '61m' } }), { message: /option session\.idle / })
  t.throws(() => resolveOptions({ ...REQUIRED, session: { ttl: '1d', idle: '30d' } }), { message: /option session\.idle / })
  t.throws(() => resolveOptions({ ...REQUIRED, session: { ttl: false as unknown as number } }), { message: /option session\.ttl / })
  t.throws(() => resolveOptions({ ...REQUIRED, session: { ttl: 999 } }), { message: /option session\.ttl / })
  t.match(resolveOptions({ ...REQUIRED, session: { ttl: '1h', idle: '1h' } }).session, { ttl: 3600_000, idle: 3600_000 })
  t.match(resolveOptions({ ...REQUIRED, session: { ttl: '1h' } }).session, { ttl: 3600_000, idle: 3600_000 }, 'the default bows to ttl')
  t.match(resolveOptions({ ...REQUIRED, session: { idle: false } }).session, { idle: false })
})

test('row 26: thirty days unless the host says otherwise', async (t) => {
  t.strictSame(resolveOptions(REQUIRED).session, { ttl: 30 * 24 * 3600_000, idle: 7 * 24 * 3600_000, limit: 10 })
})
