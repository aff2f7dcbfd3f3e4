/** Runs the client and the page of the documentation as a Mini Program, with the simulator. */
import { join, posix } from 'node:path'
import { build } from 'esbuild'
import Fastify from 'fastify'
import { test } from 'tap'
import weapp from '../../src/index.js'
import { createMiniProgram } from '../../src/testing/mini-program/mini-program.js'
import { startWechatSimulator } from '../../src/testing/simulator/simulator.js'
import { codeFiles, ENGLISH, ROOT } from '../helpers/documents.js'

const files = codeFiles(ENGLISH)
const CLIENT_FILE = 'utils/client.js'
const PAGE_FILE = 'pages/steps/steps.js'

test('Mini Program: the client and the page work with the simulator', async (t) => {
  const wechat = await startWechatSimulator()
  const [appId, appSecret] = Object.entries(wechat.apps)[0]!
  const app = Fastify()
  t.teardown(async () => {
    await app.close()
    await wechat.close()
  })
  await app.register(weapp, {
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
  const client = { exports: {} }
  run(files.get(CLIENT_FILE)!, {
    wx,
    module: client,
    require: requireIn(CLIENT_FILE, { 'utils/weapp-client': weappClient })
  })
  let page!: { data: object, [handler: string]: any }
  run(files.get(PAGE_FILE)!, {
    wx,
    require: requireIn(PAGE_FILE, { 'utils/client': client }),
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
