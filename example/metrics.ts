/**
 * What the plugin tells on node:diagnostics_channel, as Prometheus metrics: logins by outcome, how long WeChat takes,
 * and why requests were refused. Nothing is counted for nobody: without this file the channels cost nothing.
 */
import { tracingChannel } from 'node:diagnostics_channel'
import type { FastifyInstance } from 'fastify'
import type { WeappEvents } from 'fastify-weapp'
import { Counter, Histogram, Registry } from 'prom-client'

/** The code of an error; what has none is a bug, and its message is not for a label. */
function codeOf (error: unknown): string {
  return (error as { code?: string }).code ?? 'unknown'
}

export async function metrics (app: FastifyInstance): Promise<void> {
  const registers = [new Registry()]
  const logins = new Counter({ name: 'weapp_logins_total', help: 'Logins by outcome', labelNames: ['outcome'], registers })
  const refusals = new Counter({ name: 'weapp_refusals_total', help: 'Guarded requests that were refused', labelNames: ['code'], registers })
  const exchanges = new Histogram({
    name: 'weapp_exchange_seconds', help: 'Calls to WeChat, repeats included', labelNames: ['path'], registers
  })
  const started = new WeakMap<object, () => number>()

  subscribe(app, 'fastify-weapp.login', {
    asyncEnd: ({ error }) => logins.inc({ outcome: error === undefined ? 'ok' : codeOf(error) })
  })
  subscribe(app, 'fastify-weapp.authenticate', {
    error: ({ error }) => refusals.inc({ code: codeOf(error) })
  })
  subscribe(app, 'fastify-weapp.wechat', {
    start: (call) => started.set(call, exchanges.startTimer({ path: call.path })),
    asyncEnd: (call) => started.get(call)?.()
  })

  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) => {
    reply.type(registers[0]!.contentType)
    return await registers[0]!.metrics()
  })
}

type Listeners<Event> = Partial<Record<'start' | 'asyncEnd' | 'error', (event: Event) => unknown>>

function subscribe<Name extends keyof WeappEvents> (app: FastifyInstance, name: Name, listeners: Listeners<WeappEvents[Name]>): void {
  const channel = tracingChannel(name)
  for (const [moment, listener] of Object.entries(listeners) as ['start' | 'asyncEnd' | 'error', (event: unknown) => void][]) {
    channel[moment].subscribe(listener)
    app.addHook('onClose', async () => { channel[moment].unsubscribe(listener) })
  }
}
