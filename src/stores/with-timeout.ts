import { FST_WEAPP_STORE_UNAVAILABLE } from '../errors.js'
import { isTraced, traced } from '../diagnostics/tracing.js'
import { logSafely } from '../diagnostics/log-safely.js'
import { Deadline } from '../utils/deadline.js'
import { isThenable } from '../utils/type-checks.js'
import { isEndReason, isSession, type EndReason, type SessionStore } from './store.js'

/**
 * Runs a host operation with a timeout and replaces its errors. Synchronous results stay synchronous.
 *
 * @throws FST_WEAPP_STORE_UNAVAILABLE
 */
export type WithTimeout = <Input, Output>(
  operation: string, run: (input: Input) => Output | Promise<Output>, input: Input
) => Output | Promise<Output>

/**
 * @param timeout milliseconds for one operation
 * @param onFailure receives the operation and the error, or undefined after a timeout
 */
export function createTimeout (timeout: number, onFailure: (operation: string, error: unknown) => void): WithTimeout {
  function failed (operation: string, error?: unknown): Error {
    logSafely(() => onFailure(operation, error))
    return new FST_WEAPP_STORE_UNAVAILABLE()
  }

  function inTime<Output> (operation: string, pending: Promise<Output>): Promise<Output> {
    return new Promise((resolve, reject) => {
      const deadline = new Deadline(timeout, () => reject(failed(operation)))
      pending.then((output) => {
        if (deadline.settle()) resolve(output)
      }, (error) => {
        if (deadline.settle()) reject(failed(operation, error))
      })
    })
  }

  return (operation, run, input) => {
    let outcome
    try {
      outcome = run(input)
    } catch (error) {
      throw failed(operation, error)
    }
    return isThenable(outcome) ? inTime(operation, outcome) : outcome
  }
}

/** Wraps a store so that it cannot hang a request, and so that its errors cannot reach a response. */
export function storeWithTimeout (store: SessionStore, withTimeout: WithTimeout): SessionStore {
  const method = <Input, Output>(operation: string, run: (input: Input) => Output | Promise<Output>) => {
    return (input: Input) => isTraced('fastify-weapp.store')
      ? traced('fastify-weapp.store', { operation }, () => withTimeout(operation, run, input))
      : withTimeout(operation, run, input)
  }
  const asyncMethod = <Input, Output>(operation: string, run: (input: Input) => Promise<Output>) => {
    const call = method(operation, run)
    return async (input: Input) => await call(input)
  }

  return {
    create: asyncMethod('create', (input) => endReasonOrNull(store.create(input))),
    read: method('read', (input) => store.read(input)),
    touch: asyncMethod('touch', (input) => store.touch(input)),
    update: asyncMethod('update', (input) => store.update(input)),
    revoke: asyncMethod('revoke', (input) => store.revoke(input)),
    revokeAll: asyncMethod('revokeAll', (input) => store.revokeAll(input)),
    list: asyncMethod('list', (input) => arrayOf(store.list(input), isSession)),
    readKeys: asyncMethod('readKeys', (input) => arrayOf(store.readKeys(input), isString)),
    writeKey: asyncMethod('writeKey', (input) => store.writeKey(input))
  }
}

/** Validates the arrays that a host's store resolves to. No later code checks them. */
async function arrayOf<Item> (result: Promise<Item[]>, isItem: (item: unknown) => boolean): Promise<Item[]> {
  const items: unknown = await result
  if (!Array.isArray(items) || !items.every(isItem)) throw new TypeError('The result is no array of such items')
  return items
}

/** Validates the result of `create`. Otherwise a session that was not stored would look like a success. */
async function endReasonOrNull (result: Promise<unknown>): Promise<EndReason | null> {
  const reason = await result
  if (reason !== null && !isEndReason(reason)) throw new TypeError('The result is neither null nor an end reason')
  return reason
}

function isString (item: unknown): boolean {
  return typeof item === 'string'
}
