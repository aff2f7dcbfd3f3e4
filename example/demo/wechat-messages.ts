/**
 * Records the messages between this server and WeChat from the events of undici: every attempt with HTTP status and
 * errcode. The plugin's channel `fastify-weapp.wechat` publishes one event per call, including its retries.
 */
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import type { FastifyInstance } from 'fastify'
import type { WeappEvents } from 'fastify-weapp'
import { fieldsOf, parseJson, urlWithoutSecrets, withoutSecrets } from './fields.js'
import { demoContext, type RecordedResponse, type Recorder } from './recorder.js'

/**
 * The members of undici's request that the demo uses.
 *
 * @see https://undici.nodejs.org/#/docs/api/DiagnosticsChannel.md
 */
interface UndiciRequest {
  origin: string
  method: string
  path: string
  body: Buffer | null
}

interface Call {
  recordResponse (response: RecordedResponse): void
  status: number
  chunks: Buffer[]
}

export function recordWechat (app: FastifyInstance, recorder: Recorder, wechatUrl: string): void {
  const calls = new WeakMap<UndiciRequest, Call>()

  const listeners: Record<string, (event: any) => void> = {
    'undici:request:create' ({ request }: { request: UndiciRequest }) {
      const current = demoContext.getStore()
      if (current === undefined || request.origin !== wechatUrl) return
      const { pathname, searchParams } = new URL(request.path, wechatUrl)
      const body = parseJson(request.body)
      const { recordResponse } = recorder.recordRequest(current, {
        from: 'server',
        to: 'wechat',
        title: `${request.method} ${pathname}`,
        fields: fieldsOf({ ...Object.fromEntries(searchParams), ...body }),
        detail: {
          line: `${request.method} ${urlWithoutSecrets(request.path)}`, headers: {}, body: withoutSecrets(body)
        }
      })
      calls.set(request, { recordResponse, status: 0, chunks: [] })
    },
    'undici:request:headers' ({ request, response }) {
      const call = calls.get(request)
      if (call !== undefined) call.status = response.statusCode
    },
    'undici:request:bodyChunkReceived' ({ request, chunk }) {
      calls.get(request)?.chunks.push(chunk)
    },
    // The response is complete, and its caller has not received it yet.
    'undici:request:trailers' ({ request }) {
      const call = calls.get(request)
      if (call === undefined) return
      const body = parseJson(Buffer.concat(call.chunks))
      const errcode = body?.errcode || null
      call.recordResponse({
        status: call.status,
        code: errcode === null ? null : `errcode ${errcode}`,
        fields: errcode === null ? fieldsOf(body) : [],
        detail: { line: `HTTP ${call.status}`, headers: {}, body: withoutSecrets(body) }
      })
    },
    'undici:request:error' ({ request }) {
      calls.get(request)?.recordResponse({
        status: null, code: 'no answer', fields: [], detail: { line: 'no answer', headers: {}, body: undefined }
      })
    }
  }
  for (const [name, listener] of Object.entries(listeners)) {
    subscribe(name, listener)
    app.addHook('onClose', async () => { unsubscribe(name, listener) })
  }
}

/** Records the plugin's operations: decryptions, and failures of the store. */
export function recordOperations (app: FastifyInstance, recorder: Recorder): void {
  const listeners = {
    decrypt: ({ error }: WeappEvents['fastify-weapp.decrypt']) => {
      const current = demoContext.getStore()
      if (current !== undefined) recorder.recordOperation(current, 'decrypt', { code: codeOf(error) })
    },
    store: ({ error }: WeappEvents['fastify-weapp.store']) => {
      const current = demoContext.getStore()
      if (current === undefined || error === undefined) return
      recorder.recordOperation(current, 'store', { code: codeOf(error) })
    }
  }
  for (const [name, listener] of Object.entries(listeners)) {
    const { asyncEnd } = tracingChannel(`fastify-weapp.${name}`)
    asyncEnd.subscribe(listener as (event: unknown) => void)
    app.addHook('onClose', async () => { asyncEnd.unsubscribe(listener as (event: unknown) => void) })
  }
}

function codeOf (error: unknown): string | null {
  return error === undefined ? null : (error as { code?: string }).code ?? 'failed'
}
