import { createHmac } from 'node:crypto'
import type { ServerResponse } from 'node:http'
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
  const state = {
    reply: '{"errcode":0,"errmsg":"ok","balance":1}',
    respond: (response: ServerResponse) => { response.end(state.reply) }
  }
  let tokens = 0
  const wechat = await startRawWechat(t, (request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (chunk) => { body += chunk })
    request.on('end', () => {
      const { pathname, searchParams } = new URL(request.url!, 'http://wechat')
      if (pathname === '/cgi-bin/stable_token') return response.end(JSON.stringify({ access_token: `token${tokens++ || ''}`, expires_in: 7200 }))
      calls.push({ path: pathname, query: Object.fromEntries(searchParams), body })
      state.respond(response)
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

test('requestSigned: not repeated if WeChat may have processed the call', async (t) => {
  const { client, calls, state } = await startClient(t, { virtualPayment: LIVE, retries: 5 })
  const failures: [code: string, respond: (response: ServerResponse) => void][] = [
    ['UNAVAILABLE', (response) => response.socket!.resetAndDestroy()],
    ['UNAVAILABLE', (response) => response.socket!.end()],
    ['UNAVAILABLE', (response) => response.writeHead(200, { 'content-length': 9 }).write('{', () => response.destroy())],
    ['UNAVAILABLE', (response) => response.writeHead(502).end()],
    ['BAD_REPLY', (response) => response.writeHead(401).end()],
    ['BAD_REPLY', (response) => response.end()],
    ['BAD_REPLY', (response) => response.end('<html>')]
  ]
  for (const [code, respond] of failures) {
    calls.length = 0
    state.respond = respond
    await t.rejects(client.requestSigned('/xpay/currency_pay', PROOF, { body: { order_id: 'o1' }, paySig: true }), {
      code: `FST_WEAPP_WECHAT_${code}`
    })
    t.equal(calls.length, 1, respond.toString())
  }
})

test('requestSigned: repeats the same bytes if WeChat is busy or refuses the access_token', async (t) => {
  for (const errcode of [-1, 40001]) {
    const { client, calls, state } = await startClient(t)
    state.respond = (response) => response.end(calls.length === 1 ? JSON.stringify({ errcode }) : state.reply)
    await client.requestSigned('/xpay/currency_pay', PROOF, { body: { order_id: 'o1' }, paySig: true })
    const [first, second] = calls
    t.equal(calls.length, 2)
    t.strictSame(second, { ...first, query: { ...first!.query, access_token: errcode === -1 ? 'token' : 'token1' } })
  }
})

test('virtualPayment: validated by createWechatClient', async (t) => {
  t.throws(() => createWechatClient({ appId: APP_ID, appSecret: APP_SECRET, virtualPayment: { offerId: '1', appKey: '' } }), {
    code: 'FST_WEAPP_INVALID_OPTION', message: 'option virtualPayment.appKey must be'
  })
})
