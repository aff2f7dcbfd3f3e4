/**
 * The conformance suite of session stores: every sentence of the {@link SessionStore} contract as a test. An adapter
 * that passes it works with the plugin.
 */
import type { SessionStore } from '../../stores/store.js'
import { assertKnownKeys } from '../assert-options.js'
import { endingChecks } from './ending.js'
import { keyChecks } from './keys.js'
import { lifecycleChecks } from './lifecycle.js'
import { pendingLoginChecks } from './pending-logins.js'
import { raceChecks } from './races.js'
import { recordChecks } from './records.js'

/** A test runner's function: that of node:test, tap's `t.test`, `it` of others. */
export type TestFunction = (name: string, check: () => Promise<void>) => unknown

export interface OpenStore {
  store: SessionStore
  /** Called when the check is over, whether it passed or not. */
  close (): unknown
}

/** Opens a store for one check. All may share one: every check has users of its own. */
export type StoreFactory = () => SessionStore | OpenStore | Promise<SessionStore | OpenStore>

export interface StoreSuiteOptions {
  /**
   * How often each race is run.
   * @default 20
   */
  rounds?: number
}

/**
 * Registers the suite with a test runner. Nothing sleeps: time is the `now` of each operation, starting from the present.
 *
 * @returns when every test is over, for runners whose tests are promises; await it inside a parent test
 *
 * @example
 * import { test } from 'node:test'
 * import { storeSuite } from 'fastify-weapp/testing'
 *
 * test('my store', (t) => storeSuite((name, check) => t.test(name, check), () => myStore({ client })))
 */
export async function storeSuite (
  test: TestFunction, createStore: StoreFactory, options: StoreSuiteOptions = {}
): Promise<void> {
  assertKnownKeys('storeSuite', options, ['rounds'])
  const { rounds = 20 } = options
  const checks = [...lifecycleChecks, ...endingChecks, ...pendingLoginChecks, ...keyChecks, ...recordChecks, ...raceChecks(rounds)]
  // All at once: runners that collect tests before they run any would miss what is registered later.
  await Promise.all(checks.map(({ name, run }) => test(name, async () => {
    const opened = await createStore()
    if (!('store' in opened)) return await run(opened)
    try {
      await run(opened.store)
    } finally {
      await opened.close()
    }
  })))
}
