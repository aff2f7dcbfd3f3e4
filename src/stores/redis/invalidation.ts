/**
 * Server-assisted client-side caching: Redis tells of every change below a prefix, over a connection of its own.
 *
 * The connection is RESP2, where it can be its own redirect target: of two connections, the tracking one could die
 * without a word to the one that listens. https://redis.io/docs/latest/develop/reference/client-side-caching/
 */
import type { StoreWatcher } from '../store.js'

/** What is used of an ioredis client that is not a Cluster. */
export interface DuplicableClient {
  readonly options?: { readonly keyPrefix?: string | undefined }
  duplicate (...options: any[]): unknown
}

interface WatchingClient {
  readonly stream: { destroy (): unknown }
  on (event: string, listener: (...args: any[]) => void): unknown
  connect (): Promise<unknown>
  disconnect (): void
  client (...args: string[]): Promise<unknown>
  subscribe (channel: string): Promise<unknown>
  ping (): Promise<unknown>
}

const CHANNEL = '__redis__:invalidate'

/** A silent connection is noticed within two of these, in milliseconds. */
const PING_MS = 1000
const LONGEST_PAUSE_MS = 2000

/** Begins to watch; returns what ends it. */
export function watchRedis (client: DuplicableClient, prefix: string, watcher: StoreWatcher): () => void {
  const fullPrefix = `${client.options?.keyPrefix ?? ''}${prefix}`
  let isOpen = false
  let isLive = false
  let isAnswered = true

  const connection = client.duplicate({
    // ioredis 6 drops the push messages of RESP3.
    protocol: 2,
    lazyConnect: true,
    keyPrefix: '',
    // A connection that has come back must begin anew, in order: nothing of the old one may be repeated on it.
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    retryStrategy: (times: number) => Math.min(times * 50, LONGEST_PAUSE_MS)
  }) as WatchingClient

  function lose (): void {
    if (isLive) watcher.lost()
    isLive = false
  }

  async function begin (): Promise<void> {
    const id = await connection.client('ID')
    await connection.client('TRACKING', 'ON', 'BCAST', 'PREFIX', fullPrefix, 'REDIRECT', String(id))
    await connection.subscribe(CHANNEL)
    isLive = true
    watcher.ready()
  }

  connection.on('connect', () => { isOpen = isAnswered = true })
  connection.on('ready', () => {
    const { stream } = connection
    isAnswered = true
    // A server that cannot do this is asked again, not hammered: the store works without.
    begin().catch(() => setTimeout(() => stream.destroy(), LONGEST_PAUSE_MS).unref())
  })
  connection.on('close', () => {
    isOpen = false
    lose()
  })
  // The host's own client tells of outages.
  connection.on('error', () => {})
  // 'message' would join the keys of one transaction with commas.
  connection.on('messageBuffer', (_channel: Buffer, keys: Buffer[] | null) => {
    if (keys === null) return watcher.invalidate(null)
    for (const key of keys) watcher.invalidate(key.toString().slice(fullPrefix.length))
  })
  connection.connect().catch(() => {})

  const timer = setInterval(() => {
    if (!isOpen) return
    if (!isAnswered) {
      // Nothing else would tell of a peer that vanished, whether it has begun to watch or not.
      lose()
      connection.stream.destroy()
      return
    }
    isAnswered = false
    connection.ping().then(() => { isAnswered = true }, () => {})
  }, PING_MS).unref()

  return () => {
    clearInterval(timer)
    connection.disconnect()
    lose()
  }
}
