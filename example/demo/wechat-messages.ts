/**
 * Takes down what passes between this server and WeChat, as the HTTP client saw it: every try, with the HTTP status and
 * the errcode. (The plugin's own channel `fastify-weapp.wechat` tells of a call as a whole, repeats included.)
 */
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel'
import type { FastifyInstance } from 'fastify'
import type { WeappEvents } from 'fastify-weapp'
import { fieldsOf, parsed } from './fields.js'
import { scene, type Answer, type Tape } from './tape.js'

/** Of undici's request what is needed here: https://undici.nodejs.org/#/docs/api/DiagnosticsChannel.md */
interface UndiciRequest {
  origin: string
  method: string
  path: string
  body: Buffer | null
}

interface Call {
  answer (answer: Answer): void
  status: number
  chunks: Buffer[]
}

export function recordWechat (app: FastifyInstance, tape: Tape, wechatUrl: string): void {
  const calls = new WeakMap<UndiciRequest, Call>()

  const moments: Record<string, (event: any) => void> = {
    'undici:request:create' ({ request }: { request: UndiciRequest }) {
      const current = scene.getStore()
      if (current === undefined || request.origin !== wechatUrl) return
      const { pathname, searchParams } = new URL(request.path, wechatUrl)
      const { answer } = tape.ask(current, {
        from: 'server',
        to: 'wechat',
        title: `${request.method} ${pathname}`,
        fields: fieldsOf({ ...Object.fromEntries(searchParams), ...parsed(request.body) })
      })
      calls.set(request, { answer, status: 0, chunks: [] })
    },
    'undici:request:headers' ({ request, response }) {
      const call = calls.get(request)
      if (call !== undefined) call.status = response.statusCode
    },
    'undici:request:bodyChunkReceived' ({ request, chunk }) {
      calls.get(request)?.chunks.push(chunk)
    },
    // The end of the answer, before whoever asked is told.
    'undici:request:trailers' ({ request }) {
      const call = calls.get(request)
      if (call === undefined) return
      const body = parsed(Buffer.concat(call.chunks))
      const errcode = body?.errcode || null
      call.answer({ status: call.status, code: errcode === null ? null : `errcode ${errcode}`, fields: errcode === null ? fieldsOf(body) : [] })
    },
    'undici:request:error' ({ request }) {
      calls.get(request)?.answer({ status: null, code: 'no answer', fields: [] })
    }
  }
  for (const [name, listener] of Object.entries(moments)) {
    subscribe(name, listener)
    app.addHook('onClose', async () => { unsubscribe(name, listener) })
  }
}

/** What the plugin tells of its own work: data opened or not, and a store that fails. */
export function recordWork (app: FastifyInstance, tape: Tape): void {
  const listeners = {
    decrypt: ({ error }: WeappEvents['fastify-weapp.decrypt']) => {
      const current = scene.getStore()
      if (current !== undefined) tape.work(current, 'decrypt', codeOf(error))
    },
    store: ({ error }: WeappEvents['fastify-weapp.store']) => {
      const current = scene.getStore()
      if (current !== undefined && error !== undefined) tape.work(current, 'store', codeOf(error))
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
