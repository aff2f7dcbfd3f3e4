/** The links between the documents, and the form of the documents. */
import { existsSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { test } from 'tap'
import { anchorsOf, CHINESE, codeBlocks, ENGLISH, OTHERS, ROOT } from '../helpers/documents.js'

const DOCUMENTS = new Map([...ENGLISH, ...CHINESE, ...OTHERS])
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

/** Returns the scripts of the project and of the page's folder. */
function scriptsOf (page: string): object {
  const own = join(ROOT, posix.dirname(page), 'package.json')
  return { ...manifest.scripts, ...existsSync(own) && JSON.parse(readFileSync(own, 'utf8')).scripts }
}

/** Returns the relative links of a text, with their paths and anchors. */
function linksIn (text: string): { path: string, anchor: string }[] {
  const withoutCode = text.replaceAll(/^```.*?^```$/gms, '').replaceAll(/`[^`\n]+`/g, '')
  return [...withoutCode.matchAll(/\]\((?!https?:)([^)#\s]*)#?([^)\s]*)\)/g)].map(([, path, anchor]) => {
    return { path: path!, anchor: anchor! }
  })
}

test('links: all files and anchors exist', (t) => {
  for (const [page, text] of DOCUMENTS) {
    for (const { path, anchor } of linksIn(text)) {
      const target = path === '' ? page : posix.join(posix.dirname(page), path)
      t.ok(existsSync(join(ROOT, target)), `${page}: ${target}`)
      if (anchor !== '') t.ok(anchorsOf(DOCUMENTS.get(target) ?? '').has(anchor), `${page}: ${target}#${anchor}`)
    }
  }
  t.end()
})

for (const [index, pages] of [['docs/README.md', ENGLISH], ['docs/zh-CN/README.md', CHINESE]] as const) {
  test(`${index}: lists every page`, (t) => {
    const reached = new Set(['README.md', 'README.zh-CN.md', index])
    const queue: string[] = [index]
    for (const page of queue) {
      // A folder of pages has an index of its own.
      if (!page.endsWith('README.md')) continue
      for (const { path } of linksIn(DOCUMENTS.get(page)!)) {
        const target = posix.join(posix.dirname(page), path)
        if (!pages.has(target) || reached.has(target)) continue
        reached.add(target)
        queue.push(target)
      }
    }
    t.strictSame([...pages.keys()].filter((page) => !reached.has(page)), [])
    t.end()
  })
}

test('READMEs: link to each other, and have at most 250 lines', (t) => {
  for (const [name, other] of [['README.md', 'README.zh-CN.md'], ['README.zh-CN.md', 'README.md']] as const) {
    const text = DOCUMENTS.get(name)!
    t.match(text, `](${other})`)
    t.ok(text.split('\n').length <= 251, `${name} has at most 250 lines`)
  }
  t.end()
})

test('commands: every npm script exists, and the packed file has its real name', (t) => {
  for (const [page, text] of DOCUMENTS) {
    for (const [, script] of text.matchAll(/\bnpm run ([a-z][\w:-]*)/g)) {
      t.ok(script! in scriptsOf(page), `${page}: npm run ${script}`)
    }
    for (const [packed] of text.matchAll(/fastify-weapp-\d[\w.-]*\.tgz/g)) {
      t.equal(packed, `fastify-weapp-${manifest.version}.tgz`, page)
    }
  }
  t.end()
})

test('code blocks: each has a language, and code has the name of a file', (t) => {
  for (const { path, language, file, code } of codeBlocks(new Map([...ENGLISH, ...CHINESE]))) {
    const isNamed = file !== undefined || language === 'sh' || language === 'json'
    t.ok(isNamed, `${path}: begin the block with "// file: name", so that a test runs it:\n${code.slice(0, 80)}`)
    if (language === 'json') t.doesNotThrow(() => JSON.parse(code), `${path}: valid JSON`)
  }
  t.end()
})
