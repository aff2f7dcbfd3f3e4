/** The table of requirements in SECURITY.md and the names of the tests cite each other. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const OPEN = ['not tested yet', 'not built yet']

/** The cited test files by requirement, such as T14. */
type Citations = Map<string, string[]>

function citationsInTests (): Citations {
  const citations: Citations = new Map()
  const paths = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' }).sort()
  for (const path of paths.filter((path) => path.endsWith('.test.ts'))) {
    const source = readFileSync(join(ROOT, 'test', path), 'utf8')
    const names = source.matchAll(/\btest\(\s*['"`](T\d+(?:, T\d+)*): /g)
    for (const number of new Set([...names].flatMap(([, numbers]) => numbers!.split(', ')))) {
      citations.set(number, [...citations.get(number) ?? [], `test/${path.replaceAll('\\', '/')}`])
    }
  }
  return citations
}

/** Returns the last cell of each row by requirement. */
function testsInTable (): Map<string, string> {
  const rows = readFileSync(join(ROOT, 'SECURITY.md'), 'utf8').matchAll(/^\| (T\d+) \|.*\| ([^|]+) \|$/gm)
  return new Map([...rows].map(([, number, tests]) => [number!, tests!]))
}

const cited = citationsInTests()
const table = testsInTable()
const filesOf = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, path]) => path!)

test('SECURITY.md: numbers are complete and in order', async (t) => {
  t.strictSame([...table.keys()], Array.from({ length: 63 }, (_, i) => `T${i + 1}`))
})

test('SECURITY.md: every number that a test cites is in the table', async (t) => {
  t.not(cited.size, 0)
  t.strictSame([...cited.keys()].filter((number) => !table.has(number)), [])
})

test('SECURITY.md: each row lists exactly the files that cite it, or says that it is open', async (t) => {
  for (const [number, cell] of table) {
    const files = filesOf(cell)
    t.strictSame(files.filter((path) => !existsSync(join(ROOT, path))), [], `${number} lists existing files`)
    t.strictSame([...files].sort(), [...cited.get(number) ?? []].sort(), number)
    if (files.length === 0) t.ok(OPEN.includes(cell), `${number} says that it is open`)
  }
})
