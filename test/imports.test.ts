import { readFileSync } from 'node:fs'
import { relative, resolve } from 'node:path'
import { test } from 'tap'
import ts from 'typescript'

const SRC = resolve(import.meta.dirname, '../src')

/** Returns the files of src that a file imports, type imports included. */
function importsOf (file: string): string[] {
  return ts.preProcessFile(readFileSync(file, 'utf8')).importedFiles
    .filter(({ fileName }) => fileName.startsWith('.'))
    .map(({ fileName }) => resolve(file, '..', fileName.replace(/\.js$/, '.ts')))
}

/** Returns the first circle of imports that starts and ends at a file of the path, or null. */
function findCircle (path: string[], visited: Set<string>): string[] | null {
  const file = path.at(-1)!
  for (const next of importsOf(file)) {
    if (next === file) continue
    if (path.includes(next)) return [...path.slice(path.indexOf(next)), next]
    if (visited.has(next)) continue
    visited.add(next)
    const circle = findCircle([...path, next], visited)
    if (circle !== null) return circle
  }
  return null
}

// ESLint checks the direction between folders, and circles of values. It ignores circles of types.
test('imports: no circle of files, types included', (t) => {
  const files = ts.sys.readDirectory(SRC, ['.ts'])
  t.ok(files.length > 50)
  const visited = new Set<string>()
  for (const file of files) {
    const circle = findCircle([file], visited)
    t.strictSame(circle?.map((path) => relative(SRC, path)) ?? null, null, relative(SRC, file))
  }
  t.end()
})
