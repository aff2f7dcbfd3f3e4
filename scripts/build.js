/** Builds dist/, miniprogram_dist/ and client/ in this project, or in the folder that is given as an argument. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { build } from 'esbuild'

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

/** TypeBox takes longer to load than Fastify. The build replaces its schemas by the JSON that they are. */
const jsonSchemas = {
  name: 'json-schemas',
  setup ({ onLoad }) {
    onLoad({ filter: /[\\/]routes[\\/]schemas\.ts$/ }, async ({ path }) => {
      const { outputFiles: [{ text }] } = await build({
        entryPoints: [path], bundle: true, format: 'esm', platform: 'node', write: false
      })
      const schemas = Object.entries(await import(`data:text/javascript,${encodeURIComponent(text)}`))
      return { contents: schemas.map(([name, schema]) => `export const ${name} = ${JSON.stringify(schema)}\n`).join('') }
    })
  }
}

/**
 * The declarations for `import`. Those for `require` are in dist/types, which TypeScript reads as CommonJS. Both are the
 * same types, so that a host merges into `SessionData` once.
 */
const DECLARATIONS = {
  'dist/index.d.ts': "export * from './types/index.js'\nexport { fastifyWeapp as default } from './types/index.js'\n",
  'dist/client/index.d.ts': "export * from '../types/client/index.js'\n",
  'dist/testing/index.d.ts': "export * from '../types/testing/index.js'\n",
  'dist/types/package.json': '{ "type": "commonjs" }\n'
}

/** Node.js loads one file 25 ms faster than its modules. */
const BUNDLE = {
  absWorkingDir: ROOT,
  bundle: true,
  packages: 'external',
  outdir: join(target, 'dist'),
  outbase: 'src',
  sourcemap: true,
  plugins: [jsonSchemas],
  logLevel: 'warning',
  // src/augment.ts contains only types.
  logOverride: { 'ignored-bare-import': 'silent' }
}
/** Jest loads no ES modules and does not support import() in CommonJS. */
const COMMON_JS = {
  format: 'cjs',
  sourcemap: false,
  outExtension: { '.js': '.cjs' },
  supported: { 'dynamic-import': false },
  define: { 'import.meta.url': '__filename' }
}
const SERVER = {
  ...BUNDLE, entryPoints: ['src/index.ts', 'src/testing/index.ts'], platform: 'node', target: 'node20'
}
const CLIENT = { ...BUNDLE, entryPoints: ['src/client/index.ts'], target: 'es2018' }

for (const folder of ['dist', 'miniprogram_dist', 'client']) rmSync(join(target, folder), { recursive: true, force: true })
declare('tsconfig.build.json', 'dist/types')
declare('src/client/tsconfig.json', 'dist/types/client')
await build({ ...SERVER, format: 'esm', splitting: true })
await build({ ...SERVER, ...COMMON_JS })
await build({ ...CLIENT, format: 'esm' })
await build({ ...CLIENT, ...COMMON_JS })
run('npm', 'run', '--silent', 'build:miniprogram', '--', `--outfile=${join(target, 'miniprogram_dist/client.js')}`)
mkdirSync(join(target, 'client'))
writeFileSync(join(target, 'client/package.json'), `${JSON.stringify(CLIENT_MANIFEST, null, 2)}\n`)

for (const [path, text] of Object.entries(DECLARATIONS)) writeFileSync(join(target, path), text)

function declare (project, outDir) {
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc')
  run(process.execPath, compiler, '-p', project, '--emitDeclarationOnly', '--outDir', join(target, outDir))
}

function run (command, ...args) {
  execFileSync(command, args, { cwd: ROOT, stdio: 'inherit' })
}
