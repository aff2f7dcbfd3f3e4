/** Compiles the recipe for NestJS as Nest does, and runs it with the client of a Mini Program. */
import 'reflect-metadata'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Controller, Get, Module, Req } from '@nestjs/common'
import { HttpAdapterHost, NestFactory } from '@nestjs/core'
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify'
import type { FastifyRequest } from 'fastify'
import tap, { test } from 'tap'
import ts from 'typescript'
import { createWeappClient } from '../../src/client/index.js'
import { createMiniProgram, startWechatSimulator } from '../../src/testing/index.js'
import { FAILURES, faultyStore } from '../helpers/faulty-store.js'
import { checkTypes } from '../helpers/installed-package.js'
import { weappOptions, writeRecipes } from '../helpers/recipes.js'

tap.setTimeout(300_000)

const FILES = ['nest/weapp.module.ts', 'nest/session.guard.ts', 'nest/weapp.filter.ts', 'nest/app.ts']
const recipes = writeRecipes(tap)
const folder = join(recipes.project, 'nest')
/** The compiler options that `nest new` writes, as far as they matter. */
const DECORATORS = { experimentalDecorators: true, emitDecoratorMetadata: true }

test('NestJS: the recipe compiles', async (t) => {
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({
    extends: '../tsconfig.json', compilerOptions: DECORATORS, include: ['.']
  }))
  t.equal(await checkTypes(folder), '')
})

/** Compiles the recipe into the folder build. */
function build (): void {
  const { ES2022 } = ts.ScriptTarget
  const compilerOptions = { ...DECORATORS, target: ES2022, module: ts.ModuleKind.ESNext }
  mkdirSync(join(recipes.project, 'build'), { recursive: true })
  for (const file of FILES) {
    const { outputText } = ts.transpileModule(readFileSync(join(recipes.project, file), 'utf8'), { compilerOptions })
    // Without log lines between the results of the tests.
    const silent = outputText.replace('new FastifyAdapter({ logger: true })', 'new FastifyAdapter(), { logger: false }')
    writeFileSync(join(recipes.project, 'build', file.slice('nest/'.length).replace(/ts$/, 'js')), silent)
  }
}

test('NestJS: the recipe guards a route, and the phone receives the code', async (t) => {
  build()
  const wechat = await startWechatSimulator({ apps: { wx0123456789abcdef: 'app-secret' } })
  const { createApp } = await recipes.load('build/app.js')
  const app = await createApp(weappOptions(wechat))
  await app.listen(0, '127.0.0.1')
  t.teardown(() => Promise.all([app.close(), wechat.close()]))
  const baseUrl = await app.getUrl()

  const { wx } = createMiniProgram(wechat, { user: 'alice' })
  const client = createWeappClient({ baseUrl, wx })
  const openid = wechat.openid('alice')
  t.match(await client.request({ url: '/me' }), { statusCode: 200, data: { openid } })
  const refused = await fetch(`${baseUrl}/me`)
  t.equal(refused.headers.get('weapp-error'), 'FST_WEAPP_TOKEN_MISSING')
  t.match(await refused.json(), { statusCode: 401, code: 'FST_WEAPP_TOKEN_MISSING' })
  const unknown = await fetch(`${baseUrl}/unknown`)
  t.equal(unknown.status, 404)

  await app.getHttpAdapter().getInstance().weapp.sessions.revokeAll({ openid })
  await t.rejects(client.request({ url: '/me' }), { code: 'FST_WEAPP_SESSION_KICKED' })
})

/** Its calls have no request. */
class HostController {
  phone ({ server }: FastifyRequest) {
    return server.weapp.wechat.getPhoneNumber('code')
  }

  devices ({ server }: FastifyRequest) {
    return server.weapp.sessions.list({ openid: 'alice' })
  }
}

for (const method of ['phone', 'devices'] as const) {
  const { prototype } = HostController
  Req()(prototype, method, 0)
  Get(method)(prototype, method, Object.getOwnPropertyDescriptor(prototype, method)!)
}
Controller()(HostController)

test('NestJS: the filter sets the headers of errors of app.weapp.wechat and app.weapp.sessions', async (t) => {
  build()
  const wechat = await startWechatSimulator({ apps: { wx0123456789abcdef: 'app-secret' } })
  t.teardown(() => wechat.close())
  const [{ WeappModule }, { WeappFilter }] = await Promise.all(
    ['build/weapp.module.js', 'build/weapp.filter.js'].map(recipes.load)
  )
  const { store } = faultyStore()
  const options = { ...weappOptions(wechat), store: { ...store, list: FAILURES.rejects } }
  class AppModule {}
  Module({ imports: [WeappModule.forRoot(options)], controllers: [HostController] })(AppModule)
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, new FastifyAdapter(), { logger: false })
  t.teardown(() => app.close())
  app.useGlobalFilters(new WeappFilter(app.get(HttpAdapterHost).httpAdapter))
  await app.listen(0, '127.0.0.1')
  wechat.fault({ errcode: 45011 })
  t.intercept(process, 'emitWarning', { value: () => {} })
  for (const [path, status, code, retryAfter] of [
    ['/phone', 429, 'FST_WEAPP_WECHAT_LIMITED', '60'], ['/devices', 503, 'FST_WEAPP_STORE_UNAVAILABLE', '5']
  ] as const) {
    const { statusCode, headers, body } = await app.inject(path)
    t.equal(statusCode, status)
    t.match(JSON.parse(body), { statusCode: status, code })
    t.match(headers, { 'weapp-error': code, 'retry-after': retryAfter, 'cache-control': 'no-store' })
  }
})

test('NestJS: without an HTTP adapter the module starts too, and a factory of options receives its providers', async (t) => {
  build()
  const { WeappModule } = await recipes.load('build/weapp.module.js')
  class Users {}
  class UsersModule {}
  Module({ providers: [Users], exports: [Users] })(UsersModule)
  const received: unknown[] = []
  const useFactory = (users: unknown) => {
    received.push(users)
    return { appId: 'wx0123456789abcdef', appSecret: 'app-secret', secret: 'x'.repeat(32) }
  }
  class AppModule {}
  Module({ imports: [WeappModule.forRootAsync({ imports: [UsersModule], inject: [Users], useFactory })] })(AppModule)

  // As in a script of Nest, and as in a testing module before createNestApplication.
  const app = await NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false })
  t.ok(received[0] instanceof Users)
  await app.close()
})
