import { test, type Test } from 'tap'
import type { FastifyRequest } from 'fastify'
import type { SessionData } from '../../src/index.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { startHost } from '../helpers/host.js'

/** Starts a host that writes any data of the test into the session. */
async function startDataHost (t: Test) {
  let next: unknown
  let onLogin: unknown
  const host = await startHost(t, {
    options: { onLogin: () => ({ data: onLogin as SessionData }) },
    after (app) {
      app.get('/data', { config: { weapp: true } }, async (request) => request.weapp?.session.data)
      app.post('/data', { config: { weapp: true } }, async (request) => {
        await request.weapp!.session.update(next as SessionData)
        return request.weapp!.session.data
      })
      app.post('/tamper', { config: { weapp: true } }, async (request) => {
        const identity = request.weapp!
        const refusals: string[] = []
        const attempt = (name: string, write: () => void) => {
          try { write() } catch { refusals.push(name) }
        }
        const data = identity.session.data as Record<string, any>
        attempt('data', () => { (identity.session as { data: unknown }).data = {} })
        attempt('top', () => { data.added = 1 })
        attempt('deep', () => { data.account.admin = true })
        attempt('list', () => { data.account.roles.push('admin') })
        attempt('delete', () => { delete data.account })
        attempt('prototype', () => { Object.setPrototypeOf(data, { admin: true }) })
        attempt('define', () => { Object.defineProperty(data, 'x', { value: 1 }) })
        return { refusals, data: identity.session.data }
      })
    }
  })
  return {
    ...host,
    update: async (token: string, data: unknown) => { next = data; return await host.post('/data', undefined, token) },
    signInWith: async (data: unknown) => { onLogin = data; return await host.post('/weapp/login', { code: host.wechat.login('alice') }) }
  }
}

const parsed = (text: string): unknown => JSON.parse(text)

test('T47: __proto__ and constructor in session data are harmless', async (t) => {
  const { get, update, signIn, signInWith } = await startDataHost(t)
  const { token } = await signIn()
  for (const text of [
    '{"__proto__":{"admin":true}}', '{"a":{"__proto__":{"admin":true}}}', '{"a":[{"__proto__":null}]}', '{"__proto__":1}'
  ]) {
    const response = await update(token, parsed(text))
    t.strictSame([response.statusCode, response.json().code], [500, 'FST_WEAPP_DATA_INVALID'], text)
    t.equal((await signInWith(parsed(text))).json().code, 'FST_WEAPP_DATA_INVALID', `${text} at login`)
  }
  t.strictSame((await get('/data', token)).json(), {}, 'nothing was written')

  const harmless = { constructor: { prototype: { admin: true } }, prototype: 1, toString: 'x', hasOwnProperty: null }
  t.equal((await update(token, harmless)).body, JSON.stringify(harmless))
  t.equal((await get('/data', token)).body, JSON.stringify(harmless))
  t.equal(({} as { admin?: boolean }).admin, undefined)
  t.strictSame(Object.keys(Object.prototype), [])
})

test('T47: session data cannot be changed in place', async (t) => {
  const { post, get, signInWith } = await startDataHost(t)
  const data = { account: { id: 1, roles: ['user'] } }
  const { token } = (await signInWith(data)).json()
  const { refusals, data: after } = (await post('/tamper', undefined, token)).json()
  t.strictSame(refusals, ['data', 'top', 'deep', 'list', 'delete', 'prototype', 'define'])
  t.strictSame(after, data)
  t.strictSame((await get('/data', token)).json(), data)
})

test("T47: later changes to the host's object are not stored", async (t) => {
  const { get, update, signIn } = await startDataHost(t)
  const { token } = await signIn()
  const data = { roles: ['user'] }
  await update(token, data)
  data.roles.push('admin')
  t.strictSame((await get('/data', token)).json(), { roles: ['user'] })
})

test('T47: routes ignore values that a host writes on request.weapp', async (t) => {
  const victim: { openid?: string, id?: string } = {}
  const preHandler = async ({ weapp }: FastifyRequest) => { Object.assign(weapp!, { openid: victim.openid }); Object.assign(weapp!.session, { id: victim.id }) }
  const { app, get, post, signIn, wechat } = await startHost(t, { options: { routes: { logout: { preHandler }, session: { preHandler } } } })
  const alice = { openid: wechat.openid('alice') }
  await signIn('alice')
  const { token } = await signIn('mallory')
  Object.assign(victim, alice, { id: (await app.weapp.sessions.list(alice))[0]!.id })
  t.equal((await get('/weapp/session', token)).json().sessions[0].current, true)
  t.equal((await post('/weapp/logout?all=true', undefined, token)).statusCode, 204)
  assertRefused(t, await get('/me', token), 401, 'FST_WEAPP_SESSION_REVOKED')
  const { token: next } = await signIn('mallory')
  t.equal((await post('/weapp/logout', undefined, next)).statusCode, 204)
  assertRefused(t, await get('/me', next), 401, 'FST_WEAPP_SESSION_REVOKED')
  t.equal((await app.weapp.sessions.list(alice)).length, 1)
})

test('T47: session data changes no identity and no lifetime', async (t) => {
  const { app, get, post, wechat, update, signInWith } = await startDataHost(t)
  const lies = {
    openid: 'o-of-the-victim',
    unionid: 'u',
    appId: 'wx6666666666666666',
    id: 'x',
    createdAt: 0,
    expiresAt: 8e15,
    idleExpiresAt: 8e15,
    label: 'x',
    userId: 'victim',
    session: { expiresAt: 8e15 },
    limit: 1000
  }
  const { token } = (await signInWith(lies)).json()
  const before = (await get('/weapp/session', token)).json()
  await update(token, lies)
  await post('/data?expiresAt=8e15&openid=x', lies, token)
  t.strictSame((await get('/weapp/session', token)).json(), before)
  t.strictSame((await get('/me', token)).json(), { openid: wechat.openid('alice') })
  t.ok(before.expiresAt < 8e15)
  t.strictSame((await app.inject({ url: '/data', headers: { authorization: `Bearer ${token}` } })).json(), lies, 'stored as data only')
})

test('T47: values that JSON would change, or beyond 4 KiB, are refused', async (t) => {
  const { get, update, signIn } = await startDataHost(t)
  const { token } = await signIn()
  const cycle: Record<string, unknown> = {}
  cycle.self = cycle
  class Account { id = 1 }
  const wrong = [
    null, [], 'text', 1, true, () => {}, new Date(), new Map(), new Account(), Object.create({ inherited: 1 }), { at: new Date() }, { n: NaN },
    { n: Infinity }, { f () {} }, { s: Symbol('x') }, { b: 1n }, { buffer: Buffer.from('x') }, { account: new Account() }, [{}], cycle,
    { a: [undefined] }, { text: 'x'.repeat(4096) }, { text: '微'.repeat(1400) }
  ]
  for (const data of wrong) {
    t.equal((await update(token, data)).headers['weapp-error'], 'FST_WEAPP_DATA_INVALID')
  }
  const full = { text: 'x'.repeat(4096 - '{"text":""}'.length) }
  t.strictSame((await update(token, full)).json(), full, '4 KiB to the byte')
  t.strictSame((await get('/data', token)).json(), full)
})
