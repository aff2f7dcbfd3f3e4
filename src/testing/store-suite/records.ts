import assert from 'node:assert/strict'
import { HOUR, randomId, SECOND, sealedKey, TestUser, type StoreCheck } from './test-user.js'

const OPAQUE_DATA = [
  '{}', '[]', '{"list":[]}', '{"big":12345678901234567890}', '{"float":1.0}', '{"__proto__":{"admin":true}}',
  '{"text":"é 中文 😀 \\u0000 \\n"}', ' {"spaced" : true} ', 'null', '{', '=', '!r,1,2', '%s',
  JSON.stringify({ long: 'x'.repeat(4096 - '{"long":""}'.length) })
]

const LABELS = [
  'iPhone 15', '小明的手机 📱', 'a,b,c', 'two\nlines\r\n', ' spaces ', '!r,1,2', '=', 'null', '%d\\"\'',
  'nul \u0000', 'lone \ud800 surrogates \udc00', 'x'.repeat(128)
]

/** Checks that values are stored unchanged, and that no caller shares a stored object. */
export const recordChecks: StoreCheck[] = [
  {
    name: 'data: any text is stored unchanged',
    async run (store) {
      const user = new TestUser(store)
      for (const data of OPAQUE_DATA) {
        const session = await user.signIn({ data })
        assert.deepEqual(await user.read(session.id), { status: 'live', openid: user.openid, unionid: null, session })
        assert.equal(await user.update(session.id, `${data} `), true)
        const record = await user.read(session.id)
        assert.equal(record?.status === 'live' && record.session.data, `${data} `)
      }
      assert.equal(({} as { admin?: boolean }).admin, undefined, 'no prototype was changed')
    }
  },
  {
    name: 'labels: any text is stored unchanged',
    async run (store) {
      const user = new TestUser(store)
      const ids = new Map<string, string>()
      for (const label of LABELS) ids.set((await user.signIn({ label })).id, label)
      for (const { id, label } of await user.list()) assert.equal(label, ids.get(id))
    }
  },
  {
    name: 'times: milliseconds are stored',
    async run (store) {
      const user = new TestUser(store)
      const expiresAt = user.now + 68 * 365 * 24 * HOUR + 123
      const session = await user.signIn({ expiresAt, idleExpiresAt: user.now + HOUR + 7 })
      assert.deepEqual(await user.list(), [session])
    }
  },
  {
    name: 'copies: later changes of an input are not stored',
    async run (store) {
      const user = new TestUser(store)
      const { userId, openid, now } = user
      const end = now + HOUR
      const session = { id: randomId(), createdAt: now, expiresAt: end, idleExpiresAt: end, label: null, data: null }
      const fingerprints: [string, ...string[]] = ['f']
      const key = { ...sealedKey(), fingerprints }
      const before = { ...session }
      await store.create({
        userId,
        now,
        openid,
        unionid: null,
        session,
        key,
        limit: null,
        replaces: null,
        device: null,
        startedAt: performance.now()
      })
      Object.assign(session, { expiresAt: 0, idleExpiresAt: 0, label: 'changed', data: '"changed"' })
      fingerprints[0] = 'changed'
      assert.deepEqual(await user.list(), [before])
      const again = sealedKey('f')
      await user.writeKey(again)
      assert.deepEqual(await user.readKeys(), [again.sealed])
    }
  },
  {
    name: 'copies: changes of a result are not stored',
    async run (store) {
      const user = new TestUser(store)
      const session = await user.signIn({ key: sealedKey() })
      const keys = await user.readKeys()
      const changed = { idleExpiresAt: 0, label: 'changed', data: '"changed"' }
      const record = await user.read(session.id)
      assert.equal(record?.status, 'live')
      Object.assign(record.session, changed)
      Object.assign(record, { openid: 'changed' })
      for (const listed of await user.list()) Object.assign(listed, changed)
      const emptied = await user.list()
      emptied.length = 0
      const emptiedKeys = await user.readKeys()
      emptiedKeys.length = 0
      assert.deepEqual(await user.read(session.id), { status: 'live', openid: user.openid, unionid: null, session })
      assert.deepEqual(await user.list(), [session])
      assert.deepEqual(await user.readKeys(), keys)
    }
  },
  {
    name: 'many sessions: more than 64 KiB of one user',
    async run (store) {
      const user = new TestUser(store)
      const sessions = []
      for (let i = 0; i < 20; i++) {
        sessions.push(await user.signIn({ label: `${i}`, data: JSON.stringify({ long: 'x'.repeat(4000), i }) }))
      }
      assert.deepEqual(await user.list(), sessions)
      const [first] = sessions
      assert.equal(await user.update(first!.id, '{}'), true)
      assert.equal(await user.revoke(sessions[1]!.id), true)
      assert.deepEqual(await user.list(), [{ ...first, data: '{}' }, ...sessions.slice(2)])
    }
  },
  {
    name: 'many sessions: each keeps its own values',
    async run (store) {
      const user = new TestUser(store)
      const sessions = []
      for (let i = 0; i < 30; i++) {
        sessions.push(await user.signIn({ createdAt: user.now + i * SECOND, label: `${i}`, data: `{"i":${i}}` }))
      }
      assert.deepEqual(await user.list(), sessions)
      for (const [i, { id }] of sessions.entries()) if (i % 2 === 0) await user.revoke(id)
      assert.deepEqual(await user.list(), sessions.filter((_, i) => i % 2 === 1))
    }
  }
]
