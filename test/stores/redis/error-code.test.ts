import { ReplyError } from 'ioredis'
import { test } from 'tap'
import { redisErrorCode } from '../../../src/stores/redis/error-code.js'

test('redisErrorCode: returns the prefix of an error reply', async (t) => {
  for (const [message, code] of [
    ["OOM command not allowed when used memory > 'maxmemory' canary", 'OOM'],
    ['ERR canary', 'ERR'],
    ['ERR bad lua script for redis cluster, canary', 'ERR bad lua script'],
    ["ERR unknown command 'EVALSHA', with args beginning with: 'canary'", 'ERR unknown command'],
    ['canary', undefined],
    ['', undefined]
  ] as const) {
    t.equal(redisErrorCode(Object.assign(new Error(message), { name: 'ReplyError' })), code, message)
  }
  t.equal(redisErrorCode(new ReplyError('READONLY canary')), 'READONLY', 'the class of ioredis')
})

test('redisErrorCode: returns undefined for any other value', async (t) => {
  for (const error of [undefined, null, 'OOM', new Error('OOM canary'), { message: 'OOM canary' }]) {
    t.equal(redisErrorCode(error), undefined, String(error))
  }
})
