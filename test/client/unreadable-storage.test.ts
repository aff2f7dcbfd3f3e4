/** A storage that cannot be read may contain a newer state, such as a sign-out. */
import { test } from 'tap'
import { freezeClock } from '../helpers/clock.js'
import { CODES, PAST_IDLE, startPhone, type LaunchOptions } from '../helpers/phone.js'

/** Returns the options of a phone whose first storage reads fail. */
function unreadable (times: number): LaunchOptions {
  return {
    platform: (wx) => ({
      ...wx,
      getStorageSync (key) {
        times -= 1
        if (times >= 0) throw new Error('getStorageSync:fail')
        return wx.getStorageSync(key)
      }
    })
  }
}

/** Returns the options of a phone whose storage cannot be read while `isUnreadable` returns true. */
const unreadableWhile = (isUnreadable: () => boolean): LaunchOptions => ({
  platform: (wx) => ({
    ...wx,
    getStorageSync (key) {
      if (isUnreadable()) throw new Error('getStorageSync:fail')
      return wx.getStorageSync(key)
    }
  })
})

test('storage: unreadable at launch, a sign-out stays in effect', async (t) => {
  const { client, launch } = await startPhone(t)
  await client.login()
  await client.logout()
  const next = launch(unreadable(1))
  await t.rejects(next.client.request({ url: '/me' }), { code: CODES.revoked })
  await t.rejects(launch().client.request({ url: '/me' }), { code: CODES.revoked }, 'also after the launch after that')
  t.equal(next.mini.calls.login, 0)
  await next.client.login()
  t.equal((await next.client.request({ url: '/me' })).statusCode, 200)
})

test('storage: unreadable at launch, a later read restores the token', async (t) => {
  const { client, launch } = await startPhone(t)
  const { token } = await client.login()
  const next = launch(unreadable(1))
  t.equal((await next.client.request({ url: '/me' })).statusCode, 200)
  t.equal(next.client.token, token)
  t.equal(next.mini.calls.login, 0)
})

test('storage: unreadable at launch, a login or logout meanwhile is newer', async (t) => {
  const { client, launch } = await startPhone(t)
  await client.login()
  const next = launch(unreadable(5))
  const { token } = await next.client.login()
  t.equal(next.client.token, token)
  t.equal(next.mini.calls.login, 1)
  const last = launch(unreadable(5))
  await last.client.logout()
  await t.rejects(last.client.request({ url: '/me' }), { code: CODES.revoked })
})

for (const key of ['storageKey', 'spare']) {
  test(`storage: unreadable during a whole silent login, a sign-out stays in effect: ${key}`, async (t) => {
    const { client, launch, mini: { storage } } = await startPhone(t)
    await client.login()
    await client.logout()
    const [[name, state]] = [...storage] as [[string, unknown]]
    if (key === 'spare') storage.set(`${name} spare`, state).delete(name)
    let isUnreadable = true
    const next = launch(unreadableWhile(() => isUnreadable))
    t.equal((await next.client.request({ url: '/me' })).statusCode, 200)
    isUnreadable = false
    await t.rejects(next.client.request({ url: '/me' }), { code: CODES.revoked })
    await t.rejects(launch().client.request({ url: '/me' }), { code: CODES.revoked }, 'also after the next launch')
    t.equal(next.mini.calls.login, 1)
  })
}

test('storage: unreadable during a login() that fails, a sign-out stays in effect', async (t) => {
  const { client, launch } = await startPhone(t)
  await client.logout()
  const next = launch(unreadableWhile(() => true))
  next.mini.fault({ fail: 'timeout' }, { path: '/weapp/login', times: 1 })
  await t.rejects(next.client.login(), { code: 'WEAPP_NETWORK_FAILED' })
  await t.rejects(launch().client.request({ url: '/me' }), { code: CODES.revoked })
})

for (const isShared of [false, true]) {
  test(`storage: unreadable during a login(), it ends a sign-out: ${isShared ? 'shared with a request' : 'alone'}`, async (t) => {
    const { client, launch } = await startPhone(t)
    await client.logout()
    let isUnreadable = true
    const next = launch(unreadableWhile(() => isUnreadable))
    const request = isShared ? next.client.request({ url: '/me' }) : undefined
    const { token } = await next.client.login()
    await request
    isUnreadable = false
    t.equal((await next.client.request({ url: '/me' })).statusCode, 200)
    t.strictSame([next.client.token, launch().client.token, next.mini.calls.login], [token, token, 1])
  })
}

test('storage: unreadable during a renewal, the new token stays in use', async (t) => {
  const clock = freezeClock(t)
  let isUnreadable = false
  const { client, launch, mini } = await startPhone(t, {}, unreadableWhile(() => isUnreadable))
  await client.login()
  clock.advance(PAST_IDLE)
  isUnreadable = true
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
  isUnreadable = false
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
  t.equal(mini.calls.login, 2)
  t.equal(launch().client.token, client.token)
})

test('storage: unreadable during the first login of a phone, the session stays in use', async (t) => {
  let isUnreadable = true
  const { client, mini } = await startPhone(t, {}, unreadableWhile(() => isUnreadable))
  await client.request({ url: '/me' })
  const { token } = client
  isUnreadable = false
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
  t.strictSame([client.token, mini.calls.login], [token, 1])
})
