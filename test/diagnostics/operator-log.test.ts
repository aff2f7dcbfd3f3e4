import Fastify from 'fastify'
import { test } from 'tap'
import { createOperatorLog } from '../../src/diagnostics/operator-log.js'
import { freezeClock } from '../helpers/clock.js'
import { captureLog } from '../helpers/log.js'

function captureOperatorLog (storeErrorCode: (error: Error) => string | undefined = () => undefined) {
  const captured = captureLog()
  const log = createOperatorLog(Fastify(captured.server).log, (error) => storeErrorCode(error as Error))
  let taken = 0
  return {
    log,
    /** Returns the lines since the previous call. */
    take () {
      const lines = captured.lines().slice(taken)
      taken += lines.length
      return lines
    }
  }
}

test('wechat-config: is an error, once a minute per app and errcode', async (t) => {
  const clock = freezeClock(t)
  const { log, take } = captureOperatorLog()
  log.configError(40125, 'the appSecret is wrong', 'wxone', {})
  log.configError(40125, 'the appSecret is wrong', 'wxone', {})
  log.configError(40125, 'the appSecret is wrong', 'wxtwo', {})
  log.configError(40164, 'the address is not on the list', 'wxone', { rid: '1-2-3', ip: '192.0.2.1' })
  const lines = take()
  t.match(lines, [
    {
      level: 50,
      weapp: { event: 'wechat-config', appId: 'wxone', errcode: 40125 },
      msg: 'weapp: WeChat refused this server: the appSecret is wrong'
    },
    { level: 50, weapp: { event: 'wechat-config', appId: 'wxtwo', errcode: 40125 } },
    { level: 50, weapp: { event: 'wechat-config', errcode: 40164, rid: '1-2-3', ip: '192.0.2.1' } }
  ])
  t.equal(lines.length, 3)
  clock.advance(59_999)
  log.configError(40125, 'the appSecret is wrong', 'wxone', {})
  t.strictSame(take(), [])
  clock.advance(1)
  log.configError(40125, 'the appSecret is wrong', 'wxone', {})
  t.equal(take().length, 1)
})

test('store-failed: is an error, once a minute per operation, without the message', async (t) => {
  const clock = freezeClock(t)
  const { log, take } = captureOperatorLog()
  const failure = Object.assign(new TypeError('SET weapp:canary'), {
    code: 'ECONNRESET', command: { args: ['canary'] }, cause: new Error('canary')
  })
  log.storeFailure('read', failure)
  log.storeFailure('read', failure)
  log.storeFailure('touch', undefined)
  const lines = take()
  t.strictSame(lines.map(({ level, weapp }) => ({ level, ...weapp })), [
    { level: 50, event: 'store-failed', operation: 'read', name: 'TypeError', code: 'ECONNRESET' },
    { level: 50, event: 'store-failed', operation: 'touch', name: 'timeout' }
  ])
  t.notMatch(JSON.stringify(lines), 'canary')
  clock.advance(60_000)
  log.storeFailure('read', 'a string')
  log.storeFailure('touch', failure)
  t.equal(take().length, 2)
})

test('store-failed: contains a safe code of an error without `code`', async (t) => {
  const { log, take } = captureOperatorLog(({ message }) => message.includes('OOM') ? 'OOM' : undefined)
  log.storeFailure('touch', new Error('OOM canary'))
  log.storeFailure('read', new Error('canary'))
  log.storeFailure('update', Object.assign(new Error('OOM canary'), { code: 'ECONNRESET' }))
  const lines = take()
  t.strictSame(lines.map(({ weapp }) => weapp), [
    { event: 'store-failed', operation: 'touch', name: 'Error', code: 'OOM' },
    { event: 'store-failed', operation: 'read', name: 'Error' },
    { event: 'store-failed', operation: 'update', name: 'Error', code: 'ECONNRESET' }
  ])
  t.notMatch(JSON.stringify(lines), 'canary')
})

test('store-failed: contains a name and a code only if they are short and printable', async (t) => {
  const clock = freezeClock(t)
  const { log, take } = captureOperatorLog(({ message }) => message)
  const longest = 'E'.repeat(64)
  for (const [name, code, message, expected] of [
    ['MongoServerError', 11000, 'OOM', { name: 'MongoServerError', code: 11000 }],
    [longest, longest, 'OOM', { name: longest, code: longest }],
    [`${longest}E`, `${longest}E`, 'OOM', { code: 'OOM' }],
    ['line\nline', 'line\nline', 'OOM', { code: 'OOM' }],
    ['\u001b[31m', '\u202e', 'OOM', { code: 'OOM' }],
    ['', '', 'OOM', { code: 'OOM' }],
    [{ canary: 1 }, ['canary'], 'OOM', { code: 'OOM' }],
    ['Error', undefined, `${longest}E`, { name: 'Error' }]
  ] as const) {
    clock.advance(60_000)
    log.storeFailure('read', { name, code, message })
    t.strictSame(take().map(({ weapp }) => weapp), [{ event: 'store-failed', operation: 'read', ...expected }])
  }
})

test('unreadable-record: is a warning every time, with the session id', async (t) => {
  const { log, take } = captureOperatorLog()
  log.unreadableRecord('session')
  log.unreadableRecord('session')
  const lines = take()
  t.equal(lines.length, 2)
  t.match(lines[0], { level: 40, weapp: { event: 'unreadable-record', sessionId: 'session' } })
})

test('cache-unavailable: is a warning', async (t) => {
  const { log, take } = captureOperatorLog()
  log.cacheUnavailable()
  t.match(take(), [{ level: 40, weapp: { event: 'cache-unavailable' } }])
})
