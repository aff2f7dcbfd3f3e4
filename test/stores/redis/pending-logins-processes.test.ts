/** Logins in flight on servers of several processes, whose clocks differ. */
import { fileURLToPath } from 'node:url'
import tap, { test, type Test } from 'tap'
import { request } from 'undici'
import { startWechatSimulator } from '../../../src/testing/simulator/simulator.js'
import { childEnvironment } from '../../helpers/child-environment.js'
import { HOUR, MINUTE } from '../../helpers/clock.js'
import { APP_ID, APP_SECRET } from '../../helpers/host.js'
import { freePort, kill, start, until } from '../../helpers/processes.js'
import { redisUrl, uniquePrefix } from '../../helpers/redis.js'

const LOGIN_SERVER = fileURLToPath(new URL('../../fixtures/login-server.ts', import.meta.url))
const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

const url = await redisUrl(tap)

type Send = (path: string, options?: { token?: string, hold?: boolean, body?: object }) => Promise<{ status: number, json: any }>

async function startServer (t: Test, prefix: string, wechatUrl: string, ahead: number): Promise<Send> {
  const port = await freePort()
  const child = await start({
    command: process.execPath,
    args: ['--import', 'tsx', LOGIN_SERVER, `${port}`, url, prefix, wechatUrl, `${ahead}`],
    ready: 'listening at ',
    log: 'stdout',
    options: { cwd: ROOT, env: childEnvironment() }
  })
  t.teardown(() => kill(child))
  return async (path, { token, hold = false, body } = {}) => {
    const response = await request(`http://127.0.0.1:${port}${path}`, {
      headers: {
        ...token !== undefined && { authorization: `Bearer ${token}` },
        ...hold && { hold: 'true' },
        ...body && { 'content-type': 'application/json' }
      },
      ...body && { method: 'POST', body: JSON.stringify(body) }
    })
    return { status: response.statusCode, json: await response.body.json() }
  }
}

test('T55: three processes: bans and kicks refuse the logins that began before them', async (t) => {
  const prefix = uniquePrefix()
  const wechat = await startWechatSimulator({ apps: { [APP_ID]: APP_SECRET } })
  t.teardown(() => wechat.close())
  const clocks = [0, HOUR - MINUTE, MINUTE - HOUR]
  const servers = await Promise.all(clocks.map((ahead) => startServer(t, prefix, wechat.url, ahead)))
  const logIn = (server: Send, name: string, token?: string, hold = false) => {
    return server('/weapp/login', { body: { code: wechat.login(name) }, hold, ...token && { token } })
  }

  for (const [i, ending] of servers.entries()) {
    for (const [j, other] of servers.entries()) {
      for (const kind of ['ban', 'kick']) {
        const name = `${kind} by ${i} of ${j}`
        const openid = wechat.openid(name)
        const { token } = (await logIn(other, name)).json
        const { id } = (await other('/me', { token })).json
        const login = logIn(other, name, token, true)
        await until('the login is held', async () => (await other('/held')).json === 1)
        const { json } = await ending('/end', { body: { openid, ...kind === 'kick' && { id } } })
        t.equal(json, kind === 'kick' ? true : 1, name)
        await other('/release', { body: {} })
        t.match(await login, { status: 401, json: { code: 'FST_WEAPP_SESSION_KICKED' } }, name)
        t.match(await ending('/me', { token }), { status: 401, json: { code: 'FST_WEAPP_SESSION_KICKED' } }, name)

        let later = await logIn(other, name, token)
        // A store may take the start of a login as earlier, by the duration of its operation.
        for (let attempt = 1; later.status === 401 && attempt < 100; attempt++) later = await logIn(other, name, token)
        t.equal(later.status, 200, `${name}, later`)
        t.equal((await ending('/me', { token: later.json.token })).status, 200, `${name}, later`)
      }
    }
  }
})
