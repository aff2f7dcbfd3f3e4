import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'tap'
import { memoryStore } from '../../../src/stores/memory.js'
import type { CreateSession, SessionStore, StoredSession, UserRef } from '../../../src/stores/store.js'
import { storeSuite, type StoreFactory } from '../../../src/testing/store-suite/store-suite.js'
import { MINUTE } from '../../helpers/clock.js'
import { openDatabaseStore } from '../../helpers/host-database.js'
import { VersionedTable } from '../../helpers/versioned-table.js'

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

test('storeSuite: fails a database without compare and set, if the factory returns two stores over it', async (t) => {
  const table = new VersionedTable()
  async function open (): Promise<SessionStore> {
    return openDatabaseStore({
      async write ({ userId, after: text, expiresAt }) {
        await setImmediate()
        table.items.set(userId, { text, expiresAt, version: randomUUID() })
        return true
      }
    }, table).store
  }
  t.strictSame(await failuresOf(open), [], 'one store queues the operations of a user')
  let closed = 0
  for (const failures of [
    await failuresOf(async () => [await open(), await open()]),
    await failuresOf(async () => ({ store: [await open(), await open()], close: () => { closed++ } }))
  ]) t.ok(failures.includes('race: two logins with different keys keep both'), { found: failures })
  t.ok(closed > 50)
})

test('storeSuite: calls the methods of several stores on their store', async (t) => {
  const good = createStore()
  const store = { ...good, list (this: SessionStore, ref: UserRef) { return this === store ? good.list(ref) : Promise.reject(new Error('this')) } }
  t.strictSame(await failuresOf(() => [store, store]), [])
})

test('storeSuite: all checks may share one store', async (t) => {
  const store = createStore()
  t.strictSame(await failuresOf(() => store), [])
})

/** Stores with one defect each, and the check that must fail. */
const BROKEN_STORES: Record<string, { change: (good: SessionStore) => Partial<SessionStore>, fails: string }> = {
  'create resolves to undefined': {
    change: (good) => ({
      create: async (input) => await good.create(input) ?? undefined as unknown as null
    }),
    fails: 'create: resolves to null'
  },
  'pending logins are accepted after revokeAll': {
    change: (good) => ({
      create: async (input) => await good.create({ ...input, startedAt: performance.now() })
    }),
    fails: 'pendingLogins: a login that began before revokeAll is refused'
  },
  'every refusal has the reason kicked': {
    change: (good) => ({
      create: async (input) => await good.create(input) === null ? null : 'kicked'
    }),
    fails: 'pendingLogins: a login with a session revoked meanwhile is refused'
  },
  'a refused login writes its user': {
    change: (good) => {
      const users = new Map<string, { openid: string, unionid: string | null }>()
      return {
        create: async (input) => {
          users.set(input.userId, input)
          return await good.create(input)
        },
        read: async (ref) => {
          const record = await good.read(ref)
          if (record?.status !== 'live') return record
          const { openid, unionid } = users.get(ref.userId)!
          return { ...record, openid, unionid }
        }
      }
    },
    fails: 'pendingLogins: a refused login changes nothing'
  },
  'a refused login writes its key': {
    change: (good) => ({
      create: async (input) => {
        const refusal = await good.create(input)
        if (refusal !== null && input.key !== null) await good.writeKey({ ...userOf(input), key: input.key })
        return refusal
      }
    }),
    fails: 'pendingLogins: a login refused by the end of its session changes nothing'
  },
  'all logins after an end of pending logins are refused': {
    change: (good) => {
      const ended = new Set<string>()
      return {
        revokeAll: async (ref) => {
          if (ref.pendingLogins) ended.add(ref.userId)
          return await good.revokeAll(ref)
        },
        create: async (input) => ended.has(input.userId) ? 'kicked' : await good.create(input)
      }
    },
    fails: 'pendingLogins: a login that begins after revokeAll is accepted'
  },
  'all logins that bring a revoked session are refused': {
    change: (good) => {
      const ended = new Set<string>()
      return {
        revoke: async (ref) => {
          if (ref.pendingLogins) ended.add(ref.sessionId)
          return await good.revoke(ref)
        },
        create: async (input) => ended.has(input.replaces!) ? 'kicked' : await good.create(input)
      }
    },
    fails: 'pendingLogins: a login that begins after revoke removes the reason'
  },
  'an end refuses logins of any age': {
    change: (good) => ({
      create: async (input) => await good.create({ ...input, startedAt: agedAtMost(input, 30 * MINUTE) })
    }),
    fails: 'pendingLogins: revokeAll an hour after the start of a login is ignored'
  },
  'a revoke refuses logins of any age': {
    change: (good) => ({
      create: async (input) => {
        const startedAt = input.replaces === null ? input.startedAt : agedAtMost(input, 30 * MINUTE)
        return await good.create({ ...input, startedAt })
      }
    }),
    fails: 'pendingLogins: revoke an hour after the start of a login is ignored'
  },
  'every revokeAll ends pending logins': {
    change: (good) => ({ revokeAll: async (ref) => await good.revokeAll({ ...ref, pendingLogins: true }) }),
    fails: 'pendingLogins: without it, revokeAll and revoke refuse no login'
  },
  'every revoke ends pending logins': {
    change: (good) => ({ revoke: async (ref) => await good.revoke({ ...ref, pendingLogins: true }) }),
    fails: 'pendingLogins: without it, revokeAll and revoke refuse no login'
  },
  'revoke does not keep the device': {
    change: (good) => ({
      create: async (input) => {
        const refusal = await good.create(input)
        const isOwn = input.replaces !== null && (await good.read({ ...input, sessionId: input.replaces })) !== null
        return refusal === null || isOwn ? refusal : await good.create({ ...input, device: null })
      }
    }),
    fails: 'pendingLogins: a login of the device of a session revoked meanwhile is refused'
  },
  'every revoke refuses logins of the device': {
    change: (good) => ({ revoke: async (ref) => await good.revoke({ ...ref, pendingLogins: true }) }),
    fails: 'pendingLogins: without it, revoke refuses no login of the device'
  },
  'revoke ends all pending logins of the user': {
    change: (good) => ({
      revoke: async (ref) => {
        const wasLive = await good.revoke(ref)
        const { userId, now, reason } = ref
        const except = (await good.list(ref))[0]?.id ?? null
        if (ref.pendingLogins) await good.revokeAll({ userId, now, reason, except, pendingLogins: true })
        return wasLive
      }
    }),
    fails: 'pendingLogins: revoke refuses no login with another session or without one'
  },
  'pending logins end only for users with sessions': {
    change: (good) => ({
      revokeAll: async (ref) => (await good.list(ref)).length === 0 ? 0 : await good.revokeAll(ref)
    }),
    fails: 'pendingLogins: revokeAll applies to a user without sessions'
  },
  'the first end of pending logins counts': {
    change: (good) => {
      const ended = new Set<string>()
      return {
        revokeAll: async (ref) => {
          const pendingLogins = ref.pendingLogins && !ended.has(ref.userId)
          if (pendingLogins) ended.add(ref.userId)
          return await good.revokeAll({ ...ref, pendingLogins })
        }
      }
    },
    fails: 'pendingLogins: the latest revokeAll counts'
  },
  'revokeAll keeps no time with the reasons': {
    change: (good) => ({
      revokeAll: async (ref) => {
        const ended = await good.revokeAll({ ...ref, pendingLogins: false })
        await good.revokeAll({ ...ref, except: null, pendingLogins: false })
        return ended
      }
    }),
    fails: 'pendingLogins: revokeAll keeps the time with each reason too'
  },
  'ends of the limit refuse no login': {
    change: (good) => ({
      create: async (input) => {
        const refusal = await good.create(input)
        return refusal === 'replaced' ? await good.create({ ...input, replaces: null, startedAt: performance.now() }) : refusal
      }
    }),
    fails: 'pendingLogins: a login with a session ended by the limit is refused'
  },
  'the clock of the caller of revokeAll decides': {
    change: (good) => {
      const ended = new Map<string, number>()
      return {
        revokeAll: async (ref) => {
          if (ref.pendingLogins) ended.set(ref.userId, ref.now)
          return await good.revokeAll({ ...ref, pendingLogins: false })
        },
        create: async (input) => {
          const isRefused = input.now - ageOf(input) < (ended.get(input.userId) ?? 0)
          return isRefused ? 'kicked' : await good.create(input)
        }
      }
    },
    fails: 'pendingLogins: the clock of the caller of revokeAll does not count'
  },
  'the clock of the login server decides': {
    change: (good) => ({
      create: async (input) => {
        const age = Math.max(0, ageOf(input) + Date.now() - input.now)
        return await good.create({ ...input, startedAt: performance.now() - age })
      }
    }),
    fails: 'pendingLogins: the clock of the login server does not count'
  },
  'the clock of the caller of revoke decides': {
    change: (good) => {
      const ended = new Map<string, number>()
      return {
        revoke: async (ref) => {
          if (ref.pendingLogins) ended.set(ref.sessionId, ref.now)
          return await good.revoke({ ...ref, pendingLogins: false })
        },
        create: async (input) => {
          const isRefused = input.now - ageOf(input) < (ended.get(input.replaces!) ?? 0)
          return isRefused ? 'kicked' : await good.create(input)
        }
      }
    },
    fails: 'pendingLogins: the clock of the caller of revoke does not count'
  },
  'an end is dropped by the clock of the login server': {
    change: (good) => ({
      create: async (input) => {
        const record = input.replaces === null ? null : await good.read({ ...input, sessionId: input.replaces })
        return await good.create({ ...input, replaces: record === null ? null : input.replaces })
      }
    }),
    fails: 'pendingLogins: the end counts although the caller sees an expired session'
  },
  'devices are ignored': {
    change: (good) => ({ create: async (input) => await good.create({ ...input, device: null }) }),
    fails: 'device: a login replaces the earlier session of its device without a reason'
  },
  'a session of the device ends with a reason': {
    change: (good) => {
      const devices = sessionsOfDevices(good)
      return {
        create: async (input) => {
          for (const sessionId of devices.replacedBy(input)) {
            await good.revoke({ ...userOf(input), sessionId, reason: 'replaced', pendingLogins: false })
          }
          return await devices.create(input)
        }
      }
    },
    fails: 'device: a login replaces the earlier session of its device without a reason'
  },
  'a login replaces later sessions of its device': {
    change: (good) => {
      const devices = sessionsOfDevices(good)
      return { create: async (input) => await devices.create({ ...input, startedAt: performance.now() + 1 }) }
    },
    fails: 'device: a login never replaces a session whose login began later'
  },
  'all devices are one': {
    change: (good) => ({
      create: async (input) => await good.create({ ...input, device: input.device && 'd'.repeat(16) })
    }),
    fails: 'device: another device of the user keeps its session'
  },
  'a device of one user is that of another': {
    change: (good) => {
      const owners = new Map<string, { userId: string, sessionId: string }>()
      return {
        create: async (input) => {
          const owner = owners.get(input.device!)
          if (owner !== undefined) {
            const { userId, sessionId } = owner
            await good.revoke({ userId, sessionId, now: input.now, reason: 'replaced', pendingLogins: false })
          }
          if (input.device !== null) owners.set(input.device, { userId: input.userId, sessionId: input.session.id })
          return await good.create(input)
        }
      }
    },
    fails: 'device: another user with the same device keeps the session'
  },
  'no device is a device': {
    change: (good) => ({ create: async (input) => await good.create({ ...input, device: input.device ?? '' }) }),
    fails: 'device: null replaces no session, and is replaced by no login'
  },
  'the limit applies before the device': {
    change: (good) => ({
      create: async (input) => {
        const limit = input.limit === null ? null : input.limit - 1
        return await good.create({ ...input, limit })
      }
    }),
    fails: 'device: its session is removed before the limit applies'
  },
  'the previous key is dropped with the session of the device': {
    change: (good) => {
      const devices = sessionsOfDevices(good)
      const users = new Set<string>()
      return {
        create: async (input) => {
          if (devices.replacedBy(input).length > 0) users.add(input.userId)
          return await devices.create(input)
        },
        readKeys: async (ref) => (await good.readKeys(ref)).slice(0, users.has(ref.userId) ? 1 : 2)
      }
    },
    fails: 'device: a login that replaces the only session keeps the previous key'
  },
  'update drops the device': {
    change: (good) => {
      const changed = new Set<string>()
      const devices = sessionsOfDevices(good)
      return {
        update: async (ref) => {
          changed.add(ref.sessionId)
          return await good.update(ref)
        },
        create: async (input) => {
          const isLost = devices.replacedBy(input).some((id) => changed.has(id))
          return await devices.create(isLost ? { ...input, device: null } : input)
        }
      }
    },
    fails: 'device: a session keeps its device when it is touched and updated'
  },
  'a login removes the reasons of its device': {
    change: (good) => {
      const devices = sessionsOfDevices(good)
      return {
        create: async (input) => {
          return await devices.create({ ...input, replaces: input.replaces ?? devices.replacedBy(input)[0] ?? null })
        }
      }
    },
    fails: 'device: the reason of an ended session of the device stays'
  },
  'the order of concurrent logins of a device is that of their arrival': {
    change: (good) => {
      let inFlight = 0
      return {
        create: async (input) => {
          inFlight++
          const startedAt = inFlight > 1 ? performance.now() + 1 : input.startedAt
          return await good.create({ ...input, startedAt }).finally(() => { inFlight-- })
        }
      }
    },
    fails: 'race: two logins of one device: the one that began later stays'
  },
  'users are not separated by case': {
    change: (good) => Object.fromEntries(Object.entries(good).map(([operation, run]) => [
      operation, (ref: { userId: string }) => {
        return (run as (ref: object) => unknown)({ ...ref, userId: ref.userId.toLowerCase() })
      }
    ])),
    fails: 'users: ids that differ only in case are of two users'
  },
  'sessions are not separated by case': {
    change: (good) => ({
      revoke: async (ref) => {
        const sessionId = (await good.list(ref)).find(({ id }) => id.toLowerCase() === ref.sessionId.toLowerCase())?.id
        return await good.revoke({ ...ref, sessionId: sessionId ?? ref.sessionId })
      },
      update: async (ref) => {
        const sessionId = (await good.list(ref)).find(({ id }) => id.toLowerCase() === ref.sessionId.toLowerCase())?.id
        return await good.update({ ...ref, sessionId: sessionId ?? ref.sessionId })
      },
      create: async (input) => {
        const replaces = (await good.list(input)).find(({ id }) => id.toLowerCase() === input.replaces?.toLowerCase())?.id
        return await good.create({ ...input, replaces: replaces ?? input.replaces })
      }
    }),
    fails: 'sessions: ids that differ only in case are of two sessions'
  },
  'a user has 64 KiB at most': {
    change: (good) => ({
      create: async (input) => {
        const text = JSON.stringify(await good.list(input)) + JSON.stringify(input.session)
        if (text.length > 65_535) throw new Error('too long')
        return await good.create(input)
      }
    }),
    fails: 'many sessions: more than 64 KiB of one user'
  },
  'text with U+0000 or lone surrogates is refused': {
    change: (good) => ({
      create: async (input) => {
        const { label } = input.session
        if (label !== null && /[\0\p{Surrogate}]/u.test(label)) throw new Error('invalid text')
        return await good.create(input)
      }
    }),
    fails: 'labels: any text is stored unchanged'
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
          startedAt: performance.now(),
          openid,
          unionid,
          session,
          key: null,
          limit: null,
          replaces: ref.sessionId,
          device: null
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
        const refusal = await good.create({ ...input, limit: null })
        const live = await good.list(input)
        const extra = input.limit === null ? 0 : Math.max(0, live.length - input.limit)
        for (const { id } of live.toReversed().slice(0, extra)) {
          await good.revoke({ ...userOf(input), sessionId: id, reason: 'replaced', pendingLogins: false })
        }
        return refusal
      }
    }),
    fails: 'limit: the oldest sessions beyond it end with the reason replaced'
  },
  'the limit is not checked atomically': {
    change: (good) => ({
      create: async (input) => {
        const live = await good.list(input)
        const extra = input.limit === null ? [] : live.slice(0, Math.max(0, live.length + 1 - input.limit))
        for (const { id } of extra) await good.revoke({ ...userOf(input), sessionId: id, reason: 'replaced', pendingLogins: false })
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
          await good.revoke({ ...userOf(input), sessionId: input.replaces, reason: 'replaced', pendingLogins: false })
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

/** Returns how long ago a login began, in milliseconds. */
function ageOf ({ startedAt }: CreateSession): number {
  return performance.now() - startedAt
}

/** Returns the start of a login, or a later one if the login is older than `age`. */
function agedAtMost (login: CreateSession, age: number): number {
  return Math.max(login.startedAt, performance.now() - age)
}

/** Keeps which sessions each device has, with the starts of their logins. */
function sessionsOfDevices (good: SessionStore): {
  create: SessionStore['create']
  /** Returns the sessions of the device whose logins began earlier, whether they are live or not. */
  replacedBy (input: CreateSession): string[]
} {
  const created: CreateSession[] = []
  return {
    create: async (input) => {
      created.push(input)
      return await good.create(input)
    },
    replacedBy: ({ userId, device, startedAt }) => {
      return created.filter((other) => {
        return device !== null && other.userId === userId && other.device === device && other.startedAt < startedAt
      }).map(({ session }) => session.id)
    }
  }
}

/** Records what was created, and revives it like a store that writes a whole record blindly. */
function recording (good: SessionStore): {
  operations: Pick<SessionStore, 'create'>
  revive: (id: string, fields: Partial<StoredSession>, now: number) => Promise<boolean>
} {
  const created = new Map<string, CreateSession>()
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
