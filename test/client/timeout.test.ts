/** Platforms and servers that never answer. */
import { test } from 'tap'
import type { Wx } from '../../src/client/index.js'
import { freezeClock, SECOND } from '../helpers/clock.js'
import { holdTimers } from '../helpers/held-timers.js'
import { CODES, startPhone } from '../helpers/phone.js'

/** Returns a platform that does not answer some calls of an API. The test decides which. */
function silenceable (isSilent: (api: 'login' | 'checkSession' | 'request', url: string) => boolean) {
  const late: Array<() => void> = []
  const platform = (wx: Wx): Wx => {
    const wrap = (api: 'login' | 'checkSession' | 'request') => (options: any) => {
      if (!isSilent(api, options.url ?? '')) return wx[api](options)
      late.push(() => wx[api](options))
    }
    return { ...wx, login: wrap('login'), checkSession: wrap('checkSession'), request: wrap('request') }
  }
  return { platform, late }
}

test('wx.login never calls back: rejects after 12 seconds, and the next login works', async (t) => {
  const clock = freezeClock(t)
  let isSilent = true
  const { platform, late } = silenceable((api) => api === 'login' && isSilent)
  const { client, mini, sent } = await startPhone(t, {}, { platform })
  const timers = holdTimers(t)
  const all = Promise.allSettled([client.login(), client.request({ url: '/me' }), client.ensureSessionKey()])
  t.strictSame(timers.running, [12_000])
  timers.expire()
  for (const outcome of await all) {
    t.match(outcome, { reason: { code: 'WEAPP_WX_LOGIN_FAILED', message: 'wx.login failed: timeout' } })
  }
  isSilent = false
  clock.advance(SECOND)
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
  const { token } = client
  sent()
  for (const call of late) call()
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.strictSame([sent(), client.token, mini.calls.login], [[], token, 2], 'the late callback changes nothing')
  t.strictSame(timers.running, [])
})

test('wx.checkSession never calls back: signs in after 12 seconds', async (t) => {
  const { platform } = silenceable((api) => api === 'checkSession')
  const { client, mini } = await startPhone(t, {}, { platform })
  await client.login()
  const timers = holdTimers(t)
  const check = client.ensureSessionKey()
  t.strictSame(timers.running, [12_000])
  timers.expire()
  await check
  t.equal(mini.calls.login, 2)
})

test('login, logout and session: reject after 65 seconds without an answer', async (t) => {
  let isSilent = true
  const { platform, late } = silenceable((_api, url) => isSilent && url.includes('/weapp/'))
  const { client, sent } = await startPhone(t, {}, { platform })
  const timers = holdTimers(t)
  const unanswered = { code: 'WEAPP_NETWORK_FAILED', message: 'No response from the server: timeout' }

  /** Expires the timer of a call once the call has reached the server. */
  async function expire (): Promise<void> {
    while (!timers.running.includes(65_000)) await new Promise(setImmediate)
    timers.expire()
  }
  await Promise.all([t.rejects(client.login(), unanswered), expire()])
  isSilent = false
  const { token } = await client.login()
  late.splice(0)
  isSilent = true
  await Promise.all([t.rejects(client.session(), unanswered), expire()])
  await Promise.all([t.rejects(client.logout(), unanswered), expire()])
  t.equal(client.token, token, 'the device stays signed in, so that the caller can retry')
  isSilent = false
  await client.logout()
  await t.rejects(client.request({ url: '/me' }), { code: CODES.revoked })
  t.match(sent(), ['POST /weapp/login 200', 'POST /weapp/logout 204'])
})

test('request and upload: the platform alone limits their time', async (t) => {
  const { platform } = silenceable((_api, url) => url.endsWith('/me'))
  const { client } = await startPhone(t, {}, { platform })
  await client.login()
  const timers = holdTimers(t)
  client.request({ url: '/me' }).catch(() => {})
  await new Promise(setImmediate)
  t.strictSame(timers.running, [])
})
