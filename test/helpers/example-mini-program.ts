/** A copy of the example Mini Program, with a loader that runs its pages as DevTools does. */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compileFunction } from 'node:vm'
import tap from 'tap'
import type { MiniProgram } from '../../src/testing/mini-program/mini-program.js'
import { childEnvironment } from './child-environment.js'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
export const CLIENT = 'utils/weapp-client.js'

/** A copy of the project, with the client that the script of package.json builds. */
const project = mkdtempSync(join(tmpdir(), 'fastify-weapp-miniprogram-'))
tap.teardown(() => rmSync(project, { recursive: true, force: true }))
cpSync(join(ROOT, 'example/miniprogram'), project, { recursive: true, filter: (path) => !path.endsWith(CLIENT) })
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
export const [, outfile] = /^npm run build:miniprogram -- --outfile=(\S+)$/.exec(scripts['example:miniprogram']!)!
const built = spawnSync('npm', ['run', '--silent', 'build:miniprogram', '--', `--outfile=${join(project, CLIENT)}`], {
  cwd: ROOT, encoding: 'utf8', env: childEnvironment()
})
if (built.status !== 0) throw new Error(built.stderr)

export const read = (path: string) => readFileSync(join(project, path), 'utf8')
export const readJson = (path: string) => JSON.parse(read(path))
export const paths = readdirSync(project, { recursive: true, encoding: 'utf8' })
export const pages = readJson('app.json').pages as string[]

export interface Page {
  data: Record<string, any>
  setData (values: Record<string, any>): void
  onLoad? (query: Record<string, string>): void
  onShow? (): void
  [handler: string]: any
}

export interface Launch {
  mini: MiniProgram
  /** The URLs that wx.reLaunch received. */
  relaunched: string[]
  open (page: string, query?: Record<string, string>): Page
}

/** Launches the Mini Program: loads its CommonJS modules once each, with the globals of DevTools. */
export function launch (mini: MiniProgram, config: object): Launch {
  const modules = new Map<string, { exports: any }>(
    [[join(project, 'config.js'), { exports: { ...run('config.js', {}), ...config } }]]
  )
  const relaunched: string[] = []
  const wx = { ...mini.wx, reLaunch: ({ url }: { url: string }) => { relaunched.push(url) } }
  let page: Page | null = null

  function run (path: string, globals: Record<string, unknown>): object {
    const module = { exports: {} }
    const scope = { module, exports: module.exports, ...globals }
    compileFunction(read(path), Object.keys(scope), { filename: path })(...Object.values(scope))
    return module.exports
  }

  function load (path: string): unknown {
    const file = join(project, path)
    if (!modules.has(file)) {
      const require = (id: string) => load(relative(project, resolve(path, id)))
      const App = () => {}
      const Page = (definition: Page) => { page = definition }
      modules.set(file, { exports: run(path, { require, wx, App, Page }) })
    }
    return modules.get(file)!.exports
  }

  load('app.js')
  return {
    mini,
    relaunched,
    open (path, query = {}) {
      load(`${path}.js`)
      const opened: Page = { ...page!, data: structuredClone(page!.data) }
      opened.setData = (values) => {
        for (const name of Object.keys(values)) {
          if (!(name in opened.data)) throw new Error(`${path}: no data "${name}"`)
        }
        Object.assign(opened.data, values)
      }
      opened.onLoad?.(query)
      opened.onShow?.()
      return opened
    }
  }
}

/** Resolves a require as DevTools does: relative paths, with or without .js. */
export function resolve (from: string, id: string): string {
  if (!id.startsWith('.')) throw new Error(`${from}: require('${id}') is not relative`)
  const file = join(project, dirname(from), id)
  return file.endsWith('.js') ? file : `${file}.js`
}
