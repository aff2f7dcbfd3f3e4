/** A real NestJS with its default exception filter. Decorators are applied by hand, because the tests do not compile. */
import 'reflect-metadata'
import { Body, Controller, Get, Module, Post, Req, UseGuards, type CanActivate, type ExecutionContext } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { FastifyAdapter, RouteConfig, type NestFastifyApplication } from '@nestjs/platform-fastify'
import type { FastifyRequest } from 'fastify'
import { test, type Test } from 'tap'
import weapp from '../../src/index.js'
import { createWeappClient } from '../../src/client/index.js'
import { createMiniProgram, startWechatSimulator } from '../../src/testing/index.js'
import { freezeClock } from '../helpers/clock.js'
import { APP_ID, APP_SECRET, SECRET } from '../helpers/host.js'
import { failureOf } from '../helpers/mini-program.js'
import { PAST_IDLE } from '../helpers/phone.js'

interface Encrypted {
  encryptedData: string
  iv: string
}

class SessionGuard implements CanActivate {
  async canActivate (context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>()
    await request.server.weapp.authenticate(request)
    return true
  }
}

class UserController {
  created = 0

  /** Guarded by Nest. */
  me (request: FastifyRequest) {
    return { openid: request.server.weapp.identity(request).openid }
  }

  /** Guarded by the plugin's own hook. */
  marked (request: FastifyRequest) {
    return { openid: request.weapp!.openid }
  }

  comment (request: FastifyRequest) {
    this.created += 1
    return { openid: request.weapp?.openid ?? null, created: this.created }
  }

  async decrypt (request: FastifyRequest, { encryptedData, iv }: Encrypted) {
    return await request.server.weapp.identity(request).session.decrypt(encryptedData, iv)
  }
}

/** Applies decorators to a method and to its parameters. */
function decorate (method: keyof UserController, decorators: MethodDecorator[], ...parameters: ParameterDecorator[]): void {
  const { prototype } = UserController
  for (const [index, parameter] of parameters.entries()) parameter(prototype, method, index)
  const descriptor = Object.getOwnPropertyDescriptor(prototype, method)!
  for (const decorator of decorators) decorator(prototype, method, descriptor)
}

decorate('me', [Get('me'), UseGuards(SessionGuard)], Req())
decorate('marked', [Get('marked'), RouteConfig({ weapp: true })], Req())
decorate('comment', [Post('comment'), RouteConfig({ weapp: 'optional' })], Req())
decorate('decrypt', [Post('decrypt'), UseGuards(SessionGuard)], Req(), Body())
Controller()(UserController)

class AppModule {}
Module({ controllers: [UserController] })(AppModule)

async function startNest (t: Test) {
  const wechat = await startWechatSimulator({ apps: { [APP_ID]: APP_SECRET }, keyChanges: 'never' })
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(), { logger: false })
  t.teardown(async () => {
    await app.close()
    await wechat.close()
  })
  await app.register(weapp, {
    appId: APP_ID,
    appSecret: APP_SECRET,
    secret: SECRET,
    onLogin: ({ body }) => { if ('fail' in body) throw new Error('select secret from users') },
    routes: { login: { body: { type: 'object', properties: { fail: { type: 'boolean' } } } } },
    wechat: { baseUrl: wechat.url }
  })
  await app.listen(0, '127.0.0.1')
  const mini = createMiniProgram(wechat, { user: 'alice' })
  const client = createWeappClient({ baseUrl: await app.getUrl(), wx: mini.wx })
  let seen = 0
  /** Returns the requests since the last call. */
  function sent (): string[] {
    const requests = mini.requests.slice(seen)
    seen = mini.requests.length
    return requests.map(({ method, path, statusCode }) => `${method} ${path} ${statusCode}`)
  }
  return { app, client, sent, wechat, openid: wechat.openid('alice') }
}

test('NestJS: the client renews an expired session, whether Nest guards the route or the plugin', async (t) => {
  const clock = freezeClock(t)
  const { client, sent, openid } = await startNest(t)
  for (const path of ['/me', '/marked']) {
    t.match(await client.request({ url: path }), { statusCode: 200, data: { openid } })
    sent()
    clock.advance(PAST_IDLE)
    t.match(await client.request({ url: path }), { statusCode: 200, data: { openid } })
    t.strictSame(sent(), [`GET ${path} 401`, 'POST /weapp/login 200', `GET ${path} 200`])
  }
})

test('NestJS: the client renews a stale session_key', async (t) => {
  const { client, sent, wechat } = await startNest(t)
  await client.login()
  sent()
  wechat.rotateKey('alice')
  const data = wechat.encrypt('alice', { nickName: 'Alice' })
  const { statusCode, data: decrypted } = await client.request({ url: '/decrypt', method: 'POST', data })
  t.match({ statusCode, decrypted }, { statusCode: 201, decrypted: { nickName: 'Alice' } })
  t.strictSame(sent(), ['POST /decrypt 409', 'POST /weapp/login 200', 'POST /decrypt 201'])
})

test('NestJS: an optional route tells why the token was refused, and handles the request once', async (t) => {
  const clock = freezeClock(t)
  const { app, client } = await startNest(t)
  await client.login()
  clock.advance(PAST_IDLE)
  const headers = { authorization: `Bearer ${client.token}` }
  const comment = await app.inject({ method: 'POST', url: '/comment', headers })
  t.strictSame(comment.json(), { openid: null, created: 1 })
  t.match(comment.headers, { 'weapp-session': 'FST_WEAPP_SESSION_EXPIRED', 'cache-control': 'no-store' })
})

test('NestJS: its exception filter answers a failed onLogin', async (t) => {
  const { client } = await startNest(t)
  t.match(await failureOf(client.login({ fail: true })), {
    statusCode: 500, data: { statusCode: 500, message: 'Internal server error' }
  })
})
