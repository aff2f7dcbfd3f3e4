/** The client's bundle, built in memory with the options of `npm run build`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createContext, runInContext } from 'node:vm'
import { gzipSync } from 'node:zlib'
import { build, type BuildOptions } from 'esbuild'
import { test } from 'tap'
import ts from 'typescript'
import type { createWeappClient } from '../../src/client/index.js'
import { startPhone } from '../helpers/phone.js'

const ROOT = join(import.meta.dirname, '../..')
const MAX_BYTES = 4.25 * 1024

async function bundle (options: BuildOptions = {}): Promise<{ code: string, inputs: string[] }> {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(ROOT, 'src/client/index.ts')],
    absWorkingDir: ROOT,
    bundle: true,
    format: 'cjs',
    target: 'es2018',
    metafile: true,
    write: false,
    ...options
  })
  return { code: outputFiles![0]!.text, inputs: Object.keys(metafile!.inputs) }
}

test('client bundle: at most 4.25 KiB, minified and gzipped', async (t) => {
  const { code } = await bundle({ minify: true })
  const { length } = gzipSync(code, { level: 9 })
  t.ok(length <= MAX_BYTES, `${length} bytes`)
})

test('client bundle: contains only modules of src/client', async (t) => {
  const { inputs } = await bundle({ packages: 'external' })
  t.ok(inputs.length > 0)
  for (const input of inputs) t.match(input, /^src\/client\/[\w-]+\.ts$/)
})

test('client bundle: CommonJS runs with only the language, timers and wx', async (t) => {
  const { mini, baseUrl } = await startPhone(t)
  const { code } = await bundle()
  const context = createContext({ module: { exports: {} }, wx: mini.wx, setTimeout, clearTimeout })
  const exports = runInContext(`${code}; module.exports`, context) as { createWeappClient: typeof createWeappClient }
  const client = exports.createWeappClient({ baseUrl })
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
})

test('package.json: builds and exports this client bundle', (t) => {
  const { scripts, miniprogram, files, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  t.equal(
    scripts['build:miniprogram'].includes(
      `src/client/index.ts --bundle --format=cjs --target=es2018 --outfile=${miniprogram}/`
    ),
    true
  )
  t.ok(files.includes(miniprogram))
  t.match(exports['./client'], {
    types: { require: './dist/types/client/index.d.ts', default: './dist/client/index.d.ts' },
    default: './dist/client/index.js'
  })
  t.end()
})

for (const [name, config] of [
  ['ES2018 without the types of Node or a browser', 'src/client/tsconfig.json'],
  ["WeChat's own typings", 'test/client/fixtures/miniprogram/tsconfig.json']
] as const) {
  test(`client types: compile with ${name}`, (t) => {
    const path = join(ROOT, config)
    const { config: json } = ts.readConfigFile(path, ts.sys.readFile)
    const { options, fileNames } = ts.parseJsonConfigFileContent(json, ts.sys, join(path, '..'))
    const program = ts.createProgram(fileNames, { ...options, noEmit: true })
    const problems = ts.getPreEmitDiagnostics(program).map(({ messageText, file }) => {
      return `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
    })
    t.ok(fileNames.length > 0)
    t.strictSame(problems, [])
    t.end()
  })
}
