/** The README does what it says: its code runs in a project of its own, and its tables list what there is. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import tap, { test, type Test } from 'tap'
import * as everything from '../src/index.js'
import { startWechatSimulator } from '../src/testing/simulator.js'
import { installedProject, typecheck } from './fixtures/installed.js'
import { redisUrl } from './fixtures/redis.js'

// A build, a compiler and servers take their time where much else runs.
tap.setTimeout(300_000)

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')

/** The code blocks that name a file, by that name. */
const files = new Map<string, string>()
/** The shell commands, block by block. */
const shell: string[] = []
for (const [, language, code] of README.matchAll(/^```(\w*)\n(.*?)^```$/gms) as Iterable<[string, string, string]>) {
  const name = /^\/\/ file: (\S+)\n/.exec(code)?.[1]
  if (name !== undefined) files.set(name, code)
  else if (language === 'sh') shell.push(code)
  else throw new Error(`README.md: nothing would run this block, so it is to begin with "// file: name":\n${code}`)
}

/** Runs Node.js there, without what tap puts into the environment of every child. */
function node (t: Test, cwd: string, args: string[], env: Record<string, string> = {}): ChildProcess {
  const child = spawn(process.execPath, args, { cwd, env: { PATH: process.env['PATH'], ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => { child.kill('SIGKILL') })
  return child
}

/** Runs to the end. @throws what it said, unless all went well */
async function nodeToEnd (...args: Parameters<typeof node>): Promise<string> {
  const child = node(...args)
  const [output, errors, [exitCode]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'exit')])
  if (exitCode !== 0) throw new Error(`node ${args[2].join(' ')}: exit code ${exitCode}\n${output}\n${errors}`)
  return output
}

async function freePorts (count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as AddressInfo).port)
  await Promise.all(servers.map((server) => { server.close(); return once(server, 'close') }))
  return ports
}

test('its code', async (t) => {
  const project = installedProject(t)
  for (const [name, code] of files) writeFileSync(join(project, name), code)

  await t.test('the types fit, and those of the example', async (t) => {
    mkdirSync(join(project, 'example'))
    for (const name of ['accounts.ts', 'app.ts', 'metrics.ts', 'server.ts', 'settings.ts']) {
      cpSync(join(ROOT, 'example', name), join(project, 'example', name))
    }
    // Apart: what each says of SessionData holds for its whole project.
    writeFileSync(join(project, 'example', 'tsconfig.json'), '{ "extends": "../tsconfig.json", "include": ["."] }')
    t.equal(typecheck(join(project, 'example')), '')
    const config = JSON.parse(readFileSync(join(project, 'tsconfig.json'), 'utf8'))
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ ...config, include: ['*.ts'] }))
    t.equal(typecheck(project), '')
  })

  await t.test('server.mjs and its curl commands', async (t) => {
    const commands = shell.find((code) => code.startsWith('CODE='))!
    const [expected] = /(?<=^# ).*/m.exec(commands)!
    // Its ports may be taken here.
    const [port, wechatPort] = await freePorts(2)
    const onFreePorts = (code: string) => code.replaceAll('3000', `${port}`).replaceAll('3001', `${wechatPort}`)

    writeFileSync(join(project, 'server.mjs'), onFreePorts(files.get('server.mjs')!))
    const server = node(t, project, ['server.mjs'])
    const errors = text(server.stderr!)
    let listening = false
    for await (const line of createInterface(server.stdout!)) {
      listening = line.includes('Server listening')
      if (listening) break
    }
    if (!listening) throw new Error(await errors)
    server.stdout!.resume()

    const bash = spawn('bash', ['-e', '-o', 'pipefail'], { stdio: ['pipe', 'pipe', 'inherit'] })
    t.teardown(() => { bash.kill('SIGKILL') })
    bash.stdin.end(onFreePorts(commands))
    t.equal(await text(bash.stdout), expected)
  })

  await t.test('app-with-redis.mjs', async (t) => {
    const env = { REDIS_URL: await redisUrl(t), WEAPP_APP_ID: 'wx0123456789abcdef', WEAPP_APP_SECRET: 'secret', WEAPP_SECRET: 'x'.repeat(32) }
    writeFileSync(join(project, 'ask-redis.mjs'), `
      import { app } from './app-with-redis.mjs'
      const sessions = await app.weapp.sessions.list({ appId: process.env.WEAPP_APP_ID, openid: 'nobody' })
      const { statusCode } = await app.inject('/me')
      await app.close()
      console.log(JSON.stringify({ sessions, statusCode }))
    `)
    const output = await nodeToEnd(t, project, ['ask-redis.mjs'], env)
    t.match(output, /^\{"sessions":\[\],"statusCode":401\}$/m, 'the store answers, and the guard guards')
  })

  await t.test('my-store.test.mjs', async (t) => {
    t.match(await nodeToEnd(t, project, ['--test', '--test-reporter=tap', 'my-store.test.mjs']), /^# fail 0$/m)
  })

  await t.test('profile.ts and several.ts', async (t) => {
    writeFileSync(join(project, 'ask.ts'), `
      import { startWechatSimulator } from 'fastify-weapp/testing'
      import { buildApp } from './app.js'
      import { profileRoutes } from './profile.js'
      import { app as several } from './several.js'

      const wechat = await startWechatSimulator({ apps: { wx0123456789abcdef: 'app-secret' } })
      const app = await buildApp({
        appId: 'wx0123456789abcdef', appSecret: 'app-secret', secret: 'x'.repeat(32), wechat: { baseUrl: wechat.url }
      })
      await app.register(profileRoutes)
      const ask = async (url: string, payload: object, token = '') => {
        const headers = { authorization: 'Bearer ' + token }
        return (await app.inject({ method: 'POST', url, payload, headers })).json()
      }
      const { token } = await ask('/weapp/login', { code: wechat.login('alice') })
      const unknown = await several.inject({ method: 'POST', url: '/weapp/login', payload: { code: 'code' } })
      console.log(JSON.stringify([
        await ask('/run-data', wechat.encrypt('alice', { stepInfoList: [{ step: 100 }] }), token),
        await ask('/phone', { phoneCode: wechat.phoneCode('alice') }, token),
        unknown.json().code
      ]))
      await app.close()
      await several.close()
      await wechat.close()
    `)
    const answers = JSON.parse(await nodeToEnd(t, project, ['--import', 'tsx', 'ask.ts']))
    t.same(answers, [
      { steps: [{ step: 100 }] }, { purePhoneNumber: '13800138000', countryCode: '86' }, 'FST_WEAPP_APP_UNKNOWN'
    ])
  })

  await t.test('app.ts and app.test.ts', async (t) => {
    t.match(await nodeToEnd(t, project, ['--import', 'tsx', '--test', '--test-reporter=tap', 'app.test.ts']), /^# pass 1$/m)
  })
})

test('request.js, on a phone', async (t) => {
  const wechat = await startWechatSimulator()
  const [appId, appSecret] = Object.entries(wechat.apps)[0]!
  const { default: Fastify } = await import('fastify')
  const app = Fastify()
  t.teardown(async () => {
    await app.close()
    await wechat.close()
  })
  await app.register(everything.default, { appId, appSecret, secret: 'x'.repeat(32), wechat: { baseUrl: wechat.url } })
  app.get('/me', { config: { weapp: true } }, async (request) => ({ openid: request.weapp!.openid }))
  await app.ready()

  const storage = new Map<string, string>()
  let logins = 0
  /** As much of wx as the page uses: every HTTP status is a success, and nothing in storage reads ''. */
  const wx = {
    async login () {
      logins++
      return { code: wechat.login('alice') }
    },
    getStorageSync: (key: string) => storage.get(key) ?? '',
    setStorageSync: (key: string, value: string) => { storage.set(key, value) },
    request ({ url, method = 'GET', data, header, success, fail }: {
      url: string
      method?: 'GET' | 'POST'
      data?: object
      header: Record<string, string>
      success (response: object): void
      fail (error: unknown): void
    }) {
      const path = url.replace('https://api.example.com', '')
      const headers = { 'content-type': 'application/json', ...header }
      app.inject({ method, url: path, headers, ...data && { payload: data } }).then(
        (response) => success({ statusCode: response.statusCode, data: response.json() }), fail)
    }
  }
  const module = { exports: {} as { request (path: string, options?: object): Promise<unknown>, signIn (): Promise<void> } }
  // eslint-disable-next-line no-new-func
  new Function('wx', 'module', files.get('request.js')!)(wx, module)
  const { request, signIn } = module.exports

  const user = { appId, openid: wechat.openid('alice') }
  const me = { statusCode: 200, data: { openid: user.openid } }
  t.match(await Promise.all([request('/me'), request('/me')]), [me, me])
  t.equal(logins, 1, 'pages that ask at once share a login')

  storage.set('token', 'worn out')
  t.match(await request('/me', { method: 'GET' }), me, 'a 401 signs in again and repeats')
  t.equal(logins, 2)

  await app.weapp.sessions.revokeAll(user)
  t.match(await request('/me'), { statusCode: 401, data: { code: 'FST_WEAPP_SESSION_KICKED' } }, 'who was signed out stays so')
  t.equal(logins, 2)
  await signIn()
  t.match(await request('/me'), me, 'until the button is tapped')

  wechat.fault({ errcode: 40226 })
  await t.rejects(signIn(), { message: 'FST_WEAPP_LOGIN_BLOCKED' })
})

/** The rows of the table whose head begins with this cell: their cells, without the marks of code. */
function table (head: string): string[][] {
  const start = README.indexOf(`\n| ${head} |`)
  if (start === -1) throw new Error(`README.md has no table "${head}"`)
  const [, , ...rows] = README.slice(start + 1).split('\n\n', 1)[0]!.split('\n')
  return rows.map((row) => row.slice(2, -2).split(' | ').map((cell) => cell.replaceAll('`', '').trim()))
}

test('the table of errors lists every error', async (t) => {
  const errors = Object.entries(everything).filter(([name]) => name.startsWith('FST_WEAPP_')).map(([, error]) => {
    const { code, statusCode } = new (error as everything.WeappErrorConstructor)()
    return code as string === 'FST_WEAPP_INVALID_OPTION' ? `${code} none` : `${code} ${statusCode}`
  })
  t.same(table('Code').map(([code, status]) => `${code} ${status}`).sort(), [...new Set(errors)].sort())

  const codes = new Set(table('Code').map(([code]) => code))
  t.same(README.match(/FST_WEAPP_[A-Z_]*[A-Z]\b/g)!.filter((code) => !codes.has(code)), [], 'no other is named')
})

test('the table of options lists every option', async (t) => {
  const source = readFileSync(join(ROOT, 'src', 'resolve-options.ts'), 'utf8')
  const sections = new Map<string, string[]>()
  for (const [, name, list] of source.matchAll(/section\([\w.]+, '(\w+)', \[([^\]]+)\]/g)) {
    sections.set(name!, list!.match(/\w+/g)!)
  }
  const { options = [], ...parts } = Object.fromEntries(sections)
  t.not(options.length, 0)
  const expected = options.flatMap((option) => parts[option]?.map((name) => `${option}.${name}`) ?? [option])
  t.same(table('Option').map(([option]) => option).sort(), expected.sort())
})
