/** Runs the recipes about requests and hosts: uploads, rate limits, WebSocket, autoload, JWT, Koa, Express and the cloud. */
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { build } from 'esbuild'
import Fastify from 'fastify'
import tap, { test } from 'tap'
import { WebSocket } from 'ws'
import { createMiniProgram, startWechatSimulator } from '../../src/testing/index.js'
import { codeFiles, ENGLISH, ROOT } from '../helpers/documents.js'
import { recipeHost, weappOptions, writeRecipes } from '../helpers/recipes.js'

tap.setTimeout(300_000)
const recipes = writeRecipes(tap)

test('avatar.mjs: takes pictures of users, up to a size', async (t) => {
  const folder = t.testdir({})
  const { app, signIn } = await recipes.start(t, 'avatar.mjs', { folder })
  const upload = async (type: string, bytes: number, token?: string) => {
    const payload = new FormData()
    payload.append('avatar', new Blob(['x'.repeat(bytes)], { type }), '../../me.png')
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    return await app.inject({ method: 'POST', url: '/avatar', headers, payload: payload as never })
  }
  const token = await signIn('alice')
  t.equal((await upload('image/png', 10)).statusCode, 401)
  t.equal((await upload('text/html', 10, token)).json().code, 'NO_PICTURE')
  t.equal((await upload('image/png', 3 * 1024 * 1024, token)).json().code, 'TOO_LARGE')
  t.strictSame(readdirSync(folder), [])
  const { url } = (await upload('image/png', 10, token)).json()
  t.strictSame([url], readdirSync(folder).map((name) => `/avatars/${name}`))
})

test('rate-limited.mjs: limits logins by the address that the proxy states', async (t) => {
  const { app } = await recipes.start(t, 'rate-limited.mjs')
  const statusOf = async (address: string) => {
    const response = await app.inject({
      method: 'POST',
      url: '/weapp/login',
      remoteAddress: '127.0.0.1',
      headers: { 'x-forwarded-for': address },
      payload: { code: 'unknown' }
    })
    return response.statusCode
  }
  for (let i = 0; i < 20; i++) t.equal(await statusOf('203.0.113.1'), 401)
  t.equal(await statusOf('203.0.113.1'), 429)
  t.equal(await statusOf('203.0.113.2'), 401)
})

test('user-rate-limit.mjs: limits each user', async (t) => {
  const { post, signIn } = await recipes.start(t, 'user-rate-limit.mjs')
  const [alice, bob] = [await signIn('alice'), await signIn('bob')]
  for (let i = 0; i < 3; i++) t.equal((await post('/comments', {}, alice)).status, 200)
  t.equal((await post('/comments', {}, alice)).status, 429)
  t.equal((await post('/comments', {}, bob)).status, 200)
})

test('chat.mjs: closes the connection of a session that has ended', async (t) => {
  const { app, wechat, signIn } = await recipes.start(t, 'chat.mjs', { checkEvery: 20 })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const { port } = app.server.address() as AddressInfo
  const token = await signIn('alice')
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`, { headers: { authorization: `Bearer ${token}` } })
  await once(socket, 'open')
  socket.send('hello')
  t.equal(String((await once(socket, 'message'))[0]), `${wechat.openid('alice')}: hello`)
  await app.weapp.sessions.revokeAll({ openid: wechat.openid('alice') })
  const [code, reason] = await once(socket, 'close')
  t.strictSame([code, String(reason)], [4401, 'FST_WEAPP_SESSION_KICKED'])
})

test('cli/app.js, cli/plugins/weapp.js and cli/routes/me/index.js: the guard covers the routes', async (t) => {
  const wechat = await startWechatSimulator({ apps: { wx0123456789abcdef: 'app-secret' } })
  const { default: plugin } = await recipes.load('cli/app.js')
  const app = Fastify()
  t.teardown(() => Promise.all([app.close(), wechat.close()]))
  await app.register(plugin, { weapp: weappOptions(wechat) })
  const { get, signIn } = recipeHost(app, wechat)
  t.equal((await get('/me')).status, 401)
  t.strictSame((await get('/me', await signIn('alice'))).body, { openid: wechat.openid('alice') })
})

test('own-jwt.mjs: one route serves both kinds of token', async (t) => {
  const { app, get, signIn } = await recipes.start(t, 'own-jwt.mjs', {
    jwtSecret: 'a secret of the website', userIdOf: async () => 1
  })
  const { jwt } = app as unknown as { jwt: { sign (payload: object): string } }
  t.strictSame((await get('/orders', await signIn('alice'))).body, { userId: 1 })
  t.strictSame((await get('/orders', jwt.sign({ userId: 2 }))).body, { userId: 2 })
  t.match(await get('/orders', 'nonsense'), { status: 401, body: { code: 'FST_WEAPP_TOKEN_INVALID' } })
})

test('old-token-header.mjs: old phones keep their login and their header', async (t) => {
  const { app, post, wechat } = await recipes.start(t, 'old-token-header.mjs')
  const login = await post('/api/wx-login', { js_code: wechat.login('alice') })
  t.match(login, { body: { errno: 0, data: { token: String } }, headers: { 'cache-control': 'no-store' } })
  const me = await app.inject({ url: '/api/me', headers: { token: login.body.data.token } })
  t.strictSame(me.json(), { openid: wechat.openid('alice') })
  t.equal((await app.inject('/api/me')).statusCode, 401)
})

test('koa-login.mjs: exchanges a code without Fastify', async (t) => {
  const wechat = await startWechatSimulator({ apps: { wx0123456789abcdef: 'app-secret' } })
  const { buildKoa } = await recipes.load('koa-login.mjs')
  const { app, close } = buildKoa({ appId: 'wx0123456789abcdef', appSecret: 'app-secret', baseUrl: wechat.url })
  const server = createServer(app.callback()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    return Promise.all([close(), wechat.close()])
  })
  const { port } = server.address() as AddressInfo
  const login = async (code: string) => {
    const response = await fetch(`http://127.0.0.1:${port}`, { method: 'POST', body: JSON.stringify({ code }) })
    return { status: response.status, body: await response.json() }
  }
  t.match(await login(wechat.login('alice')), { status: 200, body: { token: 'a token of your own for 28 characters' } })
  t.match(await login('unknown'), { status: 401, body: { code: 'FST_WEAPP_CODE_INVALID' } })
})

test('with-express.mjs: routes of Express are guarded by hand, and the login has its body', async (t) => {
  const { app, wechat, signIn } = await recipes.start(t, 'with-express.mjs')
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  const response = await fetch(`${url}/weapp/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code: wechat.login('alice') })
  })
  t.equal(response.status, 200)
  const token = await signIn('alice')
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const old = await fetch(`${url}/old/orders`, { method: 'POST', headers, body: '{"id":1}' })
  t.strictSame(await old.json(), { openid: wechat.openid('alice'), body: { id: 1 } })
  const refused = await fetch(`${url}/old/orders`)
  t.equal(refused.status, 401)
  t.equal(refused.headers.get('weapp-error'), 'FST_WEAPP_TOKEN_MISSING')
  t.match(await refused.json(), { code: 'FST_WEAPP_TOKEN_MISSING' })
  t.equal((await fetch(`${url}/new`, { headers })).status, 200)
})

test('utils/cloud-client.js: the client works over callContainer', async (t) => {
  const { app, wechat } = await recipes.start(t, 'on-login.mjs')
  const { wx } = createMiniProgram(wechat, { user: 'alice' })
  const services: string[] = []
  const cloud = {
    async callContainer ({ config, path, method = 'GET', header, data }: any) {
      services.push(`${config.env} ${header['X-WX-SERVICE']}`)
      const response = await app.inject({ method, url: path, headers: header, ...data !== undefined && { payload: data } })
      return { statusCode: response.statusCode, header: response.headers, data: response.json() }
    }
  }
  const { outputFiles } = await build({
    entryPoints: [join(ROOT, 'src/client/index.ts')], bundle: true, format: 'cjs', target: 'es2018', write: false
  })
  const run = (code: string, globals: object) => {
    // eslint-disable-next-line no-new-func
    new Function(...Object.keys(globals), code)(...Object.values(globals))
  }
  const weappClient = { exports: {} }
  run(outputFiles[0]!.text, { module: weappClient })
  const module: { exports: any } = { exports: {} }
  run(codeFiles(ENGLISH).get('utils/cloud-client.js')!, {
    wx: { ...wx, cloud }, module, require: () => weappClient.exports
  })
  t.match(await module.exports.request({ url: '/me' }), { statusCode: 200, data: { userId: Number } })
  t.strictSame(new Set(services), new Set(['prod-0123456789 my-service']))
})

test('cloud/Dockerfile: starts a server on port 80 without devDependencies', (t) => {
  const lines = readFileSync(join(recipes.project, 'cloud/Dockerfile'), 'utf8').trim().split('\n')
  t.match(lines[1], /^FROM node:2[2-9]-slim$/)
  t.ok(lines.includes('RUN npm ci --omit=dev'))
  t.ok(lines.includes('EXPOSE 80'))
  t.equal(lines.at(-1), 'CMD ["node", "server.mjs"]')
  t.end()
})
