/**
 * The conformance suite of session stores. It checks every operation of the {@link SessionStore} contract. It does not
 * check `timeout` and `watch`.
 */
import type { SessionStore } from '../../stores/store.js'
import { assertKnownKeys } from '../assert-options.js'
import { alternatingStore } from './alternating-store.js'
import { deviceChecks } from './devices.js'
import { endingChecks } from './ending.js'
import { keyChecks } from './keys.js'
import { lifecycleChecks } from './lifecycle.js'
import { pendingLoginChecks } from './pending-logins.js'
import { pendingReplacementChecks } from './pending-replacements.js'
import { raceChecks } from './races.js'
import { recordChecks } from './records.js'

/** A test runner's function, such as `test` of node:test, `t.test` of tap, or `it`. */
export type TestFunction = (name: string, check: () => Promise<void>) => unknown

export interface OpenStore {
  /** A store, or several over one database. */
  store: SessionStore | SessionStore[]
  /** Runs after the check, whether it passed or not. */
  close (): unknown
}

/**
 * Opens a store for one check. Checks may share a store, because each has users of its own.
 *
 * Several stores over one database stand for several servers. The operations of a check then alternate between them.
 * A `databaseStore` needs two, because one alone queues the operations of a user.
 */
export type StoreFactory = () => TestedStore | Promise<TestedStore>

type TestedStore = SessionStore | SessionStore[] | OpenStore

export interface StoreSuiteOptions {
  /**
   * Number of rounds of each race.
   * @default 20
   */
  rounds?: number
}

/**
 * Registers the suite with a test runner. No check sleeps, because each operation has its own `now`, which starts at
 * the present. Resolves when every test has finished, if the runner's tests are promises. Await it in a parent test.
 *
 * @example
 * import { test } from 'node:test'
 * import { storeSuite } from 'fastify-weapp/testing'
 *
 * const stores = [myStore({ client }), myStore({ client })]
 * test('my store', (t) => storeSuite((name, check) => t.test(name, check), () => stores))
 */
export async function storeSuite (
  test: TestFunction, createStore: StoreFactory, options: StoreSuiteOptions = {}
): Promise<void> {
  assertKnownKeys('storeSuite', options, ['rounds'])
  const { rounds = 20 } = options
  const checks = [
    lifecycleChecks, endingChecks, pendingLoginChecks, pendingReplacementChecks, deviceChecks, keyChecks, recordChecks,
    raceChecks(rounds)
  ].flat()
  // All at once, because some runners collect tests before they run any, and would miss later ones.
  await Promise.all(checks.map(({ name, run }) => test(name, async () => {
    const opened = await createStore()
    if (!('store' in opened)) return await run(asOneStore(opened))
    try {
      await run(asOneStore(opened.store))
    } finally {
      await opened.close()
    }
  })))
}

function asOneStore (stores: SessionStore | SessionStore[]): SessionStore {
  return Array.isArray(stores) ? alternatingStore(stores) : stores
}
