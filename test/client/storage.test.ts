import { test } from 'tap'
import { CODES, startPhone, type LaunchOptions } from '../helpers/phone.js'

test('storage: the next launch is signed in', async (t) => {
  const { client, launch } = await startPhone(t)
  await client.login()
  const next = launch()
  t.equal(next.client.token, client.token)
  t.equal((await next.client.request({ url: '/me' })).statusCode, 200)
  t.equal(next.mini.calls.login, 0)
})

test('storage: contains the token or the reason, and ignores anything else', async (t) => {
  const { client, mini, baseUrl, launch } = await startPhone(t)
  const storageKey = `weapp ${baseUrl}/weapp`
  await client.login()
  t.strictSame([...mini.storage.keys()], [storageKey])
  t.strictSame(
    { ...mini.storage.get(storageKey) as object, revision: 0, deviceId: '' },
    { token: client.token, signOutCode: null, generation: 0, revision: 0, deviceId: '' }
  )
  for (const foreign of ['text', 5, { token: 5, signOutCode: {} }, null]) {
    mini.storage.set(storageKey, foreign)
    const next = launch()
    t.equal(next.client.token, null)
    t.equal((await next.client.request({ url: '/me' })).statusCode, 200, 'an invalid value counts as empty')
  }
})

test('storageKey: clients with different keys are independent', async (t) => {
  const { client, mini, launch } = await startPhone(t)
  const other = launch({ client: { storageKey: 'other' } })
  await client.login()
  t.equal(other.client.token, null)
  await other.client.login()
  await client.logout()
  t.equal((await other.client.request({ url: '/me' })).statusCode, 200)
  t.strictSame([...mini.storage.keys()].slice(1), ['other'])
})

test('storage: neither another server nor another prefix receives the token', async (t) => {
  const one = await startPhone(t)
  const two = await startPhone(t)
  const token = (await one.client.login()).token
  const atTwo = one.launch({ client: { baseUrl: two.baseUrl } })
  const neighbour = one.launch({ client: { prefix: '/other' } })
  const seen: unknown[] = []
  two.host.app.server.on('request', (request) => { seen.push(request.headers.authorization) })
  await atTwo.client.request({ url: '/me' }).catch(() => {})
  t.not(seen.length, 0)
  t.notOk(seen.includes(`Bearer ${token}`))
  t.equal(neighbour.client.token, null)
  t.equal(one.launch().client.token, token)
})

test('storage: a failure only costs a login at the next launch', async (t) => {
  const { launch, baseUrl, mini: { storage } } = await startPhone(t)
  const storageKey = `weapp ${baseUrl}/weapp`
  storage.set(storageKey, { token: 'unreadable', revision: 1 })
  const { client, mini } = launch({
    platform (wx) {
      return { ...wx, getStorageSync () { throw new Error('no') } }
    }
  })
  t.equal(client.token, null)
  mini.fault({ fail: 'exceed storage max size' }, { api: 'setStorageSync' })
  await client.login()
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
  t.equal(mini.calls.login, 1)
  t.match([...storage], [[storageKey, { token: 'unreadable' }]])
})

test('storage: the next launch is signed in after a silent login too', async (t) => {
  const { client, launch } = await startPhone(t)
  await client.request({ url: '/me' })
  t.type(client.token, 'string')
  t.equal(launch().client.token, client.token)
})

/** Returns the options of a phone whose storage cannot be written while `isFull` returns true. */
function refusing (isFull: (key: string) => boolean, isSilent = false): LaunchOptions {
  return {
    platform: (wx) => ({
      ...wx,
      setStorageSync (key, data) {
        if (!isFull(key)) wx.setStorageSync(key, data)
        else if (!isSilent) throw new Error('setStorageSync:fail exceed storage max size')
      }
    })
  }
}

for (const isSilent of [false, true]) {
  test(`storage: a sign-out that it refuses ${isSilent ? 'silently ' : ''}is kept under a second key`, async (t) => {
    const { client, mini, baseUrl, launch } = await startPhone(t)
    const storageKey = `weapp ${baseUrl}/weapp`
    await client.login()
    const next = launch(refusing((key) => key === storageKey, isSilent))
    await next.client.logout()
    await t.rejects(next.client.request({ url: '/me' }), { code: CODES.revoked })
    t.match(mini.storage.get(storageKey), { token: String })
    const last = launch()
    t.equal(last.client.token, null)
    await t.rejects(last.client.request({ url: '/me' }), { code: CODES.revoked }, 'also after the next launch')
    t.match(mini.storage.get(storageKey), { token: null }, 'the first key is written again')
    await last.client.login()
    t.equal(launch().client.token, last.client.token)
  })
}

test('storage: a sign-out that both keys refuse is kept in memory, and written later', async (t) => {
  const { client, launch } = await startPhone(t)
  await client.login()
  let isFull = true
  const next = launch(refusing(() => isFull))
  await next.client.logout()
  for (let i = 0; i < 2; i += 1) await t.rejects(next.client.request({ url: '/me' }), { code: CODES.revoked })
  t.equal(next.client.token, null)
  isFull = false
  await t.rejects(next.client.request({ url: '/me' }), { code: CODES.revoked })
  await t.rejects(launch().client.request({ url: '/me' }), { code: CODES.revoked }, 'also after the next launch')
  t.equal(next.mini.calls.login, 0)
})

test('storage: a failed logout stays undone although the storage is full', async (t) => {
  const { client, launch } = await startPhone(t)
  const { token } = await client.login()
  const next = launch(refusing(() => true))
  next.mini.offline = true
  await t.rejects(next.client.logout(), { code: 'WEAPP_NETWORK_FAILED' })
  t.equal(next.client.token, token)
})

test('storage: cleared while the Mini Program runs, the state is written again', async (t) => {
  const { client, mini, launch } = await startPhone(t)
  const { token } = await client.login()
  mini.storage.clear()
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
  t.equal(launch().client.token, token, 'clearing the storage does not sign out')
  await client.logout()
  mini.storage.clear()
  await t.rejects(client.request({ url: '/me' }), { code: CODES.revoked })
  await t.rejects(launch().client.request({ url: '/me' }), { code: CODES.revoked })
  t.equal(mini.calls.login, 1)
})
