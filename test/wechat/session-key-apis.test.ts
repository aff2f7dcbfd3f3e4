import { createHmac } from 'node:crypto'
import { test } from 'tap'
import { sessionKeyProof, startWechatClient } from '../helpers/wechat-client.js'

test('checkSessionKey and resetUserSessionKey: check and replace a key', async (t) => {
  const { client, wechat } = await startWechatClient(t)
  const proof = await sessionKeyProof(client, wechat.login('alice'))
  t.equal(await client.checkSessionKey(proof), true)
  const sessionKey = await client.resetUserSessionKey(proof)
  t.equal(sessionKey, wechat.sessionKey('alice'))
  t.not(sessionKey, proof.sessionKey)
  t.equal(await client.checkSessionKey(proof), false, 'the old key is invalid')
  t.equal(await client.checkSessionKey({ ...proof, sessionKey }), true)
  await t.rejects(client.resetUserSessionKey(proof), { code: 'FST_WEAPP_SESSION_KEY_STALE', statusCode: 409 })
  const unknown = { ...proof, openid: 'o-of-nobody' }
  t.equal(await client.checkSessionKey(unknown), false, 'WeChat does not know the openid')
  await t.rejects(client.resetUserSessionKey(unknown), { code: 'FST_WEAPP_SESSION_KEY_STALE' })

  const { query } = wechat.requests.find(({ path }) => path === '/wxa/checksession')!
  const signature = createHmac('sha256', proof.sessionKey).update('').digest('hex')
  t.equal(query.signature, signature, 'signed with the text of the key')
})

test('resetUserSessionKey: rejects a reply without a key or for another user', async (t) => {
  const { client, wechat } = await startWechatClient(t)
  const proof = await sessionKeyProof(client, wechat.login('alice'))
  for (const reply of [
    {}, { session_key: 'k' }, { openid: proof.openid }, { openid: proof.openid, session_key: '' },
    { openid: 'other', session_key: 'k' }
  ]) {
    wechat.fault({ body: JSON.stringify({ errcode: 0, ...reply }) }, { path: '/wxa/resetusersessionkey', times: 1 })
    await t.rejects(client.resetUserSessionKey(proof), { code: 'FST_WEAPP_WECHAT_BAD_REPLY' }, JSON.stringify(reply))
  }
})
