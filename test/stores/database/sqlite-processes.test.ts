import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { sqliteStore } from '../../../src/stores/database/sqlite.js'
import { TestUser } from '../../../src/testing/store-suite/test-user.js'
import { childEnvironment } from '../../helpers/child-environment.js'
import { openSqlite, sqliteFile } from '../../helpers/sqlite.js'

const WRITER = fileURLToPath(new URL('../../fixtures/sqlite-writer.ts', import.meta.url))

test('processes: two that write to one user lose no login', async (t) => {
  const file = sqliteFile(t)
  const user = new TestUser(sqliteStore({ database: openSqlite(file), createTable: true, timeout: '30s' }))
  await user.list()
  const writer = startWriter(file, user, 200)
  await once(writer.child, 'spawn')
  const own: string[] = []
  for (let i = 0; i < 200; i++) {
    own.push((await user.signIn()).id)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await writer.closed
  const live = await user.liveIds()
  t.equal(writer.stored.length, 200)
  t.strictSame(new Set(live), new Set([...own, ...writer.stored]))
})

test('processes: one that is killed loses no acknowledged login, and stops no other', async (t) => {
  const file = sqliteFile(t)
  const user = new TestUser(sqliteStore({ database: openSqlite(file), createTable: true, timeout: '30s' }))
  await user.list()
  const writer = startWriter(file, user, 1e6)
  while (writer.stored.length < 50) await new Promise((resolve) => setTimeout(resolve, 5))
  writer.child.kill('SIGKILL')
  await writer.closed
  const { id } = await user.signIn()
  const live = await user.liveIds()
  t.strictSame(writer.stored.filter((stored) => !live.includes(stored)), [])
  t.equal(await user.isLive(id), true)
})

interface Writer {
  child: ReturnType<typeof spawn>
  /** Resolves when the process has ended and its output was read. */
  closed: Promise<unknown>
  /** Ids of the sessions that the process has stored. */
  stored: string[]
}

function startWriter (file: string, { userId }: TestUser, logins: number): Writer {
  const args = ['--import', '@oxc-node/core/register', WRITER, file, userId, `${logins}`]
  const child = spawn(process.execPath, args, { env: childEnvironment(), stdio: ['ignore', 'pipe', 'inherit'] })
  // Listens at once, because the process may end before a test waits for it.
  const closed = once(child, 'close')
  const stored: string[] = []
  createInterface(child.stdout!).on('line', (id) => stored.push(id))
  return { child, closed, stored }
}
