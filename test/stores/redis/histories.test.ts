/** Random histories of users, on servers whose clocks differ. The pure operations on a record say what is right. */
import { randomInt } from 'node:crypto'
import type { Redis } from 'ioredis'
import tap, { test } from 'tap'
import type { RedisClient } from '../../../src/stores/redis/connection.js'
import { redisStore } from '../../../src/stores/redis/store.js'
import {
  PENDING_LOGIN_TTL_MS, type EndReason, type SessionStore
} from '../../../src/stores/store.js'
import * as operations from '../../../src/stores/user-record/operations.js'
import { expiresAt, withoutExpired, type UserRecord } from '../../../src/stores/user-record/record.js'
import { randomId, sealedKey } from '../../../src/testing/store-suite/test-user.js'
import { DAY, HOUR, MINUTE, SECOND } from '../../helpers/clock.js'
import { connectRedis, redisUrl, uniquePrefix } from '../../helpers/redis.js'

const HISTORIES = 100
const STEPS = 24
/** Fewer than the reasons that a store keeps, so that none is dropped for another. */
const MAX_LOGINS = 14
const SKEWS = [0, SECOND, -SECOND, 3 * MINUTE, -3 * MINUTE, HOUR - MINUTE, MINUTE - HOUR]
const DEVICES = ['AAAAAAAAAAAAAAAA', 'AAAAAAAAAAAAAAAB', null]
const KEYS = [null, sealedKey('a'), sealedKey('b'), sealedKey('c', 'a')]

const url = await redisUrl(tap)

function pick<Item> (items: readonly Item[]): Item {
  return items[randomInt(items.length)]!
}

interface Written {
  /** The server's time of the write. */
  clock: number
  args: string[]
}

/** Notes the latest write to each key. */
function noting (client: Redis, writes: Map<string, Written>): RedisClient {
  return new Proxy(client, {
    get (target, name) {
      if (name !== 'evalsha' && name !== 'eval') return Reflect.get(target, name, target)
      return async (script: string, keys: number, key: string, ...args: string[]) => {
        const reply = await target[name](script, keys, key, ...args) as unknown[]
        if (typeof reply[0] === 'string') writes.set(key, { clock: Number(reply[0]), args })
        return reply
      }
    }
  }) as RedisClient
}

/** A user in Redis, and the record that the user should have. */
class User {
  readonly #id = randomId()
  readonly #prefix: string
  readonly #stores: SessionStore[]
  readonly #writes: Map<string, Written>
  readonly #ids = [randomId()]
  readonly #pending: { id: string, beganAt: number, sentAgo: number, endsBefore: number }[] = []
  readonly #ends: number[] = []
  readonly #log: unknown[] = []
  #record: UserRecord | null = null
  #logins = 0

  constructor (prefix: string, stores: SessionStore[], writes: Map<string, Written>) {
    this.#prefix = prefix
    this.#stores = stores
    this.#writes = writes
  }

  async run (): Promise<string | null> {
    for (let step = 0; step < STEPS; step++) {
      if (!await this.#step()) return JSON.stringify(this.#log, null, 1)
    }
    return null
  }

  #step (): Promise<boolean> {
    const store = pick(this.#stores)
    const ref = { userId: this.#id, now: Date.now() + pick(SKEWS) }
    const sessionRef = { ...ref, sessionId: pick(this.#ids) }
    const ending = { reason: pick(['revoked', 'kicked'] as EndReason[]), pendingLogins: pick([true, false]) }
    return pick([
      () => this.#begin(),
      () => this.#begin(),
      () => this.#complete(store, ref),
      () => this.#complete(store, ref),
      () => this.#complete(store, ref),
      () => this.#apply('revoke', { ...sessionRef, ...ending }, store),
      () => this.#apply('revoke', { ...sessionRef, ...ending }, store),
      () => this.#apply('revokeAll', { ...ref, ...ending, except: pick([null, pick(this.#ids)]) }, store),
      () => this.#apply('touch', { ...sessionRef, idleExpiresAt: ref.now + pick([MINUTE, HOUR, DAY]) }, store),
      () => this.#apply('update', { ...sessionRef, data: pick([null, '{}']) }, store),
      () => this.#apply('writeKey', { ...ref, key: pick(KEYS) ?? sealedKey() }, store)
    ])()
  }

  async #begin (): Promise<boolean> {
    if (this.#logins++ >= MAX_LOGINS) return true
    const sentAgo = pick([0, 0, 0, MINUTE, PENDING_LOGIN_TTL_MS - MINUTE, PENDING_LOGIN_TTL_MS + MINUTE])
    const id = randomId()
    this.#ids.push(id)
    this.#pending.push({ id, beganAt: performance.now() - sentAgo, sentAgo, endsBefore: this.#ends.length })
    return true
  }

  async #complete (store: SessionStore, ref: { userId: string, now: number }): Promise<boolean> {
    const [login] = this.#pending.splice(randomInt(this.#pending.length + 1), 1)
    if (login === undefined) return true
    const idleExpiresAt = ref.now + pick([MINUTE, 30 * MINUTE, DAY])
    const input = {
      ...ref,
      openid: 'openid',
      unionid: null,
      session: {
        id: login.id,
        createdAt: Math.floor(ref.now / SECOND) * SECOND,
        expiresAt: ref.now + 30 * DAY,
        idleExpiresAt,
        label: null,
        data: null
      },
      key: pick(KEYS),
      limit: pick([null, 1, 2, 3]),
      replaces: pick([null, pick(this.#ids), pick(this.#ids)]),
      device: pick(DEVICES),
      startedAt: login.beganAt
    }
    const result = await store.create(input)
    const { clock, args } = this.#lastWrite()
    const startedAt = Number(args[5])
    const outcome = operations.create(this.#record, { ...input, startedAt }, clock)
    this.#keep(outcome.record, clock)
    const { now: _now, startedAt: _startedAt, ...logged } = input
    this.#log.push({ operation: 'create', skew: ref.now - Date.now(), startedAt, clock, ...logged, result })
    const wasBefore = this.#ends.slice(login.endsBefore).every((end) => startedAt < end)
    if (!wasBefore) this.#log.push('the login counts as begun later')
    return wasBefore && result === outcome.result && await this.#isSame(store, ref)
  }

  async #apply<Operation extends 'revoke' | 'revokeAll' | 'touch' | 'update' | 'writeKey'> (
    operation: Operation, input: Parameters<SessionStore[Operation]>[0], store: SessionStore
  ): Promise<boolean> {
    const result = await (store[operation] as (input: unknown) => Promise<unknown>)(input)
    const { clock } = this.#lastWrite()
    if (operation.startsWith('revoke')) this.#ends.push(clock)
    const outcome = (operations[operation] as operations.Operation<unknown, unknown>)(
      this.#record, input, clock
    )
    this.#keep(withDropped(this.#record, outcome, operation, input.now, clock), clock)
    this.#log.push({ operation, skew: input.now - Date.now(), ...input, clock, result })
    return result === outcome.result && await this.#isSame(store, input)
  }

  /** Compares all that the store returns with the record. */
  async #isSame (store: SessionStore, { now }: { now: number }): Promise<boolean> {
    const user = { userId: this.#id, now }
    const found = [await store.list(user), await store.readKeys(user)]
    const expected: unknown[] = [operations.list(this.#record, user), operations.readKeys(this.#record, user)]
    for (const sessionId of this.#ids) {
      found.push(await store.read({ ...user, sessionId }) as never)
      expected.push(operations.read(this.#record, { ...user, sessionId }))
    }
    if (JSON.stringify(found) === JSON.stringify(expected)) return true
    this.#log.push({ found, expected, record: this.#record })
    return false
  }

  /** Keeps a record unless Redis lets its key expire at once. */
  #keep (record: UserRecord | null, clock: number): void {
    this.#record = record !== null && expiresAt(record) <= clock ? null : record
  }

  #lastWrite (): Written {
    return this.#writes.get(this.#prefix + this.#id)!
  }
}

/**
 * Returns the record after an operation. A store may drop what has expired, or may keep it until another server's clock
 * says the same. redisStore drops it when sessions end, and keeps it when one session or the key changes.
 */
function withDropped (
  before: UserRecord | null, { record, result }: operations.Outcome<unknown>, operation: string, now: number,
  clock: number
): UserRecord | null {
  if (operation.startsWith('revoke')) return record && withoutExpired(record, now, clock)
  if (result === false) return before
  const live = before!.live.map((session) => record!.live.find(({ id }) => id === session.id) ?? session)
  return { ...before!, live, keys: record!.keys }
}

test('T55: random histories on skewed servers equal those of the pure operations', async (t) => {
  const prefix = uniquePrefix()
  const writes = new Map<string, Written>()
  const stores = [1, 2, 3].map(() => {
    return redisStore({ client: noting(connectRedis(t, url), writes), prefix, timeout: '30s' })
  })
  for (let i = 0; i < HISTORIES; i += 20) {
    const users = Array.from({ length: 20 }, () => new User(prefix, stores, writes).run())
    for (const failure of await Promise.all(users)) t.equal(failure, null)
  }
})
