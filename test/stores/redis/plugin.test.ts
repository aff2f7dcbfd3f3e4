import type { Redis } from 'ioredis'
import tap, { test, type Test } from 'tap'
import { memoryStore, redisStore, type WeappOptions } from '../../../src/index.js'
import { userIdOf } from '../../../src/crypto/tokens.js'
import { DAY, freezeClock } from '../../helpers/clock.js'
import { until } from '../../helpers/processes.js'
import { connectRedis, redisUrl, startRedis, uniquePrefix } from '../../helpers/redis.js'
import { APP_ID, startHost, type Host } from '../../helpers/host.js'

const url = await redisUrl(tap)

/** Far more than a burst takes, for a busy machine. */
const MAX_MS = 20_000

interface RedisHost extends Host {
  client: Redis
  keyOf (user: string): string
}

async function redisHost (t: Test, session: WeappOptions['session'] = {}): Promise<RedisHost> {
  const client = connectRedis(t, url)
  const prefix = uniquePrefix()
  const options = { store: redisStore({ client, prefix, timeout: '19s' }), storeTimeout: MAX_MS, session }
  const host = await startHost(t, { options })
  return { ...host, client, keyOf: (user) => prefix + userIdOf(APP_ID, host.wechat.openid(user)) }
}

async function login ({ app, wechat }: Host, user: string): Promise<string> {
  const response = await app.inject({ method: 'POST', url: '/weapp/login', payload: { code: wechat.login(user) } })
  return response.json().token
}

async function logins (host: Host, user: string, count: number): Promise<string[]> {
  const tokens: string[] = []
  for (let i = 0; i < count; i += 50) {
    tokens.push(...await Promise.all(Array.from({ length: 50 }, () => login(host, user))))
  }
  return tokens
}

async function outcomesOf (host: Host, tokens: string[]): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const token of tokens) {
    const response = await host.get('/me', token)
    const outcome = response.statusCode === 200 ? 'live' : response.json().code
    counts[outcome] = (counts[outcome] ?? 0) + 1
  }
  return counts
}

/** Far more than a store keeps of one user. records.test.ts has a longer loop, over the store alone. */
const LOGINS = 1000

const AFTER_THE_LOOP = { live: 1, FST_WEAPP_SESSION_REPLACED: 16, FST_WEAPP_SESSION_EXPIRED: LOGINS - 17 }

test('limit: a login loop leaves a small user in Redis', async (t) => {
  const host = await redisHost(t, { limit: 1 })
  const tokens = await logins(host, 'alice', LOGINS)
  t.strictSame(await outcomesOf(host, tokens), AFTER_THE_LOOP)
  const key = host.keyOf('alice')
  t.equal(await host.client.hlen(key), 1 + 3 + 1 + 16, 'openid, keys, the session and the reasons')
  const bytes = Number(await host.client.memory('USAGE', key))
  t.ok(bytes < 2048, `${bytes} bytes`)
})

test('limit: a login loop leaves a small user in memory', async (t) => {
  const host = await startHost(t, { options: { store: memoryStore(), session: { limit: 1 } } })
  t.strictSame(await outcomesOf(host, await logins(host, 'alice', LOGINS)), AFTER_THE_LOOP)
})

test('T31: limit: 20 concurrent logins under limit 2 leave exactly 2', async (t) => {
  const host = await redisHost(t, { limit: 2 })
  await host.app.listen({ port: 0, host: '127.0.0.1' })
  for (let round = 0; round < 5; round++) {
    const user = `user ${round}`
    const tokens = await Promise.all(Array.from({ length: 20 }, async () => {
      const response = await fetch(`${host.app.listeningOrigin}/weapp/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ code: host.wechat.login(user) })
      })
      return (await response.json() as { token: string }).token
    }))
    const expected = { live: 2, FST_WEAPP_SESSION_REPLACED: 16, FST_WEAPP_SESSION_EXPIRED: 2 }
    t.strictSame(await outcomesOf(host, tokens), expected)
  }
  host.app.server.closeAllConnections()
})

test('guard: sends one command to Redis', async (t) => {
  const host = await redisHost(t)
  const { token } = await host.signIn()
  const monitor = await host.client.monitor()
  t.teardown(() => monitor.disconnect())
  const commands: string[] = []
  monitor.on('monitor', (_time: string, args: string[], source: string) => {
    if (source === 'lua' || !args.some((arg) => arg === host.keyOf('alice') || arg === 'marker')) return
    commands.push(args[0]!.toLowerCase())
  })
  t.equal((await host.get('/me', token)).statusCode, 200)
  await host.client.ping('marker')
  await until('the marker arrives', () => commands.includes('ping'))
  t.strictSame(commands, ['hmget', 'ping'])
})

test('revokeAll: removes openid and unionid and keeps the reasons', async (t) => {
  const host = await redisHost(t)
  const fieldsOf = () => host.client.hgetall(host.keyOf('alice'))
  const { token } = await host.signIn()
  const { token: other } = await host.signIn()
  const openid = host.wechat.openid('alice')
  t.equal((await host.post('/weapp/logout', undefined, other)).statusCode, 204)
  t.match(JSON.stringify(await fieldsOf()), openid, 'one session is live')
  await host.app.weapp.sessions.revokeAll({ openid })
  t.notMatch(JSON.stringify(await fieldsOf()), openid)
  t.strictSame(Object.keys(await fieldsOf()).map(([kind]) => kind).sort(), ['m', 'm', 'n'])
  t.equal((await host.get('/me', token)).json().code, 'FST_WEAPP_SESSION_KICKED')
  const next = await host.signIn()
  t.equal((await host.get('/me', next.token)).json().openid, openid, 'a new login stores them again')
})

test('revokeAll: removes a user whose last sessions have expired', async (t) => {
  const clock = freezeClock(t)
  const host = await redisHost(t, { ttl: '30d', idle: '7d' })
  const { token } = await host.signIn()
  await host.signIn()
  clock.advance(6 * DAY)
  t.equal((await host.get('/me', token)).statusCode, 200)
  t.equal((await host.post('/weapp/logout', undefined, token)).statusCode, 204)
  t.ok(await host.client.hexists(host.keyOf('alice'), 'o'))
  clock.advance(2 * DAY)
  t.equal(await host.app.weapp.sessions.revokeAll({ openid: host.wechat.openid('alice') }), 0)
  const left = (await host.client.hkeys(host.keyOf('alice'))).map(([kind]) => kind).sort()
  t.strictSame(left, ['m', 'n'], 'except the reason of a sign-out, and the time of revokeAll')
})

test('T30: expiry: expired sessions leave no key', async (t) => {
  const host = await redisHost(t, { ttl: '1s', idle: 1 })
  const names = Array.from({ length: 1000 }, (_, i) => `user ${i}`)
  for (let i = 0; i < names.length; i += 50) await Promise.all(names.slice(i, i + 50).map((name) => login(host, name)))
  await until('no key is left', async () => await host.client.exists(...names.map(host.keyOf)) === 0)
})

for (const outage of ['killed', 'paused'] as const) {
  test(`outage: 1,000 requests while Redis is ${outage} are answered with 503`, async (t) => {
    const server = await startRedis(t)
    const client = connectRedis(t, server.url)
    const host = await startHost(t, { options: { store: redisStore({ client, timeout: 500 }) } })
    const { token } = await host.signIn()
    await (outage === 'killed' ? server.kill() : server.pause())

    const start = performance.now()
    const responses = await Promise.all(Array.from({ length: 1000 }, async (_, i) => {
      const response = i % 10 === 0
        ? await host.app.inject({ method: 'POST', url: '/weapp/login', payload: { code: host.wechat.login('alice') } })
        : await host.get('/me', token)
      return { status: response.statusCode, code: response.json().code }
    }))
    const ms = performance.now() - start
    const unavailable = { status: 503, code: 'FST_WEAPP_STORE_UNAVAILABLE' }
    t.strictSame(new Set(responses.map((response) => JSON.stringify(response))), new Set([JSON.stringify(unavailable)]))
    t.ok(ms < MAX_MS, `the burst took ${Math.round(ms)} ms`)
    const late = await host.get('/me', token)
    t.equal(late.statusCode, 503, 'a later request fails as well')

    if (outage === 'killed') await server.restart()
    else server.resume()
    await until('the client is ready', async () => client.status === 'ready' && await client.ping() === 'PONG')
    t.equal(await client.dbsize(), outage === 'killed' ? 0 : 1, 'no login happened late')
    const sessions = await host.app.weapp.sessions.list({ appId: APP_ID, openid: host.wechat.openid('alice') })
    t.equal(sessions.length, outage === 'killed' ? 0 : 1)
    const again = await host.signIn()
    t.equal((await host.get('/me', again.token)).statusCode, 200)
  })
}
