import { test } from 'tap'
import { faultyStore } from '../helpers/faulty-store.js'
import { captureLog } from '../helpers/log.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { startHost } from '../helpers/host.js'

test('POST /weapp/logout: ends this session for good', async (t) => {
  const host = await startHost(t)
  const [first, second] = [await host.signIn(), await host.signIn()]
  const logout = await host.post('/weapp/logout', undefined, first.token)
  t.equal(logout.statusCode, 204)
  t.equal(logout.body, '')
  t.equal(logout.headers['cache-control'], 'no-store')
  assertRefused(t, await host.get('/me', first.token), 401, 'FST_WEAPP_SESSION_REVOKED')
  assertRefused(t, await host.post('/weapp/logout', undefined, first.token), 401, 'FST_WEAPP_SESSION_REVOKED')
  t.equal((await host.get('/me', second.token)).statusCode, 200)
})

test('POST /weapp/logout?all=true: ends every session of this user only', async (t) => {
  const host = await startHost(t)
  const [first, second, bob] = [await host.signIn(), await host.signIn(), await host.signIn('bob')]
  t.equal((await host.post('/weapp/logout?all=false', undefined, first.token)).statusCode, 204)
  t.equal((await host.get('/me', second.token)).statusCode, 200)
  const third = await host.signIn()
  t.equal((await host.post('/weapp/logout?all=true', undefined, third.token)).statusCode, 204)
  for (const { token } of [first, second, third]) {
    assertRefused(t, await host.get('/me', token), 401, 'FST_WEAPP_SESSION_REVOKED')
  }
  t.equal((await host.get('/me', bob.token)).statusCode, 200)
})

test('POST /weapp/logout: refuses any other value of `all` and ends nothing', async (t) => {
  const host = await startHost(t)
  const { token } = await host.signIn()
  for (const query of ['all', 'all=', 'all=1', 'all=TRUE', 'all=yes', 'all=true&all=true']) {
    const logout = await host.post(`/weapp/logout?${query}`, undefined, token)
    t.equal(logout.statusCode, 400, query)
    t.equal(logout.json().code, 'FST_ERR_VALIDATION')
  }
  t.equal((await host.get('/me', token)).statusCode, 200)
})

test('POST /weapp/logout: needs no body, whatever the content type', async (t) => {
  const host = await startHost(t)
  const json = 'application/json'
  for (const [payload, type] of [
    ['', undefined], ['', json], ['{}', json], ['{"any":1}', json], ['', 'text/plain']
  ] as const) {
    for (const query of ['', '?all=true']) {
      const { token } = await host.signIn()
      const logout = await host.app.inject({
        method: 'POST',
        url: `/weapp/logout${query}`,
        payload,
        headers: { authorization: `Bearer ${token}`, ...type !== undefined && { 'content-type': type } }
      })
      t.equal(logout.statusCode, 204, `${type} '${payload}' ${query}`)
      t.equal((await host.get('/me', token)).statusCode, 401)
    }
  }
})

test('POST /weapp/logout: requires a token', async (t) => {
  const host = await startHost(t, { options: { routes: { logout: { config: { weapp: false } } } } })
  assertRefused(t, await host.post('/weapp/logout'), 401, 'FST_WEAPP_TOKEN_MISSING')
  assertRefused(t, await host.post('/weapp/logout', undefined, 'a.b.c'), 401, 'FST_WEAPP_TOKEN_INVALID')
})

test('POST /weapp/logout: a failed store is a 503 without a log event', async (t) => {
  const { store, instead, heal } = faultyStore()
  const log = captureLog()
  const host = await startHost(t, { options: { store }, server: log.server })
  const { token } = await host.signIn()
  for (const [operation, query] of [['revoke', ''], ['revokeAll', '?all=true']] as const) {
    instead(operation, async () => { throw new Error('down') })
    assertRefused(t, await host.post(`/weapp/logout${query}`, undefined, token), 503, 'FST_WEAPP_STORE_UNAVAILABLE', 5)
  }
  t.equal(log.events().some(({ event }) => event === 'logout'), false)
  heal()
  t.equal((await host.post('/weapp/logout', undefined, token)).statusCode, 204, 'a retry succeeds')
  t.match(log.events().at(-1), { event: 'logout', sessionId: /^[\w-]{22}$/, all: false })
})
