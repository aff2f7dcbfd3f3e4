import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'tap'
import { memoryStore } from '../../../src/stores/memory.js'
import type { SessionStore, StoredSession } from '../../../src/stores/store.js'
import { storeSuite, type StoreFactory } from '../../../src/testing/store-suite/store-suite.js'

/** Returns a small store, because every check opens one. */
function createStore (): SessionStore {
  return memoryStore({ max: 100 })
}

/** Runs the suite with a minimal test runner. Returns the names of the failed checks. */
async function failuresOf (factory: StoreFactory): Promise<string[]> {
  const failures: string[] = []
  await storeSuite(async (name, check) => {
    try {
      await check()
    } catch {
      failures.push(name)
    }
  }, factory, { rounds: 2 })
  return failures
}

test('storeSuite: passes with tap', (t) => storeSuite(t.test, createStore, { rounds: 2 }))

test('storeSuite: passes with node:test', async (t) => {
  const file = fileURLToPath(new URL('../../fixtures/store-suite.node-test.ts', import.meta.url))
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const args = [...process.execArgv, '--test-reporter=tap', file]
  const { stdout } = await promisify(execFile)(process.execPath, args, { env })
  const subtests = stdout.match(/^ {4}ok /gm)
  t.ok(subtests !== null && subtests.length > 50)
  t.match(stdout, /^# fail 0$/m)
  t.match(stdout, /^# cancelled 0$/m)
})

test('storeSuite: each check has a unique name', async (t) => {
  const names: string[] = []
  await storeSuite((name) => { names.push(name) }, createStore)
  t.equal(new Set(names).size, names.length)
})

test('storeSuite: a factory may return a promise and a close function', async (t) => {
  let opened = 0
  let closed = 0
  const failures = await failuresOf(async () => {
    opened++
    return { store: createStore(), close: async () => { closed++ } }
  })
  t.strictSame(failures, [])
  t.ok(opened > 50)
  t.equal(closed, opened)
})

test('storeSuite: closes the store of a failed check', async (t) => {
  let closed = 0
  const store = { ...createStore(), create: async () => { throw new Error('broken') } }
  const failures = await failuresOf(() => ({ store, close: () => { closed++ } }))
  t.ok(failures.length > 40)
  t.ok(closed > failures.length)
})

test('storeSuite: all checks may share one store', async (t) => {
  const store = createStore()
  t.strictSame(await failuresOf(() => store), [])
})

/** Stores with one defect each, and the check that must fail. */
const BROKEN_STORES: Record<string, { change: (good: SessionStore) => Partial<SessionStore>, fails: string }> = {
  'pending logins are accepted after their end': {
    change: (good) => ({ create: async (input) => await good.create({ ...input, startedAt: input.now }) }),
    fails: 'pendingLogins: a login that began before is refused and changes nothing'
  },
  'all logins after an end of pending logins are refused': {
    change: (good) => {
      const ended = new Set<string>()
      return {
        revokeAll: async (ref) => {
          if (ref.pendingLogins) ended.add(ref.userId)
          return await good.revokeAll(ref)
        },
        create: async (input) => !ended.has(input.userId) && await good.create(input)
      }
    },
    fails: 'pendingLogins: a login that begins then or later is accepted'
  },
  'a mark in the future refuses logins': {
    change: (good) => {
      const ended = new Map<string, number>()
      return {
        revokeAll: async (ref) => {
          if (ref.pendingLogins) ended.set(ref.userId, ref.now)
          return await good.revokeAll(ref)
        },
        create: async (input) => input.startedAt >= (ended.get(input.userId) ?? 0) && await good.create(input)
      }
    },
    fails: 'pendingLogins: a revokeAll an hour or more after the start of a login does not refuse it'
  },
  'every revokeAll ends pending logins': {
    change: (good) => ({ revokeAll: async (ref) => await good.revokeAll({ ...ref, pendingLogins: true }) }),
    fails: 'pendingLogins: without it, revokeAll and revoke refuse no login'
  },
  'pending logins end only for users with sessions': {
    change: (good) => ({
      revokeAll: async (ref) => (await good.list(ref)).length === 0 ? 0 : await good.revokeAll(ref)
    }),
    fails: 'pendingLogins: applies to a user without sessions, for an hour'
  },
  'create returns nothing': {
    change: (good) => ({ create: async (input) => await good.create(input) && undefined as unknown as boolean }),
    fails: 'create: returns true'
  },
  'touch revives': {
    change: (good) => {
      const sessions = recording(good)
      return {
        ...sessions.operations,
        touch: async (ref) => await good.touch(ref) ||
          await sessions.revive(ref.sessionId, { idleExpiresAt: ref.idleExpiresAt }, ref.now)
      }
    },
    fails: 'revoke: touch and update do not revive an ended session'
  },
  'update revives': {
    change: (good) => {
      const sessions = recording(good)
      return {
        ...sessions.operations,
        update: async (ref) => await good.update(ref) ||
          await sessions.revive(ref.sessionId, { data: ref.data }, ref.now)
      }
    },
    fails: 'race: update does not revive a revoked session'
  },
  'touch moves the idle expiry earlier': {
    change: (good) => ({
      touch: async (ref) => {
        const record = await good.read(ref)
        if (record?.status !== 'live') return false
        const { openid, unionid } = record
        const session = { ...record.session, idleExpiresAt: ref.idleExpiresAt }
        await good.create({
          ...userOf(ref),
          startedAt: ref.now,
          openid,
          unionid,
          session,
          key: null,
          limit: null,
          replaces: ref.sessionId
        })
        return true
      }
    }),
    fails: 'touch: never moves the idle expiry earlier'
  },
  'reasons are lost': {
    change: (good) => ({
      read: async (ref) => {
        const record = await good.read(ref)
        return record?.status === 'ended' ? null : record
      }
    }),
    fails: 'revoke: ends one session, and read returns the reason'
  },
  'reasons are lost a millisecond early': {
    change: (good) => ({ read: async (ref) => await good.read({ ...ref, now: ref.now + 1 }) }),
    fails: 'revoke: the reason is kept until the session would have expired'
  },
  'a session lives a millisecond too long': {
    change: (good) => ({ read: async (ref) => await good.read({ ...ref, now: ref.now - 1 }) }),
    fails: 'read: a session is live until idleExpiresAt, then unknown'
  },
  'the newest session is ended by the limit': {
    change: (good) => ({
      create: async (input) => {
        const isOpen = await good.create({ ...input, limit: null })
        const live = await good.list(input)
        const extra = input.limit === null ? 0 : Math.max(0, live.length - input.limit)
        for (const { id } of live.toReversed().slice(0, extra)) {
          await good.revoke({ ...userOf(input), sessionId: id, reason: 'replaced' })
        }
        return isOpen
      }
    }),
    fails: 'limit: the oldest sessions beyond it end with the reason replaced'
  },
  'the limit is not checked atomically': {
    change: (good) => ({
      create: async (input) => {
        const live = await good.list(input)
        const extra = input.limit === null ? [] : live.slice(0, Math.max(0, live.length + 1 - input.limit))
        for (const { id } of extra) await good.revoke({ ...userOf(input), sessionId: id, reason: 'replaced' })
        return await good.create({ ...input, limit: null })
      }
    }),
    fails: 'race: 20 concurrent logins under limit 2 leave exactly 2'
  },
  'the limit is ignored': {
    change: (good) => ({ create: async (input) => await good.create({ ...input, limit: null }) }),
    fails: 'limit: within one second the order of creation decides, also beyond ten'
  },
  'sessions of one second are listed by id': {
    change: (good) => ({
      list: async (ref) => (await good.list(ref)).sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
    }),
    fails: 'list: sessions of one second are in the order of creation'
  },
  'a session in replaces leaves a reason': {
    change: (good) => ({
      create: async (input) => {
        if (input.replaces !== null) {
          await good.revoke({ ...userOf(input), sessionId: input.replaces, reason: 'replaced' })
        }
        return await good.create({ ...input, replaces: null })
      }
    }),
    fails: 'replaces: removes the session without a reason, before the limit applies'
  },
  'records are shared with the caller': {
    change: (good) => {
      const handedOut = new Map<string, StoredSession>()
      return {
        read: async (ref) => {
          const record = await good.read(ref)
          if (record?.status !== 'live') return record
          const session = handedOut.get(ref.sessionId) ?? record.session
          handedOut.set(ref.sessionId, session)
          return { ...record, session }
        }
      }
    },
    fails: 'copies: changes of a result are not stored'
  },
  'data is parsed and serialized again': {
    change: (good) => ({
      update: async (ref) => {
        try {
          return await good.update({ ...ref, data: JSON.stringify(JSON.parse(ref.data!)) })
        } catch {
          return await good.update(ref)
        }
      }
    }),
    fails: 'data: any text is stored unchanged'
  },
  'an empty label is null': {
    change: (good) => ({
      create: async (input) => {
        return await good.create({ ...input, session: { ...input.session, label: input.session.label || null } })
      }
    }),
    fails: 'create: an empty label is a label, not null'
  },
  'the same key is stored twice': {
    change: (good) => ({
      create: async ({ key, ...input }) => {
        return await good.create({ ...input, key: key && { ...key, fingerprints: [key.sealed] } })
      }
    }),
    fails: 'keys: the same key under a new seal replaces the newest only'
  },
  'fingerprints of earlier secrets are ignored': {
    change: (good) => ({
      create: async ({ key, ...input }) => {
        return await good.create({ ...input, key: key && { ...key, fingerprints: [key.fingerprints[0]] } })
      }
    }),
    fails: 'keys: a fingerprint of an earlier secret identifies the same key'
  },
  'keys outlive the last session': {
    change: (good) => {
      const seen = new Map<string, string[]>()
      return {
        readKeys: async (ref) => {
          const keys = await good.readKeys(ref)
          if (keys.length > 0) seen.set(ref.userId, keys)
          return seen.get(ref.userId) ?? []
        }
      }
    },
    fails: 'keys: the end of the last live session removes them'
  },
  'revokeAll ignores except': {
    change: (good) => ({ revokeAll: async (ref) => await good.revokeAll({ ...ref, except: null }) }),
    fails: 'revokeAll: does not end the session in except'
  },
  'users are not separated': {
    change: (good) => Object.fromEntries(Object.entries(good).map(([operation, run]) => [
      operation, (ref: object) => (run as (ref: object) => unknown)({ ...ref, userId: 'all' })
    ])),
    fails: 'users: sessions of one user are not accessible to another'
  }
}

for (const [name, { change, fails }] of Object.entries(BROKEN_STORES)) {
  test(`storeSuite: fails a store where ${name}`, async (t) => {
    const failures = await failuresOf(() => {
      const good = createStore()
      return { ...good, ...change(good) }
    })
    t.ok(failures.includes(fails), fails, { found: failures })
  })
}

function userOf ({ userId, now }: { userId: string, now: number }): { userId: string, now: number } {
  return { userId, now }
}

/** Records what was created, and revives it like a store that writes a whole record blindly. */
function recording (good: SessionStore): {
  operations: Pick<SessionStore, 'create'>
  revive: (id: string, fields: Partial<StoredSession>, now: number) => Promise<boolean>
} {
  const created = new Map<string, Parameters<SessionStore['create']>[0]>()
  return {
    operations: {
      create: async (input) => {
        created.set(input.session.id, input)
        return await good.create(input)
      }
    },
    revive: async (id, fields, now) => {
      const input = created.get(id)
      if (input === undefined) return false
      await good.create({ ...input, now, session: { ...input.session, ...fields }, replaces: id })
      return true
    }
  }
}
