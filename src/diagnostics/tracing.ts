/**
 * Publishes the work of the plugin on node:diagnostics_channel. Each kind of work has a tracing channel with the
 * sub-channels start, end, asyncStart, asyncEnd and error. Without a subscriber, tracing costs nothing. No event
 * contains a code, token, openid, session_key or result.
 *
 * ```ts
 * import { tracingChannel } from 'node:diagnostics_channel'
 * tracingChannel('fastify-weapp.wechat').subscribe({ asyncEnd ({ appId, error }) { … } })
 * ```
 *
 * @see https://nodejs.org/api/diagnostics_channel.html#class-tracingchannel
 */
import { tracingChannel, type TracingChannel } from 'node:diagnostics_channel'

/**
 * The reason why user data or a signature failed. For operators: a phone receives the same error for every reason.
 * - `malformed`: `iv` or `encryptedData` is not base64, or has a wrong length
 * - `wrong-key`: no session_key decrypts the data
 * - `other-app`, `other-user`: the watermark or openId does not match the session
 * - `too-old`: the watermark is older than `maxAge`, or the clock of the server is ahead
 * - `wrong-signature`: the signature does not match under any session_key
 */
export type DecryptFailure = 'malformed' | 'wrong-key' | 'other-app' | 'other-user' | 'too-old' | 'wrong-signature'

/** The events by channel. `error` is set if the work failed. */
export interface WeappEvents {
  /** A login, from the code to the token. */
  'fastify-weapp.login': { appId: string, error?: unknown }
  /** A call to WeChat, including retries. */
  'fastify-weapp.wechat': { appId: string, path: string, error?: unknown }
  /** The guard of a request that needs a session. */
  'fastify-weapp.authenticate': { error?: unknown }
  /** Work with a session_key: decryption, or the check of a signature. */
  'fastify-weapp.decrypt': { appId: string, reason?: DecryptFailure, error?: unknown }
  /** An operation of the session store. */
  'fastify-weapp.store': { operation: string, error?: unknown }
}

type ChannelName = keyof WeappEvents

type Channel = TracingChannel<unknown, object>

const channels: Partial<Record<ChannelName, Channel>> = {}

function channelOf (name: ChannelName): Channel {
  const channel = channels[name] ??= tracingChannel(name)
  return channel
}

/** Returns whether a channel has a subscriber. Check it first if even a closure for `traced` would cost too much. */
export function isTraced (name: ChannelName): boolean {
  return channelOf(name).hasSubscribers
}

/** Runs the work, and publishes it if its channel has a subscriber. */
export function traced<Name extends ChannelName, Outcome> (
  name: Name, context: WeappEvents[Name], work: () => Outcome
): Outcome | Promise<Awaited<Outcome>> {
  return isTraced(name) ? publish(channelOf(name), context, work) : work()
}

async function publish<Outcome> (channel: Channel, context: object, work: () => Outcome): Promise<Awaited<Outcome>> {
  let result!: Awaited<Outcome>
  // Subscribers see the value of the promise, which may be a session_key. The traced promise therefore resolves to
  // undefined.
  await channel.tracePromise(async () => { result = await work() }, context)
  return result
}
