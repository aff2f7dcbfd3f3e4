import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'tap'

const execFileAsync = promisify(execFile)

test('T35: memoryStore warns once in production and in cluster workers', async (t) => {
  const file = fileURLToPath(new URL('../fixtures/memory-store-warnings.ts', import.meta.url))
  for (const [where, { NODE_ENV, args, expected }] of Object.entries({
    development: { NODE_ENV: 'development', args: [], expected: [0, 0, 0] },
    production: { NODE_ENV: 'production', args: [], expected: [0, 1, 1] },
    'cluster worker': { NODE_ENV: 'development', args: ['worker'], expected: [0, 1, 1] }
  })) {
    const { stdout } = await execFileAsync(process.execPath, ['--import', '@oxc-node/core/register', file, ...args], {
      env: { ...process.env, NODE_ENV }
    })
    t.strictSame(JSON.parse(stdout), expected, where)
  }
})
