/** Serves the page. The server bundles its script, which contains the published client SDK, at startup. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { HIDDEN_SCHEMA } from './hidden-schema.js'
import { readSnippets } from './read-snippets.js'

/** Allows resources of this origin only. The style sheets use `data:` icons. */
const POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const STYLES = ['page', 'diagram', 'handset']

export async function addPage (app: FastifyInstance): Promise<void> {
  const folder = new URL('.', import.meta.url)
  const read = (name: string) => readFile(new URL(name, folder), 'utf8')
  const [html, script, ...styles] = await Promise.all([
    read('page.html'), bundle(folder), ...STYLES.map((name) => read(`styles/${name}.css`))
  ])
  const assets = [
    ['/', 'text/html; charset=utf-8', html],
    ['/demo/page.css', 'text/css; charset=utf-8', styles.join('\n')],
    ['/demo/page.js', 'text/javascript; charset=utf-8', script]
  ] as const
  for (const [path, type, content] of assets) {
    app.get(path, { schema: HIDDEN_SCHEMA }, async (_request, reply) => {
      reply.headers({ 'content-type': type, 'cache-control': 'no-cache', 'content-security-policy': POLICY })
      return content
    })
  }
}

async function bundle (folder: URL): Promise<string> {
  // Imported on demand, because production servers with the real WeChat may not have esbuild.
  const { build } = await import('esbuild')
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL('browser/main.ts', folder))],
    bundle: true,
    format: 'esm',
    target: 'es2022',
    define: { SNIPPETS: JSON.stringify(await readSnippets(folder)) },
    write: false,
    logLevel: 'silent'
  })
  return outputFiles[0]!.text
}
