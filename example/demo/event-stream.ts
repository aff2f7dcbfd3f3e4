/** Streams the recorded events of a visitor as server-sent events. */
import type { FastifyInstance } from 'fastify'
import { Type, type Static } from '@sinclair/typebox'
import { HIDDEN_SCHEMA } from './hidden-schema.js'
import type { Recorder } from './recorder.js'
import { Visitor } from './visitor.js'

const Query = Type.Object({ visitor: Visitor })

export function addEventStream (app: FastifyInstance, recorder: Recorder): void {
  const openStreams = new Set<() => void>()
  // Ends the streams. Otherwise close() waits for them forever.
  app.addHook('preClose', async () => { for (const end of openStreams) end() })

  app.get<{ Querystring: Static<typeof Query> }>('/demo/events', {
    schema: { ...HIDDEN_SCHEMA, querystring: Query }
  }, (request, reply) => {
    reply.hijack()
    const stream = reply.raw
    const unsubscribe = recorder.subscribe(request.query.visitor, (event) => {
      stream.write(`data: ${JSON.stringify(event)}\n\n`)
    })
    const end = () => stream.end()
    openStreams.add(end)
    stream.on('close', () => {
      unsubscribe()
      openStreams.delete(end)
    })
    stream.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    stream.write(': hello\n\n')
  })
}
