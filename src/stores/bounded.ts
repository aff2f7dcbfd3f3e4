import { FST_WEAPP_STORE_UNAVAILABLE } from '../errors.js'
import { traced } from '../events.js'
import type { SessionStore } from './store.js'

/** Runs what belongs to the host within a time, and lets none of its words out. */
export type Bound = <Output>(verb: string, run: () => Output | Promise<Output>) => Promise<Output>

/**
 * @param timeout milliseconds, after which, as after any failure, the answer is FST_WEAPP_STORE_UNAVAILABLE
 * @param onFailure told of each failure, with what was thrown or undefined when there was no answer
 */
export function createBound (timeout: number, onFailure: (verb: string, error: unknown) => void): Bound {
  // By hand and not with Promise.race, because every guarded request comes through here.
  return (verb, run) => new Promise((resolve, reject) => {
    const timer = setTimeout(fail, timeout)
    let isOver = false

    function fail (error?: unknown): void {
      if (isOver) return
      isOver = true
      clearTimeout(timer)
      onFailure(verb, error)
      reject(new FST_WEAPP_STORE_UNAVAILABLE())
    }

    try {
      Promise.resolve(run()).then((output) => {
        isOver = true
        clearTimeout(timer)
        resolve(output)
      }, fail)
    } catch (error) {
      fail(error)
    }
  })
}

/** A store that can neither hang a guard nor put its words into an answer. */
export function boundStore (store: SessionStore, bound: Bound): SessionStore {
  const verb = <Input, Output>(name: string, run: (input: Input) => Promise<Output>) => (input: Input) =>
    traced('fastify-weapp.store', () => ({ verb: name }), () => bound(name, () => run(input)))

  return {
    create: verb('create', (input) => store.create(input)),
    read: verb('read', (input) => store.read(input)),
    touch: verb('touch', (input) => store.touch(input)),
    update: verb('update', (input) => store.update(input)),
    revoke: verb('revoke', (input) => store.revoke(input)),
    revokeAll: verb('revokeAll', (input) => store.revokeAll(input)),
    list: verb('list', (input) => store.list(input)),
    readKeys: verb('readKeys', (input) => store.readKeys(input)),
    writeKey: verb('writeKey', (input) => store.writeKey(input))
  }
}
