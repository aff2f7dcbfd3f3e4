/** The READMEs do what they say: their code runs in a project of its own, and their tables list what there is. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join, posix } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import tap, { test, type Test } from 'tap'
import * as everything from '../src/index.js'
import { OPTION_NAMES } from '../src/resolve-options.js'
import { createMiniProgram } from '../src/testing/mini-program/mini-program.js'
import { startWechatSimulator } from '../src/testing/simulator/simulator.js'
import { childEnvironment } from './helpers/child-environment.js'
import { installedProject, typecheck } from './helpers/installed-package.js'
import { redisUrl } from './helpers/redis.js'

// A build, a compiler and servers take their time where much else runs.
tap.setTimeout(300_000)

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')
const CHINESE = readFileSync(join(ROOT, 'README.zh-CN.md'), 'utf8')

interface Blocks {
  /** The code blocks that name a file, by that name. */
  files: Map<string, string>
  /** The shell commands, block by block. */
  shell: string[]
}

function blocksOf (text: string): Blocks {
  const files = new Map<string, string>()
  const shell: string[] = []
  for (const [, language, code] of text.matchAll(/^```(\w*)\n(.*?)^```$/gms) as Iterable<[string, string, string]>) {
    const name = /^\/\/ file: (\S+)\n/.exec(code)?.[1]
    if (name !== undefined) files.set(name, code)
    else if (language === 'sh') shell.push(code)
    else throw new Error(`README: nothing would run this block, so it is to begin with "// file: name":\n${code}`)
  }
  return { files, shell }
}

const { files, shell } = blocksOf(README)
const chinese = blocksOf(CHINESE)
/** A Mini Program is CommonJS, and has a test of its own below. */
const OF_A_PHONE = ['utils/client.js', 'pages/steps/steps.js']
/** Of the Chinese README alone, and run here; whatever else it has is the English code. */
const CHINESE_ONLY = ['phone-login.mjs']

/** Runs Node.js there, without what tap puts into the environment of every child. */
function node (t: Test, cwd: string, args: string[], env: Record<string, string> = {}): ChildProcess {
  const child = spawn(process.execPath, args, { cwd, env: childEnvironment(env), stdio: ['ignore', 'pipe', 'pipe'] })
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
  for (const [name, code] of [...chinese.files, ...files]) if (!OF_A_PHONE.includes(name)) writeFileSync(join(project, name), code)

  await t.test('the types fit, and those of the example', async (t) => {
    // What runs in a browser or a Mini Program, and not in Node.js, is compiled elsewhere if at all.
    const elsewhere = ['miniprogram', 'stores', 'demo/browser'].map((name) => join(ROOT, 'example', name))
    cpSync(join(ROOT, 'example'), join(project, 'example'), { recursive: true, filter: (path) => !elsewhere.includes(path) })
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

  await t.test('mini-program.test.mjs', async (t) => {
    t.match(await nodeToEnd(t, project, ['--test', '--test-reporter=tap', 'mini-program.test.mjs']), /^# pass 1$/m)
  })

  await t.test('phone-login.mjs', async (t) => {
    writeFileSync(join(project, 'ask-phone-login.mjs'), `
      import { startWechatSimulator } from 'fastify-weapp/testing'
      import { buildApp } from './phone-login.mjs'

      const wechat = await startWechatSimulator({ apps: { wx0123456789abcdef: 'app-secret' } })
      const app = await buildApp({
        appId: 'wx0123456789abcdef', appSecret: 'app-secret', secret: 'x'.repeat(32), wechat: { baseUrl: wechat.url }
      })
      const login = async (extra) => {
        const payload = { code: wechat.login('alice'), ...extra }
        return (await app.inject({ method: 'POST', url: '/weapp/login', payload })).json()
      }
      const answers = [await login(), await login({ phoneCode: wechat.phoneCode('alice') }), await login()]
      console.log(JSON.stringify(answers.map(({ code, phoneNumber }) => code ?? phoneNumber)))
      await app.close()
      await wechat.close()
    `)
    t.equal((await nodeToEnd(t, project, ['ask-phone-login.mjs'])).trim(), '["NOT_BOUND","13800138000","13800138000"]')
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
    t.strictSame(answers, [
      { steps: [{ step: 100 }] }, { purePhoneNumber: '13800138000', countryCode: '86' }, 'FST_WEAPP_APP_UNKNOWN'
    ])
  })

  await t.test('own-login.ts', async (t) => {
    writeFileSync(join(project, 'ask-own-login.ts'), `
      import { startWechatSimulator } from 'fastify-weapp/testing'
      import { buildApp } from './app.js'
      import { ownLogin } from './own-login.js'

      const wechat = await startWechatSimulator({ apps: { wx0123456789abcdef: 'app-secret' } })
      const app = await buildApp({
        appId: 'wx0123456789abcdef', appSecret: 'app-secret', secret: 'x'.repeat(32), wechat: { baseUrl: wechat.url }
      })
      await app.register(ownLogin)
      const login = await app.inject({ method: 'POST', url: '/api/wx-login', payload: { js_code: wechat.login('alice') } })
      const { token } = login.json().result
      const order = await app.inject({ url: '/orders/7', headers: { authorization: 'Bearer ' + token } })
      console.log(JSON.stringify([login.headers['cache-control'], order.json().order]))
      await app.close()
      await wechat.close()
    `)
    t.equal((await nodeToEnd(t, project, ['--import', 'tsx', 'ask-own-login.ts'])).trim(), '["no-store","7"]')
  })

  for (const name of ['app', 'profile']) {
    await t.test(`${name}.ts and ${name}.test.ts`, async (t) => {
      t.match(await nodeToEnd(t, project, ['--import', 'tsx', '--test', '--test-reporter=tap', `${name}.test.ts`]), /^# pass 1$/m)
    })
  }
})

test('a client and a page, on a phone', async (t) => {
  const wechat = await startWechatSimulator()
  const [appId, appSecret] = Object.entries(wechat.apps)[0]!
  const { default: Fastify } = await import('fastify')
  const app = Fastify()
  t.teardown(async () => {
    await app.close()
    await wechat.close()
  })
  await app.register(everything.default, {
    appId,
    appSecret,
    secret: 'x'.repeat(32),
    wechat: { baseUrl: wechat.url },
    routes: { login: { body: { type: 'object', properties: { inviteCode: { type: 'string' } } } as never } },
    onLogin: async ({ body }) => ({ reply: { body } })
  })
  app.get('/me', { config: { weapp: true } }, async (request) => ({ openid: request.weapp!.openid }))
  app.post('/run-data', { config: { weapp: true } }, async (request) => {
    const { encryptedData, iv } = request.body as { encryptedData: string, iv: string }
    const data = await app.weapp.identity(request).session.decrypt(encryptedData, iv, { maxAge: '10m' })
    return { steps: data['stepInfoList'] }
  })
  app.addContentTypeParser('multipart/form-data', { parseAs: 'string' }, (_request, body, done) => done(null, body))
  app.post('/avatar', { config: { weapp: true } }, async (request) => ({ url: /name="avatar"; filename="([^"]+)"/.exec(String(request.body))![1] }))
  const baseUrl = await app.listen({ host: '127.0.0.1', port: 0 })

  const mini = createMiniProgram(wechat, { user: 'alice' })
  const relaunched: string[] = []
  const steps = [{ step: 100 }]
  const ours = (url: string) => url.replace('https://api.example.com', baseUrl)
  const wx = {
    ...mini.wx,
    request: (options: Parameters<typeof mini.wx.request>[0]) => mini.wx.request({ ...options, url: ours(options.url) }),
    uploadFile: (options: Parameters<typeof mini.wx.uploadFile>[0]) => mini.wx.uploadFile({ ...options, url: ours(options.url) }),
    getWeRunData: async () => wechat.encrypt('alice', { stepInfoList: steps }),
    reLaunch: ({ url }: { url: string }) => { relaunched.push(url) }
  }
  const { outputFiles } = await build({
    entryPoints: [join(ROOT, 'src/client/index.ts')], bundle: true, format: 'cjs', target: 'es2018', write: false
  })
  // eslint-disable-next-line no-new-func
  const run = (code: string, globals: object) => { new Function(...Object.keys(globals), code)(...Object.values(globals)) }
  const weappClient = { exports: {} }
  run(outputFiles[0]!.text, { module: weappClient, wx })
  const requirable = (file: string, found: Record<string, { exports: object }>) => (id: string) => found[posix.join(posix.dirname(file), id)]!.exports
  const [clientFile, pageFile] = OF_A_PHONE as [string, string]
  const client = { exports: {} }
  run(files.get(clientFile)!, { wx, module: client, require: requirable(clientFile, { 'utils/weapp-client': weappClient }) })
  let page!: { data: object, [handler: string]: any }
  run(files.get(pageFile)!, {
    wx,
    require: requirable(pageFile, { 'utils/client': client }),
    Page: (definition: typeof page) => { page = definition }
  })
  page['setData'] = (values: object) => Object.assign(page.data, values)

  const user = { appId, openid: wechat.openid('alice') }
  await page['onLoad']()
  t.match(page.data, { openid: user.openid, devices: [], steps: [] })
  t.equal(mini.calls.login, 1)
  await page['onTapSteps']()
  t.match(page.data, { openid: user.openid, devices: [], steps })
  await page['onChooseAvatar']({ detail: { avatarUrl: join(t.testdir({ 'me.png': 'a picture' }), 'me.png') } })
  t.match(page.data, { avatar: 'me.png' })
  await page['onTapDevices']()
  t.match(page.data, { devices: [{ current: true }] })
  t.equal(mini.calls.login, 1)

  await app.weapp.sessions.revokeAll(user)
  await t.rejects(page['onTapSteps'](), { code: 'FST_WEAPP_SESSION_KICKED' })
  t.strictSame(relaunched, ['/pages/welcome/welcome?code=FST_WEAPP_SESSION_KICKED'])
  t.match(await page['onTapSignIn'](), { token: String, body: { inviteCode: 'abc' } })
  await page['onTapSteps']()
  await page['onTapSignOut']()
  t.strictSame(await app.weapp.sessions.list(user), [])
})

test('the Chinese README', (t) => {
  const withoutComments = (code: string) => code.replaceAll(/ \/\/ .*$/gm, '')
  for (const [name, code] of chinese.files) {
    if (CHINESE_ONLY.includes(name)) t.notOk(files.has(name))
    else t.equal(withoutComments(code), withoutComments(files.get(name) ?? ''), `${name} is the English code`)
  }
  for (const code of chinese.shell) t.ok(shell.includes(code), code)

  const codes = new Set(table('Code').map(([code]) => code))
  t.strictSame(CHINESE.match(/FST_WEAPP_[A-Z_]*[A-Z]\b/g)!.filter((code) => !codes.has(code)), [], 'it names no other errors')
  const statuses = new Map(table('Code').map(([code, status]) => [code, status]))
  for (const [named, status] of table('错误码', CHINESE)) {
    for (const code of named!.split('、')) t.equal(statuses.get(code), status, code)
  }
  for (const row of CHINESE.matchAll(/\| (\d+) `(FST_\w+)` \|/g)) t.equal(statuses.get(row[2]!), row[1], row[2]!)

  const defaults = new Map(table('Option').map(([option, , value]) => [option, value]))
  const words: Record<string, string> = { 必填: 'required', 接受所有人: 'accepts everybody' }
  for (const [named, value] of table('选项', CHINESE)) {
    const options = named!.split('、')
    const values = value!.split('、')
    options.forEach((option, i) => {
      const stated = values[i] ?? values[0]!
      const [expected] = (defaults.get(option) ?? 'no such option').split(',')
      t.equal(words[stated] ?? stated, expected, option)
    })
  }
  t.end()
})

test('the links lead somewhere', (t) => {
  const anchors = (text: string) => new Set([...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) => {
    return title!.toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-')
  }))
  const pages = new Map([['README.md', README], ['README.zh-CN.md', CHINESE]])
  for (const [page, text] of pages) {
    for (const [, path, anchor] of text.matchAll(/\]\((?!https?:)([^)#]*)#?([^)]*)\)/g)) {
      const target = path || page
      t.ok(existsSync(join(ROOT, target)), `${page}: ${target}`)
      if (anchor) t.ok(anchors(pages.get(target)!).has(anchor), `${page}: ${target}#${anchor}`)
    }
  }
  t.ok(README.includes('](README.zh-CN.md)') && CHINESE.includes('](README.md)'))
  t.end()
})

/** The rows of the table whose head begins with this cell: their cells, without the marks of code. */
function table (head: string, text = README): string[][] {
  const start = text.indexOf(`\n| ${head} |`)
  if (start === -1) throw new Error(`There is no table "${head}"`)
  const [, , ...rows] = text.slice(start + 1).split('\n\n', 1)[0]!.split('\n')
  return rows.map((row) => row.slice(2, -2).split(' | ').map((cell) => cell.replaceAll('`', '').trim()))
}

test('the table of errors lists every error', async (t) => {
  const errors = Object.entries(everything).filter(([name]) => name.startsWith('FST_WEAPP_')).map(([, error]) => {
    const { code, statusCode } = new (error as everything.WeappErrorConstructor)()
    return code as string === 'FST_WEAPP_INVALID_OPTION' ? `${code} none` : `${code} ${statusCode}`
  })
  t.strictSame(table('Code').map(([code, status]) => `${code} ${status}`).sort(), [...new Set(errors)].sort())

  const codes = new Set(table('Code').map(([code]) => code))
  t.strictSame(README.match(/FST_WEAPP_[A-Z_]*[A-Z]\b/g)!.filter((code) => !codes.has(code)), [], 'no other is named')
})

test('the table of options lists every option', async (t) => {
  const { options, ...sections } = OPTION_NAMES
  const namesOf: Record<string, string[] | undefined> = sections
  const expected = options.flatMap((option) => namesOf[option]?.map((name) => `${option}.${name}`) ?? [option])
  t.strictSame(table('Option').map(([option]) => option).sort(), expected.sort())
})

test('the tables of the simulator and the fake wx list all that they have', (t) => {
  for (const [file, name, head] of [['simulator', 'WechatSimulator', 'startWechatSimulator('], ['mini-program', 'MiniProgram', 'createMiniProgram(']] as const) {
    const source = readFileSync(join(ROOT, 'src', 'testing', file, `${file}.ts`), 'utf8')
    const membersOf = (type: string) => {
      const [, fields] = new RegExp(`export interface ${type} \\{\\n(.*?)^\\}`, 'ms').exec(source)!
      return [...fields!.matchAll(/^ {2}(?:readonly )?(\w+)\??(?=[: ])/gm)].map(([, member]) => member!)
    }
    const [start] = README.match(new RegExp(`^\\| \`${head.replace('(', '\\(')}.*$`, 'm'))!
    const listed = table(start.slice(2, -4)).flatMap(([cell]) => cell!.replaceAll(/\([^)]*\)/g, '').split(', '))
    t.strictSame(listed.sort(), membersOf(name).sort())
    const options = /\{ (.*) \}/.exec(start)![1]!.split(', ')
    t.strictSame(options.sort(), membersOf(`${name}Options`).sort())
  }
  t.end()
})

test('the tables of the client list every option and every error of its own', (t) => {
  const folder = join(ROOT, 'src', 'client')
  const sources = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'))
  const [, fields] = /interface WeappClientOptions \{\n(.*?)^\}/ms.exec(sources.join(''))!
  const options = [...fields!.matchAll(/^ {2}(\w+)\??:/gm)].map(([, name]) => name)
  t.not(options.length, 0)
  t.strictSame(table('Client option').map(([option]) => option).sort(), options.sort())

  const errors = new Set(sources.join('').match(/\bWEAPP_[A-Z_]*[A-Z]\b/g))
  t.strictSame(table('Client error').map(([code]) => code).sort(), [...errors].sort())
  t.end()
})
