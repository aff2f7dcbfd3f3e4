/**
 * Exports the plugin's events on node:diagnostics_channel as Prometheus metrics: logins by outcome, the duration of
 * calls to WeChat, and refused requests by code. Without subscribers the channels cost nothing.
 */
import { tracingChannel } from 'node:diagnostics_channel'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { WeappEvents } from 'fastify-weapp'
import { Counter, Histogram, Registry } from 'prom-client'

/** Returns the code of an error. An error without a code is a bug, and its message must not become a label. */
function codeOf (error: unknown): string {
  return (error as { code?: string }).code ?? 'unknown'
}

export default fp(async (app: FastifyInstance) => {
  const registers = [new Registry()]
  const logins = new Counter({
    name: 'weapp_logins_total', help: 'Logins by outcome', labelNames: ['outcome'], registers
  })
  const refusals = new Counter({
    name: 'weapp_refusals_total', help: 'Refused guarded requests', labelNames: ['code'], registers
  })
  const calls = new Histogram({
    name: 'weapp_wechat_seconds', help: 'Calls to WeChat, including retries', labelNames: ['path'], registers
  })
  const timers = new WeakMap<object, () => number>()

  subscribe(app, 'fastify-weapp.login', {
    asyncEnd: ({ error }) => logins.inc({ outcome: error === undefined ? 'ok' : codeOf(error) })
  })
  subscribe(app, 'fastify-weapp.authenticate', {
    error: ({ error }) => refusals.inc({ code: codeOf(error) })
  })
  subscribe(app, 'fastify-weapp.wechat', {
    start: (call) => timers.set(call, calls.startTimer({ path: call.path })),
    asyncEnd: (call) => timers.get(call)?.()
  })

  app.get('/metrics', { schema: { hide: true } }, async (_request, reply) => {
    reply.type(registers[0]!.contentType)
    return await registers[0]!.metrics()
  })
}, { name: 'shop-metrics' })

type Listeners<Event> = Partial<Record<'start' | 'asyncEnd' | 'error', (event: Event) => unknown>>

function subscribe<Name extends keyof WeappEvents> (
  app: FastifyInstance, name: Name, listeners: Listeners<WeappEvents[Name]>
): void {
  const channel = tracingChannel(name)
  const entries = Object.entries(listeners) as Array<['start' | 'asyncEnd' | 'error', (event: unknown) => void]>
  for (const [phase, listener] of entries) {
    channel[phase].subscribe(listener)
    app.addHook('onClose', async () => { channel[phase].unsubscribe(listener) })
  }
}
