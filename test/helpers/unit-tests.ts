import { resolve, sep } from 'node:path'
import ts from 'typescript'

const TEST = resolve(import.meta.dirname, '..')

/** Tests that start servers, browsers, compilers, builds or other processes, as the beginning of their paths below test/. */
const SLOW = [
  'client/build', 'diagnostics/process-warnings', 'docs/code', 'docs/databases', 'docs/mini-program', 'docs/recipes',
  'docs/virtual-payment',
  'example/', 'fixtures/', 'integration/fastify-redis', 'package', 'public-names', 'release',
  'security/memory-store-warning', 'stores/database/', 'stores/redis/', 'testing/store-suite/', 'wechat/agent'
]

/**
 * Imports one part of the unit tests into this process: a process for each file would take most of the time.
 *
 * @param part the part to import, from 0
 * @param parts the number of parts
 */
export async function importUnitTests (part: number, parts: number): Promise<void> {
  const paths = ts.sys.readDirectory(TEST, ['.test.ts'])
    .map((path) => path.slice(TEST.length + 1).replaceAll(sep, '/'))
    .filter((path) => !SLOW.some((start) => path.startsWith(start)))
    .sort()
  for (const [index, path] of paths.entries()) {
    if (index % parts === part) await import(`../${path}`)
  }
}
