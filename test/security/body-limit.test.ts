import { request, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import { forge, someClaims } from '../helpers/forged-token.js'
import { assertRefused } from '../helpers/assert-refused.js'
import { startHost } from '../helpers/host.js'

const LIMIT = 8 * 1024

test('T59: a body of more than 8 KiB is refused, unless the host allows it', async (t) => {
  const json = (length: number) => `{"code":"x"${' '.repeat(length - 12)}}`
  const headers = { 'content-type': 'application/json' }
  for (const [bodyLimit, limit] of [[undefined, LIMIT], [100, 100], [20_000, 20_000]] as const) {
    const host = await startHost(t, { options: { routes: { login: { bodyLimit } } } })
    const { token } = await host.signIn()
    const login = (length: number) => host.app.inject({ method: 'POST', url: '/weapp/login', headers, payload: json(length) })
    assertRefused(t, await login(limit), 401, 'FST_WEAPP_CODE_INVALID')
    t.equal((await login(limit + 1)).statusCode, 413)
    const logout = await host.post('/weapp/logout', { any: 'x'.repeat(LIMIT) }, token)
    t.equal(logout.statusCode, 413, 'the logout has a limit of its own')
  }
})

test('T59: a multipart parser of the host reads nothing of a login', async (t) => {
  let read = 0
  const { app } = await startHost(t, {
    before: (app) => app.addContentTypeParser('multipart/form-data', async (_request: unknown, payload: IncomingMessage) => {
      for await (const chunk of payload) read += chunk.length
    })
  })
  const headers = { 'content-type': 'multipart/form-data; boundary=x' }
  const login = await app.inject({ method: 'POST', url: '/weapp/login', headers, payload: 'x'.repeat(100_000) })
  t.strictSame([login.statusCode, read], [415, 0])
})

for (const hook of ['preHandler', 'onRequest'] as const) {
  test(`T59: logout and session refuse a stranger before the body is read (${hook})`, async (t) => {
    const { app } = await startHost(t, { options: { hook } })
    await app.listen({ port: 0, host: '127.0.0.1' })
    const { port } = app.server.address() as AddressInfo
    for (const [method, path] of [['POST', '/weapp/logout'], ['GET', '/weapp/session']] as const) {
      for (const [authorization, code] of [
        [undefined, 'FST_WEAPP_TOKEN_MISSING'], ['Bearer x', 'FST_WEAPP_TOKEN_INVALID'],
        [`Bearer ${forge(someClaims())}`, 'FST_WEAPP_SESSION_EXPIRED']
      ] as const) {
        const response = await new Promise<IncomingMessage>((resolve, reject) => {
          // The body is announced and never sent.
          const headers = {
            'content-type': 'application/json', 'content-length': LIMIT, ...authorization !== undefined && { authorization }
          }
          const stranger = request({ port, host: '127.0.0.1', method, path, headers }, resolve)
          stranger.on('error', reject)
          stranger.flushHeaders()
          t.teardown(() => stranger.destroy())
        })
        t.strictSame([response.statusCode, response.headers['weapp-error']], [401, code], `${method} ${path}`)
      }
    }
  })
}

test('T59: a rate limit of the host counts strangers before they are refused', async (t) => {
  let counted = 0
  const onRequest = async () => { counted += 1 }
  const { post } = await startHost(t, { options: { routes: { logout: { onRequest } } } })
  assertRefused(t, await post('/weapp/logout'), 401, 'FST_WEAPP_TOKEN_MISSING')
  t.equal(counted, 1)
})
