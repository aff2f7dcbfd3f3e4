/** Serves the page. The server bundles its script, which contains the published client SDK, at startup. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { HIDDEN_SCHEMA } from './hidden-schema.js'

/** Allows resources of this origin only. The style sheet uses `data:` icons. */
const POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

export async function addPage (app: FastifyInstance): Promise<void> {
  const file = (name: string) => fileURLToPath(new URL(name, import.meta.url))
  const [html, css, script] = await Promise.all([
    readFile(file('page.html'), 'utf8'), readFile(file('page.css'), 'utf8'), bundle(file('browser/main.ts'))
  ])
  const assets = [
    ['/', 'text/html; charset=utf-8', html],
    ['/demo/page.css', 'text/css; charset=utf-8', css],
    ['/demo/page.js', 'text/javascript; charset=utf-8', script]
  ] as const
  for (const [path, type, content] of assets) {
    app.get(path, { schema: HIDDEN_SCHEMA }, async (_request, reply) => {
      reply.headers({ 'content-type': type, 'cache-control': 'no-cache', 'content-security-policy': POLICY })
      return content
    })
  }
}

async function bundle (entry: string): Promise<string> {
  // Imported on demand, because production servers with the real WeChat may not have esbuild.
  const { build } = await import('esbuild')
  const { outputFiles } = await build({
    entryPoints: [entry], bundle: true, format: 'esm', target: 'es2022', write: false, logLevel: 'silent'
  })
  return outputFiles[0]!.text
}
