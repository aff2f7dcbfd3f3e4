import { FST_WEAPP_STORE_UNAVAILABLE } from '../errors.js'
import { traced } from '../events.js'
import type { SessionStore } from './store.js'

/** Runs what belongs to the host within a time, and lets none of its words out. What needs no time is there at once. */
export type Bound = <Output>(verb: string, run: () => Output | Promise<Output>) => Output | Promise<Output>

/**
 * @param timeout milliseconds, after which, as after any failure, the answer is FST_WEAPP_STORE_UNAVAILABLE
 * @param onFailure told of each failure, with what was thrown or undefined when there was no answer
 */
export function createBound (timeout: number, onFailure: (verb: string, error: unknown) => void): Bound {
  // One timer for all that wait, oldest first: every guarded request comes through here.
  const waiting = new Set<Waiting>()
  let timer: NodeJS.Timeout | null = null

  function watch (delay: number): NodeJS.Timeout {
    return setTimeout(() => {
      timer = null
      const now = performance.now()
      for (const entry of waiting) {
        if (entry.until > now) {
          timer = watch(entry.until - now)
          return
        }
        fail(entry)
      }
    }, delay)
  }

  /** False when its time was over already. */
  function settle (entry: Waiting): boolean {
    const isFirst = waiting.delete(entry)
    // A process that has nothing else to do may end.
    if (waiting.size === 0) timer?.unref()
    return isFirst
  }

  function fail (entry: Waiting, error?: unknown): void {
    if (!settle(entry)) return
    onFailure(entry.verb, error)
    entry.reject(new FST_WEAPP_STORE_UNAVAILABLE())
  }

  function inTime<Output> (verb: string, pending: Promise<Output>): Promise<Output> {
    return new Promise((resolve, reject) => {
      const entry = { verb, reject, until: performance.now() + timeout }
      waiting.add(entry)
      timer = timer?.ref() ?? watch(timeout)
      pending.then((output) => {
        if (settle(entry)) resolve(output)
      }, (error) => fail(entry, error))
    })
  }

  return (verb, run) => {
    let outcome
    try {
      outcome = run()
    } catch (error) {
      onFailure(verb, error)
      throw new FST_WEAPP_STORE_UNAVAILABLE()
    }
    return isPending(outcome) ? inTime(verb, outcome) : outcome
  }
}

interface Waiting {
  verb: string
  until: number
  reject (error: Error): void
}

/** Also of another promise library's promises, which a host's store may give. */
function isPending<Output> (outcome: Output | Promise<Output>): outcome is Promise<Output> {
  return typeof (outcome as Partial<Promise<Output>> | null)?.then === 'function'
}

/** A store that can neither hang a guard nor put its words into an answer. */
export function boundStore (store: SessionStore, bound: Bound): SessionStore {
  const verb = <Input, Output>(name: string, run: (input: Input) => Output | Promise<Output>) => (input: Input) =>
    traced('fastify-weapp.store', () => ({ verb: name }), () => bound(name, () => run(input)))
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
    list: pending('list', (input) => arrayOf(store.list(input))),
    readKeys: pending('readKeys', (input) => arrayOf(store.readKeys(input))),
    writeKey: pending('writeKey', (input) => store.writeKey(input))
  }
}

/** A host's own store may answer with anything; the verbs that are not checked record by record are checked here. */
async function arrayOf<Item> (answer: Promise<Item[]>): Promise<Item[]> {
  const items: unknown = await answer
  if (!Array.isArray(items)) throw new TypeError('not an array')
  return items
}
