/**
 * Prints the entries of CHANGELOG.md for a tag, such as v0.1.0. Fails unless the tag, package.json and CHANGELOG.md agree,
 * so that a release with wrong or missing notes is not published.
 *
 *   node scripts/release-notes.js v0.1.0 [folder]
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const [tag, folder = join(import.meta.dirname, '..')] = process.argv.slice(2)
const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
const changelog = readFileSync(join(folder, 'CHANGELOG.md'), 'utf8')

if (tag !== `v${manifest.version}`) fail(`The tag ${tag} is not the version of package.json. Tag the commit v${manifest.version}.`)
// npm needs the repository for provenance, and for the relative links of the README.
if (manifest.repository === undefined) fail('package.json has no repository. Add repository, bugs and homepage.')

const section = changelog.split(/^## /m).find((text) => text.startsWith(`[${manifest.version}]`))
if (section === undefined) fail(`CHANGELOG.md has no section [${manifest.version}]. Move the entries of [Unreleased] there.`)
const [, ...lines] = section.split('\n')
const notes = lines.join('\n').trim()
if (notes === '') fail(`The section [${manifest.version}] of CHANGELOG.md is empty. List the changes.`)
console.log(notes)

/** Prints the message and ends the process. */
function fail (message) {
  console.error(message)
  process.exit(1)
}
