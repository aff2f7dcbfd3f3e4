/** Takes down what passes between the phone and this server. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { fieldsOf, parsed } from './fields.js'
import { scene, type Scene, type Tape } from './tape.js'
import { sceneOf } from './visitor.js'

interface Recording {
  scene: Scene
  message: ReturnType<Tape['ask']> | null
}

/** Only requests of the page's own phones are taken down: they say so in a header. */
export function recordPhone (app: FastifyInstance, tape: Tape): void {
  const recordings = new WeakMap<FastifyRequest, Recording>()

  function begin (request: FastifyRequest, recording: Recording): void {
    const token = request.headers.authorization === undefined ? [] : [{ name: 'token', value: null }]
    recording.message ??= tape.ask(recording.scene, {
      from: 'phone',
      to: 'server',
      title: `${request.method} ${request.url}`,
      fields: [...fieldsOf(request.body), ...token],
      volley: Number(request.headers['demo-volley']) || null
    })
  }

  app.addHook('onRequest', (request, _reply, done) => {
    const found = sceneOf(request)
    if (found === null) return done()
    recordings.set(request, { scene: found, message: null })
    scene.run(found, done)
  })

  app.addHook('preValidation', (request, _reply, done) => {
    const recording = recordings.get(request)
    if (recording === undefined) return done()
    begin(request, recording)
    // Again: the body was read on events of the socket, which know nothing of the scene.
    scene.run(recording.scene, done)
  })

  // Before the answer leaves, so that a page hears of it no later than the phone in it.
  app.addHook('onSend', (request, reply, payload, done) => {
    const recording = recordings.get(request)
    if (recording !== undefined) {
      // Whatever was refused before its body was read, by the rate limit for one.
      begin(request, recording)
      const { id, answer } = recording.message!
      answer(answerOf(reply, payload))
      reply.header('demo-message', id)
    }
    done(null, payload)
  })
}

function answerOf (reply: FastifyReply, payload: unknown) {
  const body = parsed(payload)
  const isRefusal = reply.statusCode >= 400
  return {
    status: reply.statusCode,
    code: isRefusal ? String(reply.getHeader('weapp-error') ?? body?.code ?? reply.statusCode) : null,
    fields: isRefusal ? [] : fieldsOf(body)
  }
}
