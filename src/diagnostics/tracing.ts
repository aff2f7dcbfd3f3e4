/**
 * What the plugin tells of its work on node:diagnostics_channel: a tracing channel per kind of work, named below, each
 * with the sub-channels start, end, asyncStart, asyncEnd and error. Nothing is done for it while nobody listens, and
 * nothing secret is told: no code, token, openid or session_key, and never a result.
 *
 * ```ts
 * import { tracingChannel } from 'node:diagnostics_channel'
 * tracingChannel('fastify-weapp.wechat').subscribe({ asyncEnd ({ appId, error }) { … } })
 * ```
 *
 * https://nodejs.org/api/diagnostics_channel.html#class-tracingchannel
 */
import { tracingChannel, type TracingChannel } from 'node:diagnostics_channel'

/** The channels by kind of work, with what each tells. `error` is there when the work failed. */
export interface WeappEvents {
  /** A login, from the code to the token. */
  'fastify-weapp.login': { appId: string, error?: unknown }
  /** A call to WeChat, repeats included. */
  'fastify-weapp.wechat': { appId: string, path: string, error?: unknown }
  /** The guard at a request that is asked for a session. */
  'fastify-weapp.authenticate': { error?: unknown }
  /** Work with a session_key: encrypted data or a signature. */
  'fastify-weapp.decrypt': { appId: string, error?: unknown }
  /** An operation of the session store. */
  'fastify-weapp.store': { operation: string, error?: unknown }
}

type Name = keyof WeappEvents

type Channel = TracingChannel<unknown, object>

const channels: Partial<Record<Name, Channel>> = {}

function channelOf (name: Name): Channel {
  const channel = channels[name] ??= tracingChannel(name)
  return channel
}

/** Whether anybody listens: to be asked first where even a function for the work would cost too much. */
export function isTraced (name: Name): boolean {
  return channelOf(name).hasSubscribers
}

/** Runs the work and tells of it, if anybody listens. */
export function traced<N extends Name, Outcome> (
  name: N, context: WeappEvents[N], work: () => Outcome
): Outcome | Promise<Awaited<Outcome>> {
  return isTraced(name) ? tell(channelOf(name), context, work) : work()
}

async function tell<Outcome> (channel: Channel, context: object, work: () => Outcome): Promise<Awaited<Outcome>> {
  let result!: Awaited<Outcome>
  // The channel would publish what the promise resolves to, which may be a session_key: it stays outside.
  await channel.tracePromise(async () => { result = await work() }, context)
  return result
}
