import { once } from 'node:events'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import tap, { test, type Test } from 'tap'
import { request } from 'undici'
import { startWechatSimulator } from '../../../src/testing/simulator/simulator.js'
import { childEnvironment } from '../../helpers/child-environment.js'
import { APP_ID, APP_SECRET } from '../../helpers/host.js'
import { freePort, kill, start } from '../../helpers/processes.js'
import { MAX_AGE_MS } from '../../helpers/redis-cached-host.js'
import { redisUrl, uniquePrefix } from '../../helpers/redis.js'

const CACHED_SERVER = fileURLToPath(new URL('../../fixtures/cached-server.ts', import.meta.url))
const ROOT = fileURLToPath(new URL('../../..', import.meta.url))

const ROUNDS = 1000

const url = await redisUrl(tap)

interface Server {
  child: ChildProcess
  send (path: string, options?: { token?: string, body?: object }): Promise<{ status: number, json: any }>
}

async function startServer (t: Test, prefix: string, wechatUrl: string): Promise<Server> {
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const child = await start({
    command: process.execPath,
    args: ['--import', 'tsx', CACHED_SERVER, `${port}`, url, prefix, wechatUrl],
    ready: 'listening at ',
    log: 'stdout',
    options: { cwd: ROOT, env: childEnvironment() }
  })
  t.teardown(() => kill(child))
  const send: Server['send'] = async (path, { token, body } = {}) => {
    // Costs half of what fetch costs, and this test sends thousands of requests.
    const response = await request(origin + path, {
      headers: {
        ...token !== undefined && { authorization: `Bearer ${token}` },
        ...body && { 'content-type': 'application/json' }
      },
      ...body && { method: 'POST', body: JSON.stringify(body) }
    })
    const text = await response.body.text()
    return { status: response.statusCode, json: text === '' ? null : JSON.parse(text) }
  }
  return { child, send }
}

test(`two processes: ${ROUNDS} revoked sessions are rejected within a second`, async (t) => {
  const prefix = uniquePrefix()
  const wechat = await startWechatSimulator({ apps: { [APP_ID]: APP_SECRET } })
  t.teardown(() => wechat.close())
  const servers = await Promise.all([0, 1].map(() => startServer(t, prefix, wechat.url)))
  const [a, b] = servers as [Server, Server]
  const sinceRequest: number[] = []
  const sinceResponse: number[] = []

  /** Sends requests to B until one is answered without a read. The login's own invalidation may arrive between them. */
  async function cacheOnB (token: string): Promise<void> {
    for (let before = 0; ;) {
      const { status, json } = await b.send('/reads', { token })
      if (status !== 200) t.fail('the session is live on the other server')
      if (json.reads === before || json.reads > 100) return
      before = json.reads
    }
  }

  async function runRound (round: number): Promise<void> {
    const login = await a.send('/weapp/login', { body: { code: wechat.login(`user ${round}`) } })
    const { token } = login.json as { token: string }
    await cacheOnB(token)
    const start = performance.now()
    const logout = await a.send('/weapp/logout', { token, body: {} })
    const acknowledged = performance.now()
    if (logout.status !== 204) t.fail(`logout: ${logout.status}`)
    for (let accepted = acknowledged; ;) {
      const sent = performance.now()
      const { status, json } = await b.send('/reads', { token })
      if (status === 401) {
        if (json.code !== 'FST_WEAPP_SESSION_REVOKED') t.fail(json.code)
        sinceRequest.push(performance.now() - start)
        sinceResponse.push(accepted - acknowledged)
        return
      }
      accepted = sent
      if (sent - acknowledged > MAX_AGE_MS) throw new Error('accepted beyond maxAge')
    }
  }

  for (let round = 0; round < ROUNDS; round++) await runRound(round)

  t.equal(sinceRequest.length, ROUNDS)
  const percentile = (values: number[], part: number) => {
    return values.sort((x, y) => x - y)[Math.ceil(values.length * part) - 1]!
  }
  const summary = (values: number[]) => [0.5, 0.99, 1].map((part) => percentile(values, part).toFixed(1)).join(', ')
  t.comment(`from the logout request to B's rejection: p50, p99, max = ${summary(sinceRequest)} ms`)
  t.comment(`from the logout response to the last acceptance by B: p50, p99, max = ${summary(sinceResponse)} ms; ` +
    `none in ${sinceResponse.filter((ms) => ms === 0).length} of ${ROUNDS} rounds`)
  t.ok(percentile(sinceRequest, 0.99) < 1000, 'p99 is below a second')
  t.ok(percentile(sinceRequest, 1) < MAX_AGE_MS, 'the maximum is below maxAge')

  for (const { send, child } of servers) {
    const exit = once(child, 'exit')
    await send('/close')
    t.strictSame(await exit, [0, null], 'no open handle keeps the process alive')
  }
})
