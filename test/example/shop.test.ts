/** Checks that example/shop is a project of its own: it compiles, its tests pass, and it starts. */
import { spawnSync } from 'node:child_process'
import { cpSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import tap, { test } from 'tap'
import { childEnvironment } from '../helpers/child-environment.js'
import { installedProject } from '../helpers/installed-package.js'

// The project is built and tested in processes of its own.
tap.setTimeout(300_000)

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const SHOP = join(ROOT, 'example', 'shop')
const readShop = (path: string) => readFileSync(join(SHOP, path), 'utf8')
const files = readdirSync(SHOP, { recursive: true, encoding: 'utf8' })

test('shop: compiles, passes its tests and starts with the packed package', (t) => {
  const project = installedProject(t)
  cpSync(SHOP, project, { recursive: true })
  const run = (command: string, args: string[], env: Record<string, string> = {}) => {
    return spawnSync(command, args, { cwd: project, encoding: 'utf8', env: childEnvironment(env) })
  }
  const built = run(process.execPath, ['node_modules/typescript/bin/tsc'])
  t.equal(built.status, 0, built.stdout)
  const tested = run('npm', ['test', '--silent'])
  t.equal(tested.status, 0, tested.stdout)
  t.match(tested.stdout, /# pass [1-9]/)

  const started = run(process.execPath, ['dist/server.js'])
  t.equal(started.status, 1)
  t.match(started.stderr, /^The shop needs more settings\. Set WEAPP_APP_ID, .*\n$/)
  t.end()
})

test('shop: has the dependencies of the repository, and no others', (t) => {
  const { dependencies, devDependencies } = JSON.parse(readShop('package.json')) as Record<string, object>
  const root = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<string, any>
  const { version } = root as { version: string }
  const ranges = { 'fastify-weapp': `^${version}`, ...root['dependencies'], ...root['devDependencies'] }
  for (const [name, range] of Object.entries({ ...dependencies, ...devDependencies })) t.equal(range, ranges[name], name)

  const imported = new Set(files.filter((path) => path.endsWith('.ts')).flatMap((path) => {
    return [...readShop(path).matchAll(/(?:from |import\()'((?:@[\w-]+\/)?[a-z][\w-]*)[/']/g)].map(([, name]) => name!)
  }))
  t.strictSame(
    [...imported].filter((name) => name !== 'node').sort(), Object.keys(dependencies!).sort(), 'every one is imported'
  )
  t.end()
})

test('shop: .env.example has every variable', (t) => {
  const read = [...readShop('settings.ts').matchAll(/\b(?:env\.)?([A-Z]+(?:_[A-Z]+)*)\b/g)].map(([, name]) => name!)
  const variables = new Set(read.filter((name) => /_|^HOST$|^PORT$/.test(name)))
  const listed = [...readShop('.env.example').matchAll(/^#?([A-Z_]+)=/gm)].map(([, name]) => name!)
  t.strictSame(listed.sort(), [...variables].sort())
  t.end()
})

test('shop: has no trace of the demo', (t) => {
  for (const path of files.filter((path) => /\.(ts|json|md)$|Dockerfile|\.env/.test(path))) {
    t.notMatch(readShop(path), /demo|visitor/i, path)
  }
  t.end()
})
