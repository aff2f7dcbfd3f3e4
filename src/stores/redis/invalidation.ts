/**
 * Server-assisted client-side caching: Redis sends the key of every change below a prefix over a separate connection.
 *
 * The connection is RESP2, so that it can be its own redirect target. With two connections, the tracking one could
 * close without any notice on the subscribed one.
 *
 * @see https://redis.io/docs/latest/develop/reference/client-side-caching/
 */
import type { StoreWatcher } from '../store.js'

/** The part of an ioredis client that `watchRedis` uses. The client must not be a Cluster. */
export interface DuplicableClient {
  readonly options?: { readonly keyPrefix?: string | undefined }
  duplicate (...options: any[]): unknown
  on (event: 'close', listener: () => void): unknown
  off (event: 'close', listener: () => void): unknown
  info (section: 'server'): Promise<string>
}

interface WatchingClient {
  readonly stream: { destroy (): unknown }
  info (section: 'server'): Promise<string>
  on (event: string, listener: (...args: any[]) => void): unknown
  connect (): Promise<unknown>
  disconnect (): void
  client (...args: string[]): Promise<unknown>
  subscribe (channel: string): Promise<unknown>
  ping (): Promise<unknown>
}

/** Intervals in milliseconds. */
export interface WatchTiming {
  /**
   * Time between two pings. The cache is not used two intervals after the last ping that was answered.
   * @default 1000
   */
  pingInterval?: number
  /**
   * Longest time between two attempts to connect or to start tracking.
   * @default 2000
   */
  maxRetryDelay?: number
}

const CHANNEL = '__redis__:invalidate'

/** Starts to watch. Returns a function that stops it. */
export function watchRedis (
  client: DuplicableClient, prefix: string, watcher: StoreWatcher,
  { pingInterval = 1000, maxRetryDelay = 2000 }: WatchTiming = {}
): () => void {
  const fullPrefix = `${client.options?.keyPrefix ?? ''}${prefix}`
  let isOpen = false
  let isTracking = false
  let isAnswered = true

  const connection = client.duplicate({
    // ioredis 6 drops the push messages of RESP3.
    protocol: 2,
    lazyConnect: true,
    keyPrefix: '',
    // A new connection must start with the commands of `track`, in that order. It must not repeat older commands.
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    enableOfflineQueue: false,
    retryStrategy: (times: number) => Math.min(times * 50, maxRetryDelay)
  }) as WatchingClient

  function lose (): void {
    if (isTracking) watcher.lost()
    isTracking = false
  }

  /** Closes the connection. It then connects again. */
  function drop (): void {
    if (!isOpen) return
    lose()
    connection.stream.destroy()
  }

  async function track (stream: WatchingClient['stream']): Promise<void> {
    // After a failover the old server may still answer. INFO is not allowed after SUBSCRIBE.
    const [watched, used] = await Promise.all([runId(connection), runId(client)])
    if (connection.stream !== stream) return
    if (watched !== used) throw new Error('the store uses another server')
    const id = await connection.client('ID')
    await connection.client('TRACKING', 'ON', 'BCAST', 'PREFIX', fullPrefix, 'REDIRECT', String(id))
    await connection.subscribe(CHANNEL)
    isTracking = true
    watcher.ready(2 * pingInterval)
  }

  connection.on('connect', () => { isOpen = isAnswered = true })
  connection.on('ready', () => {
    const { stream } = connection
    isAnswered = true
    // A server without tracking is retried slowly. The store works without the cache.
    track(stream).catch(() => setTimeout(() => stream.destroy(), maxRetryDelay).unref())
  })
  connection.on('close', () => {
    isOpen = false
    lose()
  })
  // The host's own client reports outages.
  connection.on('error', () => {})
  // 'message' would join the keys of one transaction with commas.
  connection.on('messageBuffer', (_channel: Buffer, keys: Buffer[] | null) => {
    if (keys === null) return watcher.invalidate(null)
    for (const key of keys) watcher.invalidate(key.toString().slice(fullPrefix.length))
  })
  connection.connect().catch(() => {})
  // The store's client may move to another server. The old one still answers pings, and reports no change any more.
  client.on('close', drop)

  const timer = setInterval(() => {
    if (!isOpen) return
    if (!isAnswered) {
      // No event reports a peer that vanished, before or after tracking started.
      drop()
      return
    }
    isAnswered = false
    const confirm = watcher.beginCheck()
    connection.ping().then(() => {
      isAnswered = true
      confirm()
    }, () => {})
  }, pingInterval).unref()

  return () => {
    clearInterval(timer)
    client.off('close', drop)
    connection.disconnect()
    lose()
  }
}

/** Returns the id of the server process that a client talks to. */
async function runId (client: Pick<DuplicableClient, 'info'>): Promise<string | undefined> {
  return /^run_id:(\w+)/m.exec(await client.info('server'))?.[1]
}
