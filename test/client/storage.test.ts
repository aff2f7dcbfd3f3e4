import { test } from 'tap'
import { startPhone } from './fixtures/phone.js'

test('the next launch is signed in', async (t) => {
  const { client, launch } = await startPhone(t)
  await client.login()
  const next = launch()
  t.equal(next.client.token, client.token)
  t.equal((await next.client.request({ url: '/me' })).statusCode, 200)
  t.equal(next.mini.calls.login, 0)
})

test('what is stored', async (t) => {
  const { client, mini, launch } = await startPhone(t)
  await client.login()
  t.same([...mini.storage], [['fastify-weapp', { token: client.token, signedOut: null }]])
  for (const foreign of ['text', 5, { token: 5, signedOut: {} }, null]) {
    mini.storage.set('fastify-weapp', foreign)
    const next = launch()
    t.equal(next.client.token, null)
    t.equal((await next.client.request({ url: '/me' })).statusCode, 200, 'anything else is as good as nothing')
  }
})

test('clients with other storage keys know nothing of each other', async (t) => {
  const { client, mini, launch } = await startPhone(t)
  const other = launch({ client: { storageKey: 'other' } })
  await client.login()
  t.equal(other.client.token, null)
  await other.client.login()
  await client.logout()
  t.equal((await other.client.request({ url: '/me' })).statusCode, 200)
  t.same([...mini.storage.keys()], ['fastify-weapp', 'other'])
})

test('a storage that fails costs the next launch a login and no more', async (t) => {
  const { launch, mini: { storage } } = await startPhone(t)
  storage.set('fastify-weapp', { token: 'unreadable', signedOut: null })
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
  t.match([...storage], [['fastify-weapp', { token: 'unreadable' }]])
})
