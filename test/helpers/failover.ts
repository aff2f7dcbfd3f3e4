/** What a server answers while the master of its Redis dies and a replica takes over, over the wire. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { SessionStore } from '../../src/index.js'
import { userIdOf } from '../../src/crypto/tokens.js'
import { until } from './processes.js'
import type { RedisServer } from './redis.js'
import { APP_ID, startHost } from './host.js'

export interface FailoverParts {
  store: SessionStore
  /** The master that has this user, and what of it is with the replicas. */
  masterOf (userId: string): Promise<{ server: RedisServer, replicated (): Promise<void> }>
}

interface Answer {
  status: number
  code: string | undefined
  token: string
  /** How long it took. */
  ms: number
}

const UNAVAILABLE = { status: 503, code: 'FST_WEAPP_STORE_UNAVAILABLE' }
const REVOKED = { status: 401, code: 'FST_WEAPP_SESSION_REVOKED' }
const INVALID = { status: 401, code: 'FST_WEAPP_TOKEN_INVALID' }

/** `storeTimeout` is 2 seconds, two operations may follow each other, and this machine may have other things to do. */
const LIMIT = 10_000

export async function checkFailover (t: Test, { store, masterOf }: FailoverParts): Promise<void> {
  const { app, wechat } = await startHost(t, { options: { store, session: { limit: 5 } } })
  await app.listen({ port: 0, host: '127.0.0.1' })
  const origin = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`

  async function ask (path: string, token: string, body?: object): Promise<Answer> {
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
  const signIn = (user: string, token = '') => ask('/weapp/login', token, { code: wechat.login(user) })
  const user = (name: string) => ({ appId: APP_ID, openid: wechat.openid(name) })

  const names = Array.from({ length: 12 }, (_, i) => `user ${i}`)
  const tokens = await Promise.all(names.map(async (name) => (await signIn(name)).token))
  const signedOut = await Promise.all(names.map(async (name) => (await signIn(name)).token))
  for (const token of signedOut) t.equal((await ask('/weapp/logout', token, {})).status, 204)
  const forged = `${tokens[0]!.slice(0, -4)}AAAA`

  // Of the users with that master; on a Cluster, others have another.
  const victim = await masterOf(userIdOf(APP_ID, wechat.openid(names[0]!)))
  const masters = await Promise.all(names.map(async (name) => (await masterOf(userIdOf(APP_ID, wechat.openid(name)))).server))
  const struck = names.map((_, i) => i).filter((i) => masters[i] === victim.server)
  await victim.replicated()
  await victim.server.kill()

  // Writes that fail now are not to happen later, to whomever the replica serves.
  const [read, login, ...ended] = await Promise.all([
    ask('/me', tokens[0]!), signIn(names[0]!, tokens[0]), ...struck.map((i) => app.weapp.sessions.revokeAll(user(names[i]!)).catch(({ code }) => code))
  ])
  t.match([read, login], [UNAVAILABLE, UNAVAILABLE], 'at first nothing is known')
  t.equal(login.token, undefined)
  t.strictSame(new Set(ended), new Set([UNAVAILABLE.code]))

  const answers: Answer[] = []
  await until('the replica takes over', async () => {
    const [guarded, revoked, stranger] = await Promise.all([ask('/me', tokens[0]!), ask('/me', signedOut[0]!), ask('/me', forged)])
    answers.push(guarded, revoked)
    t.match(stranger, INVALID, 'nobody is let through')
    if (guarded.status !== 200) t.match(guarded, UNAVAILABLE)
    t.match(revoked, revoked.status === 503 ? UNAVAILABLE : REVOKED, 'and nobody is revived')
    return guarded.status === 200 && revoked.status === 401
  })
  const slowest = Math.max(...[read, login, ...answers].map(({ ms }) => ms))
  t.ok(slowest < LIMIT, `the slowest of ${answers.length} answers took ${Math.round(slowest)} ms`)

  await until('everybody is back', async () => (await Promise.all(tokens.map((token) => ask('/me', token)))).every(({ status }) => status === 200))
  for (const token of signedOut) t.match(await ask('/me', token), REVOKED)
  for (const i of struck) t.equal((await app.weapp.sessions.list(user(names[i]!))).length, 1, 'what was answered 503 did not happen')

  for (const [i, name] of names.entries()) {
    const { status, token } = await signIn(name, tokens[i])
    t.equal(status, 200, 'new logins work')
    t.equal((await ask('/me', token)).status, 200)
    t.match(await ask('/me', tokens[i]!), { status: 401 }, 'and take the place of the old')
  }
  const closed = once(app.server, 'close')
  app.server.closeAllConnections()
  await app.close()
  await closed
}
