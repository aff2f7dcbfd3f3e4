import { FST_WEAPP_STORE_UNAVAILABLE } from '../errors.js'
import type { SessionStore } from './store.js'

/**
 * A store whose every verb settles within `timeout` milliseconds and fails with FST_WEAPP_STORE_UNAVAILABLE alone:
 * a host's own store can neither hang a guard nor put its words into an answer.
 *
 * @param onFailure told of each failure, with what the store threw or undefined when it gave no answer
 */
export function boundStore (store: SessionStore, timeout: number, onFailure: (verb: string, error: unknown) => void): SessionStore {
  function bound<Input, Output> (verb: string, run: (input: Input) => Promise<Output>): (input: Input) => Promise<Output> {
    return async (input) => {
      let timer: NodeJS.Timeout | undefined
      const timeIsUp = new Promise<never>((_resolve, reject) => { timer = setTimeout(reject, timeout) })
      try {
        return await Promise.race([run(input), timeIsUp])
      } catch (error) {
        onFailure(verb, error)
        throw new FST_WEAPP_STORE_UNAVAILABLE()
      } finally {
        clearTimeout(timer)
      }
    }
  }

  return {
    create: bound('create', (input) => store.create(input)),
    read: bound('read', (input) => store.read(input)),
    touch: bound('touch', (input) => store.touch(input)),
    update: bound('update', (input) => store.update(input)),
    revoke: bound('revoke', (input) => store.revoke(input)),
    revokeAll: bound('revokeAll', (input) => store.revokeAll(input)),
    list: bound('list', (input) => store.list(input)),
    readKeys: bound('readKeys', (input) => store.readKeys(input)),
    writeKey: bound('writeKey', (input) => store.writeKey(input))
  }
}
