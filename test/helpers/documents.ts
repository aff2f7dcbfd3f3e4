/** Reads the documentation: README.md, docs/ and the other documents, with their code blocks and tables. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** The text of each document in English, by its path. */
export const ENGLISH = read(['README.md', ...pagesIn('docs').filter((path) => !path.startsWith('docs/zh-CN/'))])
/** The text of each document in Chinese, by its path. */
export const CHINESE = read(['README.zh-CN.md', ...pagesIn('docs/zh-CN')])
/** The text of each other document, by its path. */
export const OTHERS = read([
  'SECURITY.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...pagesIn('example').filter((path) => !path.includes('node_modules'))
])

export interface CodeBlock {
  path: string
  language: string
  /** The name in the first line, such as `// file: app.ts`. */
  file: string | undefined
  code: string
}

/** Returns the code blocks of some documents. */
export function codeBlocks (documents: ReadonlyMap<string, string>): CodeBlock[] {
  return [...documents].flatMap(([path, text]) => {
    const blocks = text.matchAll(/^```(\w*)\n(.*?)^```$/gms) as Iterable<[string, string, string]>
    return [...blocks].map(([, language, code]) => {
      return { path, language, code, file: /^(?:\/\/|#|--|<!--) file: (\S+)/.exec(code)?.[1] }
    })
  })
}

/** Returns the code of the blocks that name a file, by that name. */
export function codeFiles (documents: ReadonlyMap<string, string>): Map<string, string> {
  return new Map(codeBlocks(documents).flatMap(({ file, code }) => file === undefined ? [] : [[file, code]]))
}

/** Returns the cells of the table whose first head cell is given, row by row and without backticks. */
export function table (head: string, text: string): string[][] {
  const start = text.indexOf(`\n| ${head} |`)
  if (start === -1) throw new Error(`The document has no table "${head}".`)
  const [, , ...rows] = text.slice(start + 1).split('\n\n', 1)[0]!.trimEnd().split('\n')
  return rows.map((row) => row.slice(2, -2).split(' | ').map((cell) => cell.replaceAll('`', '').trim()))
}

/** Returns the anchors that GitHub gives the headings of a document. */
export function anchorsOf (text: string): Set<string> {
  const withoutCode = text.replaceAll(/^```.*?^```$/gms, '')
  return new Set([...withoutCode.matchAll(/^#+ (.*)$/gm)].map(([, title]) => {
    return title!.toLowerCase().replaceAll(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-')
  }))
}

function pagesIn (folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `${folder}/${name.replaceAll(sep, '/')}`)
    .sort()
}

function read (paths: string[]): ReadonlyMap<string, string> {
  return new Map(paths.map((path) => [path, readFileSync(join(ROOT, path), 'utf8')]))
}
