import { FST_WEAPP_STORE_UNAVAILABLE } from '../errors.js'
import { isTraced, traced } from '../diagnostics/tracing.js'
import { logSafely } from '../diagnostics/log-safely.js'
import { TimeLimit } from '../utils/deadline-queue.js'
import { isSession, type SessionStore } from './store.js'

/** Runs what belongs to the host within a time, and lets none of its words out. What needs no time is there at once. */
export type Bound = <Input, Output>(
  verb: string, run: (input: Input) => Output | Promise<Output>, input: Input
) => Output | Promise<Output>

/**
 * @param timeout milliseconds, after which, as after any failure, the answer is FST_WEAPP_STORE_UNAVAILABLE
 * @param onFailure told of each failure, with what was thrown or undefined when there was no answer
 */
export function createBound (timeout: number, onFailure: (verb: string, error: unknown) => void): Bound {
  const limit = new TimeLimit(timeout)

  function failed (verb: string, error?: unknown): Error {
    logSafely(() => onFailure(verb, error))
    return new FST_WEAPP_STORE_UNAVAILABLE()
  }

  function inTime<Output> (verb: string, pending: Promise<Output>): Promise<Output> {
    return new Promise((resolve, reject) => {
      const wait = limit.begin(() => reject(failed(verb)))
      pending.then((output) => {
        if (limit.end(wait)) resolve(output)
      }, (error) => {
        if (limit.end(wait)) reject(failed(verb, error))
      })
    })
  }

  return (verb, run, input) => {
    let outcome
    try {
      outcome = run(input)
    } catch (error) {
      throw failed(verb, error)
    }
    return isPending(outcome) ? inTime(verb, outcome) : outcome
  }
}

/** Also of another promise library's promises, which a host's store may give. */
function isPending<Output> (outcome: Output | Promise<Output>): outcome is Promise<Output> {
  return typeof (outcome as Partial<Promise<Output>> | null)?.then === 'function'
}

/** A store that can neither hang a guard nor put its words into an answer. */
export function boundStore (store: SessionStore, bound: Bound): SessionStore {
  const verb = <Input, Output>(name: string, run: (input: Input) => Output | Promise<Output>) => (input: Input) =>
    isTraced('fastify-weapp.store')
      ? traced('fastify-weapp.store', { verb: name }, () => bound(name, run, input))
      : bound(name, run, input)
  const pending = <Input, Output>(name: string, run: (input: Input) => Promise<Output>) => {
    const start = verb(name, run)
    return async (input: Input) => await start(input)
  }

  return {
    create: pending('create', (input) => store.create(input)),
    read: verb('read', (input) => store.read(input)),
    touch: pending('touch', (input) => store.touch(input)),
    update: pending('update', (input) => store.update(input)),
    revoke: pending('revoke', (input) => store.revoke(input)),
    revokeAll: pending('revokeAll', (input) => store.revokeAll(input)),
    list: pending('list', (input) => arrayOf(store.list(input), isSession)),
    readKeys: pending('readKeys', (input) => arrayOf(store.readKeys(input), (sealed) => typeof sealed === 'string')),
    writeKey: pending('writeKey', (input) => store.writeKey(input))
  }
}

/** A host's own store may answer with anything; the verbs that are not checked record by record are checked here. */
async function arrayOf<Item> (answer: Promise<Item[]>, isItem: (item: unknown) => boolean): Promise<Item[]> {
  const items: unknown = await answer
  if (!Array.isArray(items) || !items.every(isItem)) throw new TypeError('not what was asked for')
  return items
}
