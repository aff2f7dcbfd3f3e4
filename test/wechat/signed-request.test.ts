import { createHmac } from 'node:crypto'
import { test, type Test } from 'tap'
import { createWechatClient } from '../../src/index.js'
import { startRawWechat } from '../helpers/raw-wechat.js'
import { APP_ID, APP_SECRET } from '../helpers/host.js'

const PATH = '/xpay/query_user_balance'
const LIVE = { offerId: '123', appKey: 'the AppKey' }
const PROOF = { openid: 'o-of-alice', sessionKey: '9hAb/NEYUlkaMBEsmFgzig==' }

function hmac (key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex')
}

/** Starts a client, and a WeChat that records the calls and answers them with `reply`. */
async function startClient (t: Test, options: object = { virtualPayment: LIVE }) {
  const calls: { path: string, query: Record<string, string>, body: string }[] = []
  const state = { reply: '{"errcode":0,"errmsg":"ok","balance":1}' }
  const wechat = await startRawWechat(t, (request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk) => { body += chunk })
    request.on('end', () => {
      const { pathname, searchParams } = new URL(request.url!, 'http://wechat')
      if (pathname === '/cgi-bin/stable_token') return response.end('{"access_token":"token","expires_in":7200}')
      calls.push({ path: pathname, query: Object.fromEntries(searchParams), body })
      response.end(state.reply)
    })
  })
  const client = createWechatClient({ appId: APP_ID, appSecret: APP_SECRET, baseUrl: wechat.url, ...options })
  t.teardown(() => client.close())
  return { client, calls, state }
}

test('paySig: signs the path and the bytes of the body', async (t) => {
  const { client, calls } = await startClient(t)
  await client.request(PATH, { body: { openid: 'o', note: '会员' }, query: { a: 'b', pay_sig: 'mine' }, paySig: true })
  const body = '{"openid":"o","note":"会员"}'
  t.strictSame(calls, [{
    path: PATH, body, query: { a: 'b', pay_sig: hmac(LIVE.appKey, `${PATH}&${body}`), access_token: 'token' }
  }])
})

test('paySig: not sent unless it is true', async (t) => {
  const { client, calls } = await startClient(t)
  await client.request(PATH, { body: {} })
  await client.request(PATH, { body: {}, paySig: false })
  await client.download(PATH, { body: {}, paySig: true })
  t.strictSame(calls.map(({ query }) => Object.keys(query)), [
    ['access_token'], ['access_token'], ['pay_sig', 'access_token']
  ])
  for (const paySig of [1, 'true', null]) {
    await t.rejects(client.request(PATH, { paySig } as {}), { code: 'FST_WEAPP_INVALID_OPTION', message: /paySig/ })
  }
})

test('paySig: without credentials it is not configured', async (t) => {
  const { client, calls } = await startClient(t, {})
  await t.rejects(client.request(PATH, { paySig: true }), { code: 'FST_WEAPP_PAYMENT_NOT_CONFIGURED' })
  t.strictSame(calls, [])
})

test('paySig: each app signs with its own AppKey', async (t) => {
  const { client, calls } = await startClient(t, {
    appId: undefined,
    appSecret: undefined,
    apps: { wx1: 'a', wx2: 'b' },
    virtualPayment: { wx1: LIVE, wx2: { ...LIVE, appKey: 'of the second app' } }
  })
  for (const appId of ['wx1', 'wx2']) await client.request(PATH, { appId, body: {}, paySig: true })
  t.strictSame(calls.map(({ query }) => query.pay_sig), [
    hmac(LIVE.appKey, `${PATH}&{}`), hmac('of the second app', `${PATH}&{}`)
  ])
})

test('requestSigned: signs the body with the text of the session_key', async (t) => {
  const { client, calls } = await startClient(t)
  const signature = hmac(PROOF.sessionKey, '{"env":0}')
  t.match(await client.requestSigned(PATH, PROOF, { body: { env: 0 }, paySig: true }), { balance: 1 })
  t.match(await client.requestSigned('/wxa/set_user_storage', PROOF, {
    query: { openid: PROOF.openid, sig_method: 'hmac_sha256' }, body: { env: 0 }
  }), { errcode: 0 })
  await client.requestSigned('/wxa/business/getuserencryptkey', PROOF)
  t.strictSame(calls.map(({ query }) => query), [
    { pay_sig: hmac(LIVE.appKey, `${PATH}&{"env":0}`), signature, access_token: 'token' },
    { openid: PROOF.openid, sig_method: 'hmac_sha256', signature, access_token: 'token' },
    { signature: hmac(PROOF.sessionKey, ''), access_token: 'token' }
  ])
})

test('requestSigned: a session_key that WeChat does not accept is stale', async (t) => {
  const { client, state } = await startClient(t)
  for (const errcode of [268490009, 87009]) {
    state.reply = JSON.stringify({ errcode, errmsg: 'canary' })
    await t.rejects(client.requestSigned(PATH, PROOF), { code: 'FST_WEAPP_SESSION_KEY_STALE', statusCode: 409, errcode })
  }
  state.reply = '{"errcode":268490003,"errmsg":"canary"}'
  await t.rejects(client.requestSigned(PATH, PROOF), { code: 'FST_WEAPP_WECHAT_BAD_REPLY', errcode: 268490003 })
  await t.rejects(client.request(PATH), { code: 'FST_WEAPP_WECHAT_BAD_REPLY' })
})

test('virtualPayment: validated by createWechatClient', async (t) => {
  t.throws(() => createWechatClient({ appId: APP_ID, appSecret: APP_SECRET, virtualPayment: { offerId: '1', appKey: '' } }), {
    code: 'FST_WEAPP_INVALID_OPTION', message: 'option virtualPayment.appKey must be'
  })
})
