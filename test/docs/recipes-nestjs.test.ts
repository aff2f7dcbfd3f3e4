/** Compiles the recipe for NestJS as Nest does, and runs it with the client of a Mini Program. */
import 'reflect-metadata'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import tap, { test } from 'tap'
import ts from 'typescript'
import { createWeappClient } from '../../src/client/index.js'
import { createMiniProgram, startWechatSimulator } from '../../src/testing/index.js'
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
