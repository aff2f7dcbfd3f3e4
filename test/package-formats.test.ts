/** Tests the built package as ES modules and as CommonJS, and what it loads. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import swagger from '@fastify/swagger'
import Fastify from 'fastify'
import tap, { test } from 'tap'
import weapp from '../src/index.js'
import { childEnvironment } from './helpers/child-environment.js'
import { APP_ID, APP_SECRET, SECRET } from './helpers/host.js'
import { installedProject } from './helpers/installed-package.js'

tap.setTimeout(300_000)

const TYPESCRIPT_5 = fileURLToPath(new URL('../node_modules/typescript-5/bin/tsc', import.meta.url))
const OPTIONS = { appId: APP_ID, appSecret: APP_SECRET, secret: SECRET }
const project = installedProject(tap)

/** Runs a program in the project and returns its output, with its errors. */
function run (command: string, ...args: string[]): string {
  const { stdout, stderr } = spawnSync(command, args, { cwd: project, encoding: 'utf8', env: childEnvironment() })
  return stdout + stderr
}

function runNode (...args: string[]): string {
  return run(process.execPath, ...args)
}

/** A host that prints the result of a login. `inject` would load an ES module of Fastify's own dependencies. */
const LOGIN = `
  const wechat = await startWechatSimulator({ apps: { ${APP_ID}: '${APP_SECRET}' } })
  const app = Fastify()
  await app.register(weapp, { ...${JSON.stringify(OPTIONS)}, wechat: { baseUrl: wechat.url } })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const login = async (code: string): Promise<any> => {
    const body = JSON.stringify({ code })
    const headers = { 'content-type': 'application/json' }
    return (await fetch(url + '/weapp/login', { method: 'POST', headers, body })).json()
  }
  console.log(typeof (await login(wechat.login('alice'))).token, (await login('')).message, typeof createWeappClient)
  await app.close()
  await wechat.close()
`
const LOGIN_JS = LOGIN.replace('code: string): Promise<any>', 'code)')
const LOGGED_IN = 'string body/code must NOT have fewer than 1 characters function\n'

const IMPORTS = `
  import Fastify from 'fastify'
  import weapp from 'fastify-weapp'
  import { createWeappClient } from 'fastify-weapp/client'
  import { startWechatSimulator } from 'fastify-weapp/testing'
`
const REQUIRES = `
  const { default: Fastify } = require('fastify')
  const { default: weapp } = require('fastify-weapp')
  const { createWeappClient } = require('fastify-weapp/client')
  const { startWechatSimulator } = require('fastify-weapp/testing')
`

test('formats: a login works with import', async (t) => {
  t.equal(runNode('--input-type=module', '-e', IMPORTS + LOGIN_JS), LOGGED_IN)
})

test('formats: a login works with require, also where ES modules cannot be required, as in Jest', async (t) => {
  const program = `${REQUIRES}; (async () => { ${LOGIN_JS} })()`
  t.equal(runNode('--input-type=commonjs', '-e', program), LOGGED_IN)
  t.equal(runNode('--no-experimental-require-module', '--input-type=commonjs', '-e', program), LOGGED_IN)
})

const hasBun = spawnSync('bun', ['--version'], { env: childEnvironment() }).status === 0

test('formats: a login works on Bun', { skip: !hasBun && 'Bun is not installed' }, async (t) => {
  writeFileSync(join(project, 'bun.mjs'), IMPORTS + LOGIN_JS)
  t.equal(run('bun', 'bun.mjs'), LOGGED_IN)
})

test('formats: import and require return the same module', async (t) => {
  const program = `
    import { createRequire } from 'node:module'
    import * as imported from 'fastify-weapp'
    console.log(createRequire(import.meta.url)('fastify-weapp').memoryStore === imported.memoryStore)
  `
  t.equal(runNode('--input-type=module', '-e', program), 'true\n')
})

for (const module of ['commonjs', 'node16']) {
  test(`formats: TypeScript 5.9 compiles a CommonJS project under ${module}, and Node.js runs it`, async (t) => {
    const folder = join(project, module)
    mkdirSync(folder)
    writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }')
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
      compilerOptions: {
        target: 'ES2022', module, esModuleInterop: true, strict: true, skipLibCheck: true, types: ['node']
      }
    }))
    writeFileSync(join(folder, 'index.ts'), `
      ${IMPORTS}
      const id = (app: import('fastify').FastifyRequest): string | undefined => app.weapp?.session.id
      // @ts-expect-error openid is a string
      const wrong = (app: import('fastify').FastifyRequest): number | undefined => app.weapp?.openid
      void [id, wrong]
      async function main (): Promise<void> { ${LOGIN} }
      void main()
    `)
    t.equal(runNode(TYPESCRIPT_5, '-p', folder), '')
    t.equal(runNode(join(folder, 'index.js')), LOGGED_IN)
  })
}

test('undici: is imported by a path that Bun does not replace', async (t) => {
  const folder = join(project, 'node_modules/fastify-weapp/dist')
  for (const path of ['index.js', 'index.cjs', 'testing/index.js', 'testing/index.cjs']) {
    const imports = readFileSync(join(folder, path), 'utf8').match(/["']undici\b[^"']*["']/g)
    t.strictSame([...new Set(imports)], ['"undici/index.js"'], path)
  }
})

test('undici: a call after a failed load loads it again', async (t) => {
  const folder = join(project, 'node_modules/undici')
  const others = `${folder}-others`
  renameSync(folder, others)
  t.teardown(() => {
    rmSync(folder, { recursive: true, force: true })
    renameSync(others, folder)
  })
  const program = `
    function main ({ createWechatClient }) {
      const server = require('node:http').createServer((_request, response) => {
        response.end('{"openid":"o","session_key":"k"}')
      }).listen(0, '127.0.0.1', async () => {
        const baseUrl = 'http://127.0.0.1:' + server.address().port
        const client = createWechatClient({ appId: '${APP_ID}', appSecret: '${APP_SECRET}', baseUrl })
        const call = () => client.code2Session('code').then(({ openid }) => openid, ({ code }) => code)
        const outcome = await call()
        require('node:fs').writeFileSync('${folder}/missing.js', "module.exports = require('../undici-others')")
        console.log(outcome, await call())
        await client.close()
        server.close()
      })
    }
  `
  for (const start of ["import('fastify-weapp').then(main)", "main(require('fastify-weapp'))"]) {
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder)
    writeFileSync(join(folder, 'index.js'), "module.exports = require('./missing.js')")
    const output = runNode('--no-experimental-require-module', '--input-type=commonjs', '-e', program + start)
    t.equal(output, 'FST_WEAPP_WECHAT_UNAVAILABLE o\n', start)
  }
})

test('start-up: loads neither TypeBox nor undici', async (t) => {
  const program = `
    import { createRequire } from 'node:module'
    import Fastify from 'fastify'
    const app = Fastify()
    await app.register(import('fastify-weapp'), ${JSON.stringify(OPTIONS)})
    await app.ready()
    const loaded = Object.keys(createRequire(import.meta.url).cache)
    console.log(loaded.some((path) => path.includes('/node_modules/@fastify/jwt/')))
    console.log(loaded.filter((path) => /\\/node_modules\\/(@sinclair|undici)\\//.test(path)))
    await app.close()
  `
  t.equal(runNode('--input-type=module', '-e', program), 'true\n[]\n')
})

test('schemas: the build documents the routes as the source does', async (t) => {
  const built = await import(pathToFileURL(join(project, 'node_modules/fastify-weapp/dist/index.js')).href)
  const documents = []
  for (const plugin of [weapp, built.default]) {
    const app = Fastify()
    t.teardown(() => app.close())
    await app.register(swagger, { openapi: {} })
    await app.register(plugin, OPTIONS)
    await app.ready()
    documents.push(JSON.parse(JSON.stringify(app.swagger())))
  }
  t.match(documents[0].paths, { '/weapp/login': {}, '/weapp/logout': {}, '/weapp/session': {} })
  t.strictSame(documents[1], documents[0])
})
