/** Runs the files of the documentation's recipes, with the built package and a simulated WeChat. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import { startWechatSimulator, type WechatSimulator } from '../../src/testing/index.js'
import { codeFiles, ENGLISH } from './documents.js'
import { installedProject } from './installed-package.js'
import type { Teardown } from './redis.js'

const APP_ID = 'wx0123456789abcdef'

export interface Answer {
  status: number
  body: any
  headers: Record<string, unknown>
}

export interface RecipeHost {
  app: FastifyInstance
  wechat: WechatSimulator
  appId: string
  get (url: string, token?: string): Promise<Answer>
  post (url: string, payload?: object, token?: string): Promise<Answer>
  /** Signs a user in and returns the token. */
  signIn (user: string): Promise<string>
}

export interface Recipes {
  /** The folder of the project. */
  project: string
  /** Imports a file of a recipe. */
  load (file: string): Promise<any>
  /** Starts the app that `buildApp` of a recipe returns. */
  start (t: Test, file: string, options?: object): Promise<RecipeHost>
}

/** Writes the recipes into a project in which the package is installed. */
export function writeRecipes (t: Teardown): Recipes {
  const project = installedProject(t)
  for (const [name, code] of codeFiles(ENGLISH)) {
    const path = join(project, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, code)
  }
  const load = (file: string) => import(pathToFileURL(join(project, file)).href)
  return {
    project,
    load,
    async start (t, file, options = {}) {
      const wechat = await startWechatSimulator({ apps: { [APP_ID]: 'app-secret' } })
      t.teardown(() => wechat.close())
      const { buildApp } = await load(file)
      const app: FastifyInstance = await buildApp({ ...weappOptions(wechat), ...options })
      t.teardown(() => app.close())
      return recipeHost(app, wechat)
    }
  }
}

/** The options of the plugin, for a simulated WeChat. */
export function weappOptions (wechat: WechatSimulator): object {
  return { appId: APP_ID, appSecret: 'app-secret', secret: 'x'.repeat(32), wechat: { baseUrl: wechat.url } }
}

export function recipeHost (app: FastifyInstance, wechat: WechatSimulator): RecipeHost {
  const ask = async (method: 'GET' | 'POST', url: string, payload: object | undefined, token: string | undefined) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const response = await app.inject({ method, url, headers, ...payload !== undefined && { payload } })
    const isJson = String(response.headers['content-type']).includes('json')
    return { status: response.statusCode, body: isJson ? response.json() : response.body, headers: response.headers }
  }
  return {
    app,
    wechat,
    appId: APP_ID,
    get: (url, token) => ask('GET', url, undefined, token),
    post: (url, payload, token) => ask('POST', url, payload, token),
    signIn: async (user) => (await ask('POST', '/weapp/login', { code: wechat.login(user) }, undefined)).body.token
  }
}
