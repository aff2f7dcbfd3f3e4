import { test } from 'tap'
import { resolveOptions } from '../../src/resolve-options.js'
import { APP_ID, APP_SECRET, SECRET, startHost } from '../helpers/host.js'

const REQUIRED = { appId: APP_ID, appSecret: APP_SECRET, secret: SECRET }
const NOT_TEXT = [
  undefined, null, '', ' ', '\t\n', 0, 1, true, {}, [], ['x'.repeat(40)], Buffer.from('x'.repeat(40)), () => 'x'
]

for (const name of ['appId', 'appSecret', 'secret']) {
  test(`T10: the plugin does not boot without a valid ${name}`, async (t) => {
    // `secret` may be a list of secrets.
    const isInvalid = (value: unknown) => name !== 'secret' || !Array.isArray(value) || value.length === 0
    for (const value of NOT_TEXT.filter(isInvalid)) {
      await t.rejects(startHost(t, { options: { [name]: value } }), {
        code: 'FST_WEAPP_INVALID_OPTION', message: new RegExp(`option ${name} `)
      }, String(value))
    }
  })
}

const INVALID_DURATIONS = [
  NaN, Infinity, -Infinity, 0, -1, 0.5, 1e300, 2 ** 31 * 1000, '', ' ', 'soon', '0', '0s', '-1d', '3600', '7', '1e3',
  'Infinity', 'NaN', '99999d',
  null, true, {}, [], [1000], new Date(), 10n
]

test('T27: an invalid duration is rejected', async (t) => {
  for (const name of ['ttl', 'idle']) {
    for (const value of INVALID_DURATIONS) {
      t.throws(() => resolveOptions({ ...REQUIRED, session: { [name]: value } }), {
        code: 'FST_WEAPP_INVALID_OPTION', message: new RegExp(`option session\\.${name} `)
      }, `${name} ${typeof value} ${String(value)}`)
    }
  }
  for (const value of INVALID_DURATIONS) {
    t.throws(() => resolveOptions({ ...REQUIRED, storeTimeout: value as number }), {
      message: /option storeTimeout /
    }, String(value))
    t.throws(() => resolveOptions({ ...REQUIRED, wechat: { timeout: value as number } }), {
      message: /option wechat\.timeout /
    }, String(value))
  }
  await t.rejects(startHost(t, { options: { session: { ttl: NaN } } }), {
    code: 'FST_WEAPP_INVALID_OPTION'
  }, 'the plugin does not boot')
})

test('T27: idle is at most ttl, and ttl cannot be false', async (t) => {
  const resolve = (session: object) => resolveOptions({ ...REQUIRED, session }).session
  t.throws(() => resolve({ ttl: '1h', idle: '61m' }), { message: /option session\.idle / })
  t.throws(() => resolve({ ttl: '1d', idle: '30d' }), { message: /option session\.idle / })
  t.throws(() => resolve({ ttl: false }), { message: /option session\.ttl / })
  t.throws(() => resolve({ ttl: 999 }), { message: /option session\.ttl / })
  t.match(resolve({ ttl: '1h', idle: '1h' }), { ttl: 3600_000, idle: 3600_000 })
  t.match(resolve({ ttl: '1h' }), { ttl: 3600_000, idle: 3600_000 }, 'the default is capped at ttl')
  t.match(resolve({ idle: false }), { idle: false })
})

test('T26: ttl is thirty days by default', async (t) => {
  t.strictSame(resolveOptions(REQUIRED).session, { ttl: 30 * 24 * 3600_000, idle: 7 * 24 * 3600_000, limit: 10 })
})
