/**
 * The example Mini Program. Checks the files that DevTools requires, and runs the pages with a fake `wx` and the
 * example server. Does not run DevTools.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import tap, { test, type Test } from 'tap'
import { createMiniProgram } from '../../src/testing/mini-program/mini-program.js'
import { startWechatSimulator, type WechatSimulator } from '../../src/testing/simulator/simulator.js'
import { childEnvironment } from '../helpers/child-environment.js'
import { CLIENT, ROOT, launch, outfile, pages, paths, read, readJson, resolve } from '../helpers/example-mini-program.js'

// Processes start slowly on a busy machine.
tap.setTimeout(300_000)

const APP_SECRET = 'app-secret'
/** Names in a WXML expression that are no data of the page. */
const WXML_NAMES = new Set(['true', 'false', 'null', 'undefined', 'item', 'index'])

test('project: has the files of a Mini Program', (t) => {
  t.ok(pages.length > 0)
  for (const page of pages) {
    for (const type of ['js', 'wxml', 'wxss', 'json']) t.ok(paths.includes(`${page}.${type}`), `${page}.${type}`)
  }
  for (const path of paths.filter((path) => path.endsWith('.json'))) t.doesNotThrow(() => readJson(path), path)
  for (const file of ['app.js', 'app.wxss', readJson('app.json').sitemapLocation]) t.ok(paths.includes(file), file)

  const { appid, compileType, miniprogramRoot, setting } = readJson('project.config.json')
  t.strictSame(
    { appid, compileType, miniprogramRoot },
    { appid: 'touristappid', compileType: 'miniprogram', miniprogramRoot: './' }
  )
  t.equal(setting.urlCheck, false, 'a local server has no domain to check')
  t.match(read('config.js'), /baseUrl: 'http:\/\/127\.0\.0\.1:3000'/, 'the address of the example server')
  t.equal(outfile, `example/miniprogram/${CLIENT}`)
  t.ok(read('.gitignore').split('\n').includes(CLIENT))
  t.end()
})

test('modules: every required file exists', (t) => {
  for (const path of paths.filter((path) => path.endsWith('.js'))) {
    for (const [, id] of read(path).matchAll(/require\("?'?([^'")]+)/g)) {
      t.ok(existsSync(resolve(path, id!)), `${path}: ${id}`)
    }
  }
  t.end()
})

test('pages: WXML matches the code and the styles', async (t) => {
  const wechat = await startWechatSimulator()
  t.teardown(() => wechat.close())
  const { open } = launch(createMiniProgram(wechat, { user: 'alice' }), {})
  for (const path of pages) {
    const wxml = read(`${path}.wxml`)
    const page = open(path)
    const handlers = [...wxml.matchAll(/\s(?:bind|catch):?\w+="(\w+)"/g)].map(([, name]) => name!)
    t.ok(handlers.length > 0)
    for (const handler of handlers) t.type(page[handler], 'function', `${path}: ${handler}`)

    for (const [, expression] of wxml.matchAll(/\{\{(.*?)\}\}/g)) {
      for (const [name] of expression!.matchAll(/(?<![.\w])[a-z]\w*/gi)) {
        t.ok(name in page.data || WXML_NAMES.has(name), `${path}: {{${name}}}`)
      }
    }
    for (const [, url] of wxml.matchAll(/\surl="([^"]+)"/g)) t.ok(pages.includes(url!.slice(1)), `${path}: ${url}`)

    const stack: string[] = []
    for (const [, closing, name, , empty] of wxml.matchAll(/<(\/?)([\w-]+)((?:"[^"]*"|[^">])*?)(\/?)>/g)) {
      if (closing) t.equal(stack.pop(), name, `${path}: </${name}>`)
      else if (!empty) stack.push(name!)
    }
    t.strictSame(stack, [], `${path}: every element is closed`)

    const wxss = read(`${path}.wxss`) + read('app.wxss')
    for (const [, names] of wxml.matchAll(/\sclass="([^"]+)"/g)) {
      for (const name of names!.split(' ')) t.ok(wxss.includes(`.${name} {`), `${path}: .${name}`)
    }
  }
})

/** Starts the example server in a process of its own, because its types extend those of the plugin. */
async function startExample (t: Test): Promise<{ wechat: WechatSimulator, baseUrl: string }> {
  const wechat = await startWechatSimulator({ apps: { wx0123456789abcdef: APP_SECRET } })
  const settings = {
    host: '127.0.0.1',
    port: 0,
    appId: 'wx0123456789abcdef',
    appSecret: APP_SECRET,
    secret: 'x'.repeat(32),
    wechatUrl: wechat.url
  }
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', `
    import { buildApp } from './example/shop/app.ts'
    const app = await buildApp(${JSON.stringify(settings)})
    console.log('at ' + await app.listen({ host: '127.0.0.1', port: 0 }))
  `], { cwd: ROOT, env: childEnvironment(), stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await wechat.close()
  })
  for await (const line of createInterface(child.stdout)) {
    if (!line.startsWith('at ')) continue
    child.stdout.resume()
    return { wechat, baseUrl: line.slice(3) }
  }
  throw new Error('The example server did not start')
}

test('pages: run with the example server', async (t) => {
  const { wechat, baseUrl } = await startExample(t)
  const phone = (user: string, storage = new Map<string, unknown>()) => launch(
    createMiniProgram(wechat, { user, storage }), { baseUrl }
  )

  await t.test('profile: sign in, bind, current user, devices', async (t) => {
    const { open, mini } = phone('dora')
    const page = open('pages/profile/profile')
    t.match(page.data, { isSignedIn: false, message: '' })
    await page.onSignIn()
    t.match(page.data, { isSignedIn: false, isUnbound: true, isBusy: false, message: '这个微信号还没有绑定账号' })
    await page.onBind({ detail: { value: { username: 'bob', password: 'guess' } } })
    t.match(page.data, { isSignedIn: false, isUnbound: true, message: '用户名或密码错误' })
    await page.onBind({ detail: { value: { username: 'bob', password: 'builder' } } })
    t.match(
      page.data,
      { isSignedIn: true, isUnbound: false, message: '', me: { username: 'bob', openid: wechat.openid('dora') } }
    )

    await phone('dora').open('pages/profile/profile').onSignIn()
    await page.onDevices()
    t.match(page.data['devices'], [{ current: true, name: '未命名设备', signedInAt: String }, { current: false }])

    const next = launch(
      createMiniProgram(wechat, { user: 'dora', storage: mini.storage }), { baseUrl }
    ).open('pages/profile/profile')
    t.equal(next.data['isSignedIn'], true, 'also at the next launch')
    await next.onWhoAmI()
    t.match(next.data, { me: { username: 'bob' } })
  })

  await t.test('profile: sign out one device and all devices', async (t) => {
    const first = phone('dora')
    const second = phone('dora')
    const page = first.open('pages/profile/profile')
    const other = second.open('pages/profile/profile')
    await page.onSignIn()
    await other.onSignIn()
    await page.onSignOut()
    t.match(page.data, { isSignedIn: false, me: null, devices: [] })
    await page.onWhoAmI()
    t.match(page.data, { isSignedIn: false, message: '已退出登录' }, 'the device stays signed out')
    t.strictSame(first.relaunched, [], 'a logout does not call onSignedOut')

    await page.onSignIn()
    t.equal(page.data['isSignedIn'], true)
    await page.onSignOutEverywhere()
    t.equal(page.data['isSignedIn'], false)
    await other.onWhoAmI()
    t.match(other.data, { isSignedIn: false, message: '已退出登录' })
    t.strictSame(second.relaunched, ['/pages/profile/profile?signedOut=FST_WEAPP_SESSION_REVOKED'])
    t.match(second.open('pages/profile/profile', { signedOut: 'FST_WEAPP_SESSION_REVOKED' }).data, { message: '已退出登录' })
  })

  await t.test('phone: the phone number button', async (t) => {
    const { open, mini } = phone('erin')
    const page = open('pages/phone/phone')
    t.equal(page.data['isSimulated'], false)
    await page.onPhoneNumber({ detail: { errMsg: 'getPhoneNumber:fail user deny' } })
    t.match(page.data, { name: '', message: /user deny/ })
    t.equal(mini.calls.login, 0)
    await page.onPhoneNumber({ detail: { code: wechat.login('erin') } })
    t.match(page.data, { name: '', message: '凭证无效或已过期，请再点一次' }, 'a code of wx.login is not a phone code')
    await page.onPhoneNumber({ detail: { code: wechat.phoneCode('erin') } })
    t.match(page.data, { name: 'Alice', message: '', isBusy: false })

    const profile = open('pages/profile/profile')
    t.equal(profile.data['isSignedIn'], true)
    await profile.onSignOut()
    await profile.onSignIn()
    t.match(profile.data, { me: { username: 'alice' } }, 'the account is bound, so wx.login alone signs in')
  })

  await t.test('simulator: the codes of DevTools without an app id', async (t) => {
    const mini = createMiniProgram(wechat, { user: 'nobody' })
    const { open } = launch(mini, { baseUrl, simulator: wechat.url, simulatedUser: 'fay & co' })
    const page = open('pages/phone/phone')
    t.equal(page.data['isSimulated'], true)
    await page.onSimulatedPhoneNumber()
    t.match(page.data, { name: 'Alice', message: '' })
    const profile = open('pages/profile/profile')
    await profile.onWhoAmI()
    t.match(profile.data, { me: { openid: wechat.openid('fay & co') } })
    t.equal(mini.calls.login, 0)
    mini.offline = true
    await page.onSimulatedPhoneNumber()
    t.match(page.data, { message: /连接不上模拟的微信/ })
  })

  await t.test('profile: shows error messages', async (t) => {
    const { open, mini } = phone('dora')
    const page = open('pages/profile/profile')
    mini.offline = true
    await page.onSignIn()
    t.match(page.data, { message: '微信登录失败，请重试', isSignedIn: false })
    mini.offline = false
    wechat.fault({ errcode: 45011 }, { times: 1 })
    await page.onSignIn()
    t.match(page.data, { message: /^请在 \d+ 秒后重试$/ })
    mini.fault({ fail: 'timeout' }, { path: '/weapp/login', times: 1 })
    await page.onSignIn()
    t.match(page.data, { message: '连接不上服务器，请检查网络后重试' })
  })
})
