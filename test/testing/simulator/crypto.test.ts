import { createDecipheriv } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { encryptUserData, signRawData, signWithSessionKey } from '../../../src/testing/simulator/crypto.js'
import { simulate } from '../../helpers/simulator.js'

const vectors = JSON.parse(readFileSync(new URL('../../fixtures/vectors.json', import.meta.url), 'utf8'))

test('the published vectors come out', async (t) => {
  for (const { plaintext, sessionKey, iv, encryptedData, name } of vectors.decrypt) {
    t.strictSame(encryptUserData(plaintext, sessionKey, Buffer.from(iv, 'base64')), { encryptedData, iv }, name)
  }
  for (const { rawData, sessionKey, signature, name } of vectors.rawDataSignature) {
    t.equal(signRawData(rawData, sessionKey), signature, name)
  }
  for (const { message, sessionKey, signature, name } of vectors.sessionKeySignature) {
    t.equal(signWithSessionKey(message, sessionKey), signature, name)
  }
})

test('the phone encrypts under the valid key, with a watermark of its app', async (t) => {
  const { wechat, clock } = await simulate(t)
  const sealed = wechat.encrypt('alice', { steps: 1 }, { appId: 'wx2' })
  t.strictSame(decrypt(sealed, wechat.sessionKey('alice', { appId: 'wx2' })), {
    steps: 1, watermark: { timestamp: clock.now / 1000, appid: 'wx2' }
  })
  t.not(wechat.encrypt('alice', {}).iv, sealed.iv, 'with an iv of its own each time')
})

test('the phone can encrypt under a key that is dead', async (t) => {
  const { wechat } = await simulate(t)
  const sessionKey = wechat.sessionKey('alice')
  wechat.rotateKey('alice')
  t.match(decrypt(wechat.encrypt('alice', { steps: 1 }, { sessionKey }), sessionKey), { steps: 1 })
})

test('the phone signs with the valid key', async (t) => {
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
