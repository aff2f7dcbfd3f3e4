/** The code in the Chinese documents equals the code in the English ones, and code in several documents is the same. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { CHINESE, codeBlocks, codeFiles, ENGLISH, ROOT } from '../helpers/documents.js'

const english = codeFiles(ENGLISH)
/** Files with texts in Chinese for users of the Mini Program. The English documents do not have them. */
const CHINESE_ONLY = ['phone-login.mjs']

/** Removes the comments, which each language has of its own. */
function withoutComments (code: string): string {
  return code.replaceAll(/(?:^| )(?:\/\/|\/\*\*|#|--) .*$/gm, '')
}

test('code: a file that several documents show is the same in each', (t) => {
  for (const { path, file, code } of codeBlocks(ENGLISH)) {
    if (file !== undefined) t.equal(withoutComments(code), withoutComments(english.get(file)!), `${path}: ${file}`)
  }
  t.end()
})

test('code: the Chinese documents have that of the English ones', (t) => {
  const shell = new Set(codeBlocks(ENGLISH).filter(({ language }) => language === 'sh').map(({ code }) => code))
  for (const { path, language, file, code } of codeBlocks(CHINESE)) {
    if (file !== undefined && CHINESE_ONLY.includes(file)) t.notOk(english.has(file))
    else if (file !== undefined) t.equal(withoutComments(code), withoutComments(english.get(file) ?? ''), `${path}: ${file}`)
    else if (language === 'sh') t.ok(shell.has(code), `${path}: ${code}`)
  }
  t.end()
})

test('code: a test runs each file', (t) => {
  const tests = readdirSync(join(ROOT, 'test', 'docs')).map((name) => readFileSync(join(ROOT, 'test', 'docs', name), 'utf8'))
  for (const file of [...english.keys(), ...codeFiles(CHINESE).keys()]) {
    t.ok(tests.some((text) => text.includes(file.replace(/\.ts$/, '.'))), file)
  }
  t.end()
})
