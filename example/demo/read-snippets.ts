import { readFile } from 'node:fs/promises'
import { SNIPPETS, type Snippet, type SnippetName } from './snippets.js'

/** Reads the snippets from their files. `folder` is the folder of the demo. */
export async function readSnippets (folder: URL): Promise<Record<SnippetName, Snippet>> {
  const entries = Object.entries(SNIPPETS).map(async ([name, [file, first, last]]) => {
    const lines = (await readFile(new URL(file, folder), 'utf8')).split('\n')
    const start = lines.findIndex((line) => line.startsWith(first))
    const end = lines.findIndex((line, index) => index >= start && line.startsWith(last))
    if (start === -1 || end === -1) throw new Error(`The lines of ${name} were not found in ${file}.`)
    const path = file.startsWith('../') ? `example/${file.slice(3)}` : `example/demo/${file}`
    return [name, { path, code: withoutIndent(lines.slice(start, end + 1)) }] as const
  })
  return Object.fromEntries(await Promise.all(entries)) as Record<SnippetName, Snippet>
}

function withoutIndent (lines: string[]): string {
  const indent = /^ */.exec(lines[0]!)![0].length
  return lines.map((line) => line.slice(indent)).join('\n')
}
