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
  app.get('/both', { config: { weapp: true } }, async (request) => ({ user: request.user ?? null, openid: request.weapp?.openid }))
}

async function checkBothSides (t: Test, options: Parameters<typeof startHost>[1]): Promise<void> {
  const host = await startHost(t, options)
  await assertRoutes(t, host)

  const { token: theirs } = (await host.post('/host/login')).json()
  t.match((await host.get('/host/me', theirs)).json(), { name: 'Bob' }, 'the host signs and verifies')
  t.equal((await host.get('/host/me')).json().code, 'FST_JWT_NO_AUTHORIZATION_IN_HEADER')

  const { token: ours } = await host.signIn()
  t.equal((await host.get('/host/me', ours)).statusCode, 401, 'our token is not one of the host')
  t.equal((await host.get('/me', theirs)).json().code, 'FST_WEAPP_TOKEN_INVALID', 'nor the other way round')
  t.strictSame((await host.get('/both', ours)).json(), { user: null, openid: host.wechat.openid('alice') }, 'request.user is left to the host')
}

test("a host's own @fastify/jwt, registered before", (t) => checkBothSides(t, {
  before: async (app) => {
    await registerJwt(app)
    addHostRoutes(app)
  }
}))

test("a host's own @fastify/jwt, registered after", (t) => checkBothSides(t, {
  after: async (app) => {
    await registerJwt(app)
    addHostRoutes(app)
  }
}))
