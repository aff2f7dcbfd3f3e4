import auth from '@fastify/auth'
import { test } from 'tap'
import { startHost } from '../helpers/host.js'
import { assertRoutes } from '../helpers/assert-routes.js'

const API_KEY = 'key of a server of the host'

test('@fastify/auth: app.weapp.authenticate composes with a host strategy', async (t) => {
  const host = await startHost(t, {
    before: async (app) => { await app.register(auth) },
    after: (app) => {
      const byKey = async (request: { headers: Record<string, unknown> }) => {
        if (request.headers['x-api-key'] !== API_KEY) throw Object.assign(new Error('no key'), { statusCode: 403 })
      }
      const { authenticate } = app.weapp
      for (const [url, preHandler] of [
        ['/either', app.auth([byKey, authenticate])],
        ['/either-token-first', app.auth([authenticate, byKey])],
        ['/both', app.auth([byKey, authenticate], { relation: 'and' })],
        ['/both-token-first', app.auth([authenticate, byKey], { relation: 'and' })]
      ] as const) {
        app.get(url, { preHandler }, async (request) => ({ openid: request.weapp?.openid ?? null }))
      }
    }
  })
  await assertRoutes(t, host)

  const { token } = await host.signIn()
  const openid = host.wechat.openid('alice')
  const authorization = `Bearer ${token}`
  const get = (url: string, headers: Record<string, string>) => host.app.inject({ url, headers })

  for (const url of ['/either', '/either-token-first']) {
    t.match((await get(url, { authorization })).json(), { openid: String }, `${url} by token`)
    const byKey = await get(url, { 'x-api-key': API_KEY })
    t.equal(byKey.statusCode, 200, `${url} by key`)
    t.strictSame(byKey.json(), { openid: null })
    for (const header of ['weapp-error', 'www-authenticate', 'cache-control']) {
      t.equal(byKey.headers[header], undefined, `a successful response has no ${header}`)
    }
    const neither = await get(url, {})
    t.ok([401, 403].includes(neither.statusCode), `${url} with neither`)
  }

  for (const url of ['/both', '/both-token-first']) {
    t.strictSame((await get(url, { authorization, 'x-api-key': API_KEY })).json(), { openid }, `${url} by both`)
    t.equal((await get(url, { authorization })).statusCode, 403, `${url} by token alone`)
    const byKey = await get(url, { 'x-api-key': API_KEY })
    t.equal(byKey.statusCode, 401, `${url} by key alone`)
    t.equal(byKey.headers['weapp-error'], 'FST_WEAPP_TOKEN_MISSING')
  }
})
