/** What is published: the names, the files and the dependencies are a contract as well. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import tap, { test } from 'tap'
import * as everything from '../src/index.js'
import * as testing from '../src/testing/index.js'
import { installedProject, typecheck } from './helpers/installed-package.js'

tap.setTimeout(300_000)

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
/** One for all, for it takes a build: each test has a folder of its own in it. */
const project = installedProject(tap)

test('the public names', async (t) => {
  t.strictSame(Object.keys(everything).filter((name) => !name.startsWith('FST_WEAPP_')).sort(), [
    'MAX_END_REASONS', 'PENDING_LOGIN_TTL_MS', 'appIdFromReferer', 'createWechatClient', 'default', 'fastifyWeapp', 'isWeappError', 'memoryStore', 'redisStore'
  ])
  t.strictSame(Object.keys(testing).sort(), ['createMiniProgram', 'startWechatSimulator', 'storeSuite'])
})

test('few dependencies, each chosen', async (t) => {
  t.strictSame(Object.keys(manifest.dependencies).sort(), [
    '@fastify/error', '@fastify/jwt', '@lukeed/ms', '@sinclair/typebox', 'ajv', 'ajv-formats', 'fastify-plugin', 'lru-cache', 'undici'
  ])
  t.strictSame(Object.keys(manifest.peerDependencies).sort(), ['@fastify/redis', 'fastify'])
})

test('nothing but the build, the documents and the license is packed', async (t) => {
  const { stdout } = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: ROOT, encoding: 'utf8' })
  const [packed] = JSON.parse(stdout) as [{ files: { path: string }[] }]
  const strangers = packed.files.map(({ path }) => path)
    .filter((path) => !/^(dist|miniprogram_dist)\/|^(client\/package\.json|README(\.[\w-]+)?\.md|CHANGELOG\.md|LICENSE|package\.json)$/.test(path))
  t.strictSame(strangers, [])
})

test('who does not read "exports", such as webpack 4 and the TypeScript of a native Mini Program, finds the client all the same', (t) => {
  const folder = join(ROOT, 'client')
  const { main, module, types } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const { default: exported, types: exportedTypes } = manifest.exports['./client']
  t.strictSame([module, types].map((path) => join(folder, path)), [exported, exportedTypes].map((path) => join(ROOT, path)))
  t.match(manifest.scripts['build:miniprogram'], `--outfile=${relative(ROOT, join(folder, main))} `)

  cpSync(folder, join(project, 'node_modules', 'fastify-weapp', 'client'), { recursive: true })
  const native = join(project, 'native')
  mkdirSync(native)
  writeFileSync(join(native, 'tsconfig.json'), JSON.stringify({
    compilerOptions: { target: 'ES2020', module: 'CommonJS', moduleResolution: 'node10', ignoreDeprecations: '6.0', strict: true, types: [], noEmit: true }
  }))
  writeFileSync(join(native, 'page.ts'), `
    import { createWeappClient } from 'fastify-weapp/client'
    export const token: string | null = createWeappClient({ baseUrl: 'https://api.example.com' }).token
    // @ts-expect-error the types are there
    createWeappClient({})
  `)
  t.equal(typecheck(native), '')
  t.end()
})

test('the types hold a host to what it promises', (t) => {
  const compile = (name: string, code: string) => {
    const folder = join(project, name)
    mkdirSync(folder)
    writeFileSync(join(folder, 'tsconfig.json'), '{ "extends": "../tsconfig.json", "include": ["."] }')
    writeFileSync(join(folder, 'host.ts'), code)
    return typecheck(folder)
  }
  t.equal(compile('data', `
    import type { OnLogin } from 'fastify-weapp'
    declare module 'fastify-weapp' { interface SessionData { userId: number } }
    export const onLogin: OnLogin[] = [
      () => ({ data: { userId: 1 }, label: 'a phone' }),
      async () => ({ data: { userId: 1 } }),
      // @ts-expect-error session.data.userId would be undefined
      () => ({}),
      // @ts-expect-error here as well
      async () => {},
      // @ts-expect-error and this is no number
      () => ({ data: { userId: '1' } })
    ]
  `), '')
  t.equal(compile('no-data', `
    import Fastify from 'fastify'
    import weapp, { createWechatClient, type OnLogin } from 'fastify-weapp'
    import { Agent, ProxyAgent } from 'undici'
    import { Agent as Agent6 } from 'undici-6'
    export const onLogin: OnLogin[] = [() => {}, async () => ({}), () => ({ reply: { a: 1 } }), () => ({ data: {} })]
    const app = { appId: 'wx', appSecret: 'secret' }
    for (const dispatcher of [new Agent(), new ProxyAgent('http://localhost'), new Agent6(), new Agent6().compose((dispatch) => dispatch)]) {
      createWechatClient({ ...app, dispatcher })
      Fastify().register(weapp, { ...app, secret: 'x', wechat: { dispatcher } })
    }
    const app5 = Fastify()
    app5.get('/a', { config: { weapp: 'optional' } }, async () => '')
    app5.get('/b', { config: { weapp: { freshKey: true } } }, async () => '')
    // @ts-expect-error a slip
    app5.get('/c', { config: { weapp: 'optinal' } }, async () => '')
    // @ts-expect-error another
    app5.get('/d', { config: { weapp: { freshkey: true } } }, async () => '')
    // @ts-expect-error an agent of node:http dispatches nothing
    createWechatClient({ ...app, dispatcher: {} })
  `), '')
  t.end()
})

test('the types bring nobody else into Fastify\'s', async (t) => {
  const types = join(project, 'node_modules', 'fastify-weapp', 'dist')
  const declarations = readdirSync(types, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.d.ts'))
  t.not(declarations.length, 0)
  for (const path of declarations) {
    // @fastify/jwt would give every host an app.jwt that is not there; ioredis is a host's own.
    t.notMatch(readFileSync(join(types, path), 'utf8'), /from '(@fastify\/jwt|ioredis)'|import\("(@fastify\/jwt|ioredis)"\)/, path)
  }
})
