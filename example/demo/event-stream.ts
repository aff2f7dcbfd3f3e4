/** Server-sent events: what happens, as it happens. */
import type { FastifyInstance } from 'fastify'
import { Type, type Static } from '@sinclair/typebox'
import { HIDDEN } from './hidden.js'
import type { Tape } from './tape.js'
import { Visitor } from './visitor.js'

const Query = Type.Object({ visitor: Visitor })

export function addEventStream (app: FastifyInstance, tape: Tape): void {
  const open = new Set<() => void>()
  // A stream never ends by itself, and the server would wait for it.
  app.addHook('preClose', async () => { for (const end of open) end() })

  app.get<{ Querystring: Static<typeof Query> }>('/demo/events', { schema: { ...HIDDEN, querystring: Query } }, (request, reply) => {
    reply.hijack()
    const stream = reply.raw
    const stop = tape.listen(request.query.visitor, (event) => { stream.write(`data: ${JSON.stringify(event)}\n\n`) })
    const end = () => stream.end()
    open.add(end)
    stream.on('close', () => {
      stop()
      open.delete(end)
    })
    stream.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    stream.write(': hello\n\n')
  })
}
