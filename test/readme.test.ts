/** Runs the code of the READMEs in a project of its own, and compares their tables with the source. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
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
import { checkTypes, installedProject } from './helpers/installed-package.js'
import { freePort } from './helpers/processes.js'
import { redisUrl } from './helpers/redis.js'
import { typeMembers } from './helpers/type-members.js'

// A build, a compiler and servers are slow on a busy machine.
tap.setTimeout(300_000)

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const README = readFileSync(join(ROOT, 'README.md'), 'utf8')
const CHINESE = readFileSync(join(ROOT, 'README.zh-CN.md'), 'utf8')

interface Blocks {
  /** Code blocks with a file name, by that name. */
  files: Map<string, string>
  /** Shell commands, block by block. */
  shell: string[]
}

function blocksOf (text: string): Blocks {
  const files = new Map<string, string>()
  const shell: string[] = []
  const blocks = text.matchAll(/^```(\w*)\n(.*?)^```$/gms) as Iterable<[string, string, string]>
  for (const [, language, code] of blocks) {
    const name = /^\/\/ file: (\S+)\n/.exec(code)?.[1]
    if (name !== undefined) files.set(name, code)
    else if (language === 'sh') shell.push(code)
    else throw new Error(`A code block of the README is never run. Begin it with "// file: name":\n${code}`)
  }
  return { files, shell }
}

const { files, shell } = blocksOf(README)
const chinese = blocksOf(CHINESE)
/** Files of a Mini Program, which are CommonJS. The test of the Mini Program runs them. */
const MINI_PROGRAM_FILES = ['utils/client.js', 'pages/steps/steps.js']
/** Files of the Chinese README alone. Its other files equal the English ones. */
const CHINESE_ONLY = ['phone-login.mjs']

/** Starts Node.js in a folder, without the variables of tap. */
function node (t: Test, cwd: string, args: string[], env: Record<string, string> = {}): ChildProcess {
  const child = spawn(process.execPath, args, { cwd, env: childEnvironment(env), stdio: ['ignore', 'pipe', 'pipe'] })
  t.teardown(() => { child.kill('SIGKILL') })
  return child
}

/** Runs Node.js to its end and resolves to its standard output. Rejects unless the exit code is 0. */
async function nodeOutput (...args: Parameters<typeof node>): Promise<string> {
  const child = node(...args)
  const [output, errors, [exitCode]] = await Promise.all([
    text(child.stdout!), text(child.stderr!), once(child, 'exit')
  ])
  if (exitCode !== 0) throw new Error(`node ${args[2].join(' ')}: exit code ${exitCode}\n${output}\n${errors}`)
  return output
}

/** Runs a file with tests of node:test and resolves to their TAP. One process is enough without `--test`. */
async function nodeTest (t: Test, project: string, file: string): Promise<string> {
  const loader = file.endsWith('.ts') ? ['--import', 'tsx'] : []
  return await nodeOutput(t, project, [...loader, '--test-reporter=tap', file])
}

test('code of the READMEs', async (t) => {
  const project = installedProject(t)
  for (const [name, code] of [...chinese.files, ...files]) {
    if (!MINI_PROGRAM_FILES.includes(name)) writeFileSync(join(project, name), code)
  }

  const example = join(project, 'example')
  // The code of a browser, of a Mini Program and of the stores has type checks elsewhere.
  const excluded = ['miniprogram', 'stores', 'demo/browser'].map((name) => join(ROOT, 'example', name))
  cpSync(join(ROOT, 'example'), example, { recursive: true, filter: (path) => !excluded.includes(path) })
  // The example is a project of its own, because each project augments SessionData in its own way.
  writeConfig(example, { extends: '../tsconfig.json', compilerOptions: { skipLibCheck: false }, include: ['.'] })
  writeConfig(project, { ...JSON.parse(readFileSync(join(project, 'tsconfig.json'), 'utf8')), include: ['*.ts'] })
  // The compiler runs along with the tests below. They add .mts files only, which it does not check.
  const typeErrors = checkTypes(example, project)

  await t.test('server.mjs: its curl commands print what the README shows', async (t) => {
    const commands = shell.find((code) => code.startsWith('CODE='))!
    const [expected] = /(?<=^# ).*/m.exec(commands)!
    // The ports of the README may be taken on this machine.
    const [port, wechatPort] = await Promise.all([freePort(), freePort()])
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

  await t.test('app-with-redis.mjs: the store answers and the guard refuses', async (t) => {
    const env = {
      REDIS_URL: await redisUrl(t),
      WEAPP_APP_ID: 'wx0123456789abcdef',
      WEAPP_APP_SECRET: 'secret',
      WEAPP_SECRET: 'x'.repeat(32)
    }
    writeFileSync(join(project, 'run-redis.mjs'), `
      import { app } from './app-with-redis.mjs'
      const sessions = await app.weapp.sessions.list({ appId: process.env.WEAPP_APP_ID, openid: 'nobody' })
      const { statusCode } = await app.inject('/me')
      await app.close()
      console.log(JSON.stringify({ sessions, statusCode }))
    `)
    const output = await nodeOutput(t, project, ['run-redis.mjs'], env)
    t.match(output, /^\{"sessions":\[\],"statusCode":401\}$/m)
  })

  await t.test('my-store.test.mjs: passes', async (t) => {
    t.match(await nodeTest(t, project, 'my-store.test.mjs'), /^# fail 0$/m)
  })

  for (const file of ['mini-program.test.mjs', 'app.test.ts', 'profile.test.ts']) {
    await t.test(`${file}: passes`, async (t) => {
      t.match(await nodeTest(t, project, file), /^# pass 1$/m)
    })
  }

  await t.test('phone-login.mjs: binds a phone number once', async (t) => {
    writeFileSync(join(project, 'run-phone-login.mjs'), `
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
    const output = await nodeOutput(t, project, ['run-phone-login.mjs'])
    t.equal(output.trim(), '["NOT_BOUND","13800138000","13800138000"]')
  })

  await t.test('profile.ts, several.ts and own-login.ts: their routes answer', async (t) => {
    writeFileSync(join(project, 'run-routes.mts'), `
      import { startWechatSimulator } from 'fastify-weapp/testing'
      import { buildApp } from './app.js'
      import { ownLogin } from './own-login.js'
      import { profileRoutes } from './profile.js'
      import { app as several } from './several.js'

      const wechat = await startWechatSimulator({ apps: { wx0123456789abcdef: 'app-secret' } })
      const build = () => buildApp({
        appId: 'wx0123456789abcdef', appSecret: 'app-secret', secret: 'x'.repeat(32), wechat: { baseUrl: wechat.url }
      })
      const app = await build()
      await app.register(profileRoutes)
      const post = async (url: string, payload: object, token = '') => {
        const headers = { authorization: 'Bearer ' + token }
        return (await app.inject({ method: 'POST', url, payload, headers })).json()
      }
      const { token } = await post('/weapp/login', { code: wechat.login('alice') })
      const unknown = await several.inject({ method: 'POST', url: '/weapp/login', payload: { code: 'code' } })

      const own = await build()
      await own.register(ownLogin)
      const payload = { js_code: wechat.login('bob') }
      const login = await own.inject({ method: 'POST', url: '/api/wx-login', payload })
      const ownToken = login.json().result.token
      const order = await own.inject({ url: '/orders/7', headers: { authorization: 'Bearer ' + ownToken } })
      console.log(JSON.stringify({
        profile: [
          await post('/run-data', wechat.encrypt('alice', { stepInfoList: [{ step: 100 }] }), token),
          await post('/phone', { phoneCode: wechat.phoneCode('alice') }, token)
        ],
        several: unknown.json().code,
        ownLogin: [login.headers['cache-control'], order.json().order]
      }))
      for (const server of [app, own, several]) await server.close()
      await wechat.close()
    `)
    t.strictSame(JSON.parse(await nodeOutput(t, project, ['--import', 'tsx', 'run-routes.mts'])), {
      profile: [{ steps: [{ step: 100 }] }, { purePhoneNumber: '13800138000', countryCode: '86' }],
      several: 'FST_WEAPP_APP_UNKNOWN',
      ownLogin: ['no-store', '7']
    })
  })

  await t.test('types: the code and the example compile', async (t) => {
    t.equal(await typeErrors, '')
  })
})

function writeConfig (folder: string, config: object): void {
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
}

test('Mini Program: the client and the page work with the simulator', async (t) => {
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
  app.post('/avatar', { config: { weapp: true } }, async (request) => {
    return { url: /name="avatar"; filename="([^"]+)"/.exec(String(request.body))![1] }
  })
  const baseUrl = await app.listen({ host: '127.0.0.1', port: 0 })

  const mini = createMiniProgram(wechat, { user: 'alice' })
  const relaunched: string[] = []
  const steps = [{ step: 100 }]
  const local = <T extends { url: string }>(options: T): T => {
    return { ...options, url: options.url.replace('https://api.example.com', baseUrl) }
  }
  const wx = {
    ...mini.wx,
    request: (options: Parameters<typeof mini.wx.request>[0]) => mini.wx.request(local(options)),
    uploadFile: (options: Parameters<typeof mini.wx.uploadFile>[0]) => mini.wx.uploadFile(local(options)),
    getWeRunData: async () => wechat.encrypt('alice', { stepInfoList: steps }),
    reLaunch: ({ url }: { url: string }) => { relaunched.push(url) }
  }
  const { outputFiles } = await build({
    entryPoints: [join(ROOT, 'src/client/index.ts')], bundle: true, format: 'cjs', target: 'es2018', write: false
  })
  const run = (code: string, globals: object) => {
    // eslint-disable-next-line no-new-func
    new Function(...Object.keys(globals), code)(...Object.values(globals))
  }
  const weappClient = { exports: {} }
  run(outputFiles[0]!.text, { module: weappClient, wx })
  const requireIn = (file: string, modules: Record<string, { exports: object }>) => (id: string) => {
    return modules[posix.join(posix.dirname(file), id)]!.exports
  }
  const [clientFile, pageFile] = MINI_PROGRAM_FILES as [string, string]
  const client = { exports: {} }
  run(files.get(clientFile)!, {
    wx,
    module: client,
    require: requireIn(clientFile, { 'utils/weapp-client': weappClient })
  })
  let page!: { data: object, [handler: string]: any }
  run(files.get(pageFile)!, {
    wx,
    require: requireIn(pageFile, { 'utils/client': client }),
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

test('Chinese README: its code, errors and defaults equal the English ones', (t) => {
  const withoutComments = (code: string) => code.replaceAll(/ \/\/ .*$/gm, '')
  for (const [name, code] of chinese.files) {
    if (CHINESE_ONLY.includes(name)) t.notOk(files.has(name))
    else t.equal(withoutComments(code), withoutComments(files.get(name) ?? ''), `${name} equals the English code`)
  }
  for (const code of chinese.shell) t.ok(shell.includes(code), code)

  const codes = new Set(table('Code').map(([code]) => code))
  t.strictSame(errorCodesIn(CHINESE).filter((code) => !codes.has(code)), [], 'all errors in the text exist')
  const statuses = new Map(table('Code').map(([code, status]) => [code, status]))
  for (const [named, status] of table('错误码', CHINESE)) {
    for (const code of named!.split('、')) t.equal(statuses.get(code), status, code)
  }
  for (const row of CHINESE.matchAll(/\| (\d+) `(FST_\w+)` \|/g)) t.equal(statuses.get(row[2]!), row[1], row[2]!)

  const defaults = new Map(table('Option').map(([option, , value]) => [option, value]))
  const translations: Record<string, string> = { 必填: 'required', 接受所有人: 'accepts everybody' }
  for (const [named, value] of table('选项', CHINESE)) {
    const options = named!.split('、')
    const values = value!.split('、')
    options.forEach((option, i) => {
      const stated = values[i] ?? values[0]!
      const [expected] = (defaults.get(option) ?? 'no such option').split(',')
      t.equal(translations[stated] ?? stated, expected, option)
    })
  }
  t.end()
})

test('links: all targets exist', (t) => {
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

/** Returns the cells of the table whose first head cell is given, row by row and without backticks. */
function table (head: string, text = README): string[][] {
  const start = text.indexOf(`\n| ${head} |`)
  if (start === -1) throw new Error(`The README has no table "${head}".`)
  const [, , ...rows] = text.slice(start + 1).split('\n\n', 1)[0]!.split('\n')
  return rows.map((row) => row.slice(2, -2).split(' | ').map((cell) => cell.replaceAll('`', '').trim()))
}

function errorCodesIn (text: string): string[] {
  return text.match(/FST_WEAPP_[A-Z_]*[A-Z]\b/g)!
}

test('error table: lists all errors with their status', async (t) => {
  const errors = Object.entries(everything).filter(([name]) => name.startsWith('FST_WEAPP_')).map(([, error]) => {
    const { code, statusCode } = new (error as everything.WeappErrorConstructor)()
    return code as string === 'FST_WEAPP_INVALID_OPTION' ? `${code} none` : `${code} ${statusCode}`
  })
  t.strictSame(table('Code').map(([code, status]) => `${code} ${status}`).sort(), [...new Set(errors)].sort())

  const codes = new Set(table('Code').map(([code]) => code))
  t.strictSame(errorCodesIn(README).filter((code) => !codes.has(code)), [], 'all errors in the text exist')
})

test('the table of options lists every option', async (t) => {
  const { options, ...sections } = OPTION_NAMES
  const namesOf: Record<string, string[] | undefined> = sections
  const expected = options.flatMap((option) => namesOf[option]?.map((name) => `${option}.${name}`) ?? [option])
  t.strictSame(table('Option').map(([option]) => option).sort(), expected.sort())
})

for (const { subject, file, type, signature } of [
  {
    subject: 'simulator table',
    file: 'src/testing/simulator/simulator.ts',
    type: 'WechatSimulator',
    signature: /startWechatSimulator\(.*\)(?=` \|)/
  },
  {
    subject: 'fake wx table',
    file: 'src/testing/mini-program/mini-program.ts',
    type: 'MiniProgram',
    signature: /createMiniProgram\(.*\)(?=` \|)/
  }
]) {
  test(`${subject}: lists all members and options`, async (t) => {
    const [call] = signature.exec(README)!
    const members = table(`\`${call}\``).flatMap(([cell]) => cell!.replaceAll(/\([^)]*\)/g, '').split(', '))
    t.strictSame(members.sort(), typeMembers(file, type).sort())
    const options = /\{ (.*) \}/.exec(call)![1]!.split(', ')
    t.strictSame(options.sort(), typeMembers(file, `${type}Options`).sort())
  })
}

test('client tables: list all options and all errors of the client', async (t) => {
  const options = typeMembers('src/client/types.ts', 'WeappClientOptions')
  t.strictSame(table('Client option').map(([option]) => option).sort(), options.sort())

  const folder = join(ROOT, 'src', 'client')
  const sources = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8')).join('')
  const errors = new Set(sources.match(/\bWEAPP_[A-Z_]*[A-Z]\b/g))
  t.strictSame(table('Client error').map(([code]) => code).sort(), [...errors].sort())
})
