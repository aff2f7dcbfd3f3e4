/** Tests the published package: its dependencies, files and types. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import tap, { test } from 'tap'
import { checkTypes, installedProject } from './helpers/installed-package.js'

tap.setTimeout(300_000)

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
const project = installedProject(tap)
const installed = join(project, 'node_modules', 'fastify-weapp')

test('T51: dependencies: no more than these', async (t) => {
  t.strictSame(Object.keys(manifest.dependencies).sort(), [
    '@fastify/error', '@fastify/jwt', '@lukeed/ms', 'ajv', 'ajv-formats', 'fastify-plugin', 'lru-cache', 'process-warning',
    'undici'
  ])
  t.strictSame(Object.keys(manifest.peerDependencies).sort(), ['@fastify/redis', 'fastify'])
})

test('scripts: none runs when a user installs the package', async (t) => {
  // npm warns of prepare as well, because it would run for a git dependency.
  const installing = ['preinstall', 'install', 'postinstall', 'prepare']
  t.strictSame(Object.keys(manifest.scripts).filter((script) => installing.includes(script)), [])
})

test('T51: files: only the build, the documents and the license are packed', async (t) => {
  const { stdout } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: ROOT, encoding: 'utf8'
  })
  const [packed] = JSON.parse(stdout) as [{ files: { path: string }[] }]
  const build = /^(dist|miniprogram_dist)\/|^client\/package\.json$/
  const documents = /^(README(\.[\w-]+)?\.md|CHANGELOG\.md|LICENSE|package\.json)$/
  const others = packed.files.map(({ path }) => path).filter((path) => !build.test(path) && !documents.test(path))
  t.strictSame(others, [])
})

test('client/package.json: leads to the same client as "exports"', (t) => {
  const folder = join(installed, 'client')
  const { main, module, types } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const { default: exported, types: exportedTypes } = manifest.exports['./client']
  const exportedPaths = [exported, exportedTypes.default].map((path) => join(installed, path))
  t.strictSame([module, types].map((path) => join(folder, path)), exportedPaths)
  t.ok(existsSync(join(folder, main)))
  t.match(manifest.scripts['build:miniprogram'], `--outfile=${relative(installed, join(folder, main))} `)
  t.end()
})

const HOST_CONFIG = { extends: '../tsconfig.json', include: ['.'] }
/** Module resolution of webpack 4 and of the TypeScript of a Mini Program: it does not read "exports". */
const NODE10_CONFIG = {
  compilerOptions: {
    target: 'ES2020',
    module: 'CommonJS',
    moduleResolution: 'node10',
    ignoreDeprecations: '6.0',
    strict: true,
    skipLibCheck: true,
    types: [],
    noEmit: true
  }
}

/** Writes a project into a folder of the installed project, and returns the folder. */
function writeProject (name: string, config: object, code: string): string {
  const folder = join(project, name)
  mkdirSync(folder)
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  writeFileSync(join(folder, 'index.ts'), code)
  return folder
}

test('types: a host, a host with session data, and TypeScript without "exports"', async (t) => {
  const host = writeProject('host', HOST_CONFIG, `
    import Fastify from 'fastify'
    import weapp, { createWechatClient, type OnLogin } from 'fastify-weapp'
    import { Agent, ProxyAgent } from 'undici'
    import { Agent as Agent6 } from 'undici-6'
    export const onLogin: OnLogin[] = [() => {}, async () => ({}), () => ({ reply: { a: 1 } }), () => ({ data: {} })]
    const app = { appId: 'wx', appSecret: 'secret' }
    const agents = [new Agent(), new ProxyAgent('http://localhost'), new Agent6()]
    for (const dispatcher of [...agents, new Agent6().compose((dispatch) => dispatch)]) {
      createWechatClient({ ...app, dispatcher })
      Fastify().register(weapp, { ...app, secret: 'x', wechat: { dispatcher } })
    }
    const app5 = Fastify()
    app5.get('/a', { config: { weapp: 'optional' } }, async () => '')
    app5.get('/b', { config: { weapp: { freshKey: true } } }, async () => '')
    // @ts-expect-error a misspelled value
    app5.get('/c', { config: { weapp: 'optinal' } }, async () => '')
    // @ts-expect-error a misspelled key
    app5.get('/d', { config: { weapp: { freshkey: true } } }, async () => '')
    // @ts-expect-error an agent of node:http has no dispatch method
    createWechatClient({ ...app, dispatcher: {} })
  `)
  const sessionData = writeProject('session-data', HOST_CONFIG, `
    import type { OnLogin } from 'fastify-weapp'
    declare module 'fastify-weapp' { interface SessionData { userId: number } }
    export const onLogin: OnLogin[] = [
      () => ({ data: { userId: 1 }, label: 'a phone' }),
      async () => ({ data: { userId: 1 } }),
      // @ts-expect-error session.data.userId would be undefined
      () => ({}),
      // @ts-expect-error session.data.userId would be undefined
      async () => {},
      // @ts-expect-error userId is a number
      () => ({ data: { userId: '1' } })
    ]
  `)
  const node10 = writeProject('node10', NODE10_CONFIG, `
    import { createWeappClient } from 'fastify-weapp/client'
    export const token: string | null = createWeappClient({ baseUrl: 'https://api.example.com' }).token
    // @ts-expect-error baseUrl is required
    createWeappClient({})
  `)
  t.equal(await checkTypes(host, sessionData, node10), '')
})

test('types: ES modules and CommonJS of one project share the session data, under node16', async (t) => {
  const folder = writeProject('both-formats', { ...HOST_CONFIG, compilerOptions: { module: 'node16' } }, `
    import type { FastifyRequest } from 'fastify'
    import weapp, { fastifyWeapp } from 'fastify-weapp'
    import { createWeappClient } from 'fastify-weapp/client'
    import { startWechatSimulator } from 'fastify-weapp/testing'
    import { userOf, type legacy } from './legacy.cjs'
    export const modern: typeof legacy = { weapp, fastifyWeapp, createWeappClient, startWechatSimulator }
    export const user = ({ weapp }: FastifyRequest): number | undefined => weapp?.session.data.userId
    export const same = ({ weapp }: FastifyRequest) => weapp && userOf(weapp)
    // @ts-expect-error userId is a number
    export const wrong = ({ weapp }: FastifyRequest): string | undefined => weapp?.session.data.userId
  `)
  writeFileSync(join(folder, 'legacy.cts'), `
    import weapp, { fastifyWeapp, type WeappIdentity } from 'fastify-weapp'
    import { createWeappClient } from 'fastify-weapp/client'
    import { startWechatSimulator } from 'fastify-weapp/testing'
    declare module 'fastify-weapp' { interface SessionData { userId: number } }
    export const legacy = { weapp, fastifyWeapp, createWeappClient, startWechatSimulator }
    export const userOf = ({ session }: WeappIdentity): number => session.data.userId
    // @ts-expect-error userId is a number
    export const wrong = ({ session }: WeappIdentity): string => session.data.userId
  `)
  t.equal(await checkTypes(folder), '')
})

test('declarations: import no types of @fastify/jwt, ioredis or TypeBox', async (t) => {
  const folder = join(installed, 'dist')
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  const declarations = paths.filter((path) => path.endsWith('.d.ts'))
  t.not(declarations.length, 0)
  for (const path of declarations) {
    // @fastify/jwt would declare app.jwt in every host. The others are no dependencies of the package.
    const forbidden = /(from |import\()['"](@fastify\/jwt|ioredis|@sinclair\/typebox)['"]/
    t.notMatch(readFileSync(join(folder, path), 'utf8'), forbidden, path)
  }
})
