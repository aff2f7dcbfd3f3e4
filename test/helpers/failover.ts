/** Responses of a server while the master of its Redis dies and a replica takes over, over the wire. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { SessionStore } from '../../src/index.js'
import { userIdOf } from '../../src/crypto/tokens.js'
import { until } from './processes.js'
import type { RedisServer } from './redis.js'
import { APP_ID, startHost } from './host.js'

export interface FailoverOptions {
  store: SessionStore
  /** Returns the master of a user. `replicated` resolves when its replicas have caught up. */
  masterOf (userId: string): Promise<{ server: RedisServer, replicated (): Promise<void> }>
}

interface Response {
  status: number
  code: string | undefined
  token: string
  /** Duration in milliseconds. */
  ms: number
}

const UNAVAILABLE = { status: 503, code: 'FST_WEAPP_STORE_UNAVAILABLE' }
const REVOKED = { status: 401, code: 'FST_WEAPP_SESSION_REVOKED' }
const INVALID = { status: 401, code: 'FST_WEAPP_TOKEN_INVALID' }

/** `storeTimeout` is 2 seconds and two operations may follow each other. The rest is for a busy machine. */
const MAX_MS = 10_000

export async function assertFailover (t: Test, { store, masterOf }: FailoverOptions): Promise<void> {
  const { app, wechat } = await startHost(t, { options: { store, session: { limit: 5 } } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const origin = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`

  async function send (path: string, token: string, body?: object): Promise<Response> {
    const start = performance.now()
    const response = await fetch(`${origin}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${token}`, ...body && { 'content-type': 'application/json' } },
      ...body && { body: JSON.stringify(body) }
    })
    const text = await response.text()
    const { code, token: issued } = text === '' ? {} : JSON.parse(text)
    return { status: response.status, code, token: issued, ms: performance.now() - start }
  }
  const signIn = (name: string, token = '') => send('/weapp/login', token, { code: wechat.login(name) })
  const userOf = (name: string) => ({ appId: APP_ID, openid: wechat.openid(name) })
  const masterOfName = (name: string) => masterOf(userIdOf(APP_ID, wechat.openid(name)))

  const names = Array.from({ length: 12 }, (_, i) => `user ${i}`)
  const tokens = await Promise.all(names.map(async (name) => (await signIn(name)).token))
  const signedOut = await Promise.all(names.map(async (name) => (await signIn(name)).token))
  for (const token of signedOut) t.equal((await send('/weapp/logout', token, {})).status, 204)
  const forged = `${tokens[0]!.slice(0, -4)}AAAA`

  // On a Cluster, some of the users have another master.
  const victim = await masterOfName(names[0]!)
  const masters = await Promise.all(names.map(async (name) => (await masterOfName(name)).server))
  const affected = names.filter((_, i) => masters[i] === victim.server)
  await victim.replicated()
  await victim.server.kill()

  // Writes that fail now must not happen later on the replica.
  const revokeAll = (name: string) => app.weapp.sessions.revokeAll(userOf(name)).catch(({ code }) => code)
  const [read, login, ...revoked] = await Promise.all([
    send('/me', tokens[0]!), signIn(names[0]!, tokens[0]), ...affected.map(revokeAll)
  ])
  t.match([read, login], [UNAVAILABLE, UNAVAILABLE], 'unavailable at first')
  t.equal(login.token, undefined)
  t.strictSame(new Set(revoked), new Set([UNAVAILABLE.code]))

  const responses: Response[] = []
  await until('the replica takes over', async () => {
    const [guarded, ended, invalid] = await Promise.all([tokens[0]!, signedOut[0]!, forged].map((token) => {
      return send('/me', token)
    })) as [Response, Response, Response]
    responses.push(guarded, ended)
    t.match(invalid, INVALID, 'a forged token is rejected')
    if (guarded.status !== 200) t.match(guarded, UNAVAILABLE)
    t.match(ended, ended.status === 503 ? UNAVAILABLE : REVOKED, 'an ended session is not revived')
    return guarded.status === 200 && ended.status === 401
  })
  const slowest = Math.max(...[read, login, ...responses].map(({ ms }) => ms))
  t.ok(slowest < MAX_MS, `the slowest of ${responses.length} responses took ${Math.round(slowest)} ms`)

  await until('all sessions are live', async () => {
    const states = await Promise.all(tokens.map((token) => send('/me', token)))
    return states.every(({ status }) => status === 200)
  })
  for (const token of signedOut) t.match(await send('/me', token), REVOKED)
  for (const name of affected) {
    const sessions = await app.weapp.sessions.list(userOf(name))
    t.equal(sessions.length, 1, 'a write that was answered with 503 did not happen')
  }

  for (const [i, name] of names.entries()) {
    const { status, token } = await signIn(name, tokens[i])
    t.equal(status, 200, 'a new login works')
    t.equal((await send('/me', token)).status, 200)
    t.match(await send('/me', tokens[i]!), { status: 401 }, 'and replaces the old session')
  }
  const closed = once(app.server, 'close')
  app.server.closeAllConnections()
  await app.close()
  await closed
}
