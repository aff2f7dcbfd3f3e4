import type { SessionStore } from '../../stores/store.js'

/** Sends consecutive operations to different stores, as if they arrived at different servers. */
export function alternatingStore (stores: readonly SessionStore[]): SessionStore {
  let turn = 0
  return new Proxy(stores[0]!, {
    get (_, operation: keyof SessionStore) {
      const store = stores[turn++ % stores.length]!
      return (store[operation] as () => unknown).bind(store)
    }
  })
}
