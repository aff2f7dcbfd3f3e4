import { FST_WEAPP_STORE_UNAVAILABLE } from '../errors.js'
import { isTraced, traced } from '../diagnostics/tracing.js'
import { logSafely } from '../diagnostics/log-safely.js'
import { DeadlineQueue } from '../utils/deadline-queue.js'
import { isSession, type SessionStore } from './store.js'

/** Runs what belongs to the host within a time, and lets none of its words out. What needs no time is there at once. */
export type WithTimeout = <Input, Output>(
  operation: string, run: (input: Input) => Output | Promise<Output>, input: Input
) => Output | Promise<Output>

/**
 * @param timeout milliseconds, after which, as after any failure, the answer is FST_WEAPP_STORE_UNAVAILABLE
 * @param onFailure told of each failure, with what was thrown or undefined when there was no answer
 */
export function createTimeout (timeout: number, onFailure: (operation: string, error: unknown) => void): WithTimeout {
  const limit = new DeadlineQueue(timeout)

  function failed (operation: string, error?: unknown): Error {
    logSafely(() => onFailure(operation, error))
    return new FST_WEAPP_STORE_UNAVAILABLE()
  }

  function inTime<Output> (operation: string, pending: Promise<Output>): Promise<Output> {
    return new Promise((resolve, reject) => {
      const wait = limit.add(() => reject(failed(operation)))
      pending.then((output) => {
        if (limit.settle(wait)) resolve(output)
      }, (error) => {
        if (limit.settle(wait)) reject(failed(operation, error))
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
    return isPending(outcome) ? inTime(operation, outcome) : outcome
  }
}

/** Also of another promise library's promises, which a host's store may give. */
function isPending<Output> (outcome: Output | Promise<Output>): outcome is Promise<Output> {
  return typeof (outcome as Partial<Promise<Output>> | null)?.then === 'function'
}

/** A store that can neither hang a guard nor put its words into an answer. */
export function storeWithTimeout (store: SessionStore, bound: WithTimeout): SessionStore {
  const operation = <Input, Output>(name: string, run: (input: Input) => Output | Promise<Output>) => (input: Input) =>
    isTraced('fastify-weapp.store')
      ? traced('fastify-weapp.store', { operation: name }, () => bound(name, run, input))
      : bound(name, run, input)
  const pending = <Input, Output>(name: string, run: (input: Input) => Promise<Output>) => {
    const start = operation(name, run)
    return async (input: Input) => await start(input)
  }

  return {
    create: pending('create', (input) => store.create(input)),
    read: operation('read', (input) => store.read(input)),
    touch: pending('touch', (input) => store.touch(input)),
    update: pending('update', (input) => store.update(input)),
    revoke: pending('revoke', (input) => store.revoke(input)),
    revokeAll: pending('revokeAll', (input) => store.revokeAll(input)),
    list: pending('list', (input) => arrayOf(store.list(input), isSession)),
    readKeys: pending('readKeys', (input) => arrayOf(store.readKeys(input), (sealed) => typeof sealed === 'string')),
    writeKey: pending('writeKey', (input) => store.writeKey(input))
  }
}

/** A host's own store may answer with anything; the operations that are not checked record by record are checked here. */
async function arrayOf<Item> (answer: Promise<Item[]>, isItem: (item: unknown) => boolean): Promise<Item[]> {
  const items: unknown = await answer
  if (!Array.isArray(items) || !items.every(isItem)) throw new TypeError('not what was asked for')
  return items
}
