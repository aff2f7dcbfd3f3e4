/** The server of the example, bundled, because Node.js starts a bundle in half the time that it needs with tsx. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import type { Teardown } from './processes.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Bundles the server with the package from src. Resolves to the path of the bundle. */
export async function bundledExample (t: Teardown): Promise<string> {
  const cache = join(ROOT, 'node_modules', '.cache')
  mkdirSync(cache, { recursive: true })
  // Node.js finds the dependencies of the bundle in a folder above it.
  const folder = mkdtempSync(join(cache, 'fastify-weapp-example-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const outfile = join(folder, 'server.mjs')
  // The bundle finds the files of the page relative to this module, the only one that uses import.meta.url.
  const page = pathToFileURL(join(ROOT, 'example', 'demo', 'page.ts')).href
  await build({
    entryPoints: [join(ROOT, 'example', 'demo', 'server.ts')],
    absWorkingDir: ROOT,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    tsconfig: join(ROOT, 'tsconfig.json'),
    define: { 'import.meta.url': JSON.stringify(page) },
    outfile
  })
  return outfile
}
