/** Compares the lists of the documentation with the source: options, errors, simulator, fake wx, client and events. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import * as everything from '../../src/index.js'
import { OPTION_NAMES } from '../../src/resolve-options.js'
import { CHINESE, ENGLISH, OTHERS, ROOT, table } from '../helpers/documents.js'
import { typeMembers } from '../helpers/type-members.js'

const ERRORS = ENGLISH.get('docs/errors.md')!
const OPTIONS = ENGLISH.get('docs/options.md')!
const TESTING = ENGLISH.get('docs/testing.md')!
const CLIENT = ENGLISH.get('docs/mini-program-client.md')!

/** The default of each option, as docs/options.md states it. */
const defaults = new Map([...OPTIONS.matchAll(/^### `([^`]+)`\n\n[^\n]*?\. Default: `([^`]+)`/gm)].map(
  ([, option, value]) => [option!, value!]
))

test('errors: the table lists all errors with their status', (t) => {
  const errors = Object.entries(everything).filter(([name]) => name.startsWith('FST_WEAPP_')).map(([, error]) => {
    const { code, statusCode } = new (error as everything.WeappErrorConstructor)()
    return code as string === 'FST_WEAPP_INVALID_OPTION' ? `${code} none` : `${code} ${statusCode}`
  })
  t.strictSame(table('Code', ERRORS).map(([code, status]) => `${code} ${status}`).sort(), [...new Set(errors)].sort())
  t.end()
})

test('errors: all errors in the documents exist', (t) => {
  const codes = new Set([...table('Code', ERRORS).map(([code]) => code), 'FST_WEAPP_MEMORY_STORE'])
  for (const [page, text] of [...ENGLISH, ...CHINESE, ...OTHERS]) {
    const named = text.match(/FST_WEAPP_[A-Z_]*[A-Z]\b/g) ?? []
    t.strictSame(named.filter((code) => !codes.has(code)), [], page)
  }
  t.end()
})

test('errors: the tables in Chinese have the same status', (t) => {
  const statuses = new Map(table('Code', ERRORS).map(([code, status]) => [code, status]))
  const page = CHINESE.get('docs/zh-CN/errors.md')!
  for (const [named, status] of table('错误码', page)) {
    for (const code of named!.split('、')) t.equal(statuses.get(code), status, code)
  }
  for (const row of page.matchAll(/\| (\d+) `(FST_\w+)` \|/g)) t.equal(statuses.get(row[2]!), row[1], row[2]!)
  t.end()
})

test('options: each has a heading', (t) => {
  const { options, ...sections } = OPTION_NAMES
  const namesOf: Record<string, string[] | undefined> = sections
  const expected = options.flatMap((option) => namesOf[option]?.map((name) => `${option}.${name}`) ?? [option])
  const headings = [...OPTIONS.matchAll(/^### `(.+)`$/gm)].map(([, option]) => option!)
  t.strictSame(headings.sort(), expected.sort())
  t.end()
})

test('options: the page states the defaults of the source', (t) => {
  const source = readFileSync(join(ROOT, 'src', 'options.ts'), 'utf8')
  let compared = 0
  for (const [, comment, name] of source.matchAll(/(\/\*\*(?:(?!\*\/)[\s\S])*\*\/)\s+(\w+)\?:/g)) {
    const value = /@default ([^\s,]+)/.exec(comment!)?.[1]
    const option = [...defaults.keys()].find((key) => key === name || key.endsWith(`.${name}`))
    if (value === undefined || option === undefined) continue
    t.equal(defaults.get(option), value, option)
    compared += 1
  }
  t.ok(compared >= 14, `${compared} defaults were compared`)
  t.end()
})

const TRANSLATIONS: Record<string, string> = { 必填: 'required', 接受所有人: 'accepts everybody' }
const STATED: Record<string, string> = { appId: 'required', appSecret: 'required', secret: 'required', onLogin: 'accepts everybody' }

for (const [page, head, text] of [
  ['README.md', 'Option', ENGLISH.get('README.md')!], ['README.zh-CN.md', '选项', CHINESE.get('README.zh-CN.md')!]
] as const) {
  test(`${page}: its options exist, with the same defaults`, (t) => {
    for (const [named, value] of table(head, text)) {
      const options = named!.split(/、|, /)
      const values = value!.split(/、|, /)
      options.forEach((option, i) => {
        const stated = values[i] ?? values[0]!
        t.equal(TRANSLATIONS[stated] ?? stated, STATED[option] ?? defaults.get(option), option)
      })
    }
    t.end()
  })
}

for (const { subject, file, type, signature } of [
  {
    subject: 'simulator table',
    file: 'src/testing/simulator/simulator.ts',
    type: 'WechatSimulator',
    signature: /startWechatSimulator\(.*\)(?=` \|)/
  },
  {
    subject: 'fake wx table',
    file: 'src/testing/mini-program/mini-program.ts',
    type: 'MiniProgram',
    signature: /createMiniProgram\(.*\)(?=` \|)/
  }
]) {
  test(`${subject}: lists all members and options`, (t) => {
    const [call] = signature.exec(TESTING)!
    const members = table(`\`${call}\``, TESTING)
      .flatMap(([cell]) => cell!.replaceAll(/\([^)]*\)/g, '').split(', '))
    t.strictSame(members.sort(), typeMembers(file, type).sort())
    const options = /\{ (.*) \}/.exec(call)![1]!.split(', ')
    t.strictSame(options.sort(), typeMembers(file, `${type}Options`).sort())
    t.end()
  })
}

test('client tables: list all options and all errors of the client', (t) => {
  const options = typeMembers('src/client/types.ts', 'WeappClientOptions')
  t.strictSame(table('Client option', CLIENT).map(([option]) => option).sort(), options.sort())

  const folder = join(ROOT, 'src', 'client')
  const sources = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8')).join('')
  const errors = new Set(sources.match(/\bWEAPP_[A-Z_]*[A-Z]\b/g))
  t.strictSame(table('Client error', CLIENT).map(([code]) => code).sort(), [...errors].sort())
  t.end()
})

test('observability: the tables list all log events and tracing channels', (t) => {
  const page = ENGLISH.get('docs/observability.md')!
  const sourceOf = (name: string) => readFileSync(join(ROOT, 'src', 'diagnostics', name), 'utf8')
  const events = [...sourceOf('operator-log.ts').matchAll(/event: '([\w-]+)'/g)].map(([, event]) => event)
  t.strictSame(table('`weapp.event`', page).map(([event]) => event).sort(), [...new Set(events)].sort())
  const channels = [...sourceOf('tracing.ts').matchAll(/^ {2}'(fastify-weapp\.\w+)':/gm)].map(([, channel]) => channel)
  t.strictSame(table('Tracing channel', page).map(([channel]) => channel).sort(), channels.sort())
  t.end()
})
