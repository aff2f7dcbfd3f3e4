/** The workflows of GitHub, and the notes of a release. */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test, type Test } from 'tap'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const WORKFLOWS = join(ROOT, '.github', 'workflows')
const workflows = readdirSync(WORKFLOWS).map((name) => ({ name, text: readFileSync(join(WORKFLOWS, name), 'utf8') }))
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))

test('workflows: every action is pinned by a hash and names its version', (t) => {
  for (const { name, text } of workflows) {
    const actions = text.match(/uses: .*/g) ?? []
    for (const action of actions) t.match(action, /^uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/, name)
  }
  t.end()
})

test('workflows: they may read, and only the job that publishes may write', (t) => {
  for (const { name, text } of workflows) {
    t.match(text, /^permissions:\n {2}contents: read\n/m, name)
    t.notMatch(text, 'pull_request_target', name)
    // An expression in a command would run what its value contains.
    t.notMatch(text, /run: .*\$\{\{/, name)
    const [gate = ''] = text.split('\n  publish:\n')
    t.notMatch(gate, /: write$/m, name)
  }
  t.end()
})

test('workflows: they call the scripts of the project', (t) => {
  for (const { name, text } of workflows) {
    for (const [, script] of text.matchAll(/run: npm run ([\w:]+)/g)) t.ok(script! in manifest.scripts, `${name}: ${script}`)
    for (const [, file] of text.matchAll(/run: (?:node )?(\S+\/\S+)/g)) t.ok(existsSync(join(ROOT, file!)), `${name}: ${file}`)
  }
  t.end()
})

/** Runs the script in a folder with this package.json and CHANGELOG.md. */
function releaseNotes (t: Test, tag: string, manifest: object, changelog: string): { status: number | null, output: string } {
  const folder = t.testdir({ 'package.json': JSON.stringify(manifest), 'CHANGELOG.md': changelog })
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts', 'release-notes.js'), tag, folder], {
    encoding: 'utf8'
  })
  return { status, output: `${stdout}${stderr}`.trim() }
}

const RELEASE = { version: '0.1.0', repository: 'github:owner/name' }
const CHANGELOG = '# Changelog\n\n## [Unreleased]\n\n## [0.1.0] - 2026-01-01\n\n### Added\n\n- A.\n\n## [0.0.1]\n\n- B.\n'

test('release-notes.js: prints the section of the version', (t) => {
  t.strictSame(releaseNotes(t, 'v0.1.0', RELEASE, CHANGELOG), { status: 0, output: '### Added\n\n- A.' })
  t.end()
})

for (const [name, tag, release, changelog, message] of [
  ['another tag', 'v0.2.0', RELEASE, CHANGELOG, 'Tag the commit v0.1.0.'],
  ['no repository', 'v0.1.0', { version: '0.1.0' }, CHANGELOG, 'Add repository, bugs and homepage.'],
  ['no section', 'v0.1.0', RELEASE, '## [Unreleased]\n\n- A.\n', 'Move the entries of [Unreleased] there.'],
  ['an empty section', 'v0.1.0', RELEASE, '## [0.1.0]\n\n## [0.0.1]\n\n- B.\n', 'List the changes.']
] as const) {
  test(`release-notes.js: refuses ${name}`, (t) => {
    const { status, output } = releaseNotes(t, tag, release, changelog)
    t.equal(status, 1)
    t.ok(output.endsWith(message), output)
    t.end()
  })
}
