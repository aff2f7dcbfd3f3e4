/** Runs the code of the documentation in a project of its own, with the built package. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import tap, { test, type Test } from 'tap'
import { childEnvironment } from '../helpers/child-environment.js'
import { CHINESE, codeBlocks, codeFiles, ENGLISH, ROOT } from '../helpers/documents.js'
import { checkTypes, installedProject } from '../helpers/installed-package.js'
import { freePort } from '../helpers/processes.js'
import { redisUrl } from '../helpers/redis.js'

// A build, a compiler and servers are slow on a busy machine.
tap.setTimeout(300_000)

const files = new Map([...codeFiles(CHINESE), ...codeFiles(ENGLISH)])
const shell = codeBlocks(ENGLISH).filter(({ language }) => language === 'sh').map(({ code }) => code)

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

test('code of the documentation', async (t) => {
  const project = installedProject(t)
  for (const [name, code] of files) {
    // Files in folders have tests of their own.
    if (!name.includes('/')) writeFileSync(join(project, name), code)
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

  await t.test('quick-start.mjs: prints what the README shows', async (t) => {
    const [, expected] = /^node quick-start\.mjs\n# (.*)$/m.exec(shell.join('\n'))!
    const code = files.get('quick-start.mjs')!.replace('3000', `${await freePort()}`)
    writeFileSync(join(project, 'quick-start.mjs'), code)
    t.equal(await nodeOutput(t, project, ['quick-start.mjs']), `${expected}\n`)
  })

  await t.test('server.mjs: its curl commands print what the page shows', async (t) => {
    const commands = shell.find((code) => code.startsWith('CODE='))!
    const [expected] = /(?<=^# ).*/m.exec(commands)!
    // The ports of the page may be taken on this machine.
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

  for (const file of ['me.test.mjs', 'mini-program.test.mjs', 'virtual-payment.test.mjs', 'app.test.ts', 'profile.test.ts']) {
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

  await t.test('user-id.mjs and login-times.mjs: find a login in the log, and time it', async (t) => {
    writeFileSync(join(project, 'run-log.mjs'), `
      import Fastify from 'fastify'
      import weapp from 'fastify-weapp'
      import { startWechatSimulator } from 'fastify-weapp/testing'
      import { onLoginTime } from './login-times.mjs'
      import { userIdOf } from './user-id.mjs'

      const times = []
      onLoginTime((time) => times.push(time))
      const lines = []
      const appId = 'wx0123456789abcdef'
      const wechat = await startWechatSimulator({ apps: { [appId]: 'app-secret' } })
      const app = Fastify({ logger: { stream: { write: (line) => lines.push(JSON.parse(line)) } } })
      await app.register(weapp, {
        appId, appSecret: 'app-secret', secret: 'x'.repeat(32), wechat: { baseUrl: wechat.url }
      })
      for (const code of [wechat.login('alice'), 'unknown']) {
        await app.inject({ method: 'POST', url: '/weapp/login', payload: { code } })
      }
      const { userId } = lines.find(({ weapp }) => weapp?.event === 'login').weapp
      console.log(JSON.stringify({
        isFound: userId === userIdOf(appId, wechat.openid('alice')),
        failed: times.map(({ failed }) => failed),
        isTimed: times.every(({ ms }) => ms > 0)
      }))
      await app.close()
      await wechat.close()
    `)
    t.strictSame(JSON.parse(await nodeOutput(t, project, ['run-log.mjs'])), {
      isFound: true, failed: [false, true], isTimed: true
    })
  })

  await t.test('types: the code and the example compile', async (t) => {
    t.equal(await typeErrors, '')
  })
})

function writeConfig (folder: string, config: object): void {
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
}
