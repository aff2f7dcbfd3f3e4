/** Runs the code of the documentation that needs a database: stores, find or create, and the container for the cloud. */
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import tap, { test, type Test } from 'tap'
import { createPool } from 'mysql2/promise'
import { startWechatSimulator } from '../../src/testing/index.js'
import { childEnvironment } from '../helpers/child-environment.js'
import { startMariadb } from '../helpers/mysql.js'
import { startPostgres } from '../helpers/postgres.js'
import { freePort } from '../helpers/processes.js'
import { writeRecipes } from '../helpers/recipes.js'
import { sqliteFile } from '../helpers/sqlite.js'

tap.setTimeout(300_000)
const recipes = writeRecipes(tap)
const postgres = await startPostgres(tap)
const mariadb = await startMariadb(tap)
const WEAPP = { WEAPP_APP_ID: 'wx0123456789abcdef', WEAPP_APP_SECRET: 'app-secret', WEAPP_SECRET: 'x'.repeat(32) }

function start (t: Test, file: string, env: Record<string, string>) {
  const child = spawn(process.execPath, [file], {
    cwd: recipes.project, env: childEnvironment({ ...WEAPP, ...env }), stdio: ['ignore', 'pipe', 'pipe']
  })
  t.teardown(() => { child.kill('SIGKILL') })
  return child
}

const IMPORT_SQLITE = "import { DatabaseSync } from 'node:sqlite'"

for (const [file, env] of [
  ['with-postgres.mjs', { DATABASE_URL: postgres.url }],
  ['with-mysql.mjs', { DATABASE_URL: mariadb.url }],
  ['with-sqlite.mjs', { DATABASE_FILE: sqliteFile(tap) }]
] as const) {
  test(`${file}: the store answers`, async (t) => {
    const path = join(recipes.project, file)
    // node:sqlite needs Node.js 22.13. libsql has the same interface here.
    writeFileSync(path, readFileSync(path, 'utf8').replace(IMPORT_SQLITE, "import DatabaseSync from 'libsql'"))
    writeFileSync(join(recipes.project, `run-${file}`), `
      import { app } from './${file}'
      const sessions = await app.weapp.sessions.list({ openid: 'nobody' })
      await app.close()
      console.log(JSON.stringify({ sessions }))
    `)
    const child = start(t, `run-${file}`, env)
    const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)])
    t.match(output, /^\{"sessions":\[\]\}$/m, errors)
  })
}

test('my-store.test.mjs and my-store.mjs: the store passes the suite', async (t) => {
  const child = start(t, 'my-store.test.mjs', {})
  const [output] = await Promise.all([text(child.stdout), once(child, 'exit')])
  t.match(output, /^# fail 0$/m)
})

for (const [file, table, connect] of [
  ['find-user-postgres.mjs', 'users-postgres.sql', () => new pg.Pool({ connectionString: postgres.url })],
  ['find-user-mysql.mjs', 'users-mysql.sql', () => createPool(mariadb.url)]
] as const) {
  test(`${file} and ${table}: concurrent logins create one user`, async (t) => {
    const pool: any = connect()
    t.teardown(() => pool.end())
    await pool.query(readFileSync(join(recipes.project, table), 'utf8'))
    const { findOrCreateUser } = await recipes.load(file)
    const find = (openid: string, unionid: string | null = null) => findOrCreateUser(pool, { appId: 'wx', openid, unionid })
    const users = await Promise.all(Array.from({ length: 8 }, () => find('oABC')))
    t.equal(new Set(users.map(({ id }) => id)).size, 1)
    t.equal((await find('oABC', 'union')).id, users[0].id)
    t.not((await find('oabc')).id, users[0].id)
    await find('oABC')
    const found = await pool.query("SELECT unionid FROM users WHERE openid = 'oABC'")
    t.strictSame((found.rows ?? found[0]).map(({ unionid }: { unionid: string }) => unionid), ['union'])
  })
}

test('cloud/server.mjs: signs a user in, with the variables of the cloud', async (t) => {
  const wechat = await startWechatSimulator({ apps: { [WEAPP.WEAPP_APP_ID]: WEAPP.WEAPP_APP_SECRET } })
  t.teardown(() => wechat.close())
  const path = join(recipes.project, 'cloud', 'server.mjs')
  const code = readFileSync(path, 'utf8')
    .replace('store: mysqlStore', `wechat: { baseUrl: '${wechat.url}' }, store: mysqlStore`)
    .replace('0.0.0.0', '127.0.0.1')
  writeFileSync(path, code)
  const port = await freePort()
  const { host, username, pathname } = new URL(mariadb.url)
  const server = start(t, path, {
    PORT: `${port}`, MYSQL_ADDRESS: host, MYSQL_USERNAME: username, MYSQL_PASSWORD: '', MYSQL_DATABASE: pathname.slice(1)
  })
  const errors = text(server.stderr)
  let listening = false
  for await (const line of createInterface(server.stdout)) {
    listening = line.includes('Server listening')
    if (listening) break
  }
  if (!listening) throw new Error(await errors)

  const login = await fetch(`http://127.0.0.1:${port}/weapp/login`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code: wechat.login('alice') })
  })
  const { token } = await login.json() as { token: string }
  const me = await fetch(`http://127.0.0.1:${port}/me`, { headers: { authorization: `Bearer ${token}` } })
  t.strictSame(await me.json(), { openid: wechat.openid('alice') })
})
