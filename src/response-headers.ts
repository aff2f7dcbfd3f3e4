/**
 * The response headers about the session of a phone. They are set under any error handler and framework:
 * - `weapp-error` and the other headers of a WeappError, if the response is that error
 * - `weapp-session`, if an optional route served a request as a guest because its token was refused
 */
import type { FastifyInstance, FastifyReply } from 'fastify'
import { isWeappError, type WeappError, type WeappErrorCode } from './errors.js'

/** A symbol that is not declared to Fastify, which would set it on every request. */
const kThrown = Symbol('fastify-weapp.thrown')

interface RequestWithError {
  [kThrown]?: WeappError
}

/**
 * Records an error that the plugin throws into code of the host. Frameworks such as NestJS catch it and reply with a
 * body of their own, so Fastify's `onError` never runs.
 */
export function recordThrown (request: object, error: unknown): void {
  if (isWeappError(error)) (request as RequestWithError)[kThrown] = error
}

/** Sets the headers of a response to a guest whose token was refused. */
export function setGuestHeaders (reply: FastifyReply, code: WeappErrorCode): void {
  reply.headers({ 'weapp-session': code, 'cache-control': 'no-store' })
}

/** Adds the hooks that set the headers to the scope of the host. */
export function addHeaderHooks (fastify: FastifyInstance): void {
  // onError runs before the error handler of the host, which would drop the headers of an error. It runs only if the
  // error is sent: not on an optional route, and not if another strategy of @fastify/auth succeeds.
  fastify.addHook('onError', async (_request, reply, error) => {
    if (isWeappError(error)) setErrorHeaders(reply, error)
  })

  fastify.addHook('onSend', (request, reply, payload, done) => {
    const thrown = (request as RequestWithError)[kThrown]
    if (thrown === undefined && !reply.hasHeader('weapp-session')) return done()
    const body = isResponse(payload) ? unwrap(reply, payload) : payload
    // With another status, the host has handled the error itself.
    if (thrown?.statusCode === reply.statusCode && !reply.hasHeader('weapp-error')) setErrorHeaders(reply, thrown)
    // The host may allow caches to store its response. A cache would send the code to other phones.
    if (reply.hasHeader('weapp-session')) forbidStoring(reply)
    done(null, body)
  })
}

function setErrorHeaders (reply: FastifyReply, error: WeappError): void {
  if (reply.getHeader('weapp-session') === error.code) reply.removeHeader('weapp-session')
  reply.headers(error.headers)
}

/** Recognizes a Response of any implementation, as Fastify does. */
function isResponse (payload: unknown): payload is Response {
  return Object.prototype.toString.call(payload) === '[object Response]'
}

/** Moves the status and headers of a Response to the reply. Fastify would do so after all hooks. Returns the body. */
function unwrap (reply: FastifyReply, { status, headers, body }: Response): unknown {
  reply.code(status)
  for (const [name, value] of headers) reply.header(name, value)
  return body
}

/** Sets `Cache-Control: no-store`, unless a header of the host contains it. */
export function forbidStoring (reply: FastifyReply): void {
  if (!/\bno-store\b/i.test(String(reply.getHeader('cache-control')))) reply.header('cache-control', 'no-store')
}
