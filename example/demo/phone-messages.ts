/** Records the messages between the phone and this server. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { fieldsOf, parseJson, withoutSecrets } from './fields.js'
import { HIDDEN } from './messages.js'
import { demoContext, type DemoContext, type Recorder } from './recorder.js'
import { contextOf } from './visitor.js'

interface Recording {
  context: DemoContext
  message: ReturnType<Recorder['recordRequest']> | null
}

/** Records requests with the headers of the page's phones. Other requests are ignored. */
export function recordPhone (app: FastifyInstance, recorder: Recorder): void {
  const recordings = new WeakMap<FastifyRequest, Recording>()

  function recordOnce (request: FastifyRequest, recording: Recording): void {
    const hasToken = request.headers.authorization !== undefined
    const type = request.headers['content-type']
    recording.message ??= recorder.recordRequest(recording.context, {
      from: 'phone',
      to: 'server',
      title: `${request.method} ${request.url}`,
      fields: [...fieldsOf(request.body), ...hasToken ? [{ name: 'token', value: null }] : []],
      detail: {
        line: `${request.method} ${request.url}`,
        headers: {
          ...type !== undefined && { 'content-type': type }, ...hasToken && { authorization: `Bearer ${HIDDEN}` }
        },
        body: withoutSecrets(request.body)
      },
      batch: Number(request.headers['demo-batch']) || null
    })
  }

  app.addHook('onRequest', (request, _reply, done) => {
    const found = contextOf(request)
    if (found === null) return done()
    recordings.set(request, { context: found, message: null })
    demoContext.run(found, done)
  })

  app.addHook('preValidation', (request, _reply, done) => {
    const recording = recordings.get(request)
    if (recording === undefined) return done()
    recordOnce(request, recording)
    // Enters the context again, because reading the body on socket events has left it.
    demoContext.run(recording.context, done)
  })

  // Before the response is sent, so that the page receives the event no later than the response. A hook of the route
  // runs last, when the headers are complete.
  app.addHook('onRoute', (route) => {
    route.onSend = [...[route.onSend ?? []].flat(), async (request, reply, payload) => {
      const recording = recordings.get(request)
      if (recording === undefined) return payload
      // Records requests that were refused before their body was read, for example by the rate limit.
      recordOnce(request, recording)
      const { id, recordResponse } = recording.message!
      recordResponse(responseOf(reply, payload))
      reply.header('demo-message', id)
      return payload
    }]
  })
}

/** The headers of a response that matter to a client. */
const HEADERS = ['content-type', 'cache-control', 'weapp-error', 'www-authenticate', 'retry-after']

function responseOf (reply: FastifyReply, payload: unknown) {
  const body = parseJson(payload)
  const isRefusal = reply.statusCode >= 400
  return {
    status: reply.statusCode,
    code: isRefusal ? String(reply.getHeader('weapp-error') ?? body?.code ?? reply.statusCode) : null,
    fields: isRefusal ? [] : fieldsOf(body),
    detail: {
      line: `HTTP ${reply.statusCode}`,
      headers: Object.fromEntries(HEADERS.filter((name) => reply.hasHeader(name)).map((name) => {
        return [name, String(reply.getHeader(name))]
      })),
      body: withoutSecrets(body)
    }
  }
}
