import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'tap'
import { memoryStore } from '../../../src/stores/memory.js'
import type { SessionStore, StoredSession } from '../../../src/stores/store.js'
import { storeSuite, type StoreFactory } from '../../../src/testing/store-suite/store-suite.js'

/** Small, since every check opens its own. */
function createStore (): SessionStore {
  return memoryStore({ max: 100 })
}

/** A runner made by hand: the suite needs a function and nothing else. */
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

test('the suite passes with tap', (t) => storeSuite(t.test, createStore, { rounds: 2 }))

test('the suite passes with node:test', async (t) => {
  const file = fileURLToPath(new URL('../../fixtures/store-suite.node-test.ts', import.meta.url))
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { stdout } = await promisify(execFile)(process.execPath, [...process.execArgv, '--test-reporter=tap', file], { env })
  const subtests = stdout.match(/^ {4}ok /gm)
  t.ok(subtests !== null && subtests.length > 50)
  t.match(stdout, /^# fail 0$/m)
  t.match(stdout, /^# cancelled 0$/m)
})

test('every check has a name of its own', async (t) => {
  const names: string[] = []
  await storeSuite((name) => { names.push(name) }, createStore)
  t.equal(new Set(names).size, names.length)
})

test('a factory may give a promise, and how to close what it opened', async (t) => {
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

test('what was opened is closed when its check fails', async (t) => {
  let closed = 0
  const store = { ...createStore(), create: async () => { throw new Error('broken') } }
  const failures = await failuresOf(() => ({ store, close: () => { closed++ } }))
  t.ok(failures.length > 40)
  t.ok(closed > failures.length)
})

test('one store may serve every check', async (t) => {
  const store = createStore()
  t.strictSame(await failuresOf(() => store), [])
})

/** Each has one defect, and the check that it must fail is named. */
const BROKEN_STORES: Record<string, { change: (good: SessionStore) => Partial<SessionStore>, fails: string }> = {
  'whoever was on the way in is let in': {
    change: (good) => ({ create: async (input) => await good.create({ ...input, startedAt: input.now }) }),
    fails: 'revokeAll: with pendingLogins, logins that began before are refused, and leave nothing'
  },
  'all who come after pending logins were ended are refused': {
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
    fails: 'revokeAll: with pendingLogins, logins that begin then or later are let in'
  },
  'a clock that ran ahead keeps its users out': {
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
    fails: 'revokeAll: with pendingLogins, by a clock that ran ahead: logins that begin an hour or more before that are let in'
  },
  'every revokeAll ends pending logins': {
    change: (good) => ({ revokeAll: async (ref) => await good.revokeAll({ ...ref, pendingLogins: true }) }),
    fails: 'revokeAll: without pendingLogins, and with revoke, no login is refused'
  },
  'pending logins end only for users with sessions': {
    change: (good) => ({ revokeAll: async (ref) => (await good.list(ref)).length === 0 ? 0 : await good.revokeAll(ref) }),
    fails: 'revokeAll: with pendingLogins, a user without any session is remembered for an hour'
  },
  'create says nothing': {
    change: (good) => ({ create: async (input) => await good.create(input) && undefined as unknown as boolean }),
    fails: 'create: says that the session is there'
  },
  'touch revives': {
    change: (good) => {
      const sessions = remembering(good)
      return {
        ...sessions.operations,
        touch: async (ref) => await good.touch(ref) ||
          await sessions.revive(ref.sessionId, { idleExpiresAt: ref.idleExpiresAt }, ref.now)
      }
    },
    fails: 'an ended session is never revived by touch or update'
  },
  'update revives': {
    change: (good) => {
      const sessions = remembering(good)
      return {
        ...sessions.operations,
        update: async (ref) => await good.update(ref) || await sessions.revive(ref.sessionId, { data: ref.data }, ref.now)
      }
    },
    fails: 'race: update does not revive what is revoked'
  },
  'touch moves the idle end earlier': {
    change: (good) => ({
      touch: async (ref) => {
        const record = await good.read(ref)
        if (record?.status !== 'live') return false
        const { openid, unionid } = record
        const session = { ...record.session, idleExpiresAt: ref.idleExpiresAt }
        await good.create({ ...userOf(ref), startedAt: ref.now, openid, unionid, session, key: null, limit: null, replaces: ref.sessionId })
        return true
      }
    }),
    fails: 'touch: never moves the idle end earlier'
  },
  'reasons are forgotten': {
    change: (good) => ({
      read: async (ref) => {
        const record = await good.read(ref)
        return record?.status === 'ended' ? null : record
      }
    }),
    fails: 'revoke: ends one session, and reads tell why'
  },
  'reasons are forgotten a millisecond early': {
    change: (good) => ({ read: async (ref) => await good.read({ ...ref, now: ref.now + 1 }) }),
    fails: 'revoke: the reason is kept until the session would have ended by itself'
  },
  'a session lives a millisecond too long': {
    change: (good) => ({ read: async (ref) => await good.read({ ...ref, now: ref.now - 1 }) }),
    fails: 'read: a session is live until the millisecond of its idle end, then unknown'
  },
  'the newest session is evicted': {
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
    fails: 'limit: the oldest sessions beyond it end as replaced'
  },
  'the limit is checked before the step that adds': {
    change: (good) => ({
      create: async (input) => {
        const live = await good.list(input)
        const extra = input.limit === null ? [] : live.slice(0, Math.max(0, live.length + 1 - input.limit))
        for (const { id } of extra) await good.revoke({ ...userOf(input), sessionId: id, reason: 'replaced' })
        return await good.create({ ...input, limit: null })
      }
    }),
    fails: 'race: 20 logins at once under limit 2 leave exactly 2'
  },
  'there is no limit': {
    change: (good) => ({ create: async (input) => await good.create({ ...input, limit: null }) }),
    fails: 'limit: within one second the order of creation decides, even past ten'
  },
  'sessions of one second are listed by id': {
    change: (good) => ({
      list: async (ref) => (await good.list(ref)).sort((a, b) => a.createdAt - b.createdAt || (a.id < b.id ? -1 : 1))
    }),
    fails: 'list: sessions of one second come in the order of creation'
  },
  'replaced sessions leave a reason': {
    change: (good) => ({
      create: async (input) => {
        if (input.replaces !== null) await good.revoke({ ...userOf(input), sessionId: input.replaces, reason: 'replaced' })
        return await good.create({ ...input, replaces: null })
      }
    }),
    fails: 'replaces: the session is gone without a reason, and makes room within the limit'
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
    fails: 'copies: what the caller changes in an answer is not stored'
  },
  'data is parsed and written again': {
    change: (good) => ({
      update: async (ref) => {
        try {
          return await good.update({ ...ref, data: JSON.stringify(JSON.parse(ref.data!)) })
        } catch {
          return await good.update(ref)
        }
      }
    }),
    fails: 'data: kept byte by byte, whatever it says'
  },
  'an empty label is null': {
    change: (good) => ({
      create: async (input) => await good.create({ ...input, session: { ...input.session, label: input.session.label || null } })
    }),
    fails: 'create: an empty label is a label, not null'
  },
  'the same key is kept twice': {
    change: (good) => ({
      create: async (input) => await good.create({ ...input, key: input.key && { ...input.key, fingerprints: [input.key.sealed] } })
    }),
    fails: 'keys: the same key under a new seal takes the place of the newest, and the previous stays'
  },
  'fingerprints of earlier secrets are ignored': {
    change: (good) => ({
      create: async ({ key, ...input }) => {
        return await good.create({ ...input, key: key && { ...key, fingerprints: [key.fingerprints[0]] } })
      }
    }),
    fails: 'keys: the same key is known by the fingerprint of an earlier secret'
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
    fails: 'keys: they stay while one session is live, and go with the last that is revoked'
  },
  'revokeAll spares nobody': {
    change: (good) => ({ revokeAll: async (ref) => await good.revokeAll({ ...ref, except: null }) }),
    fails: 'revokeAll: spares the session in except'
  },
  'users are not told apart': {
    change: (good) => Object.fromEntries(Object.entries(good).map(([operation, run]) => [
      operation, (ref: object) => (run as (ref: object) => unknown)({ ...ref, userId: 'everybody' })
    ])),
    fails: 'users: nothing of one is seen or changed through another'
  }
}

for (const [name, { change, fails }] of Object.entries(BROKEN_STORES)) {
  test(`the suite fails a store where ${name}`, async (t) => {
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

/** Remembers what was created, as a store does that writes a whole record without looking. */
function remembering (good: SessionStore): {
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
