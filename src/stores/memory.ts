/**
 * A store in the memory of one process: for development, for tests, and for servers that may lose all sessions when
 * they restart. It runs no timer. Expired sessions are dropped when their user next changes. `max` limits the rest.
 */
import { LazyLru, type LruEntry } from '../utils/lazy-lru.js'
import { integerOption, objectOption } from '../utils/validate.js'
import { EndedUsers } from './ended-users.js'
import type { SessionStore, StoreWatcher, UserRef } from './store.js'
import {
  create, list, read, readKeys, revoke, revokeAll, touch, update, writeKey, type Operation
} from './user-record/operations.js'
import type { UserRecord } from './user-record/record.js'

/** The options of `memoryStore`. */
export interface MemoryStoreOptions {
  /**
   * Maximum number of users. Beyond it, one of the least recently used users is signed out. As many users without live
   * sessions are kept apart, with the reasons of their ended sessions. At most 16,777,216, the size of a Map.
   *
   * @default 100_000
   */
  max?: number | undefined
}

interface User extends LruEntry {
  record: UserRecord
}

const MAX_USERS = 2 ** 24
const memoryStores = new WeakSet<SessionStore>()

/** Returns whether `memoryStore` created the store. A store that wraps one does not count. */
export function isMemoryStore (store: SessionStore): boolean {
  return memoryStores.has(store)
}

/**
 * Creates a store in this process. Its sessions are lost with the process and unknown to other processes.
 *
 * @throws FST_WEAPP_INVALID_OPTION
 */
export function memoryStore (options?: MemoryStoreOptions): SessionStore {
  const { max = 100_000 } = objectOption(options, 'memoryStore', ['max'])
  const maxUsers = integerOption(max, 'memoryStore.max', 1, MAX_USERS)
  const watchers = new Set<StoreWatcher>()
  const users = new LazyLru<User>(maxUsers, (_user, userId) => notify(userId))
  const endedUsers = new EndedUsers(maxUsers)

  function notify (userId: string): void {
    for (const watcher of watchers) watcher.invalidate(userId)
  }

  function recordOf ({ userId }: UserRef): UserRecord | null {
    return users.get(userId)?.record ?? endedUsers.get(userId) ?? null
  }

  /** Applies an operation to the record of a user. `clock` is this process's monotonic clock. */
  function apply<Input extends UserRef, Result> (operation: Operation<Input, Result>, input: Input): Result {
    const clock = performance.now()
    const before = recordOf(input)
    const { record, result } = operation(before, input, clock)
    if (record !== null && record !== before) replace(input, record, clock)
    return result
  }

  /** Replaces the record of a user, and notifies the watchers if it had live sessions. */
  function replace ({ userId, now }: UserRef, record: UserRecord, clock: number): void {
    const user = users.peek(userId)
    if (record.live.length === 0) {
      // Also notifies the watchers, as an eviction does.
      users.delete(userId)
      endedUsers.set(userId, record, now, clock)
    } else if (user === undefined) {
      // No watcher has a session of this user.
      endedUsers.delete(userId)
      users.set(userId, { record, promotedAt: 0 })
    } else {
      user.record = record
      notify(userId)
    }
  }

  const memory: SessionStore = {
    create: async (input) => apply(create, input),
    read: (ref) => read(recordOf(ref), ref),
    touch: async (ref) => apply(touch, ref),
    update: async (ref) => apply(update, ref),
    revoke: async (ref) => apply(revoke, ref),
    revokeAll: async (ref) => apply(revokeAll, ref),
    list: async (ref) => list(recordOf(ref), ref),
    readKeys: async (ref) => readKeys(recordOf(ref), ref),
    writeKey: async (ref) => apply(writeKey, ref),
    watch (watcher) {
      watchers.add(watcher)
      watcher.ready()
      return () => { watchers.delete(watcher) }
    }
  }
  memoryStores.add(memory)
  return memory
}
