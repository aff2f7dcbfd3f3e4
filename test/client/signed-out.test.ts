import { test } from 'tap'
import { freezeClock } from '../helpers/clock.js'
import { CODES, PAST_IDLE, deferred, startPhone, type Phone } from '../helpers/phone.js'

const ENDINGS: Record<'kicked' | 'revoked' | 'replaced', (phone: Phone) => Promise<unknown>> = {
  kicked: (phone) => phone.kick(),
  revoked: (phone) => phone.launch({ mini: { storage: new Map() } }).client.logout({ all: true }),
  replaced: async (phone) => {
    await phone.launch({ mini: { storage: new Map() } }).client.login()
  }
}

for (const [reason, end] of Object.entries(ENDINGS)) {
  const code = CODES[reason as keyof typeof ENDINGS]
  test(`${reason}: signed out until login(), and onSignedOut called once`, async (t) => {
    const phone = await startPhone(t, { options: { session: { limit: reason === 'replaced' ? 1 : 10 } } })
    const { client, mini, signedOut, sent } = phone
    await client.login()
    await end(phone)
    sent()
    const outcomes = await Promise.allSettled([1, 2, 3].map(() => client.request({ url: '/me' })))
    for (const outcome of outcomes) t.match(outcome, { reason: { code, statusCode: 401 } })
    t.strictSame(signedOut, [code])
    t.equal(client.token, null)

    const calls = sent().length
    const attempts: Array<() => Promise<unknown>> = [
      () => client.request({ url: '/me' }), client.session, client.ensureSessionKey
    ]
    for (const attempt of attempts) {
      await t.rejects(attempt() as Promise<void>, { code, message: /Call login\(\)/ })
    }
    const next = phone.launch()
    await t.rejects(next.client.request({ url: '/me' }), { code }, 'also after the next launch')
    t.strictSame([signedOut, next.signedOut], [[code], []])
    t.equal(calls, 3)
    t.strictSame(sent(), [], 'no request reaches the server')
    t.equal(mini.calls.login, 1)

    await client.login()
    t.equal((await client.request({ url: '/me' })).statusCode, 200)
    t.equal((await phone.launch().client.request({ url: '/me' })).statusCode, 200)
  })
}

test('kicked: a login in flight is signed out too', async (t) => {
  const began = deferred()
  const pause = deferred()
  const { client, mini, signedOut, sent, kick } = await startPhone(t, {
    options: {
      onLogin: async () => {
        began.resolve()
        await pause.promise
      }
    }
  })
  const request = client.request({ url: '/me' })
  await began.promise
  await kick()
  pause.resolve()
  await t.rejects(request, { code: CODES.kicked, statusCode: 401 })
  t.strictSame(signedOut, [CODES.kicked])
  t.strictSame(sent(), ['POST /weapp/login 401'])
  await t.rejects(
    client.request({ url: '/me' }), { code: CODES.kicked, message: /Call login\(\)/ },
    'no silent login undoes the sign-out'
  )
  t.strictSame(sent(), [])
  t.equal(mini.calls.login, 1)
  await client.login()
  t.equal((await client.request({ url: '/me' })).statusCode, 200)
})

test('logout all: a kick during the renewal does not restore the old session', async (t) => {
  const clock = freezeClock(t)
  const pause = deferred()
  const renewing = deferred()
  let logins = 0
  const { client, signedOut, kick } = await startPhone(t, {
    options: {
      onLogin: async () => {
        if (++logins === 1) return
        renewing.resolve()
        await pause.promise
      }
    }
  })
  await client.login()
  clock.advance(PAST_IDLE)
  const signOut = client.logout({ all: true })
  await renewing.promise
  clock.advance(1)
  await kick()
  pause.resolve()
  await t.rejects(signOut, { code: CODES.kicked })
  t.strictSame([client.token, signedOut], [null, [CODES.kicked]])
  await t.rejects(client.request({ url: '/me' }), { code: CODES.kicked })
  t.equal(logins, 2)
})

test('onSignedOut: may be undefined', async (t) => {
  const { launch, kick } = await startPhone(t)
  const { client } = launch({ client: { onSignedOut: undefined as never } })
  await client.login()
  await kick()
  await t.rejects(client.request({ url: '/me' }), { code: CODES.kicked })
})

test('kicked: a failed login does not end the sign-out', async (t) => {
  const { client, mini, kick } = await startPhone(t)
  await client.login()
  await kick()
  await t.rejects(client.request({ url: '/me' }), { code: CODES.kicked })
  mini.fault({ fail: 'no' }, { api: 'login', times: 1 })
  await t.rejects(client.login(), { code: 'WEAPP_WX_LOGIN_FAILED' })
  await t.rejects(client.request({ url: '/me' }), { code: CODES.kicked })
})

test('onSignedOut: its error does not replace the rejection, and is reported', async (t) => {
  const { client, kick } = await startPhone(t, {}, { client: { onSignedOut () { throw new TypeError('a slip') } } })
  await client.login()
  await kick()
  const listeners = process.listeners('unhandledRejection')
  process.removeAllListeners('unhandledRejection')
  const unhandled = new Promise((resolve) => process.once('unhandledRejection', resolve))
  await t.rejects(client.request({ url: '/me' }), { code: CODES.kicked, statusCode: 401 })
  t.match(await unhandled, { name: 'TypeError', message: 'a slip' })
  for (const listener of listeners) process.on('unhandledRejection', listener)
})
