import fastifyJwt from '@fastify/jwt'
import type { FastifyInstance } from 'fastify'
import { test, type Test } from 'tap'
import { startHost } from '../helpers/host.js'
import { assertRoutes } from '../helpers/assert-routes.js'

const registerJwt = async (app: FastifyInstance) => {
  await app.register(fastifyJwt, { secret: 'the secret of the host itself' })
}

function addHostRoutes (app: FastifyInstance): void {
  app.post('/host/login', async () => ({ token: app.jwt.sign({ name: 'Bob' }) }))
  app.get('/host/me', { onRequest: (request) => request.jwtVerify() }, async (request) => request.user)
  app.get('/both', { config: { weapp: true } }, async (request) => {
    return { user: request.user ?? null, openid: request.weapp?.openid }
  })
}

async function checkBothSides (t: Test, options: Parameters<typeof startHost>[1]): Promise<void> {
  const host = await startHost(t, options)
  await assertRoutes(t, host)

  const { token: hostToken } = (await host.post('/host/login')).json()
  t.match((await host.get('/host/me', hostToken)).json(), { name: 'Bob' }, 'the host signs and verifies its tokens')
  t.equal((await host.get('/host/me')).json().code, 'FST_JWT_NO_AUTHORIZATION_IN_HEADER')

  const { token } = await host.signIn()
  t.equal((await host.get('/host/me', token)).statusCode, 401, 'the host refuses a token of the plugin')
  const { code } = (await host.get('/me', hostToken)).json()
  t.equal(code, 'FST_WEAPP_TOKEN_INVALID', 'the plugin refuses a token of the host')
  const both = (await host.get('/both', token)).json()
  t.strictSame(both, { user: null, openid: host.wechat.openid('alice') }, 'the plugin never sets request.user')
}

test('@fastify/jwt: the host may register it before the plugin', (t) => checkBothSides(t, {
  before: async (app) => {
    await registerJwt(app)
    addHostRoutes(app)
  }
}))

test('@fastify/jwt: the host may register it after the plugin', (t) => checkBothSides(t, {
  after: async (app) => {
    await registerJwt(app)
    addHostRoutes(app)
  }
}))
