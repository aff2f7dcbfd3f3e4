import { createDecipheriv } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { encryptUserData, signRawData, signWithAppKey, signWithSessionKey } from '../../../src/testing/simulator/crypto.js'
import { simulate } from '../../helpers/simulator.js'

const vectors = JSON.parse(readFileSync(new URL('../../fixtures/vectors.json', import.meta.url), 'utf8'))

test('crypto: matches the published vectors', async (t) => {
  for (const { plaintext, sessionKey, iv, encryptedData, name } of vectors.decrypt) {
    t.strictSame(encryptUserData(plaintext, sessionKey, Buffer.from(iv, 'base64')), { encryptedData, iv }, name)
  }
  for (const { rawData, sessionKey, signature, name } of vectors.rawDataSignature) {
    t.equal(signRawData(rawData, sessionKey), signature, name)
  }
  for (const { message, sessionKey, signature, name } of vectors.sessionKeySignature) {
    t.equal(signWithSessionKey(message, sessionKey), signature, name)
  }
  for (const { uri, data, appKey, paySig, sessionKey, signature, name } of vectors.sign) {
    t.equal(signWithAppKey(uri, data, appKey), paySig, name)
    t.equal(signWithSessionKey(data, sessionKey), signature, name)
  }
})

test('encrypt: uses the valid key and adds a watermark of the app', async (t) => {
  const { wechat, clock } = await simulate(t)
  const encrypted = wechat.encrypt('alice', { steps: 1 }, { appId: 'wx2' })
  t.strictSame(decrypt(encrypted, wechat.sessionKey('alice', { appId: 'wx2' })), {
    steps: 1, watermark: { timestamp: clock.now / 1000, appid: 'wx2' }
  })
  t.not(wechat.encrypt('alice', {}).iv, encrypted.iv, 'every call uses a new iv')
})

test('encrypt: accepts an expired key', async (t) => {
  const { wechat } = await simulate(t)
  const sessionKey = wechat.sessionKey('alice')
  wechat.rotateKey('alice')
  t.match(decrypt(wechat.encrypt('alice', { steps: 1 }, { sessionKey }), sessionKey), { steps: 1 })
})

test('sign: uses the valid key', async (t) => {
  const { wechat } = await simulate(t)
  const before = wechat.sign('alice', '{}')
  t.equal(before, signRawData('{}', wechat.sessionKey('alice')))
  wechat.rotateKey('alice')
  t.not(wechat.sign('alice', '{}'), before)
})

function decrypt ({ encryptedData, iv }: { encryptedData: string, iv: string }, sessionKey: string) {
  const decipher = createDecipheriv('aes-128-cbc', Buffer.from(sessionKey, 'base64'), Buffer.from(iv, 'base64'))
  return JSON.parse(decipher.update(encryptedData, 'base64', 'utf8') + decipher.final('utf8'))
}
