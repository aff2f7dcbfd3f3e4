import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'tap'

const execFileAsync = promisify(execFile)

const EXPECTED = [
  {
    name: 'FastifyWeappWarning',
    code: 'FST_WEAPP_WECHAT_CONFIG',
    message: 'WeChat refused this server for app wx0123456789abcdef with errcode 40125: ' +
      'the app secret is wrong, or was reset in the WeChat console. ' +
      'Set the current one. Enable the logger of Fastify to see all failures.'
  },
  {
    name: 'FastifyWeappWarning',
    code: 'FST_WEAPP_STORE_UNAVAILABLE',
    message: 'The session store failed in create: ReplyError ECONNRESET. ' +
      'Enable the logger of Fastify to see all failures.'
  }
]

test('process warnings: tell once of WeChat and of the store if the logger is off', async (t) => {
  const file = fileURLToPath(new URL('../fixtures/log-warnings.ts', import.meta.url))
  for (const [logger, expected] of [['none', EXPECTED], ['silent', EXPECTED], ['error', []]] as const) {
    const { stdout } = await execFileAsync(process.execPath, ['--import', '@oxc-node/core/register', file, logger])
    t.strictSame(JSON.parse(stdout), expected, logger)
  }
})
