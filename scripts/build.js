/** Builds dist/, miniprogram_dist/ and client/ in this project, or in the folder that is given as an argument. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'

const ROOT = resolve(import.meta.dirname, '..')
const target = resolve(process.argv[2] ?? ROOT)

/** A folder for resolvers that do not read "exports": webpack 4, and TypeScript with node10 resolution. */
const CLIENT_MANIFEST = {
  private: true,
  main: '../miniprogram_dist/client.js',
  module: '../dist/client/index.js',
  types: '../dist/client/index.d.ts',
  sideEffects: false
}

for (const folder of ['dist', 'miniprogram_dist', 'client']) rmSync(join(target, folder), { recursive: true, force: true })
compile('tsconfig.build.json', 'dist')
compile('src/client/tsconfig.json', 'dist/client')
run('npm', 'run', '--silent', 'build:miniprogram', '--', `--outfile=${join(target, 'miniprogram_dist/client.js')}`)
mkdirSync(join(target, 'client'))
writeFileSync(join(target, 'client/package.json'), `${JSON.stringify(CLIENT_MANIFEST, null, 2)}\n`)

function compile (project, outDir) {
  run(process.execPath, join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', project, '--outDir', join(target, outDir))
}

function run (command, ...args) {
  execFileSync(command, args, { cwd: ROOT, stdio: 'inherit' })
}
