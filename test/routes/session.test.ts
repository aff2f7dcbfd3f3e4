import { test } from 'tap'
import { freezeClock } from '../helpers/clock.js'
import { faultyStore } from '../helpers/faulty-store.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { startHost } from '../helpers/host.js'

test('GET /weapp/session: returns this session and all of its user, oldest first', async (t) => {
  const clock = freezeClock(t)
  const labels = ['iPhone', '平板', undefined]
  const onLogin = () => ({ ...labels.length > 0 && { label: labels.shift() ?? null }, data: { hidden: 1 } as object })
  const host = await startHost(t, { options: { onLogin } })
  const logins = []
  for (let i = 0; i < 3; i++) {
    logins.push(await host.signIn())
    clock.advance(1000)
  }
  await host.signIn('bob')
  const responses = await Promise.all(logins.map(({ token }) => host.get('/weapp/session', token)))
  for (const [i, response] of responses.entries()) {
    t.equal(response.statusCode, 200)
    t.equal(response.headers['cache-control'], 'no-store')
    const { sessions, ...own } = response.json()
    t.strictSame(Object.keys(own).sort(), ['createdAt', 'expiresAt', 'id', 'idleExpiresAt'])
    t.equal(own.expiresAt, logins[i]!.expiresAt)
    t.strictSame(sessions.map(({ label }: { label: string | null }) => label), ['iPhone', '平板', null])
    t.strictSame(sessions.map(({ current }: { current: boolean }) => current), [0, 1, 2].map((n) => n === i))
    t.strictSame(sessions[i], { ...own, current: true, label: ['iPhone', '平板', null][i] })
  }
})

test('GET /weapp/session: is guarded, whatever the config of the host', async (t) => {
  const host = await startHost(t, { options: { routes: { session: { config: { weapp: false } } } } })
  assertRefused(t, await host.get('/weapp/session'), 401, 'FST_WEAPP_TOKEN_MISSING')
})

test('HEAD /weapp/session: responds as GET without a body', async (t) => {
  const host = await startHost(t)
  const { token } = await host.signIn()
  const head = (headers: Record<string, string>) => host.app.inject({ method: 'HEAD', url: '/weapp/session', headers })
  t.equal((await head({})).statusCode, 401)
  const response = await head({ authorization: `Bearer ${token}` })
  t.equal(response.statusCode, 200)
  t.equal(response.body, '')
})

test('GET /weapp/session: a failed store is a 503', async (t) => {
  const { store, instead } = faultyStore()
  const host = await startHost(t, { options: { store } })
  const { token } = await host.signIn()
  instead('list', async () => { throw new Error('down') })
  assertRefused(t, await host.get('/weapp/session', token), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
})
